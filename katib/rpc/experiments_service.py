"""The experiments' API, ``katib.v1.experiments.Experiments``: who calls, what is asked of experiments, and the answer."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import grpc

from katib.access import Role, token_of
from katib.errors import InvalidInput, KatibError, Problem
from katib.rpc import experiments_v1 as wire
from katib.rpc.calls import FailedCall, answering, streaming
from katib.rpc.experiments_asking import ASKS
from katib.rpc.experiments_calls import CALLS, listed
from katib.rpc.experiments_errors import status_for
from katib.rpc.experiments_kinds import ParameterKinds
from katib.rpc.experiments_logs import LogStreams
from katib.rpc.experiments_messages import experiment_message, kinds_of, trial_message
from katib.rpc.experiments_once import Once
from katib.rpc.experiments_requests import check_changes, check_texts, check_watch, read_offset
from katib.rpc.experiments_threads import BlockingCalls
from katib.rpc.experiments_watch import Watched, Watches
from katib.rpc.requests import decoded
from katib.rpc.services import MOST_BYTES
from katib.rpc.tracking_changes import stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from concurrent.futures import Future

    from google.protobuf.message import Message

    from katib.experiments.protocol import Experiments
    from katib.rpc.callers import Callers
    from katib.rpc.calls import Call
    from katib.rpc.experiments_asking import AskCall
    from katib.rpc.experiments_calls import ExperimentCall
    from katib.rpc.server_metrics import CallMetrics

    ExperimentsOf: TypeAlias = Callable[[str | None], Experiments]
    """Returns the experiments that the owner of a token may see, at once; for the same owner the same object."""

__all__ = ["SERVICE", "ExperimentsService"]

SERVICE: Final = wire.DESCRIPTOR.services_by_name["Experiments"]
_LARGE: Final = 1 << 16
"""Bytes of a request that are not decoded between two other calls."""
_PIECE: Final = 1 << 20


class ExperimentsService:
    """Answers the service, for as long as it is open (``with``).

    Args:
        experiments: What it is about; or what returns those of the owner of a token, where each has their own.
        callers: Knows who may.
        metrics: Told what happened.
        longest_call: Seconds after which a call without streams ends in any case.
        threads: Calls at a time that are not ask and tell.
        most_waiting: Those and the ones that wait for them.
        most_watches: Calls that watch.
        most_logs: Calls that read what trials print.
    """

    def __init__(
        self,
        experiments: Experiments | ExperimentsOf,
        callers: Callers,
        *,
        metrics: CallMetrics,
        longest_call: float,
        threads: int = 8,
        most_waiting: int = 256,
        most_watches: int = 10_000,
        most_logs: int = 128,
    ) -> None:
        self._experiments = experiments
        self._callers = callers
        self._metrics = metrics
        self._longest_call = longest_call
        self._blocking = BlockingCalls(threads, most_waiting)
        self._watches = Watches(most_watches)
        self._logs = LogStreams(most_logs)
        self._kinds = ParameterKinds()
        self._once = Once()
        self._waiting: set[asyncio.Future[Any]] = set()
        self._stopping = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close_streams(self) -> None:
        """End what goes on for as long as its callers want: streams, and waiting for trials. They are told to go on elsewhere."""
        self._stopping = True
        for waiting in tuple(self._waiting):
            waiting.cancel()
        self._watches.close()
        self._logs.close()

    def close(self) -> None:
        """End for good, after the server has taken its last call."""
        self.close_streams()
        self._blocking.close()

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a server needs to answer the service."""
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(
                answering(name, _told(method), metrics=self._metrics, longest_call=self._longest_call)
            )
            for name, method in self.methods().items()
        }
        for name, method in self.streams().items():
            handlers[name] = grpc.unary_stream_rpc_method_handler(streaming(name, _told(method), metrics=self._metrics))
        return grpc.method_handlers_generic_handler(
            SERVICE.full_name, {name: handlers[name] for name in SERVICE.methods_by_name}
        )

    def methods(self) -> dict[str, Callable[[bytes, Call], Awaitable[bytes]]]:
        """Return the calls that are made and answered once, by name: from a request's bytes to a reply's. They raise ``katib.errors``."""
        return {
            **{name: partial(self._answer, name, method) for name, method in CALLS.items()},
            **{name: partial(self._ask, method) for name, method in ASKS.items()},
            "ListExperiments": self._list,
        }

    def streams(self) -> dict[str, Callable[[bytes, Callable[[bytes], Awaitable[None]], Call], Awaitable[None]]]:
        """Return the calls that are answered with several messages; the second argument sends one."""
        return {"WatchExperiments": self._watch, "ListChanges": self._list_changes, "ReadLogs": self._read_logs}

    def _of(self, call: Call) -> Experiments:
        """Return the experiments that are meant; after the caller was recognised."""
        experiments = self._experiments
        if not callable(experiments):
            return experiments
        return experiments(token_of([(key, value) for key, value in call.metadata if isinstance(value, str)]))

    # -- calls that are made and answered once ------------------------------------------------------------------------

    async def _answer(self, name: str, method: ExperimentCall, data: bytes, call: Call) -> bytes:
        request = await _read(method.request, data)
        ask = method.prepare(request)
        caller = await self._callers.admit(call.metadata, request.namespace, method.role(request))
        experiments = self._of(call)

        async def answer() -> bytes:
            return await self._blocking.run(lambda: _encoded(ask(experiments, caller.namespace, self._kinds)))

        if not method.once:
            return await answer()
        return await self._once.answer((caller.name, caller.namespace, request.request_id), name, data, answer)

    async def _list(self, data: bytes, call: Call) -> bytes:
        request = await _read(wire.ListExperimentsRequest, data)
        ask = listed(request)
        namespace: str | None
        if request.all_namespaces:
            namespace = await self._callers.admit_anywhere(call.metadata, None, Role.READ, field="namespace")
        else:
            namespace = (await self._callers.admit(call.metadata, request.namespace, Role.READ)).namespace
        experiments = self._of(call)
        return await self._blocking.run(lambda: _encoded(ask(experiments, namespace)))

    async def _ask(self, method: AskCall, data: bytes, call: Call) -> bytes:
        request = await _read(method.request, data)
        tell = method.prepare(request)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.WRITE)
        experiments, namespace, name = self._of(call), caller.namespace, request.experiment
        found = await self._done(tell(experiments.workers, namespace, call.seconds), waits=method.waits)
        records = method.trials(found)
        kinds = self._kinds.known(namespace, name, records)
        if kinds is None:
            kinds = await self._blocking.run(lambda: self._kinds.look_up(experiments, namespace, name))
        return _encoded(method.reply(name, found, kinds))

    async def _done(self, future: Future[Any], *, waits: bool) -> Any:
        """Return what a future comes to.

        Args:
            future: Of ask and tell.
            waits: Whether it may be left where it is when the server stops.

        Raises:
            StoreUnavailable: Nothing, as the server stops.
        """
        wrapped = asyncio.wrap_future(future)
        # A caller who goes does not undo what they asked for, but for trials: those would be held for nobody.
        awaited = asyncio.shield(wrapped)
        if waits:
            self._waiting.add(awaited)
            awaited.add_done_callback(self._waiting.discard)
        try:
            return await awaited
        except asyncio.CancelledError:
            if not wrapped.cancelled():
                if waits:
                    future.cancel()
                wrapped.add_done_callback(lambda done: done.cancelled() or done.exception())
                if not self._stopping:
                    raise
            raise stopping() from None

    # -- streams ------------------------------------------------------------------------------------------------------

    async def _watch(self, data: bytes, send: Callable[[bytes], Awaitable[None]], call: Call) -> None:
        request = await _read(wire.WatchExperimentsRequest, data)
        check_watch(request)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.READ)
        await self._watches.follow(
            Watched(self._of(call), caller.namespace, request.name, request.trials),
            send,
            until_over=request.until_over,
            recognise=lambda: self._callers.admit(call.metadata, caller.namespace, Role.READ),
        )

    async def _list_changes(self, data: bytes, send: Callable[[bytes], Awaitable[None]], call: Call) -> None:
        request = await _read(wire.ListChangesRequest, data)
        check_changes(request)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.READ)
        experiments = self._of(call)
        changes = await self._blocking.run(
            lambda: list(_changes(experiments, caller.namespace, request.name, request.cursor, self._kinds))
        )
        for message in changes:
            await send(message)

    async def _read_logs(self, data: bytes, send: Callable[[bytes], Awaitable[None]], call: Call) -> None:
        request = await _read(wire.ReadLogsRequest, data)
        check_texts(request, "experiment", "trial")
        offset = read_offset(request)
        caller = await self._callers.admit(call.metadata, request.namespace, Role.READ)
        experiments = self._of(call)

        def read() -> Iterator[bytes]:
            return experiments.logs(caller.namespace, request.experiment, request.trial, follow=request.follow)

        await self._logs.send(read, offset, send)


