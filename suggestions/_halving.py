"""What `hyperband` and `asha` share: their settings, the ladder of resources, and where new configurations come from.

It decides nothing about who climbs when; that is the whole difference between the two. How the past is read is in
``suggestions._halving_past``.
"""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import NonNegativeInt, field_validator, model_validator

from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import draw_unseen, list_unseen
from katib.errors import InvalidInput, Problem
from katib.space.parameter import Choice, Double, Grid
from katib.space.point import Point
from katib.space.space import Space

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.space.parameter import Parameter, Value

__all__ = [
    "ROUNDING",
    "SETTINGS",
    "HalvingSettings",
    "Ladder",
    "Supply",
    "problems",
    "share",
]

SETTINGS: Final = "spec.algorithm.algorithmSettings"
_MOST_RUNGS: Final = 100
ROUNDING: Final = 1e-9
"""What a power of eta may be off by, as a share of it."""
_LISTED: Final = 100_000
"""Configurations looked at for what is left of a finite space."""


class HalvingSettings(AlgorithmSettings):
    """Settings of every kind of successive halving."""

    r_l: float
    """The largest resource: what a configuration that is never dropped is trained with at last."""
    resource_name: str
    """The parameter that says how long to train: an int, a double or a discrete one."""
    eta: float = 3.0
    """One of how many configurations goes on, with as many times the resource; 0 and less mean the default, as in Katib."""
    min_resource: float | None = None
    """The smallest resource; by default 1, or the parameter's smallest value when that leaves room for a promotion and 1 does not."""
    random_state: NonNegativeInt | None = None
    """Seed of this search; without it the experiment's seed is used."""

    @model_validator(mode="before")
    @classmethod
    def _as_katib_says(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if values.get("r_l") is None or values.get("resource_name") is None:
            raise ValueError("r_l and resource_name must be set.")
        try:
            most = float(values["r_l"])
        except (TypeError, ValueError):
            most = math.nan
        if not 0 < most < math.inf:
            raise ValueError("r_l must be a positive float number.")
        return values

    @field_validator("eta", mode="before")
    @classmethod
    def _none_is_the_default(cls, value: Any) -> Any:
        return 3.0 if value is None else value

    @field_validator("eta")
    @classmethod
    def _promotes_fewer_than_all(cls, value: float) -> float:
        if value <= 0:
            return 3.0
        if value <= 1:
            raise ValueError("must be more than 1: only one of eta configurations goes on")
        return value


def problems(problem: SearchProblem, settings: HalvingSettings) -> Iterator[Problem]:
    """Yield why successive halving cannot solve this problem with these settings."""
    if len(problem.objectives) != 1:
        yield Problem("spec.objectives", "successive halving ranks by one objective")
    resource = next((each for each in problem.space.parameters if each.name == settings.resource_name), None)
    if resource is None:
        said = "value of resource_name setting must be in parameters."
        yield Problem(SETTINGS, said, settings.resource_name, katib_text=said)
        return
    if resource.kind == "categorical":
        yield Problem(
            SETTINGS,
            "the parameter of resource_name must be an int, a double or a discrete one",
            settings.resource_name,
        )
        return
    if resource.activation is not None:
        yield Problem(
            SETTINGS, "the parameter of resource_name must have a value in every point", settings.resource_name
        )
    for parameter in problem.space.parameters:
        if parameter.activation is not None and parameter.activation.parent == resource.name:
            yield Problem(
                "spec.parameters",
                f"parameter {parameter.name!r} must not depend on {resource.name!r}: a promotion changes the resource only",
            )
    low, high = _limits(resource)
    least = settings.min_resource
    if not low <= settings.r_l <= high or _number(resource, settings.r_l) != settings.r_l:
        yield Problem(
            SETTINGS, f"r_l must be a value of the parameter {resource.name!r}, {low:g} to {high:g}", settings.r_l
        )
    elif least is not None and not max(low, 0) <= least < settings.r_l:
        yield Problem(SETTINGS, f"min_resource must be from {max(low, 0):g} to less than r_l", least)
    elif least == 0 or _rungs(resource, settings) < 1:
        yield Problem(
            SETTINGS,
            f"no promotion fits between the smallest resource and r_l with eta {settings.eta:g}: "
            f"set a smaller min_resource or eta, or a larger r_l",
            settings.r_l,
        )
    elif _rungs(resource, settings) > _MOST_RUNGS:
        yield Problem(SETTINGS, f"eta is so near to 1 that there would be more than {_MOST_RUNGS} rungs", settings.eta)
    elif len(_values(resource, settings)) == 1:
        yield Problem(SETTINGS, f"{resource.name!r} has no value that is smaller than r_l", settings.r_l)


def _limits(resource: Parameter) -> tuple[float, float]:
    if isinstance(resource, (Grid, Double)):
        return float(resource.low), float(resource.high)
    numbers = sorted(map(float, resource.choices)) if isinstance(resource, Choice) else [0.0]
    return numbers[0], numbers[-1]


def _snapped(resource: Parameter, amount: float) -> Value:
    """Return the largest value of the parameter up to an amount, or its smallest one."""
    slack = amount * (1 + ROUNDING)
    if isinstance(resource, Grid):
        steps = math.floor((slack - float(resource.low)) / float(resource.step))
        return resource.at(min(max(steps, 0), resource.cardinality - 1))
    if isinstance(resource, Choice):
        fitting = [choice for choice in resource.choices if float(choice) <= slack]
        return max(fitting, key=float) if fitting else min(resource.choices, key=float)
    low, high = _limits(resource)
    return min(max(amount, low), high)


def _number(resource: Parameter, amount: float) -> float:
    return float(resource.number(_snapped(resource, amount)))


def _rungs(resource: Parameter, settings: HalvingSettings) -> int:
    """Return how often a configuration of the longest bracket is promoted."""
    low, _ = _limits(resource)
    least = settings.min_resource
    if least is None:
        usual = max(low, 1.0)
        least = usual if settings.r_l / usual >= settings.eta * (1 - ROUNDING) else low
    if least <= 0 or least > settings.r_l:
        return 0
    return math.floor(math.log(settings.r_l / least) / math.log(settings.eta) + ROUNDING)


def _values(resource: Parameter, settings: HalvingSettings) -> list[Value]:
    """Return the resource of each rung, smallest first; rungs that a coarse parameter makes equal are one."""
    found: list[Value] = []
    for rung in range(_rungs(resource, settings), -1, -1):
        value = _snapped(resource, settings.r_l * settings.eta**-rung)
        if value not in found:
            found.append(value)
    return found


class Ladder:
    """The resources that configurations climb.

    Attributes:
        values: Of the resource parameter, smallest first.
        top: The index of the last one.
    """

    def __init__(self, problem: SearchProblem, settings: HalvingSettings) -> None:
        self._space = problem.space
        self._name = settings.resource_name
        resource = problem.space[settings.resource_name]
        self.values: tuple[Value, ...] = tuple(_values(resource, settings))
        self.top = len(self.values) - 1
        self._levels = {value: level for level, value in enumerate(self.values)}
        self._barren: dict[int, bool] = {}
        self._below = [self._fixed(resource, value) for value in self.values]

    def _fixed(self, resource: Parameter, value: Value) -> Space:
        """Return the space with only this value of the resource, so that constraints hold with it from the start."""
        only: Parameter
        if isinstance(resource, Choice):
            only = Choice(resource.name, resource.kind, [str(value)])
        elif isinstance(resource, Grid):
            here = Decimal(str(value))
            only = Grid(resource.name, resource.kind, here, here, step=Decimal(1), distribution="uniform")
        else:
            only = Double(resource.name, float(value), float(value), "uniform")
        parameters = [only if each is resource else each for each in self._space.parameters]
        return Space(parameters, self._space.constraints)

    def at(self, point: Point, level: int) -> Point:
        """Return the same configuration with the resource of a level, without labels."""
        return self._space.point({**point, self._name: self.values[level]})

    def level_of(self, point: Point) -> int | None:
        """Return the level of a point's resource, or None when it is between two."""
        return self._levels.get(point[self._name])

    def raised(self, point: Point, level: int) -> Point | None:
        """Return the configuration with more resource, or None where a constraint forbids it."""
        higher = self.at(point, level)
        return higher if self._space.satisfies(higher) else None

    def space_at(self, level: int) -> Space | None:
        """Return the configurations that may begin at a level, or None where a constraint seems to forbid all of them."""
        if level not in self._barren:
            try:
                # Always the same draws: another instance must come to the same conclusion.
                self._below[level].sample(random.Random(level))
                self._barren[level] = False
            except InvalidInput:
                self._barren[level] = True
        return None if self._barren[level] else self._below[level]

    def configuration(self, point: Point) -> Hashable:
        """Return what a point has besides its resource, to find it again."""
        return tuple([(name, point[name]) for name in point if name != self._name])


class Supply:
    """New configurations for one call: drawn like those of random search, and none that was tried with whatever resource.

    Contains the configurations that are not new. Nothing ends during a call, so a level that has none left is listed once.
    """

    def __init__(self, ladder: Ladder, history: History) -> None:
        self._ladder = ladder
        self._history = history
        self._issued: set[Point] = set()
        self._met: set[Point] = set()
        self._left: dict[int, list[Point]] = {}

    def __contains__(self, point: object) -> bool:
        if point in self._met:  # a space that is nearly used up gives the same ones over and over
            return True
        if not isinstance(point, Point):
            return False
        levels = (self._ladder.at(point, level) for level in range(self._ladder.top + 1))
        if not any(each in self._issued or self._history.was_tried(each) for each in levels):
            return False
        self._met.add(point)
        return True

    def take(self, point: Point) -> bool:
        """Note that a point is about to be issued; False when it was tried already."""
        if point in self._issued or self._history.was_tried(point):
            return False
        self._issued.add(point)
        return True

    def new(self, level: int, rng: random.Random) -> Point | None:
        """Return and take a configuration for a level, or None when there is none left."""
        if level not in self._left:
            drawn, left = self._search(self._ladder.space_at(level), rng)
            if drawn is not None:
                return self._taken(drawn, level)
            self._left[level] = left
        while self._left[level]:
            point = self._left[level].pop()
            if point not in self:  # another level may have had it since
                return self._taken(point, level)
        return None

    def _search(self, space: Space | None, rng: random.Random) -> tuple[Point | None, list[Point]]:
        """Return a new configuration, or else all that are left."""
        if space is None:
            return None, []
        try:
            drawn = draw_unseen(space, self._history, self, rng)
        except InvalidInput:  # the constraints leave so little that chance does not find it
            drawn = None
        return drawn, [] if drawn is not None else list_unseen(space, self._history, self, _LISTED, rng)

    def _taken(self, point: Point, level: int) -> Point:
        ordered = self._ladder.at(point, level)
        self._issued.add(ordered)
        return ordered


def share(count: int, eta: float) -> int:
    """Return how many of some configurations are the best one of eta."""
    return math.floor(count / eta * (1 + ROUNDING))
