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
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import field_validator

from katib.algorithm import call
from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import draw_unseen, list_unseen
from katib.api.trial import TrialState
from katib.errors import Problem
from suggestions._model_rows import LISTED, Cube
from suggestions._surrogates import Process, Trees, promise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.random import Generator
    from numpy.typing import NDArray
    from pydantic import ValidationInfo

    from katib.algorithm.history import History, PastTrial
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point
    from katib.space.space import Space

    Array = NDArray[Any]

_LOGGER: Final = logging.getLogger(__name__)
_LABEL: Final = "katib.kubeflow.org/acquisition-function"
_PORTFOLIO: Final = ("EI", "LCB", "PI")
_PER_SECOND: Final = {"EIps": "EI", "PIps": "PI"}
_SHORTEST: Final = 0.5
"""Seconds a trial counts as having taken at least: Katib tells whole ones."""

_ROWS: Final = 400
"""Trials a model knows at most."""
_FEWEST_ROWS: Final = 50
_UNHURRIED: Final = 10.0
"""Seconds of a caller's deadline from which on the model is as large as it may be; it takes about a tenth of that."""
_SPARE: Final = 0.1
"""Seconds kept for handing the points over."""
_MOST_STRATA: Final = 10_000
"""Initial points that can form a Latin hypercube; more are just random."""
_PENDING_ROWS: Final = 100
"""Running trials a model knows at most, the latest ones."""
_CANDIDATES: Final = 2_000
_CANDIDATES_NEAR: Final = 500
"""Of the candidates, those that are small changes of the best points."""
_DECODED: Final = 200
"""Candidates, best first, that are looked at before none of them counts as new."""
_STARTS: Final = 4
_NEAR: Final = 1e-6
"""In a model's rows, nearer points are the same point: a failed one is not asked again with another last digit."""
_APART: Final = 1e-3
"""How far a point keeps away from those without a result: where nothing promises much, the most is beside one of them."""


class BayesianOptimization(Algorithm, name="bayesianoptimization"):
    """A model of the objective, by default a Gaussian process, says where the next trial promises most.

    The first points are a Latin hypercube. Points of one call differ and are spread, and no point comes twice while the space has others.
    From 400 results on, the model is fitted to the best, the latest and a random choice of the others, and to fewer when the caller
    does not wait that long. One objective only.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``bayesianoptimization``."""

        base_estimator: Literal["GP", "RF", "ET", "GBRT"] = "GP"
        """The model: Gaussian process, random forest, extra trees or gradient boosted trees."""
        n_initial_points: int = 10
        """Points that are chosen before there is a model, 0 or more; there is none either before two results are known."""
        acq_func: Literal["gp_hedge", "LCB", "EI", "PI", "EIps", "PIps"] = "gp_hedge"
        """What promises most: lower confidence bound, expected improvement, probability of improvement, or a portfolio of the
        three; EIps and PIps ask for the improvement per second, by a second model of how long trials take."""
        acq_optimizer: Literal["auto", "sampling", "lbfgs"] = "auto"
        """How that point is found: the best of many candidates, or climbing on from them, which needs GP; auto climbs with GP."""
        random_state: int | None = None
        """Seed of this search, 0 or more; without it the experiment's seed is used."""

        @field_validator("base_estimator", "acq_func", "acq_optimizer", mode="before")
        @classmethod
        def _is_supported(cls, value: object, info: ValidationInfo) -> object:
            allowed = {
                "base_estimator": ("GP", "RF", "ET", "GBRT"),
                "acq_func": ("gp_hedge", *_PORTFOLIO, *_PER_SECOND),
                "acq_optimizer": ("auto", "sampling", "lbfgs"),
            }[str(info.field_name)]
            if value not in allowed:
                message = f"{info.field_name} {value} is not supported in Bayesian optimization; it is one of {', '.join(allowed)}"
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
        self._told: set[str] = set()

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
        cube = Cube(space)
        trials, values = self._results(history)
        units = np.array([space.to_unit(trial.point) for trial in trials])
        model: Process | Trees
        if self.settings.base_estimator == "GP":
            model = Process(cube, cube.rows(units), values)
        else:
            seed = self._seed_of(history.next_index) % 2**32
            model = Trees(self.settings.base_estimator, cube.rows(units), values, seed)
        pending = [trial.point for trial in history.running()[-_PENDING_ROWS:]] + designed
        if pending:
            model.believe(cube.rows(np.array([space.to_unit(point) for point in pending])))
        # The best results, best first: where small changes may be improvements.
        promising = units[np.argsort(values, kind="stable")[:10]]
        chances = self._chances(trials, values)
        climbs = self.settings.acq_optimizer in ("auto", "lbfgs")
        search = _Search(space, cube, history, designed, climbs=climbs, times=self._times(cube, trials))
        longest = 0.0
        while len(search.points) < count:
            left = call.seconds_left()
            if left is not None and left < 2 * longest + _SPARE:
                return self._hurried(history, search.points, count)
            rng = self.numpy_rng(history, ahead=len(search.points))
            name = str(rng.choice(_PORTFOLIO, p=chances)) if chances is not None else self.settings.acq_func
            point = search.next(model, name, promising, rng) or self._unseen(history, search.points)
            if point is None:
                break
            search.points.append(point.labelled(**{_LABEL: name}))
            if len(search.points) < count:
                model.believe(cube.rows(np.array([space.to_unit(point)])))
            longest = max(longest, (left or 0.0) - (call.seconds_left() or 0.0))
        return search.points

    def _times(self, cube: Cube, trials: list[PastTrial]) -> Process | None:
        """Return a model of the logarithm of how long trials take; None where nobody asks, or where nothing is known."""
        import numpy as np

        timed = [trial for trial in trials if trial.state is TrialState.SUCCEEDED and trial.seconds is not None]
        if self.settings.acq_func not in _PER_SECOND or len(timed) < 2:  # noqa: PLR2004 - one says nothing about the others
            return None
        units = np.array([self.problem.space.to_unit(trial.point) for trial in timed])
        return Process(cube, cube.rows(units), np.log([max(trial.seconds or 0.0, _SHORTEST) for trial in timed]))

    def _hurried(self, history: History, points: list[Point], count: int) -> list[Point]:
        """Return points of which the last ones are random: there is no time to ask the model about each."""
        self._note("random", f"{count - len(points)} of {count} points are random, as the caller's time runs out")
        while len(points) < count and (point := self._unseen(history, points)) is not None:
            points.append(point)
        return points

    def _results(self, history: History) -> tuple[list[PastTrial], Array]:
        """Return the trials that have ended and what each is worth: small is good, and failed ones are the worst."""
        import numpy as np

        ended = [trial for trial in history if not trial.state.is_active]
        sign = 1.0 if self.problem.objectives[0].minimize else -1.0
        raw = np.array([sign * trial.values[0] if _counts(trial) and trial.values else np.nan for trial in ended])
        values = _levelled(raw)
        rows = _rows_in_time()
        if len(ended) <= rows:
            return ended, values
        self._note(
            f"{rows}",
            f"the model is fitted to {rows} of {len(ended)} results (the best, the latest and some others), to answer in time",
        )
        third = rows // 3
        chosen = {*np.argsort(values, kind="stable")[:third].tolist(), *range(len(ended) - third, len(ended))}
        others = [place for place in range(len(ended)) if place not in chosen]
        chosen |= set(self.numpy_rng(history).choice(others, rows - len(chosen), replace=False).tolist())
        places = sorted(chosen)
        return [ended[place] for place in places], values[places]

    def _note(self, key: str, text: str) -> None:
        """Say how an answer is less than it could be: each time to whoever counts, the first time of its kind in the log."""
        sentence = f"bayesianoptimization of experiment {self.problem.experiment_name!r}: {text}"
        call.note("reduced-model", sentence)
        if key not in self._told:
            self._told.add(key)
            _LOGGER.info("%s", sentence)

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


