"""Reports over Katib's wire, to a DB manager: for trials that have no file to report to. A server that is away costs no training.

Katib's messages have no place for steps. A report that is sent twice is stored once (``katib.store.observation_logs``), so that what
may have arrived is sent again.
"""

from __future__ import annotations

import atexit
import os
import socket
import threading
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import grpc

from katib.errors import (
    Denied,
    InvalidInput,
    KatibError,
    Problem,
    RemoteFault,
    Retry,
    StoreUnavailable,
    Unauthenticated,
)
from katib.rpc import v1beta1 as wire
from katib.rpc.tls_trouble import tls_trouble
from katib.rpc.wire_time import time_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from katib.metrics.reporter import Report

__all__ = ["send"]

_METHOD: Final = "/api.v1.beta1.DBManager/ReportObservationLog"
_NAMESPACE_KEY: Final = "x-katib-namespace"
_SHORT: Final = 2.0
"""Seconds that a server has which did not answer the last time, and at the end of the process."""
_MOST_WAITING: Final = 100_000
"""Values kept of a server that is away; the oldest are dropped then."""
_ROWS: Final = 10_000
"""In one message."""
_PAUSE: Final = 0.2
_MUTE: Final = "it takes connections, and answers nothing in time"
_AWAY: Final = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    # A connection that breaks in the middle, and whatever stands before a server and fails in its place.
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
)
_LOOK_SECONDS: Final = 1.0
_MOST_REFUSED: Final = 20
"""Values that are found out one by one to be what a server refuses; with more of them, everything beside them is given up."""


class _Row(NamedTuple):
    name: str
    text: str
    time: datetime


@dataclass(slots=True)
class _Server:
    """One trial at one server."""

    address: str
    trial: str
    namespace: str
    channel: Any
    call: Any
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: list[_Row] = field(default_factory=list)
    is_away: bool = False
    silence: str = ""
    dropped: int = 0
    refused: int = 0
    refusal: InvalidInput | None = None


_SERVERS: Final[dict[tuple[int, str, str, str], _Server]] = {}
_LOCK: Final = threading.Lock()


def send(
    address: str,
    trial: str,
    reports: Sequence[Report],
    *,
    namespace: str = "",
    timeout: float = 120.0,
    must_arrive: bool = False,
) -> None:
    """Send reports of a trial, those first that could not be sent before.

    Args:
        address: ``HOST:PORT``; behind ``https://`` with TLS, for which ``KATIB_ROOT_CA`` may name a file of certificates.
        trial: Its name.
        reports: What it reports.
        namespace: Of the trial; empty where the server finds out.
        timeout: Seconds for all of it.
        must_arrive: Raise an error instead of a warning.

    Raises:
        KatibError: They must arrive, and did not; they wait to be sent with the next ones.
    """
    try:
        server = _server(address, trial, namespace)
    except KatibError as error:
        if must_arrive:
            raise
        warnings.warn(f"metrics are not reported: {error}", RuntimeWarning, stacklevel=4)
        return
    rows = [_Row(name, text, report.time) for report in reports for name, text in report.metrics.items()]
    with server.lock:
        server.waiting += rows
        patience = min(timeout, _SHORT) if server.is_away and not must_arrive else timeout
        if must_arrive:
            server.silence = ""  # its reason is told again, and may be another one by now
        failure: KatibError | None = None
        said = ""
        try:
            _send_waiting(server, time.monotonic() + patience)
        except KatibError as error:
            failure = error
            said = _failed(server, error)
        else:
            server.is_away = False
        refusal, lost = _refused(server)
        if must_arrive and (failure or refusal):
            raise failure or refusal  # type: ignore[misc] # one of them is there
    for sentence in filter(None, (lost, said)):
        warnings.warn(sentence, RuntimeWarning, stacklevel=4)


def _send_waiting(server: _Server, deadline: float) -> None:
    """Send what waits; a value that the server refuses is noted, and costs none of the others."""
    while server.waiting:
        size = min(len(server.waiting), _ROWS)
        while True:
            try:
                _call(server, server.waiting[:size], deadline)
            except InvalidInput as error:
                server.refusal = error
                if server.refused >= _MOST_REFUSED:
                    size = len(server.waiting)
                elif size > 1:
                    size //= 2
                    continue
                server.refused += size
            del server.waiting[:size]
            break


def _values(count: int) -> str:
    """Return the beginning of a sentence about some values."""
    return "1 value of a metric is" if count == 1 else f"{count} values of metrics are"


def _refused(server: _Server) -> tuple[InvalidInput | None, str]:
    """Return what a server refused since the last time, also as a sentence."""
    refusal, count = server.refusal, server.refused
    server.refusal, server.refused = None, 0
    return refusal, "" if refusal is None else f"{_values(count)} not reported: {refusal}"


