"""Latin hypercube sampling (McKay, Beckman and Conover, 1979): of N points every parameter has one in each N-th of its range."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from pydantic import NonNegativeInt, PositiveInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import list_unseen

if TYPE_CHECKING:
    from katib.algorithm.history import History
    from katib.space.point import Point

_PLACE: Final = "katib-plugin-example/place"
_SIZE: Final = 20
_SKIPPED: Final = 2_000
"""Places that were no new point, one after another, before what is left of a finite space is listed."""


class LatinHypercube(Algorithm, name="latinhypercube"):
    """Points that cover every single parameter's range evenly, however few there are.

    When all points of a hypercube were tried the next one begins. Repeats and points that break a constraint are passed over.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``latinhypercube``."""

        size: PositiveInt | None = None
        """Points of one hypercube; by default the budget, maxTrialCount, or 20 without one."""
        random_state: NonNegativeInt | None = None
        """Seed of this search; without it the experiment's seed is used."""

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return the next places of the hypercubes that are points of the space and were not tried."""
        # How far it came travels with the trials, as every answer may come from a new process.
        place = 1 + max((int(trial.labels.get(_PLACE, -1)) for trial in history), default=-1)
        space = self.problem.space
        points: list[Point] = []
        skipped = 0
        while len(points) < count and skipped < _SKIPPED:
            point = space.from_unit(self._coordinates(place))
            if point in points or history.was_tried(point) or not space.satisfies(point):
                skipped += 1
            else:
                skipped = 0
                points.append(point.labelled(**{_PLACE: str(place)}))
            place += 1
        if len(points) < count:
            points += list_unseen(space, history, points, count - len(points), self.rng(history))
        return points

    def _coordinates(self, place: int) -> list[float]:
        """Return a place of the endless row of hypercubes in the unit cube; the same for the same seed."""
        size = self.settings.size or self.problem.max_trials or _SIZE
        cube, row = divmod(place, size)
        seed = self.problem.seed if self.settings.random_state is None else self.settings.random_state
        rng = random.Random(f"{seed}/{cube}")
        coordinates = []
        for _ in range(self.problem.space.dimension):
            strata = list(range(size))
            rng.shuffle(strata)
            offsets = [rng.random() for _ in range(size)]
            coordinates.append((strata[row] + offsets[row]) / size)
        return coordinates
