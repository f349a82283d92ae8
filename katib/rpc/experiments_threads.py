"""Where calls that block run: in few threads, and no more of them wait than are told of in time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from katib.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BlockingCalls"]

T = TypeVar("T")


class BlockingCalls:
    """Threads for calls that block.

    Args:
        threads: Calls at a time.
        most: Those that run and those that wait, together.
    """

    def __init__(self, threads: int, most: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="experiments")
        self._most = most
        self._calls = 0

    def close(self) -> None:
        """Begin no more; those that run come to their end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, function: Callable[[], T]) -> T:
        """Return what a function returns that blocks; it comes to its end even if nobody waits for it any more.

        Raises:
            Overloaded: Too many wait already.
        """
        if self._calls >= self._most:
            raise Overloaded(f"{self._calls} calls run or wait to; ask again")
        self._calls += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, function)
        # Counted until the thread is free, which may be after the caller has gone.
        running.add_done_callback(self._ended)
        return await asyncio.shield(running)

    def _ended(self, running: asyncio.Future[Any]) -> None:
        self._calls -= 1
        if not running.cancelled():
            running.exception()  # nobody may be left to ask
