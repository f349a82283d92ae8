"""A client's connection to the experiments' API: calls, futures and streams that are taken up again when the server was away."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import grpc

from katib.errors import KatibError, StoreUnavailable
from katib.rpc.experiments_errors import failure_of
from katib.rpc.experiments_outage import Attempts
from katib.rpc.experiments_stub import ExperimentsStub
from katib.rpc.server_access import open_channel, token_metadata
from katib.rpc.services import MESSAGE_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from katib.rpc.experiments_outage import Outage

__all__ = ["Connection"]

T = TypeVar("T")

_OPTIONS: Final = (
    *MESSAGE_OPTIONS,
    # A server that was away is asked again soon after it is back, and not after the two minutes that are gRPC's own limit.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Where the other machine is gone without a word, nothing ends a connection but this; streams would wait for ever.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


class Connection:
    """A connection to one server; may be used by any number of threads.

    Args:
        address: ``HOST:PORT``, or ``unix:PATH``.
        token: Says who calls; empty for nobody.
        token_file: Where it is instead; read with each call, as it is renewed.
        root_ca: Whose certificate the server may have, in PEM; None for plain text.
        deadline: Seconds that one message and its answer may take.
        outage: Says what is done when the server does not answer.

    Raises:
        InvalidInput: The file of certificates cannot be read.
    """

    def __init__(
        self,
        address: str,
        *,
        token: str,
        token_file: Path | None,
        root_ca: Path | None,
        deadline: float,
        outage: Outage,
    ) -> None:
        self.address = address
        self.deadline = deadline
        self._token = token
        self._token_file = token_file
        self._outage = outage
        self._channel = open_channel(address, root_ca, _OPTIONS)
        self._stub = ExperimentsStub(self._channel)
        self._closed = threading.Event()
        self._later = _Later()

    def close(self) -> None:
        """Let go of the connection; calls that run end with StoreUnavailable."""
        self._closed.set()
        self._channel.close()
        self._later.close()

    # -- one answer ---------------------------------------------------------------------------------------------------

    def attempts(self) -> Attempts:
        """Return a new call's attempts."""
        return Attempts(self._outage)

    def call(self, method: str, request: Any) -> Any:
        """Return the answer to a request, which may be sent several times."""
        return self._again(lambda: self._once(method, request))

    def _again(self, once: Callable[[], T]) -> T:
        attempts = self.attempts()
        while True:
            try:
                found = once()
            except KatibError as error:
                self._wait(attempts.pause(error), error)
            else:
                attempts.answered()
                return found

    def _once(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request, timeout=self.deadline, metadata=self.metadata())
        except grpc.RpcError as error:
            raise failure_of(self.address, error) from error
        except ValueError as error:  # what gRPC says of a closed channel
            raise self.gone(error) from error

    def _wait(self, seconds: float, error: KatibError) -> None:
        if self._closed.wait(seconds):
            raise error

    def gone(self, error: object) -> StoreUnavailable:
        """Return what becomes of a call that cannot be made."""
        return StoreUnavailable(f"the server at {self.address} cannot be asked: {error}")

    def metadata(self) -> list[tuple[str, str]]:
        """Return what says who calls.

        Raises:
            StoreUnavailable: The token cannot be read.
        """
        return token_metadata("the server", self.address, self._token, self._token_file)

    # -- streams ------------------------------------------------------------------------------------------------------

    def gathered(self, method: str, request: Any) -> list[Any]:
        """Return all messages of a stream that ends by itself; broken off, it is read anew."""

        def once() -> list[Any]:
            with self._stream(method, request, self.deadline) as messages:
                return list(messages)

        return self._again(once)

    def stream(self, method: str, request_of: Callable[[], Any]) -> Iterator[Any]:
        """Yield the messages of a stream, which is taken up again where it breaks off.

        Args:
            method: The name.
            request_of: Makes the request, with where to go on.
        """
        attempts = self.attempts()
        while True:
            try:
                with self._stream(method, request_of(), None) as messages:
                    for message in messages:
                        attempts.answered()
                        yield message
                    return
            except KatibError as error:
                self._wait(attempts.pause(error), error)

    def _stream(self, method: str, request: Any, deadline: float | None) -> _Stream:
        try:
            messages = getattr(self._stub, method)(request, timeout=deadline, metadata=self.metadata())
        except ValueError as error:
            raise self.gone(error) from error
        return _Stream(self.address, messages)

    # -- futures ------------------------------------------------------------------------------------------------------

    def future(
        self,
        method: str,
        request: Any,
        read: Callable[[Any], T],
        *,
        seconds: float | None = None,
        again: Callable[[Any], bool] | None = None,
    ) -> Future[T]:
        """Return a future of what an answer says; the request may be sent several times.

        Args:
            method: The name.
            request: May be changed by ``again``.
            read: Makes the result of the answer.
            seconds: That the answer may take; None for as long as any.
            again: Whether to ask on after an answer.
        """
        asked = _Asked(self, getattr(self._stub, method), request, read, seconds=seconds or self.deadline, again=again)
        asked.ask()
        return asked.made

    def later(self, seconds: float, function: Callable[[], None], given_up: Callable[[], None]) -> None:
        """Call a function after so many seconds; or another one, if the connection is closed before."""
        self._later.call(seconds, function, given_up)


