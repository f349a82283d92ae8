"""Wakes those who watch: what this server wrote is seen at once, what others wrote is seen when the watch looks by itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from katib.errors import Overloaded, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Changes", "Watch", "is_stop", "stopping"]

_LOOK_SECONDS: Final = 1.0
_TOGETHER_SECONDS: Final = 0.05
"""For which changes gather before they are looked for."""
_STOPPING: Final = "the server is stopping; take the stream up again from where it ended"


def stopping() -> StoreUnavailable:
    """Return why a stream ends that would have gone on."""
    return StoreUnavailable(_STOPPING)


def is_stop(error: Exception) -> bool:
    """Whether an error is that: nothing is wrong then, and a log need not warn of it."""
    return isinstance(error, StoreUnavailable) and str(error) == _STOPPING


class Watch:
    """One who waits for changes."""

    def __init__(self, closing: asyncio.Event) -> None:
        self._closing = closing
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Tell of a change."""
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Return when it is time to look again, after so many seconds at the latest.

        Raises:
            StoreUnavailable: The server stops.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), max(0.0, min(seconds, _LOOK_SECONDS)))
        if self._woken.is_set() and not self._closing.is_set():
            await asyncio.sleep(_TOGETHER_SECONDS)
        if self._closing.is_set():
            raise stopping()
        self._woken.clear()


class Changes:
    """Those who watch, by namespace.

    Args:
        most: Of them; further ones are refused.
    """

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._watches: dict[Watch, str] = {}
        self.closing = asyncio.Event()

    def changed(self, namespace: str) -> None:
        """Tell of a change in a namespace."""
        for watch, watched in self._watches.items():
            if watched == namespace:
                watch.wake()

    @contextlib.contextmanager
    def watch(self, namespace: str) -> Iterator[Watch]:
        """Yield what waits for changes in a namespace.

        Raises:
            Overloaded: Too many watch.
        """
        if len(self._watches) >= self._most:
            raise Overloaded(f"{self._most} calls watch, which is all this server takes; ask again")
        watch = Watch(self.closing)
        self._watches[watch] = namespace
        try:
            yield watch
        finally:
            del self._watches[watch]

    def close(self) -> None:
        """End those who watch; their callers are told to go on elsewhere."""
        self.closing.set()
        for watch in self._watches:
            watch.wake()
