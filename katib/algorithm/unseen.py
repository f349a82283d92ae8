"""Points that no trial has: by chance while there are many, and by search once a finite space is nearly used up.

For algorithms whose own way of choosing came to nothing new. It looks at what was tried, never at how good it was.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Container

    from katib.algorithm.history import History
    from katib.space.point import Point
    from katib.space.space import Space

__all__ = ["draw_unseen", "list_unseen"]

_TRIES: Final = 200
"""Draws before a point that was not tried is looked for in another way."""
_LISTED: Final = 100_000
"""A finite space up to this size is searched for what is left of it."""


def draw_unseen(space: Space, history: History, also: Container[Point], rng: random.Random) -> Point | None:
    """Draw from the parameters' distributions until a point is new; None when that hardly happens any more.

    Args:
        space: Where to draw from.
        history: Its points are not new.
        also: Neither are these, which were chosen in the same call.
        rng: Chance.
    """
    for _ in range(_TRIES):
        point = space.sample(rng)
        if point not in also and not history.was_tried(point):
            return point
    return None


def list_unseen(space: Space, history: History, also: Container[Point], count: int, rng: random.Random) -> list[Point]:
    """Return at most ``count`` points of what is left of a nearly exhausted space, in random order.

    A space too large to be listed is hardly ever this full; then as much of it as may be is looked through in its order.
    """
    if space.cardinality is None:
        return []
    left = [point for point in islice(space.grid(), _LISTED) if point not in also and not history.was_tried(point)]
    rng.shuffle(left)
    return left[:count]
