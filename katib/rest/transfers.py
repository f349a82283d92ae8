"""Files on their way: the store of artifacts blocks threads, callers are as slow as they like, and neither may hold up the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from katib.errors import Interrupted, Overloaded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from katib.store.artifacts import ArtifactReader

__all__ = ["Transfers"]

T = TypeVar("T")

_END: Final = b""


class Transfers:
    """Threads in which files move, so many at a time (``with``).

    Args:
        most: Of them; further ones are refused.
    """

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._running = 0
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="files")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def call(self, function: Callable[[], T]) -> T:
        """Return what a function returns that asks the store of artifacts.

        Raises:
            Overloaded: Too many are on their way.
        """
        with _Place(self):
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def taking(self, function: Callable[[Iterator[bytes]], T], pieces: AsyncIterator[bytes]) -> T:
        """Return what a function returns that reads pieces; what they raise is raised in it.

        Raises:
            Overloaded: Too many are on their way.
        """
        with _Place(self):
            feed = _Feed(pieces)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, function, feed)
            finally:
                feed.stop()

    async def giving(self, reader: ArtifactReader) -> AsyncIterator[bytes]:
        """Yield the pieces of a file, and close it."""
        loop = asyncio.get_running_loop()
        try:
            with _Place(self):
                while piece := await loop.run_in_executor(self._threads, next, reader, _END):
                    yield bytes(piece)
        finally:
            await loop.run_in_executor(None, reader.close)

    def enter(self) -> None:
        """Count one more."""
        if self._running >= self._most:
            raise Overloaded(f"{self._running} files are on their way, which is all that is allowed; ask again")
        self._running += 1

    def leave(self) -> None:
        """Count one less."""
        self._running -= 1


class _Place:
    def __init__(self, transfers: Transfers) -> None:
        self._transfers = transfers

    def __enter__(self) -> None:
        self._transfers.enter()

    def __exit__(self, *_: object) -> None:
        self._transfers.leave()


class _Feed(Iterator[bytes]):
    """Asynchronous pieces, for a thread."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._asked: Any = None

    def __next__(self) -> bytes:
        if self._stopped:
            raise Interrupted("the server has given the call up")
        self._asked = asyncio.run_coroutine_threadsafe(self._piece(), self._loop)
        piece = self._asked.result()
        if piece is None:
            raise StopIteration
        found: bytes = piece
        return found

    async def _piece(self) -> bytes | None:
        if self._stopped:
            raise Interrupted("the server has given the call up")
        return await anext(self._pieces, None)

    def stop(self) -> None:
        """Let the thread go, if it still waits."""
        self._stopped = True
        if self._asked is not None:
            self._asked.cancel()
