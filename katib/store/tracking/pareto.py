"""Which of many points no other one beats: pure, and fast enough for every run of a project."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SIGNS", "check_objectives", "pareto_front"]

SIGNS: Final = {"minimize": 1.0, "maximize": -1.0}
"""What a value is multiplied with, so that less is better."""

_MOST: Final = 10


def check_objectives(objectives: Sequence[tuple[str, str]]) -> None:
    """Refuse what is no list of metrics and directions.

    Raises:
        InvalidInput: It is empty or too long, a direction is none, or a metric is there twice.
    """
    if not 1 <= len(objectives) <= _MOST:
        raise InvalidInput([Problem("objectives", f"has to be 1 to {_MOST}, these are {len(objectives)}")])
    problems = [
        Problem(f"objectives[{number}]", f"{direction!r} is none of {' and '.join(SIGNS)}")
        for number, (_, direction) in enumerate(objectives)
        if direction not in SIGNS
    ]
    names = [name for name, _ in objectives]
    problems += [
        Problem(f"objectives[{number}]", f"the metric {name!r} is there twice")
        for number, name in enumerate(names)
        if name in names[:number]
    ]
    if problems:
        raise InvalidInput(problems)


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Return the indices of the points that no other one beats, least first; of equal points, all.

    One point beats another if it is less in one place and more in none. A point with a NaN is never on the front.

    Example::

        pareto_front([(1.0, 3.0), (2.0, 2.0), (3.0, 3.0)])  # [0, 1]
    """
    usable = [index for index, point in enumerate(points) if not any(map(math.isnan, point))]
    # What beats a point comes before it.
    ordered = sorted(usable, key=lambda index: (*points[index], index))
    if not ordered:
        return []
    return _of_two(points, ordered) if len(points[ordered[0]]) <= 2 else _of_many(points, ordered)  # noqa: PLR2004


def _of_two(points: Sequence[Sequence[float]], ordered: Sequence[int]) -> list[int]:
    front: list[int] = []
    for index in ordered:
        if front:
            point, last = tuple(points[index]), tuple(points[front[-1]])
            if point != last and not point[1:] < last[1:]:
                continue
        front.append(index)
    return front


def _of_many(points: Sequence[Sequence[float]], ordered: Sequence[int]) -> list[int]:
    import numpy as np  # what only reads the store need not load it

    front: list[int] = []
    held = np.empty((len(ordered), len(points[ordered[0]])))
    for index in ordered:
        point = np.asarray(points[index], dtype=float)
        before = held[: len(front)]
        beaten = bool(((before <= point).all(axis=1) & (before < point).any(axis=1)).any())
        if not beaten:
            held[len(front)] = point
            front.append(index)
    return front
