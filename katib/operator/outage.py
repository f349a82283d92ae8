"""An API server that is away is asked by one worker at a time, ever more seldom, and not by all of them at once."""

from __future__ import annotations

import threading
import time
from typing import Final

__all__ = ["Outage"]

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 15.0


class Outage:
    """Whether the API server answers, as far as the workers of one operator know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: float | None = None
        self._pause = _FIRST_PAUSE
        self._next = 0.0
        self._tried = False

    @property
    def lasts(self) -> float | None:
        """Seconds since the server did not answer; None while it does."""
        since = self._since
        return None if since is None else time.monotonic() - since

    def may_try(self) -> bool:
        """Whether the caller may ask the server now; during an outage one may, after each pause."""
        with self._lock:
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

    def worked(self) -> None:
        """Note that it did."""
        if self._since is not None:
            with self._lock:
                self._since = None
