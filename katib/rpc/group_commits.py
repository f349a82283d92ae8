"""Makes one commit for all who wait for one: durable commits are slow, and one takes hardly longer than another.

One thread commits. While it does, changes gather; the next commit takes them all, and nobody is answered before theirs is made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from katib.errors import Overloaded, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["GroupCommits", "GroupLimits"]

C = TypeVar("C")
R = TypeVar("R")

_CLOSED: Final = "the server is stopping; ask again"


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """How much may wait.

    Attributes:
        waiting: Changes.
        waiting_bytes: Of all of them together; a single one may be larger.
        changes: In one commit.
        commit_bytes: In one commit of more than one change.
    """

    waiting: int = 1024
    waiting_bytes: int = 256 << 20
    changes: int = 256
    commit_bytes: int = 8 << 20


@dataclass(slots=True)
class _Waiting(Generic[C, R]):
    change: C
    size: int
    done: asyncio.Future[R]


class GroupCommits(Generic[C, R]):
    """For as long as it is open (``async with``).

    Args:
        commit: Makes changes durable, all or none of them, and says what became of each; called in one thread.
        limits: How much may wait.

    Attributes:
        commits: How many were made.
    """

    def __init__(self, commit: Callable[[Sequence[C]], Sequence[R]], limits: GroupLimits | None = None) -> None:
        self._commit = commit
        self._limits = limits or GroupLimits()
        self._queue: deque[_Waiting[C, R]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self.commits = 0

    @property
    def waiting(self) -> int:
        """How many changes wait."""
        return len(self._queue)

    async def __aenter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, once everything that waits is committed."""
        self._closing = True
        self._wake.set()
        await self._task
        self._thread.shutdown()

    async def commit(self, change: C, size: int) -> R:
        """Return what became of a change once it is durable. Cancelled, the change is made or not made.

        Raises:
            Overloaded: Too much waits already.
        """
        if self._closing:
            raise StoreUnavailable(_CLOSED)
        limits = self._limits
        full = len(self._queue) >= limits.waiting or (self._queue and self._bytes + size > limits.waiting_bytes)
        if full:
            raise Overloaded(f"{len(self._queue)} reports wait to be stored, which is all this server takes; ask again")
        waiting = _Waiting[C, R](change, size, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._bytes += size
        self._wake.set()
        return await waiting.done

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while group := self._next_group():
                await self._store(group)
            if self._closing:
                return

    def _next_group(self) -> list[_Waiting[C, R]]:
        """Take what the next commit makes durable, without those whose callers have gone."""
        group: list[_Waiting[C, R]] = []
        size = 0
        while self._queue and len(group) < self._limits.changes:
            first = self._queue[0]
            if group and size + first.size > self._limits.commit_bytes:
                break
            self._queue.popleft()
            self._bytes -= first.size
            if not first.done.done():
                group.append(first)
                size += first.size
        return group

    async def _store(self, group: list[_Waiting[C, R]]) -> None:
        try:
            results = await self._commit_in_thread([each.change for each in group])
        except StoreUnavailable as error:
            for each in group:
                _fail(each.done, error)
        except Exception as error:  # noqa: BLE001 - whoever caused it is told; the others must not suffer
            if len(group) == 1:
                _fail(group[0].done, error)
            for each in group if len(group) > 1 else ():
                await self._store([each])
        else:
            for each, result in zip(group, results, strict=True):
                if not each.done.done():
                    each.done.set_result(result)

    async def _commit_in_thread(self, changes: list[C]) -> Sequence[R]:
        self.commits += 1
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, changes)


def _fail(future: asyncio.Future[R], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
