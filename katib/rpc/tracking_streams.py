"""Streams of the store's API: observations that are appended, and watches. Each can be taken up again where it ended.

A watch holds no changes back: it looks for what is new when the message before has gone out, so a slow reader costs no memory and sees
the latest state instead of every one.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.access import Role
from katib.errors import Conflict, Denied, InvalidInput, NotFound, Problem
from katib.rpc import store_v1 as wire
from katib.rpc.requests import decoded
from katib.rpc.services import MOST_BYTES
from katib.rpc.tracking_calls import SampleCall
from katib.rpc.tracking_changes import stopping
from katib.rpc.tracking_logs import read_append
from katib.rpc.tracking_messages import add_observations, run_message
from katib.rpc.tracking_requests import RunMask, read_scope, required
from katib.store.tracking.records import Lifecycle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from katib.metrics.sample import Sample
    from katib.rpc.appenders import Appenders
    from katib.rpc.callers import Caller, Callers
    from katib.rpc.calls import Call
    from katib.rpc.tracking_calls import TrackingCalls
    from katib.rpc.tracking_changes import Changes
    from katib.store.tracking.protocol import Tracking

__all__ = ["TrackingStreams"]

_ON_THEIR_WAY: Final = 64
"""Messages of one stream that wait for the store."""
_LARGE: Final = 1 << 18
_RUNS: Final = 100
_OBSERVATIONS: Final = 5_000
_HEARTBEAT: Final = 15.0
_SHORTEST, _LONGEST = 1.0, 60.0
_CURSOR: Final = re.compile(r"c([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class _Appending:
    """One message of a stream of observations."""

    caller: Caller
    run_id: str
    sequence: int
    samples: list[Sample]
    size: int

    def follows(self, other: _Appending) -> bool:
        """Return whether both can be appended as one."""
        place = (self.caller, self.run_id, self.sequence)
        return place == (other.caller, other.run_id, other.sequence + len(other.samples))


class TrackingStreams:
    """Answers the streaming calls about runs.

    Args:
        tracking: Where the store is asked.
        callers: Knows who may.
        changes: Wakes watches.
        appenders: Knows who may append to which run.
    """

    def __init__(self, tracking: TrackingCalls, callers: Callers, changes: Changes, appenders: Appenders) -> None:
        self._appenders = appenders
        self._tracking = tracking
        self._callers = callers
        self._changes = changes

    # -- appending ----------------------------------------------------------------------------------------------------

    async def append(
        self, requests: AsyncIterator[bytes], send: Callable[[bytes], Awaitable[None]], call: Call
    ) -> None:
        """Append what each request has, and answer each once that is durable."""
        waiting: asyncio.Queue[_Appending | None] = asyncio.Queue(_ON_THEIR_WAY)
        storing = asyncio.create_task(self._store(waiting, send))
        closing = asyncio.create_task(self._changes.closing.wait())
        namespace = run_id = trial = ""
        try:
            while (data := await _first(anext(requests, None), storing, closing)) is not None:
                request = decoded(wire.AppendRequest, data)
                namespace = request.namespace or namespace
                if request.run_id or request.trial:
                    run_id, trial = request.run_id, request.trial
                request.namespace, request.run_id, request.trial = namespace, run_id, trial
                caller = await self._appenders.admit(request, call)
                run_id, trial = request.run_id, ""  # found once
                piece = _Appending(caller, run_id, request.first_sequence, read_append(request), len(data))
                if piece.size > _LARGE:  # alone, so that what waits is bounded in bytes too
                    await _first(waiting.join(), storing)
                await _first(waiting.put(piece), storing)
            await _first(waiting.put(None), storing)
            await storing
        except (Conflict, Denied, InvalidInput, NotFound):
            # What came before is stored and answered; unless it is that which was refused, which is raised again here.
            await _first(waiting.put(None), storing)
            await storing
            raise
        finally:
            for task in (storing, closing):
                task.cancel()
            await asyncio.gather(storing, closing, return_exceptions=True)

    async def _store(self, waiting: asyncio.Queue[_Appending | None], send: Callable[[bytes], Awaitable[None]]) -> None:
        """Store what waits, all that follows one another in one piece: a commit is slow, whatever is in it."""
        pieces: list[_Appending] = []
        while True:
            piece = await waiting.get()
            if pieces and (piece is None or not piece.follows(pieces[-1])):
                await self._append(pieces, send, waiting)
            if piece is None:
                return
            pieces.append(piece)
            if waiting.empty():
                await self._append(pieces, send, waiting)

    async def _append(
        self,
        pieces: list[_Appending],
        send: Callable[[bytes], Awaitable[None]],
        waiting: asyncio.Queue[_Appending | None],
    ) -> None:
        """Append pieces, answer each of them, and forget them."""
        first = pieces[0]
        samples = [sample for piece in pieces for sample in piece.samples]
        number = await self._tracking.write(
            first.caller.namespace,
            SampleCall(first.run_id, samples, int, first.sequence),
            actor=first.caller.name,
            size=sum(piece.size for piece in pieces),
        )
        self._changes.changed(first.caller.namespace)
        reply = wire.AppendResponse(run_id=first.run_id, next_sequence=number).SerializeToString()
        for _ in pieces:
            await send(reply)
            waiting.task_done()
        pieces.clear()

    # -- watching -----------------------------------------------------------------------------------------------------

    async def watch_runs(self, data: bytes, send: Callable[[bytes], Awaitable[None]], call: Call) -> None:
        """Send each run, and then each that changes."""
        request = decoded(wire.WatchRunsRequest, data)
        scope, mask = read_scope(request.scope, Lifecycle.ALL), RunMask(request)
        since, heartbeat = _change(request.cursor), _heartbeat(request)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.READ)
        limit = _RUNS

        def look(tracking: Tracking) -> tuple[int, bool, int, bytes]:
            cursor, ids = tracking.changed_runs(since, scope=scope, limit=limit)
            message = wire.WatchRunsResponse(cursor=f"c{cursor}", caught_up=len(ids) < limit)
            message.runs.extend(mask.applied(run_message(run)) for run in tracking.runs(ids, mask.parts))
            return cursor, message.caught_up, len(ids), message.SerializeToString()

        with self._changes.watch(caller.namespace) as watch:
            beat, told = time.monotonic(), False
            while True:
                cursor, caught_up, count, reply = await self._tracking.read(caller.namespace, look, actor=caller.name)
                if len(reply) > MOST_BYTES and limit > 1:
                    limit = max(1, limit // 10)
                    continue
                since = cursor
                if count or not told or time.monotonic() - beat >= heartbeat:
                    await send(reply)
                    beat, told = time.monotonic(), caught_up
                if caught_up:
                    await watch.wait(heartbeat - (time.monotonic() - beat))
                    # A token that is good no longer ends the watch.
                    await self._callers.admit(call.metadata, caller.namespace, Role.READ)

    async def watch_observations(self, data: bytes, send: Callable[[bytes], Awaitable[None]], call: Call) -> None:
        """Send what a run reported, and then what it reports."""
        request = decoded(wire.WatchObservationsRequest, data)
        required(request, "run_id")
        after = request.after_sequence if request.HasField("after_sequence") else None
        heartbeat = _heartbeat(request)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.READ)

        def look(tracking: Tracking) -> tuple[int | None, bool, bool, bytes]:
            # In this order: what was reported before the end is seen.
            run = tracking.run(request.run_id, ())
            found = tracking.series(
                request.run_id, request.metric or None, after_sequence=after, limit=_OBSERVATIONS + 1
            )
            some = found[:_OBSERVATIONS]
            message = wire.WatchObservationsResponse(caught_up=len(found) <= _OBSERVATIONS)
            add_observations(message.observations, some)
            ended = run.ended is not None or run.deleted is not None
            return some[-1].sequence if some else None, message.caught_up, ended, message.SerializeToString()

        with self._changes.watch(caller.namespace) as watch:
            beat, told = time.monotonic(), False
            while True:
                last, caught_up, ended, reply = await self._tracking.read(caller.namespace, look, actor=caller.name)
                after = after if last is None else last
                if last is not None or not told or time.monotonic() - beat >= heartbeat:
                    await send(reply)
                    beat, told = time.monotonic(), caught_up
                if caught_up:
                    if ended and request.until_run_ends:
                        return
                    await watch.wait(heartbeat - (time.monotonic() - beat))
                    await self._callers.admit(call.metadata, caller.namespace, Role.READ)


async def _first(wanted: Awaitable[Any], *others: asyncio.Task[Any]) -> Any:
    """Return what is waited for, unless one of the others ended before, whose failure is raised.

    Raises:
        StoreUnavailable: One ended without a failure: the server stops.
    """
    task = asyncio.ensure_future(wanted)
    try:
        await asyncio.wait({task, *others}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            for other in others:
                if other.done():
                    other.result()
            raise stopping()
        return task.result()
    finally:
        if not task.done():
            task.cancel()


def _change(cursor: str) -> int:
    if not cursor:
        return 0
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise InvalidInput([Problem("cursor", "is none of this service: pass one on as it came", cursor)])
    return int(found[1])


def _heartbeat(request: Any) -> float:
    if not request.HasField("heartbeat"):
        return _HEARTBEAT
    seconds: float = request.heartbeat.seconds + request.heartbeat.nanos / 1e9
    if not _SHORTEST <= seconds <= _LONGEST:
        raise InvalidInput([Problem("heartbeat", "must be 1 s to 1 min", f"{seconds:g} s")])
    return seconds
