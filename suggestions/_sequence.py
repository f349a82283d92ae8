"""Where a fixed sequence of points stands, found again from the trials alone: what `grid` and `sobol` share.

A place's number travels with its trial as a label. Where labels do not come back (Katib's controller keeps them), every place before
the next one is a trial, or a trial that is not told any more (Katib's controller forgets those without metrics), of which it is known
how many there are. So the next place is found by counting, and the points counted are made once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.algorithm.history import History
    from katib.space.point import Point

__all__ = ["Issued"]


class Issued:
    """Counts the places of a sequence that were issued.

    Args:
        label: Under which a place's number travels.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._made: list[tuple[int, Point]] = []
        self._numbers: dict[Point, int] = {}
        self._counted_to = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": [], "_numbers": {}, "_counted_to": 0}  # anybody can make them again

    def next_place(self, history: History, places: Iterator[tuple[int, Point]]) -> int:
        """Return the first place that may be issued next.

        Args:
            history: The trials so far.
            places: The numbers and points of the sequence that can be issued at all, from the one on that ``resume_at`` says.
        """
        self._counted_to = 0
        if not history.next_index:
            return 0
        labelled = [number for trial in history if (number := trial.labels.get(self._label)) is not None]
        if labelled:
            return 1 + max(map(int, labelled))
        self._counted_to = self._count(history, places)
        return self._counted_to

    def _count(self, history: History, places: Iterator[tuple[int, Point]]) -> int:
        forgotten = history.next_index - len(history)
        position = 0
        for number, point in self._all(places):
            if not history.was_tried(point):
                if not forgotten:
                    return number
                forgotten -= 1
            position = number + 1
        return position

    @property
    def resume_at(self) -> int:
        """The first place that was not made yet."""
        return self._made[-1][0] + 1 if self._made else 0

    def has(self, point: Point) -> bool:
        """Whether a place with this point was made already."""
        return point in self._numbers

    def was_counted(self, point: Point) -> bool:
        """Whether the point belongs to a place before the last ``next_place``, told or not."""
        return self._numbers.get(point, self._counted_to) < self._counted_to

    def _all(self, places: Iterator[tuple[int, Point]]) -> Iterator[tuple[int, Point]]:
        yield from self._made
        for place in places:
            self._made.append(place)
            self._numbers[place[1]] = place[0]
            yield place
