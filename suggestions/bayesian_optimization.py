"""Bayesian optimization: a model of the objective says where the next trial promises most (Mockus, 1975; Jones et al., 1998).

The names, values and meaning of the settings are those of Katib's algorithm, which is scikit-optimize's ``Optimizer``. Of that package
the three tree models are used; the Gaussian process and its acquisition functions are ours (``suggestions._gaussian_process`` says why).

- The acquisition functions: expected improvement, of which the logarithm is taken so that it never vanishes (Ament et al., 2023),
  probability of improvement, lower confidence bound, and the portfolio of the three (Hoffman, Brochu and de Freitas, 2011). The
  portfolio's gains come from the results of the points that each function chose, so they are found again from labels.
- Points of one call and running trials: the process believes its own prediction for them, so nothing is gained near them any more;
  trees take them for mediocre (the kriging believer and the constant liar of Ginsbourger, Le Riche and Carraro, 2010).
- A trial that failed counts as the worst result so far.
- Parameters that are not active count as being in the middle of their range, so that every trial teaches something about those that
  are always there; the model knows from the parent's value that they do not matter.
"""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import field_validator

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import draw_unseen, list_unseen
from katib.api.trial import TrialState
from katib.errors import Problem
from suggestions._gaussian_process import GaussianProcess

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator
    from numpy.typing import NDArray
    from pydantic import ValidationInfo

    from katib.algorithm.history import History, PastTrial
    from katib.algorithm.problem import SearchProblem
    from katib.space.parameter import Parameter
    from katib.space.point import Point
    from katib.space.space import Space

    Array = NDArray[Any]

_LOGGER: Final = logging.getLogger(__name__)
_LABEL: Final = "katib.kubeflow.org/acquisition-function"
_PORTFOLIO: Final = ("EI", "LCB", "PI")

_ROWS: Final = 400
"""Trials a model knows at most."""
_FITTED_ROWS: Final = 200
"""Trials the hyperparameters of a Gaussian process are fitted to at most."""
_MOST_STRATA: Final = 10_000
"""Initial points that can form a Latin hypercube; more are just random."""
_PENDING_ROWS: Final = 100
"""Running trials a model knows at most, the latest ones."""
_STEPS: Final = 50
_CANDIDATES: Final = 2_000
_CANDIDATES_NEAR: Final = 500
"""Of the candidates, those that are small changes of the best points."""
_LISTED: Final = 2_000
"""A finite space up to this size is looked at point by point."""
_DECODED: Final = 200
"""Candidates, best first, that are looked at before none of them counts as new."""
_STARTS: Final = 4
_CLIMB: Final = 20
_MARGIN: Final = 0.1
"""By how much PI wants to improve, in deviations of the results: with scikit-optimize's 0.01 it never leaves the first good place."""
_NEAR: Final = 1e-6
"""In a model's rows, nearer points are the same point: a failed one is not asked again with another last digit."""
_APART: Final = 1e-3
"""How far a point keeps away from those without a result: where nothing promises much, the most is beside one of them."""


