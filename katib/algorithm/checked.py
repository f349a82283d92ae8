"""Asks an algorithm and believes nothing: what comes back is checked before anything runs for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.errors import AlgorithmError
from katib.space.point import Point

if TYPE_CHECKING:
    from katib.algorithm.algorithm import Algorithm
    from katib.algorithm.history import History

__all__ = ["suggest"]


def suggest(algorithm: Algorithm, history: History, count: int) -> list[Point]:
    """Return the algorithm's next points, at most ``count``, each in the space.

    What the algorithm raises itself passes through, with its traceback.

    Raises:
        AlgorithmError: It gave no list of points, too many, or one outside the space; the message names algorithm and fault.
    """
    answer: object = algorithm.suggest(history, count)
    name = type(algorithm).name
    if not isinstance(answer, (list, tuple)) or not all(isinstance(point, Point) for point in answer):
        raise AlgorithmError(f"algorithm {name!r} gave {_shown(answer)} instead of a list of points")
    points: list[Point] = list(answer)
    if len(points) > count:
        raise AlgorithmError(f"algorithm {name!r} gave {len(points)} points when asked for {count}")
    for point in points:
        wrong = algorithm.problem.space.problems_of(point)
        if wrong:
            raise AlgorithmError(f"algorithm {name!r} gave a point outside the space: {'; '.join(wrong)}")
    return points


def _shown(answer: object) -> str:
    text = repr(answer)
    return text if len(text) <= 100 else f"{text[:99]}…"  # noqa: PLR2004 - enough to see what it is