def _rows_in_time() -> int:
    """Return how many results a model may know, given how long the caller waits: its time grows faster than their square."""
    left = call.seconds_left()
    if left is None or left >= _UNHURRIED:
        return _ROWS
    return max(int(_ROWS * (max(left, 0.0) / _UNHURRIED) ** 0.5), _FEWEST_ROWS)


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


class _Search:
    """Looks for the points of one call.

    Attributes:
        points: Those that were found.
    """

    def __init__(
        self,
        space: Space,
        cube: Cube,
        history: History,
        points: list[Point],
        *,
        climbs: bool,
        times: Process | None = None,
    ) -> None:
        import numpy as np

        self._times = times
        self._space, self._cube, self._history, self._climbs = space, cube, history, climbs
        self.points = points
        self._listed: Any = None
        if space.cardinality is not None and space.cardinality <= LISTED:
            left = [space.to_unit(point) for point in space.grid() if not history.was_tried(point)]
            self._listed = np.array(left).reshape(-1, space.dimension)

    def next(self, model: Process | Trees, name: str, promising: Array, rng: Generator) -> Point | None:
        """Return the point that promises most by this acquisition function; None when no candidate is new."""
        import numpy as np

        units = self._candidates(promising, rng) if self._listed is None else self._listed
        if not len(units):
            return None
        worth = self._worth(model, name, units)
        if self._listed is None and self._climbs and isinstance(model, Process):
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

    def _worth(self, model: Process | Trees, name: str, units: Array) -> Array:
        rows = self._cube.rows(units)
        mean, deviation = model.predict(rows)
        worth = promise(_PER_SECOND.get(name, name), mean, deviation, model.best)[0]
        return worth if self._times is None else worth + self._times.cheapness(rows)

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

    def _ends(self, model: Process, name: str, starts: Array) -> Array:
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
            end[[column.place for column in climbing]] = model.climbed(
                _PER_SECOND.get(name, name), row, free, self._times
            )[free]
            ends.append(end)
        return cube.snapped(np.array(ends)) if ends else np.empty((0, len(cube.columns)))