class BayesianOptimization(Algorithm, name="bayesianoptimization"):
    """A model of the objective, by default a Gaussian process, says where the next trial promises most.

    The first points are a Latin hypercube. Points of one call differ and are spread, and no point comes twice while the space has others.
    From 400 results on, the model is fitted to the best, the latest and a random choice of the others. One objective only.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``bayesianoptimization``."""

        base_estimator: Literal["GP", "RF", "ET", "GBRT"] = "GP"
        """The model: Gaussian process, random forest, extra trees or gradient boosted trees."""
        n_initial_points: int = 10
        """Points that are chosen before there is a model, 0 or more; there is none either before two results are known."""
        acq_func: Literal["gp_hedge", "LCB", "EI", "PI"] = "gp_hedge"
        """What promises most: lower confidence bound, expected improvement, probability of improvement, or a portfolio of the
        three. Katib's EIps and PIps need the time each trial took, which no algorithm is told; in Katib they never worked."""
        acq_optimizer: Literal["auto", "sampling", "lbfgs"] = "auto"
        """How that point is found: the best of many candidates, or climbing on from them, which needs GP; auto climbs with GP."""
        random_state: int | None = None
        """Seed of this search, 0 or more; without it the experiment's seed is used."""

        @field_validator("base_estimator", "acq_func", "acq_optimizer", mode="before")
        @classmethod
        def _is_supported(cls, value: object, info: ValidationInfo) -> object:
            allowed = {
                "base_estimator": ("GP", "RF", "ET", "GBRT"),
                "acq_func": ("gp_hedge", *_PORTFOLIO),
                "acq_optimizer": ("auto", "sampling", "lbfgs"),
            }[str(info.field_name)]
            if value not in allowed:
                why = (
                    ": it needs the time each trial took, which no algorithm is told"
                    if value in ("EIps", "PIps")
                    else f"; it is one of {', '.join(allowed)}"
                )
                message = f"{info.field_name} {value} is not supported in Bayesian optimization{why}"
                raise ValueError(message)
            return value

        @field_validator("n_initial_points", "random_state")
        @classmethod
        def _is_not_negative(cls, value: int | None, info: ValidationInfo) -> int | None:
            if value is not None and value < 0:
                message = f"{info.field_name} should be great or equal than zero"
                raise ValueError(message)
            return value

    def __init__(self, problem: SearchProblem, settings: Any) -> None:
        super().__init__(problem, settings)
        self._told_of_subset = False

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:
        """Refuse several objectives, and climbing on a model that has no slopes."""
        if len(problem.objectives) > 1:
            yield Problem("spec.objectives", "bayesianoptimization has one objective; nsga2 and tpe take several")
        if settings.acq_optimizer == "lbfgs" and settings.base_estimator != "GP":
            yield Problem(
                "spec.algorithm.algorithmSettings",
                f"acq_optimizer lbfgs is not supported in Bayesian optimization with base_estimator "
                f"{settings.base_estimator}, which has no gradient; use auto or sampling",
            )

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return the next points; fewer when a finite space has no more."""
        measured = sum(1 for trial in history.measured() if trial.feasible)
        designed = self.settings.n_initial_points - history.next_index if measured > 1 else count
        points: list[Point] = []
        while len(points) < min(designed, count):
            point = self._design(history, points)
            if point is None:
                return points
            points.append(point)
        if len(points) < count:
            import scipy.optimize  # noqa: F401 - its BLAS is its own, and only what is loaded can be limited
            from threadpoolctl import threadpool_limits

            # Matrices this small gain nothing from a second thread, and on a busy machine the threads wait for each other: 20
            # seconds instead of one. Their number would also change the last digits of an answer.
            with threadpool_limits(limits=1, user_api="blas"):
                points = self._modelled(history, points, count)
        return points

    def _design(self, history: History, points: list[Point]) -> Point | None:
        """Return a point that needs no model: the first ones form a Latin hypercube, later ones are random."""
        import numpy as np

        space = self.problem.space
        place, strata = history.next_index + len(points), self.settings.n_initial_points
        if place < strata <= _MOST_STRATA:
            # The same permutations in every call: they must not depend on how many points a call asks for.
            rng = np.random.default_rng(self._seed_of(-1))
            order = [int(rng.permutation(strata)[place]) for _ in space.parameters]
            offsets = self.numpy_rng(history, ahead=len(points)).random(space.dimension).tolist()
            point = space.from_unit([(stratum + x) / strata for stratum, x in zip(order, offsets, strict=True)])
            if space.satisfies(point) and point not in points and not history.was_tried(point):
                return point
        return self._unseen(history, points)

    def _unseen(self, history: History, points: list[Point]) -> Point | None:
        """Return a random point that was not tried; None when there is none."""
        space, rng = self.problem.space, self.rng(history, ahead=len(points))
        return draw_unseen(space, history, points, rng) or next(iter(list_unseen(space, history, points, 1, rng)), None)

    def _modelled(self, history: History, designed: list[Point], count: int) -> list[Point]:
        """Return the designed points and those that the model chooses beside them."""
        import numpy as np

        space = self.problem.space
        cube = _Cube(space)
        trials, values = self._results(history)
        units = np.array([space.to_unit(trial.point) for trial in trials])
        model: _Process | _Trees
        if self.settings.base_estimator == "GP":
            model = _Process(cube, cube.rows(units), values)
        else:
            seed = self._seed_of(history.next_index) % 2**32
            model = _Trees(self.settings.base_estimator, cube.rows(units), values, seed)
        pending = [trial.point for trial in history.running()[-_PENDING_ROWS:]] + designed
        if pending:
            model.believe(cube.rows(np.array([space.to_unit(point) for point in pending])))
        # The best results, best first: where small changes may be improvements.
        promising = units[np.argsort(values, kind="stable")[:10]]
        chances = self._chances(trials, values)
        search = _Search(space, cube, history, designed, climbs=self.settings.acq_optimizer in ("auto", "lbfgs"))
        while len(search.points) < count:
            rng = self.numpy_rng(history, ahead=len(search.points))
            name = str(rng.choice(_PORTFOLIO, p=chances)) if chances is not None else self.settings.acq_func
            point = search.next(model, name, promising, rng) or self._unseen(history, search.points)
            if point is None:
                break
            search.points.append(point.labelled(**{_LABEL: name}))
            if len(search.points) < count:
                model.believe(cube.rows(np.array([space.to_unit(point)])))
        return search.points

    def _results(self, history: History) -> tuple[list[PastTrial], Array]:
        """Return the trials that have ended and what each is worth: small is good, and failed ones are the worst."""
        import numpy as np

        ended = [trial for trial in history if not trial.state.is_active]
        sign = 1.0 if self.problem.objectives[0].minimize else -1.0
        raw = np.array([sign * trial.values[0] if _counts(trial) and trial.values else np.nan for trial in ended])
        values = _levelled(raw)
        if len(ended) <= _ROWS:
            return ended, values
        if not self._told_of_subset:
            self._told_of_subset = True
            _LOGGER.info(
                "bayesianoptimization of experiment %r: the model is fitted to %d of %d results from now on "
                "(the best, the latest and some others), to answer in time",
                self.problem.experiment_name,
                _ROWS,
                len(ended),
            )
        third = _ROWS // 3
        chosen = {*np.argsort(values, kind="stable")[:third].tolist(), *range(len(ended) - third, len(ended))}
        others = [place for place in range(len(ended)) if place not in chosen]
        chosen |= set(self.numpy_rng(history).choice(others, _ROWS - len(chosen), replace=False).tolist())
        places = sorted(chosen)
        return [ended[place] for place in places], values[places]

    def _chances(self, trials: list[PastTrial], values: Array) -> Array | None:
        """Return how likely each function of the portfolio is to choose next; None without a portfolio."""
        import numpy as np

        if self.settings.acq_func != "gp_hedge":
            return None
        labels = np.array([trial.labels.get(_LABEL, "") for trial in trials])
        known = np.isin(labels, _PORTFOLIO)
        level = values[known].mean() if known.any() else 0.0
        gains = np.array([(level - values[labels == name]).sum() for name in _PORTFOLIO])
        weights = np.exp(gains - gains.max())
        # Each keeps a tenth: one that had bad luck can come back.
        return np.asarray(0.1 + 0.7 * weights / weights.sum())


def _counts(trial: PastTrial) -> bool:
    """Whether a trial has a result that is one: finite or infinite, and within the bounds on other metrics."""
    has_value = trial.state in (TrialState.SUCCEEDED, TrialState.EARLY_STOPPED) and bool(trial.values)
    return has_value and trial.feasible


def _levelled(raw: Array) -> Array:
    """Return values of mean 0 and deviation 1 in the same order, from values of any size, NaN and infinite ones included.

    Half of the results are worse than the median, often by orders of magnitude, and would take all of the model's attention: only
    the logarithm of their distance counts.
    """
    import numpy as np

    finite = np.isfinite(raw)
    known = raw[finite]
    size = np.abs(known).max() or 1.0
    # NaN is the worst; an infinity the end of the range that it is nearest to.
    values = np.clip(np.where(np.isnan(raw), np.inf, raw), known.min(), known.max()) / size
    median = np.median(values[finite])
    spread = (median - values.min()) or (values.max() - median) or 1.0
    with np.errstate(over="ignore"):
        ratio = (values - median) / spread
    values = np.where(ratio > 0, np.log1p(np.clip(ratio, 0.0, 1e3)), ratio)
    deviation = values.std()
    return np.asarray((values - values.mean()) / (deviation if deviation > 0 else 1.0))


class _Column:
    """One parameter in the unit cube, and its columns in a model's rows."""

    def __init__(self, parameter: Parameter, place: int) -> None:
        import numpy as np

        self.place = place
        self.categories = (parameter.cardinality or 0) if parameter.kind == "categorical" else 0
        # Where the values are, if there are few enough to tell them apart.
        self.levels: Any = None
        if parameter.cardinality is not None and parameter.cardinality <= _LISTED:
            self.levels = np.sort([parameter.to_unit(parameter.at(i)) for i in range(parameter.cardinality)])
        self.climbs = not self.categories and (self.levels is None or len(self.levels) > 10)  # noqa: PLR2004
        self.parent = -1
        self.allowed: Any = None

    def snapped(self, units: Array) -> Array:
        """Return the nearest places of values."""
        import numpy as np

        if self.levels is None:
            return np.clip(units, 0.0, 1.0)
        return np.asarray(self.levels[np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, units)])


