"""Gives calls to worker processes: a bounded queue, one task for each worker at a time, and a new worker for each that is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from katib.errors import AlgorithmError, Interrupted, Overloaded, RunnerError
from katib.rpc.worker_process import WorkerDied, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Coroutine, Hashable

    from katib.rpc.worker_call import Outcome, Task

__all__ = ["PoolLimits", "WorkerPool"]

_LOGGER: Final = logging.getLogger(__name__)
_REMEMBERED: Final = 10_000
"""Searches whose worker is remembered."""
_STOPPING: Final = "the server stops"
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 10.0


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How much a pool takes on.

    Attributes:
        workers: Calls that are computed at a time.
        waiting: Calls that may wait beside them.
        waiting_bytes: And how large their requests may be together.
        cache_bytes: What all workers together may remember between calls.
        grace: Seconds a worker gets to leave a task whose caller has gone, before it is killed.
    """

    workers: int = 2
    waiting: int = 64
    waiting_bytes: int = 256 << 20
    cache_bytes: int = 256 << 20
    grace: float = 2.0


@dataclass(slots=True)
class PoolCounts:
    """What has happened so far.

    Attributes:
        deaths: Workers that ended by themselves.
        interrupted: Tasks that were left because their caller had gone.
        refused: Calls for which there was no room.
    """

    deaths: int = 0
    interrupted: int = 0
    refused: int = 0


class WorkerPool:
    """Worker processes for as long as the pool is open (``async with``).

    A search goes to the worker that had it last while that one is free, as it remembers the history, and to any other rather than
    wait: answers are the same.
    """

    def __init__(self, limits: PoolLimits) -> None:
        self.limits = limits
        self.counts = PoolCounts()
        self._idle: list[WorkerProcess] = []
        self._all: set[WorkerProcess] = set()
        self._waiting: deque[asyncio.Future[WorkerProcess]] = deque()
        self._waiting_bytes = 0
        self._last: OrderedDict[Hashable, WorkerProcess] = OrderedDict()
        self._background: set[asyncio.Task[None]] = set()
        self._closed = False

    async def __aenter__(self) -> Self:
        starting = [asyncio.create_task(self._start()) for _ in range(self.limits.workers)]
        try:
            for started in await asyncio.gather(*starting):
                self._free(started)
        except BaseException:
            await asyncio.gather(*starting, return_exceptions=True)
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all workers, whatever they are doing."""
        self._closed = True
        for place in self._waiting:
            if not place.done():
                place.set_exception(Interrupted(_STOPPING))
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.gather(*(worker.kill() for worker in self._all))
        self._all.clear()
        self._idle.clear()

    @property
    def waiting(self) -> int:
        """How many calls wait for a worker."""
        return len(self._waiting)

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers there are now."""
        return [worker.pid for worker in self._all]

    @property
    def busy(self) -> int:
        """How many workers compute."""
        return len(self._all) - len(self._idle)

    async def call(self, task: Task, key: Hashable) -> Outcome:
        """Return what comes of a task; cancelled, the work is left as well.

        Args:
            task: What to do; its effects, if any, may happen twice.
            key: Tasks with the same key are of the same search.

        Raises:
            Overloaded: As many calls wait as may.
            AlgorithmError: Two workers died of this task.
            Interrupted: The pool is closed.
        """
        died: list[str] = []
        while len(died) < 2:  # noqa: PLR2004 - once by chance, twice by this task
            if self._closed:
                raise Interrupted(_STOPPING)
            worker = await self._acquire(key, len(task.request))
            conversation = asyncio.ensure_future(worker.answer(task))
            conversation.add_done_callback(_heard)
            try:
                outcome = await asyncio.shield(conversation)
            except WorkerDied as death:
                if self._closed:  # it was ended with the pool: the task has not failed and is not begun again
                    raise Interrupted(_STOPPING) from death
                died.append(str(death))
                self.counts.deaths += 1
                _LOGGER.warning("worker %d died during %s: %s", worker.pid, task.kind.value, death)
                self._replace(worker)
            except BaseException:
                self.counts.interrupted += 1
                self._later(self._settle(worker, conversation))
                raise
            else:
                self._free(worker)
                return outcome
        raise AlgorithmError(f"{task.kind.value} ended two worker processes ({'; '.join(died)}); it is not tried again")

    # -- who gets which worker --------------------------------------------------------------------------------------

    async def _acquire(self, key: Hashable, size: int) -> WorkerProcess:
        if self._idle:
            worker = self._last.get(key)
            if worker is None or worker not in self._idle:
                worker = self._idle[0]
            self._idle.remove(worker)
        else:
            worker = await self._wait(size)
        self._last[key] = worker
        self._last.move_to_end(key)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return worker

    async def _wait(self, size: int) -> WorkerProcess:
        if len(self._waiting) >= self.limits.waiting or self._waiting_bytes + size > self.limits.waiting_bytes:
            self.counts.refused += 1
            raise Overloaded(
                f"{len(self._waiting)} calls wait for {self.limits.workers} workers already; ask again later"
            )
        place: asyncio.Future[WorkerProcess] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._waiting_bytes += size
        try:
            return await place
        except BaseException:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._free(place.result())  # it came in the moment in which the caller left
            with contextlib.suppress(ValueError):
                self._waiting.remove(place)
            raise
        finally:
            self._waiting_bytes -= size

    def _free(self, worker: WorkerProcess) -> None:
        """Give a worker to whoever has waited longest."""
        if self._closed:
            return
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():  # done without a worker: its caller has gone
                place.set_result(worker)
                return
        self._idle.append(worker)

    # -- workers come and go ----------------------------------------------------------------------------------------

    async def _start(self) -> WorkerProcess:
        worker = await WorkerProcess.start(self.limits.cache_bytes // self.limits.workers)
        self._all.add(worker)
        return worker

    def _replace(self, worker: WorkerProcess) -> None:
        self._all.discard(worker)
        self._later(self._restart())

    async def _restart(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                self._free(await self._start())
            except RunnerError as error:
                _LOGGER.error("%s; trying again in %.1f s", error, pause)  # noqa: TRY400 - the sentence says it all
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    async def _settle(self, worker: WorkerProcess, conversation: asyncio.Future[Outcome]) -> None:
        """Make a worker whose caller has gone free again."""
        worker.interrupt()
        try:
            await asyncio.wait_for(asyncio.shield(conversation), self.limits.grace)
        except (TimeoutError, WorkerDied):
            await worker.kill()
            with contextlib.suppress(WorkerDied):
                await conversation
            self._replace(worker)
        else:
            self._free(worker)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        if self._closed:  # a worker that begins now would be left behind
            work.close()
            return
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _heard(conversation: asyncio.Future[Outcome]) -> None:
    """Let nobody complain that a worker's death was heard by nobody: it is no news when the pool ended it."""
    if not conversation.cancelled():
        conversation.exception()
