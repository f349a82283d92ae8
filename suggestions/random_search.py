"""Random search (Bergstra and Bengio, 2012): the baseline every other algorithm has to beat."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from pydantic import NonNegativeInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings

if TYPE_CHECKING:
    from katib.algorithm.history import History
    from katib.space.point import Point

_TRIES: Final = 200
"""Draws before a point that was not tried is looked for in another way."""
_LISTED: Final = 100_000
"""A finite space up to this size is searched for what is left of it."""


class RandomSearch(Algorithm, name="random"):
    """Independent draws from each parameter's distribution.

    No point comes twice while the space has points that were not tried; a finite space ends when all were.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``random``."""

        random_state: NonNegativeInt | None = None
        """Seed of this search; without it the experiment's seed is used."""

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return new points; fewer when a finite space has no more."""
        space = self.problem.space
        points: list[Point] = []
        fresh: set[Point] = set()
        while len(points) < count:
            # Each point has its own numbers: how many are asked for at a time changes none of them.
            rng = self.rng(history, ahead=len(points))
            for _ in range(_TRIES):
                point = space.sample(rng)
                if point not in fresh and not history.was_tried(point):
                    break
            else:
                return points + self._remaining(history, fresh, count - len(points))
            fresh.add(point)
            points.append(point)
        return points

    def _remaining(self, history: History, fresh: set[Point], count: int) -> list[Point]:
        """Return what is left of a nearly exhausted space, in random order.

        A space too large to be listed is hardly ever this full; then as much of it as may be is looked through in its order.
        """
        if self.problem.space.cardinality is None:
            return []
        left = [
            point
            for point in islice(self.problem.space.grid(), _LISTED)
            if point not in fresh and not history.was_tried(point)
        ]
        self.rng(history).shuffle(left)
        return left[:count]
