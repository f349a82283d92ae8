"""Random search (Bergstra and Bengio, 2012): the baseline every other algorithm has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.algorithm.unseen import draw_unseen, list_unseen

if TYPE_CHECKING:
    from katib.algorithm.history import History
    from katib.space.point import Point


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
            point = draw_unseen(space, history, fresh, self.rng(history, ahead=len(points)))
            if point is None:
                return points + list_unseen(space, history, fresh, count - len(points), self.rng(history))
            fresh.add(point)
            points.append(point)
        return points