def _call(server: _Server, rows: Sequence[_Row], deadline: float) -> None:
    request = wire.ReportObservationLogRequest(
        trial_name=server.trial,
        observation_log=wire.ObservationLog(
            metric_logs=[
                wire.MetricLog(time_stamp=time_text(row.time), metric=wire.Metric(name=row.name, value=row.text))
                for row in rows
            ]
        ),
    )
    metadata = [(_NAMESPACE_KEY, server.namespace)] if server.namespace else []
    if token := os.environ.get("KATIB_REPORT_TOKEN"):
        metadata.append(("authorization", f"Bearer {token}"))
    while True:
        try:
            # Waits for a server that is not there yet, which gRPC does without giving up.
            server.call(request, timeout=max(0.01, deadline - time.monotonic()), metadata=metadata, wait_for_ready=True)
        except grpc.RpcError as error:
            failure = _error_of(server.address, error)
            if failure.retry is not Retry.LATER or time.monotonic() + _PAUSE >= deadline:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    failure = StoreUnavailable(f"the DB manager at {server.address}: {_silence(server)}")
                raise failure from error
            time.sleep(_PAUSE)
        else:
            return


def _error_of(address: str, error: Any) -> KatibError:
    """Return what a failed call is; without the richer details, whose package a trainer need not have."""
    code, details = error.code(), error.details() or ""
    said = f"the DB manager at {address}: {details or code.name}"
    if code in _AWAY:
        return StoreUnavailable(said)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Unauthenticated(said)
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return Denied(said)
    if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE):
        return InvalidInput([Problem("metrics", said)])
    return RemoteFault(said)


def _silence(server: _Server) -> str:
    """Return why a server did not answer in time, of which gRPC says no more than that; looked at once in a while that it is away."""
    if not (server.is_away and server.silence):
        server.silence = _look(server.address)
    return server.silence


def _look(address: str) -> str:
    scheme, separator, rest = address.partition("://")
    place = rest if separator else address
    host, _, port = place.rpartition(":")
    host = host.strip("[]")
    if place.startswith("unix:"):
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_LOOK_SECONDS)
                connection.connect(place.removeprefix("unix:"))
        except OSError as error:
            return f"it cannot be reached ({error.strerror or type(error).__name__})"
        return _MUTE
    try:
        socket.create_connection((host, int(port)), timeout=_LOOK_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        return f"it cannot be reached ({getattr(error, 'strerror', None) or error})"
    if scheme == "https" and separator:
        try:
            return tls_trouble(place, _roots(), host, seconds=_LOOK_SECONDS) or _MUTE
        except KatibError as error:
            return str(error)
    return _MUTE


def _failed(server: _Server, error: KatibError) -> str:
    """Note a failure, and return what to say of it; empty where it was said and nothing has changed."""
    if error.retry is not Retry.LATER:
        # It would be refused again, and those after it with it.
        lost = _values(len(server.waiting))
        del server.waiting[:]
        return f"{lost} not reported: {error}"
    surplus = len(server.waiting) - _MOST_WAITING
    if surplus > 0:
        del server.waiting[:surplus]
        server.dropped += surplus
    known, server.is_away = server.is_away, True
    if known and not (surplus > 0 and server.dropped == surplus):
        return ""
    lost = f" ({server.dropped} older ones are lost)" if server.dropped else ""
    return f"metrics wait to be reported with the next ones{lost}: {error}"


def _server(address: str, trial: str, namespace: str) -> _Server:
    # By process: a connection does not survive a fork.
    key = (os.getpid(), address, trial, namespace)
    with _LOCK:
        server = _SERVERS.get(key)
        if server is None:
            channel = _channel(address)
            call = channel.unary_unary(
                _METHOD,
                request_serializer=wire.ReportObservationLogRequest.SerializeToString,
                response_deserializer=wire.ReportObservationLogReply.FromString,
            )
            server = _SERVERS[key] = _Server(address, trial, namespace, channel, call)
            if len(_SERVERS) == 1:
                atexit.register(_say_goodbye)
        return server


def _channel(address: str) -> Any:
    options = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1_000))
    scheme, separator, rest = address.partition("://")
    if separator and scheme == "http":
        address = rest
    if not separator or scheme == "http":
        return grpc.insecure_channel(address, options=options)
    if scheme != "https":
        raise InvalidInput(f"the address of a DB manager is HOST:PORT or https://HOST:PORT, not {address!r}")
    credentials = grpc.ssl_channel_credentials(_roots().encode() or None)
    return grpc.secure_channel(rest, credentials, options=options)


def _roots() -> str:
    """Return who may sign a server's certificate, in PEM; empty for those that this machine trusts.

    Raises:
        InvalidInput: The file that names them cannot be read.
    """
    file = os.environ.get("KATIB_ROOT_CA")
    try:
        return Path(file).read_text("utf-8", "replace") if file else ""
    except OSError as error:
        raise InvalidInput(f"KATIB_ROOT_CA: {file} cannot be read: {error.strerror}") from error


def _say_goodbye() -> None:
    """Send what could not be sent before, as far as that is quick."""
    own = [server for (process, *_), server in _SERVERS.items() if process == os.getpid()]
    deadline = time.monotonic() + _SHORT
    for server in own:
        if not server.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            # A thread that nobody waits for is at it, and may be for as long as its own time lasts.
            message = f"{_values(len(server.waiting))} perhaps not reported: the DB manager at {server.address} is slow"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
            continue
        try:
            _send_waiting(server, deadline)
        except KatibError as error:
            message = f"{_values(len(server.waiting))} not reported: {error}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        finally:
            server.lock.release()
        if lost := _refused(server)[1]:
            warnings.warn(lost, RuntimeWarning, stacklevel=2)
        server.channel.close()