class _Cube:
    """The unit cube of a space, many points at a time.

    A row of a model has one column for each number and one for each category; ``groups`` says which parameter a column belongs to.
    """

    def __init__(self, space: Space) -> None:
        import numpy as np

        self.columns = [_Column(parameter, place) for place, parameter in enumerate(space.parameters)]
        places = {parameter.name: place for place, parameter in enumerate(space.parameters)}
        for column, parameter in zip(self.columns, space.parameters, strict=True):
            if parameter.activation is not None:
                parent = space[parameter.activation.parent]
                column.parent = places[parent.name]
                column.allowed = np.array(
                    [parent.to_unit(value) for value in parameter.activation.values if parent.contains(value)]
                )
        self.groups = np.repeat(np.arange(len(self.columns)), [column.categories or 1 for column in self.columns])
        self.starts = np.searchsorted(self.groups, np.arange(len(self.columns)))

    def snapped(self, units: Array) -> Array:
        """Return the places of points of the space that are nearest."""
        import numpy as np

        return np.column_stack([column.snapped(units[:, column.place]) for column in self.columns])

    def active(self, units: Array) -> Array:
        """Return which parameters have a value."""
        import numpy as np

        active = np.ones(units.shape, bool)
        for column in self.columns:  # parents come first
            if column.parent >= 0:
                near = np.abs(units[:, column.parent, None] - column.allowed) < 1e-9  # noqa: PLR2004 - rounding
                active[:, column.place] = active[:, column.parent] & near.any(axis=1)
        return active

    def rows(self, units: Array) -> Array:
        """Return what a model sees of points at these places."""
        import numpy as np

        active = self.active(units)
        rows = np.empty((len(units), len(self.groups)))
        for column, start in zip(self.columns, self.starts, strict=True):
            is_active = active[:, column.place]
            if column.categories:
                chosen = np.minimum((units[:, column.place] * column.categories).astype(int), column.categories - 1)
                hot = np.where(is_active[:, None], chosen[:, None] == np.arange(column.categories), 0.0)
                # Two different categories are as far apart as the ends of a range.
                rows[:, start : start + column.categories] = hot / np.sqrt(2)
            else:
                rows[:, start] = np.where(is_active, units[:, column.place], 0.5)
        return rows


