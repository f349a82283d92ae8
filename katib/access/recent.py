"""What was found out a short while ago: bounded in number and in age, so that strangers can neither fill it nor keep it old."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Recent"]

T = TypeVar("T")


class Recent(Generic[T]):
    """Answers that hold for a while; of too many, those not asked for longest are forgotten.

    Args:
        seconds: How long an answer holds.
        most: How many are kept.
        clock: Seconds that only grow.
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> T | None:
        """Return the answer of a key, or None when there is none that still holds."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            until, answer = kept
            if until <= self._clock():
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return answer

    def put(self, key: Hashable, answer: T) -> None:
        """Keep an answer from now on."""
        with self._lock:
            self._kept[key] = (self._clock() + self._seconds, answer)
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
