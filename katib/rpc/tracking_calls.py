"""How servers call the tracking store: reads in threads of their own, writes together in few commits, both bounded."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from katib.errors import Overloaded
from katib.rpc.group_commits import GroupCommits, GroupLimits
from katib.store.tracking.records import Log, RunChange, SampleChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from katib.store.protocol import Reported
    from katib.store.tracking.protocol import Tracking, TrackingStore
    from katib.store.tracking.records import NewRun, Run

__all__ = ["RunCall", "SampleCall", "TrackingCalls"]

T = TypeVar("T")
S = TypeVar("S")

_SMALL: Final = 1024
"""Bytes a change is thought to have where nobody says."""


@dataclass(frozen=True, slots=True)
class SampleCall(Generic[T]):
    """A function for ``TrackingCalls.write`` that only reports metrics of a run; the store writes many of them in bulk.

    Attributes:
        reply: Makes the result of what ``Tracking.append`` (numbered) or ``Tracking.log`` returns.
        first_sequence: The number of the first report; None where they have none.
    """

    run_id: str
    samples: Sequence[Reported]
    reply: Callable[[Any], T]
    first_sequence: int | None = None

    def __call__(self, tracking: Tracking) -> T:
        """Report."""
        if self.first_sequence is None:
            return self.reply(tracking.log(self.run_id, Log(samples=self.samples)))
        return self.reply(tracking.append(self.run_id, self.samples, first_sequence=self.first_sequence))

    def change(self, namespace: str, _actor: str) -> SampleChange:
        """Return it as the store takes many."""
        return SampleChange(namespace, self.run_id, self.samples, self.first_sequence)


@dataclass(frozen=True, slots=True)
class RunCall(Generic[T]):
    """A function for ``TrackingCalls.write`` that only records a run; the store writes many of them in bulk.

    Attributes:
        reply: Makes the result of the run.
    """

    new: NewRun
    reply: Callable[[Run], T]

    def __call__(self, tracking: Tracking) -> T:
        """Record it."""
        return self.reply(tracking.create_run(self.new))

    def change(self, namespace: str, actor: str) -> RunChange:
        """Return it as the store takes many."""
        return RunChange(namespace, actor, self.new)


class TrackingCalls:
    """Calls of one store for as long as it is open (``async with``).

    Args:
        store: It stays open when this is closed.
        threads: In which reads run.
        most_reads: Those that run and those that wait, together.
        limits: Of the writes that wait.
    """

    def __init__(
        self,
        store: TrackingStore,
        threads: Executor,
        *,
        most_reads: int = 256,
        limits: GroupLimits | None = None,
    ) -> None:
        self._store = store
        self._threads = threads
        self._most_reads = most_reads
        self._reads = 0
        self._commits = GroupCommits[Any, Any](self._together, limits)

    async def __aenter__(self) -> Self:
        await self._commits.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        """End, once every write that waits is durable."""
        await self._commits.__aexit__(*error)

    @property
    def commits(self) -> GroupCommits[Any, Any]:
        """The writes, for metrics."""
        return self._commits

    async def read(self, namespace: str, function: Callable[[Tracking], T], *, actor: str = "") -> T:
        """Return what a function reads.

        Raises:
            Overloaded: Too many wait already.
        """
        return await self._read(function, self._store.tracking(namespace, actor=actor))

    async def read_everywhere(self, function: Callable[[TrackingStore], T]) -> T:
        """Return what a function reads of all namespaces.

        Raises:
            Overloaded: Too many wait already.
        """
        return await self._read(function, self._store)

    async def _read(self, function: Callable[[S], T], source: S) -> T:
        if self._reads >= self._most_reads:
            raise Overloaded(f"{self._reads} calls read the store or wait to; ask again")
        self._reads += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, function, source)
        # Counted until the thread is free, which may be after the caller has gone.
        running.add_done_callback(self._read_ended)
        return await asyncio.shield(running)

    def _read_ended(self, running: asyncio.Future[Any]) -> None:
        self._reads -= 1
        if not running.cancelled():
            running.exception()  # nobody may be left to ask

    async def write(self, namespace: str, function: Callable[[Tracking], T], *, actor: str, size: int = _SMALL) -> T:
        """Return what a function returns, once what it wrote is durable.

        The function may be called again, and must not use the store in another way than through what it is given.

        Args:
            size: About how many bytes are written.

        Raises:
            Overloaded: Too much waits already.
        """
        if isinstance(function, SampleCall | RunCall):
            stored = await self._commits.commit(function.change(namespace, actor), size)
            if isinstance(stored, Exception):
                raise stored
            made: T = function.reply(stored)
            return made
        tracking = self._store.tracking(namespace, actor=actor)
        result: T | Exception = await self._commits.commit(lambda: function(tracking), size)
        if isinstance(result, Exception):
            raise result
        return result

    def _together(self, calls: Sequence[Callable[[], Any] | SampleChange | RunChange]) -> Sequence[Any]:
        return self._store.together(calls)