class _Process:
    """A Gaussian process that knows the results and believes its predictions of what has none yet.

    Attributes:
        rows: What it was told of.
        known: How many of them, the first ones, have results.
        best: The value to improve on.
    """

    def __init__(self, cube: _Cube, rows: Array, values: Array) -> None:
        self._process = GaussianProcess(cube.groups)
        fitted = slice(None)
        if len(rows) > _FITTED_ROWS:
            # Every second or third row: results lie in the order of their trials, so that good and bad ones are among them.
            fitted = slice(None, None, -(-len(rows) // _FITTED_ROWS))
        self._process.fit(rows[fitted], values[fitted], steps=_STEPS)
        self._process.condition(rows, values)
        self.rows, self.known = rows, len(rows)
        # The least prediction and not the least result, which may be a lucky one of noisy results.
        self.best = float(self._process.predict(rows)[0].min())

    def believe(self, rows: Array) -> None:
        """Know the predictions at these rows as if they were results."""
        predicted = self._process.predict(rows)[0]
        self._process.add(rows, predicted)
        self.rows = self._process.rows
        # What is promised is promised once: the next point has to be better still.
        self.best = min(self.best, float(predicted.min()))

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and deviation."""
        return self._process.predict(rows)

    def climbed(self, name: str, start: Array, free: Array) -> Array:
        """Return the row, of those that differ from the start in free columns only, that promises most nearby."""
        import numpy as np
        from scipy.optimize import minimize

        def loss(part: Array) -> tuple[float, Array]:
            row = start.copy()
            row[free] = part
            mean, deviation, mean_slope, deviation_slope = self._process.gradient(row)
            worth, by_mean, by_deviation = _promise(name, np.array(mean), np.array(deviation), self.best)
            return -float(worth), -(by_mean * mean_slope + by_deviation * deviation_slope)[free]

        found = minimize(
            loss,
            start[free],
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * int(free.sum()),
            options={"maxiter": _CLIMB},
        )
        end = start.copy()
        end[free] = np.clip(found.x, 0.0, 1.0)
        return end


class _Trees:
    """One of scikit-optimize's tree models, fitted again whenever it is told of points without a result.

    Its attributes are those of ``_Process``.
    """

    def __init__(self, kind: str, rows: Array, values: Array, seed: int) -> None:
        self._kind, self._seed = kind, seed
        self.rows, self._values, self.known = rows, values, len(rows)
        self._fit()
        self.best = float(values.min())

    def _fit(self) -> None:
        import numpy as np
        from skopt.utils import cook_estimator

        self._model = cook_estimator(self._kind, random_state=np.random.RandomState(self._seed))
        with warnings.catch_warnings():
            # scikit-optimize still calls scikit-learn as it was some versions ago.
            warnings.simplefilter("ignore")
            self._model.fit(self.rows, self._values)

    def believe(self, rows: Array) -> None:
        """Know a mediocre result at these rows: what trees predict themselves would not make them any surer of it."""
        import numpy as np

        self.rows, self._values = np.vstack([self.rows, rows]), np.append(self._values, np.zeros(len(rows)))
        self._fit()

    def predict(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and deviation."""
        import numpy as np

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._kind == "GBRT":
                # Its own deviation needs a function that numpy 2.4 has no more.
                low, mean, high = self._model.predict(rows, return_quantiles=True).T
                deviation = (high - low) / 2
            else:
                mean, deviation = self._model.predict(rows, return_std=True)
        return mean, np.maximum(deviation, 1e-6)


class _Search:
    """Looks for the points of one call.

    Attributes:
        points: Those that were found.
    """

    def __init__(self, space: Space, cube: _Cube, history: History, points: list[Point], *, climbs: bool) -> None:
        import numpy as np

        self._space, self._cube, self._history, self._climbs = space, cube, history, climbs
        self.points = points
        self._listed: Any = None
        if space.cardinality is not None and space.cardinality <= _LISTED:
            left = [space.to_unit(point) for point in space.grid() if not history.was_tried(point)]
            self._listed = np.array(left).reshape(-1, space.dimension)

    def next(self, model: _Process | _Trees, name: str, promising: Array, rng: Generator) -> Point | None:
        """Return the point that promises most by this acquisition function; None when no candidate is new."""
        import numpy as np

        units = self._candidates(promising, rng) if self._listed is None else self._listed
        if not len(units):
            return None
        worth = self._worth(model, name, units)
        if self._listed is None and self._climbs and isinstance(model, _Process):
            ends = self._ends(model, name, units[np.argsort(-worth, kind="stable")[:_STARTS]])
            if len(ends):
                units = np.vstack([units, ends])
                worth = np.append(worth, self._worth(model, name, ends))
        distances = np.where(np.arange(len(model.rows)) < model.known, _NEAR, _APART)
        for unit in units[np.argsort(-worth, kind="stable")[:_DECODED]]:
            point = self._space.from_unit(unit.tolist())
            row = self._cube.rows(unit[None])
            if self._is_new(point) and (np.abs(row - model.rows).max(axis=1) > distances).all():
                return point
        return None

    def _is_new(self, point: Point) -> bool:
        return point not in self.points and not self._history.was_tried(point) and self._space.satisfies(point)

    def _worth(self, model: _Process | _Trees, name: str, units: Array) -> Array:
        mean, deviation = model.predict(self._cube.rows(units))
        return _promise(name, mean, deviation, model.best)[0]

    def _candidates(self, promising: Array, rng: Generator) -> Array:
        """Return places of points that satisfy the constraints: random ones, and small changes of the promising ones."""
        import numpy as np

        dimension = self._space.dimension
        far = rng.random((_CANDIDATES - _CANDIDATES_NEAR, dimension))
        base = promising[rng.integers(len(promising), size=_CANDIDATES_NEAR)]
        width = 10 ** rng.uniform(-3, -0.5, (_CANDIDATES_NEAR, 1))
        moved = base + width * rng.standard_normal(base.shape)
        # Reflected at the edges: clipping would put half of the moves near an edge on it.
        moved = np.abs(moved)
        moved = np.where(moved > 1, np.maximum(2 - moved, 0.0), moved)
        for column in self._cube.columns:
            if column.categories:
                moved[:, column.place] = rng.random(_CANDIDATES_NEAR)
        changed = rng.random(base.shape) < max(0.3, 2 / dimension)
        units = self._cube.snapped(np.vstack([far, np.where(changed, moved, base)]))
        if not self._space.constraints:
            return units
        kept = [unit for unit in units.tolist() if self._space.satisfies(self._space.from_unit(unit))]
        return np.array(kept).reshape(-1, dimension)

    def _ends(self, model: _Process, name: str, starts: Array) -> Array:
        """Return the places of points where climbing from these starts ends."""
        import numpy as np

        cube, ends = self._cube, []
        active = cube.active(starts)
        for start, row, is_active in zip(starts, cube.rows(starts), active, strict=True):
            climbing = [column for column in cube.columns if column.climbs and is_active[column.place]]
            if not climbing:
                continue
            free = np.zeros(len(row), bool)
            free[[cube.starts[column.place] for column in climbing]] = True
            end = start.copy()
            end[[column.place for column in climbing]] = model.climbed(name, row, free)[free]
            ends.append(end)
        return cube.snapped(np.array(ends)) if ends else np.empty((0, len(cube.columns)))


def _promise(name: str, mean: Array, deviation: Array, best: float) -> tuple[Array, Array, Array]:
    """Return what an acquisition function gives (large is good) and its derivatives by mean and deviation."""
    import numpy as np
    from scipy.special import erfcx, log_ndtr, ndtr

    if name == "LCB":
        kappa = 1.96  # scikit-optimize's
        return kappa * deviation - mean, -np.ones_like(mean), np.full_like(mean, kappa)
    margin = _MARGIN if name == "PI" else 0.0
    u = np.maximum((best - margin - mean) / deviation, -1e4)
    if name == "PI":
        worth = log_ndtr(u)
        rise = np.exp(-0.5 * u**2 - 0.5 * np.log(2 * np.pi) - worth)
        return worth, -rise / deviation, -rise * u / deviation
    # EI = deviation * h(u), h = density + u * ndtr(u), which far below 0 is a difference of nearly equal numbers.
    low = np.minimum(u, -1.0)
    mills = np.sqrt(np.pi / 2) * erfcx(-low / np.sqrt(2))
    rest = np.maximum(1 + low * mills, 1e-12)
    high = np.maximum(u, -1.0)
    direct = np.exp(-0.5 * high**2) / np.sqrt(2 * np.pi) + high * ndtr(high)
    log_h = np.where(u < -1, -0.5 * low**2 - 0.5 * np.log(2 * np.pi) + np.log(rest), np.log(direct))
    rise = np.where(u < -1, mills / rest, ndtr(high) / direct)
    return np.log(deviation) + log_h, -rise / deviation, (1 - rise * u) / deviation
