"""What is to be worked on next: each key by one worker at a time, and again if it was asked for meanwhile.

It holds keys, not news: a key that is asked for ten times is worked on once, with the state of then.
"""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from katib.kube.back_off import BackOff

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["WorkQueue"]

K = TypeVar("K", bound="Hashable")

_FIRST_PAUSE: Final = 0.005
_LONGEST_PAUSE: Final = 60.0


class WorkQueue(Generic[K]):
    """A queue of keys, first come, first served.

    Args:
        clock: Seconds that only grow.
        jitter: Where the jitter of ``retry`` comes from.

    Example::

        while (key := queue.get()) is not None:
            try:
                work(key)
            except KatibError:
                queue.retry(key)
            else:
                queue.forget(key)
            finally:
                queue.done(key)
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, jitter: random.Random | None = None) -> None:
        self._clock = clock
        self._pauses = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE, jitter or random.Random())
        self._condition = threading.Condition()
        self._ready: OrderedDict[K, None] = OrderedDict()
        self._working: set[K] = set()
        self._again: set[K] = set()
        """Asked for while they are worked on."""
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []
        """What ``_due`` says, and what it said earlier; the latter is passed over."""
        self._numbers = 0
        self._failures: dict[K, int] = {}
        self._shut_down = False

    def __len__(self) -> int:
        """Return how many keys can be worked on now."""
        with self._condition:
            self._take_due()
            return len(self._ready)

    @property
    def waiting(self) -> int:
        """How many keys come later."""
        with self._condition:
            return len(self._due)

    @property
    def is_shut_down(self) -> bool:
        """Whether it gives out nothing any more."""
        return self._shut_down

    def add(self, key: K) -> None:
        """Have a key worked on, as soon as it is its turn."""
        with self._condition:
            self._add(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Have a key worked on in some time; of several times the earliest holds."""
        with self._condition:
            if seconds <= 0:
                self._add(key)
                return
            if self._shut_down:
                return
            due = self._clock() + seconds
            if due < self._due.get(key, float("inf")):
                self._due[key] = due
                self._numbers += 1
                heapq.heappush(self._timers, (due, self._numbers, key))
                self._condition.notify_all()  # each of them may be the one that waits for the first timer

    def retry(self, key: K) -> float:
        """Have a key worked on again after a pause that doubles with each failure; return the seconds."""
        with self._condition:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            pause = self._pauses.after(failures)
            self.add_after(key, pause)
            return pause

    def failures(self, key: K) -> int:
        """Return how often a key was tried in vain."""
        with self._condition:
            return self._failures.get(key, 0)

    def forget(self, key: K) -> None:
        """Count the failures of a key anew: it went well, or there is nothing to do any more."""
        with self._condition:
            self._failures.pop(key, None)

    def get(self, timeout: float | None = None) -> K | None:
        """Return the next key, for which ``done`` has to follow.

        Args:
            timeout: Seconds to wait; None is for ever. None is returned after them, and once it is shut down.
        """
        with self._condition:
            until = None if timeout is None else self._clock() + timeout
            while not self._shut_down:
                self._take_due()
                if self._ready:
                    key, _ = self._ready.popitem(last=False)
                    self._working.add(key)
                    return key
                now = self._clock()
                if until is not None and now >= until:
                    return None
                ends = [time for time in (until, self._timers[0][0] if self._timers else None) if time is not None]
                self._condition.wait(max(0.0, min(ends) - now) if ends else None)
            return None

    def done(self, key: K) -> None:
        """Say that a key is not worked on any more."""
        with self._condition:
            self._working.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._add(key)

    def shut_down(self) -> None:
        """Give out nothing any more; those who wait get None."""
        with self._condition:
            self._shut_down = True
            self._condition.notify_all()

    def _add(self, key: K) -> None:
        if self._shut_down:
            return
        if key in self._working:
            self._again.add(key)
        elif key not in self._ready:
            self._ready[key] = None
            self._condition.notify()

    def _take_due(self) -> None:
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            due, _, key = heapq.heappop(self._timers)
            if self._due.get(key) == due:
                del self._due[key]
                self._add(key)
