"""Files on their way: the store of artifacts blocks threads, callers are as slow as they like, and neither may hold up the other.

What those share who move files of one place is here: how many, in which threads, and who waits for whom.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from katib.errors import Interrupted, Overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

__all__ = ["Feed", "Place", "Transfers", "seen"]

T = TypeVar("T")

_SHORT_CALLS: Final = 4
"""Threads for calls that wait for nobody but the store of artifacts, so that slow callers do not hold up a deletion."""


class Transfers:
    """Threads in which files move, so many at a time (``with``).

    Args:
        most: Of them; further ones are refused.
    """

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._moving = 0
        self._locks: dict[str, asyncio.Lock] = {}
        self._wanted: Counter[str] = Counter()
        self._going_on: set[asyncio.Task[Any]] = set()
        self._threads = ThreadPoolExecutor(most + _SHORT_CALLS, thread_name_prefix="files")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def place(self) -> Place:
        """Return a place among those that move; it is left at the end of a ``with`` or by ``leave``.

        Raises:
            Overloaded: All are taken.
        """
        if self._moving >= self._most:
            raise Overloaded(f"{self._moving} files are on their way, which is all that is allowed; ask again")
        self._moving += 1
        return Place(self._left)

    def _left(self) -> None:
        self._moving -= 1

    def start(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run a function that asks the store of artifacts."""
        return asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def to_its_end(self, storing: Coroutine[Any, Any, T], feed: Feed | None = None) -> T:
        """Return what is stored.

        If the caller leaves, content that is not all there is not stored; else what was begun goes on, so that a file is recorded.
        """
        task = asyncio.ensure_future(storing)
        self._going_on.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        finally:
            if feed is not None:
                feed.stop()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._going_on.discard(task)
        seen(task)

    async def finish(self, seconds: float = 5.0) -> None:
        """Wait for what goes on without its callers."""
        if self._going_on:
            await asyncio.wait(self._going_on, timeout=seconds)

    @contextlib.asynccontextmanager
    async def alone(self, keys: Iterable[str]) -> AsyncIterator[None]:
        """Let one caller at a time work on files; all take them in one order, so that no two wait for each other."""
        wanted = sorted(set(keys))
        self._wanted.update(wanted)
        try:
            async with contextlib.AsyncExitStack() as held:
                for key in wanted:
                    await held.enter_async_context(self._locks.setdefault(key, asyncio.Lock()))
                yield
        finally:
            self._wanted.subtract(wanted)
            for key in wanted:
                if not self._wanted[key]:
                    del self._wanted[key]
                    self._locks.pop(key, None)


class Place:
    """One of the places among files that move."""

    def __init__(self, left: Callable[[], None]) -> None:
        self._left: Callable[[], None] | None = left

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Give it to somebody else; again, it changes nothing."""
        left, self._left = self._left, None
        if left is not None:
            left()


class Feed(Iterator[bytes]):
    """Pieces that come in the loop, for a thread; what they raise is raised there."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._asked: Any = None

    def __next__(self) -> bytes:
        if self._stopped:
            raise Interrupted("the caller has gone, or the server ends; nothing was stored")
        self._asked = asyncio.run_coroutine_threadsafe(self._piece(), self._loop)
        piece = self._asked.result()
        if piece is None:
            raise StopIteration
        found: bytes = piece
        return found

    async def _piece(self) -> bytes | None:
        if self._stopped:
            raise Interrupted("the caller has gone, or the server ends; nothing was stored")
        return await anext(self._pieces, None)

    def stop(self) -> None:
        """Let the thread go, if it still waits."""
        self._stopped = True
        if self._asked is not None:
            self._asked.cancel()


def seen(future: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody may be left to hear of."""
    if not future.cancelled():
        future.exception()
