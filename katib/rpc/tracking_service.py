"""The store's own service, ``katib.v1.Store``: who calls, what is asked of the tracking store, and the answer."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc

from katib.access import Role
from katib.errors import Overloaded
from katib.rpc import recording_calls, tracking_containers, tracking_logs, tracking_runs, tracking_things
from katib.rpc import store_v1 as wire
from katib.rpc.appenders import Appenders
from katib.rpc.calls import answering, streaming
from katib.rpc.requests import decoded
from katib.rpc.services import MOST_BYTES
from katib.rpc.tracking_changes import Changes
from katib.rpc.tracking_files import TrackingFiles
from katib.rpc.tracking_streams import TrackingStreams

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.protobuf.message import Message

    from katib.rpc.callers import Caller, Callers
    from katib.rpc.calls import Call
    from katib.rpc.server_metrics import CallMetrics
    from katib.rpc.tracking_calls import TrackingCalls
    from katib.rpc.tracking_methods import Answer, Method
    from katib.rpc.transfers import Transfers
    from katib.store.artifacts import ArtifactStore

__all__ = ["SERVICE", "TrackingService"]

T = TypeVar("T")

SERVICE: Final = wire.DESCRIPTOR.services_by_name["Store"]
_LARGE: Final = 1 << 16
"""Bytes of a request that are not decoded between two other calls."""
_METHODS: Final[dict[str, Method]] = {
    **tracking_containers.METHODS,
    **tracking_runs.METHODS,
    **tracking_logs.METHODS,
    **tracking_things.METHODS,
    **recording_calls.METHODS,
}


class TrackingService:
    """Answers the service.

    Args:
        tracking: How the store is asked.
        callers: Knows who may.
        transfers: In which contents of artifacts move.
        artifacts: Where they are; None for no place.
        archive: Where runs go before they are purged; None for nowhere.
        metrics: Told what happened.
        longest_call: Seconds after which a call without streams ends in any case.
    """

    def __init__(
        self,
        tracking: TrackingCalls,
        callers: Callers,
        transfers: Transfers,
        *,
        artifacts: ArtifactStore | None = None,
        archive: ArtifactStore | None = None,
        metrics: CallMetrics,
        longest_call: float,
    ) -> None:
        self._tracking = tracking
        self._callers = callers
        self._metrics = metrics
        self._longest_call = longest_call
        self._changes = Changes()
        self._files = TrackingFiles(artifacts, tracking, callers, transfers, archive=archive, patience=longest_call)
        self._appenders = Appenders(tracking, callers)
        self._streams = TrackingStreams(tracking, callers, self._changes, self._appenders)

    def close_streams(self) -> None:
        """End the streams that go on for as long as their callers want; they are told to take them up elsewhere."""
        self._changes.close()

    def handler(self) -> grpc.GenericRpcHandler:
        """Return what a server needs to answer the service."""
        unary: dict[str, Callable[[bytes, Call], Awaitable[bytes]]] = {
            **{name: partial(self._answer, method) for name, method in _METHODS.items()},
            "ListOpenExperiments": self._open_experiments,
            "Append": self._append,
            "DeleteArtifact": self._files.delete,
            "Purge": self._files.purge,
        }
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(
                answering(name, method, metrics=self._metrics, longest_call=self._longest_call)
            )
            for name, method in unary.items()
        }
        for name, method, kind in (
            ("AppendObservations", self._streams.append, grpc.stream_stream_rpc_method_handler),
            ("WatchRuns", self._streams.watch_runs, grpc.unary_stream_rpc_method_handler),
            ("WatchObservations", self._streams.watch_observations, grpc.unary_stream_rpc_method_handler),
            ("UploadArtifact", self._files.upload, grpc.stream_unary_rpc_method_handler),
            ("DownloadArtifact", self._files.download, grpc.unary_stream_rpc_method_handler),
        ):
            handlers[name] = kind(streaming(name, method, metrics=self._metrics))
        return grpc.method_handlers_generic_handler(
            SERVICE.full_name, {name: handlers[name] for name in SERVICE.methods_by_name}
        )

    async def _answer(self, method: Method, data: bytes, call: Call) -> bytes:
        large = len(data) >= _LARGE
        request = await _worked(large, partial(decoded, method.request, data))
        caller = await self._callers.admit(call.metadata, request.namespace, method.role_for(request))
        answer = await _worked(large, partial(method.prepare, request))
        if not method.changes:
            return await self._tracking.read(
                caller.namespace, lambda tracking: _encoded(answer(tracking)), actor=caller.name
            )
        return await self._stored(answer, caller, len(data))

    async def _stored(self, answer: Answer, caller: Caller, size: int) -> bytes:
        """Return the answer to a change, once it is durable."""
        reply = await self._tracking.write(caller.namespace, answer, actor=caller.name, size=size)
        self._changes.changed(caller.namespace)
        return _encoded(reply)

    async def _append(self, data: bytes, call: Call) -> bytes:
        method = _METHODS["Append"]
        request = await _worked(len(data) >= _LARGE, partial(decoded, method.request, data))
        caller = await self._appenders.admit(request, call)
        answer = await _worked(len(data) >= _LARGE, partial(method.prepare, request))
        return await self._stored(answer, caller, len(data))

    async def _open_experiments(self, data: bytes, call: Call) -> bytes:
        request = decoded(wire.ListOpenExperimentsRequest, data)
        namespace = await self._callers.admit_anywhere(
            call.metadata, request.namespace or None, Role.READ, field="namespace"
        )
        answer = recording_calls.open_experiments(request, namespace)
        return _encoded(await self._tracking.read_everywhere(answer))


async def _worked(large: bool, function: Callable[[], T]) -> T:  # noqa: FBT001 - what decides
    """Return what a function returns that computes; much of it not between two other calls."""
    return await asyncio.to_thread(function) if large else function()


def _encoded(reply: Message) -> bytes:
    """Return a reply's bytes.

    Raises:
        Overloaded: They are more than a message may have.
    """
    data = reply.SerializeToString()
    if len(data) > MOST_BYTES:
        raise Overloaded(f"the answer is larger than the {MOST_BYTES >> 20} MiB of a message: ask for less at a time")
    return data