class _Asked(Generic[T]):
    """A request whose answer somebody has a future of. Nothing here waits: answers come in gRPC's threads."""

    def __init__(
        self,
        connection: Connection,
        method: Any,
        request: Any,
        read: Callable[[Any], T],
        *,
        seconds: float,
        again: Callable[[Any], bool] | None,
    ) -> None:
        self.made: Future[T] = Future()
        self._connection = connection
        self._method = method
        self._request = request
        self._read = read
        self._seconds = seconds
        self._again = again
        self._attempts = connection.attempts()

    def ask(self) -> None:
        """Send the request."""
        if self.made.cancelled():
            return
        try:
            call = self._method.future(self._request, timeout=self._seconds, metadata=self._connection.metadata())
        except ValueError as error:  # what gRPC says of a closed channel
            self._fail(self._connection.gone(error))
        except KatibError as error:
            self._failed(error)
        else:
            call.add_done_callback(self._answered)
            # Whoever waits no longer is not to be given anything by a server that still does.
            self.made.add_done_callback(lambda made: made.cancelled() and call.cancel())

    def _answered(self, call: Any) -> None:
        try:
            answer = call.result()
        except grpc.RpcError as error:
            self._failed(failure_of(self._connection.address, error))
            return
        except grpc.FutureCancelledError:
            self._fail(self._connection.gone("the client was closed"))
            return
        self._attempts.answered()
        try:
            if self._again is not None and self._again(answer):
                self.ask()
                return
            found = self._read(answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's
            self._fail(error)
        else:
            if self.made.set_running_or_notify_cancel():
                self.made.set_result(found)

    def _failed(self, error: KatibError) -> None:
        try:
            pause = self._attempts.pause(error)
        except KatibError as given_up:
            self._fail(given_up)
        else:
            self._connection.later(pause, self.ask, lambda: self._fail(error))

    def _fail(self, error: BaseException) -> None:
        if self.made.set_running_or_notify_cancel():
            self.made.set_exception(error)


class _Stream:
    """The messages of one stream, whose failures are ours; left early, it is ended (``with``)."""

    def __init__(self, address: str, messages: Any) -> None:
        self._address = address
        self._messages = messages

    def __enter__(self) -> Iterator[Any]:
        return self._read()

    def __exit__(self, *_: object) -> None:
        self._messages.cancel()

    def _read(self) -> Iterator[Any]:
        try:
            yield from self._messages
        except grpc.RpcError as error:
            raise failure_of(self._address, error) from error


class _Later:
    """Calls functions after a while, in one thread that is there once it is needed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Callable[[], None], Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def call(self, seconds: float, function: Callable[[], None], given_up: Callable[[], None]) -> None:
        """Call a function after so many seconds; or another one, if this is closed before."""
        with self._changed:
            if not self._closed:
                heapq.heappush(self._waiting, (time.monotonic() + seconds, next(self._numbers), function, given_up))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="ask again", daemon=True)
                    self._thread.start()
                self._changed.notify()
                return
        given_up()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            left, self._waiting = self._waiting, []
            self._changed.notify()
        for *_, given_up in left:
            given_up()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._waiting or self._waiting[0][0] > time.monotonic()):
                    self._changed.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
                if self._closed:
                    return
                *_, function, _ = heapq.heappop(self._waiting)
            function()
