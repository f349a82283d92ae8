"""An API server that is away is asked by one worker at a time, ever more seldom, and not by all of them at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Outage"]

_FIRST_PAUSE: Final = 4.0
"""A request is repeated a few times by itself; a watch that is back ends an outage sooner."""
_LONGEST_PAUSE: Final = 15.0


class Outage:
    """Whether the API server answers, as far as one operator knows.

    Args:
        answers: Returns how often the server has answered anybody in this process. A look that asks it nothing proves nothing, and a
            watch that is back proves as much as a worker would.
    """

    def __init__(self, answers: Callable[[], int]) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._since: float | None = None
        self._pause = _FIRST_PAUSE
        self._next = 0.0
        self._tried = False
        self._heard = 0

    @property
    def lasts(self) -> float | None:
        """Seconds since the server did not answer; None while it does."""
        since = self._since
        return None if since is None else time.monotonic() - since

    def may_try(self) -> bool:
        """Whether the caller may ask the server now; during an outage one may, after each pause."""
        with self._lock:
            if self._since is not None and self._answers() != self._heard:
                self._since = None
            if self._since is None:
                return True
            now = time.monotonic()
            if now < self._next:
                return False
            self._next = now + self._pause
            self._tried = True
            return True

    def failed(self) -> None:
        """Note that the server did not answer."""
        with self._lock:
            now = time.monotonic()
            if self._since is None:
                self._since, self._pause = now, _FIRST_PAUSE
            elif self._tried:
                self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            else:
                return  # one of those who were on their way when the outage began: this is no news
            self._tried = False
            self._next = now + self._pause
            self._heard = self._answers()
