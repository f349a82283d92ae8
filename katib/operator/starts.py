"""Which recorded trials may start: the engine says so each time it plans, and who looks at trials asks here."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Starts"]


class Starts:
    """Permissions by namespace and trial. Nothing is lost with them: the next plan gives them again.

    Args:
        wake: Called with a trial that may start now.
    """

    def __init__(self, wake: Callable[[tuple[str, str]], None]) -> None:
        self._lock = threading.Lock()
        self._allowed: set[tuple[str, str]] = set()
        self._begun: set[tuple[str, str]] = set()
        self._wake = wake

    def allow(self, namespace: str, name: str) -> None:
        """Let a trial start."""
        key = (namespace, name)
        with self._lock:
            if key in self._allowed:
                return
            self._allowed.add(key)
        self._wake(key)

    def allowed(self, key: tuple[str, str]) -> bool:
        """Whether a trial may start."""
        with self._lock:
            return key in self._allowed

    def begin(self, key: tuple[str, str]) -> bool:
        """Whether a trial may start, which cannot be taken back from now on: its job may be there before it is known to run."""
        with self._lock:
            if key not in self._allowed:
                return False
            self._begun.add(key)
            return True

    def has_begun(self, key: tuple[str, str]) -> bool:
        """Whether a trial has begun to start."""
        with self._lock:
            return key in self._begun

    def used(self, key: tuple[str, str]) -> None:
        """Take a permission back: the trial has started, or never will."""
        with self._lock:
            self._allowed.discard(key)
            self._begun.discard(key)
