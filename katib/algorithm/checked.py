"""Asks an algorithm and believes nothing: what comes back is checked before anything runs for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.errors import AlgorithmError

if TYPE_CHECKING:
    from katib.algorithm.algorithm import Algorithm
    from katib.algorithm.history import History
    from katib.space.point import Point

__all__ = ["suggest"]


def suggest(algorithm: Algorithm, history: History, count: int) -> list[Point]:
    """Return the algorithm's next points, at most ``count``, each in the space.

    Raises:
        AlgorithmError: It gave too many points, or one outside the space; the message names the algorithm and the point.
    """
    points = algorithm.suggest(history, count)
    name = type(algorithm).name
    if len(points) > count:
        raise AlgorithmError(f"algorithm {name!r} gave {len(points)} points when asked for {count}")
    for point in points:
        wrong = algorithm.problem.space.problems_of(point)
        if wrong:
            raise AlgorithmError(f"algorithm {name!r} gave a point outside the space: {'; '.join(wrong)}")
    return points