def _told(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a method whose errors are said with their type."""

    async def answer(*arguments: Any) -> Any:
        try:
            return await method(*arguments)
        except KatibError as error:
            raise FailedCall(status_for(error)) from error

    return answer


async def _read(kind: Any, data: bytes) -> Any:
    """Return a request; a large one is not read between two other calls."""
    return await asyncio.to_thread(decoded, kind, data) if len(data) >= _LARGE else decoded(kind, data)


def _changes(
    experiments: Experiments, namespace: str, name: str, cursor: str, known: ParameterKinds
) -> Iterator[bytes]:
    """Yield what changed, in messages of about a megabyte."""
    changes = experiments.changes(namespace, name or None, cursor)
    message = wire.ListChangesResponse()
    size = 0
    kinds: Mapping[str, str] | None = kinds_of(changes.experiments[0]) if name and changes.experiments else None
    if kinds is None and changes.trials:
        kinds = known.of(experiments, namespace, name, changes.trials)
    for experiment in changes.experiments:
        message.experiments.append(experiment_message(experiment))
        size += message.experiments[-1].ByteSize()
        if size >= _PIECE:
            yield _encoded(message)
            message, size = wire.ListChangesResponse(), 0
    for record in changes.trials:
        message.trials.append(trial_message(name, record, kinds or {}))
        size += message.trials[-1].ByteSize()
        if size >= _PIECE:
            yield _encoded(message)
            message, size = wire.ListChangesResponse(), 0
    for place, gone, uid in changes.deleted:
        message.deleted.add(namespace=place, name=gone, uid=uid)
    message.cursor = changes.cursor
    yield _encoded(message)


def _encoded(reply: Message) -> bytes:
    """Return a reply's bytes.

    Raises:
        InvalidInput: They are more than a message may have.
    """
    data = reply.SerializeToString()
    if len(data) > MOST_BYTES:
        message = f"the answer is larger than the {MOST_BYTES >> 20} MiB of a message: ask for less at a time"
        raise InvalidInput([Problem("page_size", message)])
    return data
