"""Whom a search is given to: our algorithms and the packages they are compared with, behind one pair of verbs, ask and tell.

Ours are asked as the service asks them: with the whole history, and points go through the check of every suggestion. The packages are
used as their documentation says, with parameters in their own words, so that what our translation costs or gains shows.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import mixed_space

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.trial import TrialState
from katib.space.parameter import Choice, Double, Grid
from katib.space.space import Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.space.parameter import Parameter
    from katib.space.point import Point

__all__ = ["PACKAGES", "Rival", "distributions_of", "rival", "told_of"]

PACKAGES: Final = ("optuna TPE", "optuna TPE, multivariate", "cmaes package")
"""Those that are not ours."""


class Rival(Protocol):
    """One search: asked for points, told of results in the order in which trials end."""

    def ask(self, count: int) -> list[Point]:
        """Return the next points to try; they run until they are told of."""

    def tell(self, place: int, value: float | None) -> None:
        """Take in the result of the trial that was asked for as number ``place``; None when it failed."""


def rival(name: str, parameters: Sequence[dict[str, Any]], seed: int) -> Rival:
    """Return a new search by an algorithm of ours or one of ``PACKAGES``."""
    if name not in PACKAGES:
        return _Ours(name, parameters, seed)
    space = Space.from_spec(mixed_space.experiment_spec("random", parameters=parameters).spec)
    if name == "cmaes package":
        return _CmaesPackage(space, seed)
    return _Optuna(space, seed, multivariate="multivariate" in name)


class _Ours:
    def __init__(self, name: str, parameters: Sequence[dict[str, Any]], seed: int) -> None:
        self._algorithm = registry.create(mixed_space.experiment_spec(name, parameters=parameters), seed)
        self._history = History()

    def ask(self, count: int) -> list[Point]:
        points = suggest(self._algorithm, self._history, count)
        for point in points:
            index = self._history.next_index
            self._history.record(
                PastTrial(index, str(index), point, TrialState.RUNNING, None, mixed_space.STARTED + index, point.labels)
            )
        return points

    def tell(self, place: int, value: float | None) -> None:
        state = TrialState.FAILED if value is None else TrialState.SUCCEEDED
        values = None if value is None else (value,)
        self._history.record(replace(self._history[str(place)], state=state, values=values))


class _Optuna:
    """Optuna's TPE with what our defaults are: running trials count as bad ones."""

    def __init__(self, space: Space, seed: int, *, multivariate: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=multivariate, constant_liar=True)
        self._study = optuna.create_study(sampler=sampler)
        self._space = space
        self._distributions = distributions_of(space)

    def ask(self, count: int) -> list[Point]:
        return [self._point(self._study.ask(self._distributions).params) for _ in range(count)]

    def _point(self, values: dict[str, Any]) -> Point:
        return self._space.point(
            {
                name: self._space[name].at(value) if _by_place(self._space[name]) else value
                for name, value in values.items()
            }
        )

    def tell(self, place: int, value: float | None) -> None:
        import optuna

        if value is None:
            self._study.tell(place, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(place, value)


def distributions_of(space: Space) -> dict[str, Any]:
    """Return the parameters in optuna's words; equal steps are told by their places."""
    return {parameter.name: _distribution(parameter) for parameter in space.parameters}


def told_of(space: Space, point: Point) -> dict[str, Any]:
    """Return a point's values in optuna's words."""
    return {name: space[name].index_of(value) if _by_place(space[name]) else value for name, value in point.items()}


def _by_place(parameter: Parameter) -> bool:
    return isinstance(parameter, Grid) and parameter.distribution == "uniform"


def _distribution(parameter: Parameter) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter, Double):
        return FloatDistribution(parameter.low, parameter.high, log=parameter.distribution == "logUniform")
    if isinstance(parameter, Grid) and parameter.distribution == "logUniform":
        return IntDistribution(int(parameter.low), int(parameter.high), log=True)
    return IntDistribution(0, (parameter.cardinality or 1) - 1)


class _CmaesPackage:
    """The package's CMA, or CatCMAwM where not all parameters are numbers without gaps, on the unit cube.

    It begins where ours does. A generation is as many results as the population has, whichever draws they are of; a failed trial
    counts as the worst one.
    """

    def __init__(self, space: Space, seed: int) -> None:
        import numpy as np
        from cmaes import CMA, CatCMAwM

        self._space = space
        self._plain = [parameter for parameter in space.parameters if isinstance(parameter, Double)]
        self._listed = [parameter for parameter in space.parameters if isinstance(parameter, Grid)]
        self._choices = [parameter for parameter in space.parameters if isinstance(parameter, Choice)]
        self._mixed = bool(self._listed or self._choices)
        numbers = len(self._plain) + len(self._listed)
        popsize = 4 + math.floor(3 * math.log(space.dimension))
        if self._mixed:
            self._cma: Any = CatCMAwM(
                x_space=[[0.0, 1.0]] * len(self._plain) or None,
                z_space=[[p.to_unit(p.at(i)) for i in range(p.cardinality)] for p in self._listed] or None,
                c_space=[p.cardinality for p in self._choices] or None,
                population_size=popsize,
                mean=np.full(numbers, 0.5),
                sigma=1 / 8,
                cov=np.eye(numbers),
                seed=seed,
            )
        else:
            bounds = np.tile([0.0, 1.0], (numbers, 1))
            self._cma = CMA(mean=np.full(numbers, 0.5), sigma=1 / 6, bounds=bounds, population_size=popsize, seed=seed)
        self._popsize = popsize
        self._asked: list[Any] = []
        self._told: list[tuple[Any, float | None]] = []

    def ask(self, count: int) -> list[Point]:
        points = []
        for _ in range(count):
            solution = self._cma.ask()
            self._asked.append(solution)
            points.append(self._space.point(self._values(solution)))
        return points

    def _values(self, solution: Any) -> dict[str, Any]:
        if not self._mixed:
            return {p.name: p.from_unit(float(u)) for p, u in zip(self._plain, solution, strict=True)}
        values: dict[str, Any] = {}
        for parameters, part in ((self._plain, solution.x), (self._listed, solution.z)):
            values |= {
                p.name: p.from_unit(float(u)) for p, u in zip(parameters, part if parameters else (), strict=True)
            }
        for row, parameter in enumerate(self._choices):
            values[parameter.name] = parameter.at(int(solution.c[row].argmax()))
        return values

    def tell(self, place: int, value: float | None) -> None:
        self._told.append((self._asked[place], value))
        if len(self._told) < self._popsize:
            return
        known = [value for _, value in self._told if value is not None]
        worst = max(known, default=0.0)
        if known and min(known) < worst:  # CatCMAwM divides by the spread
            self._cma.tell([(solution, worst if value is None else value) for solution, value in self._told])
        self._told = []
