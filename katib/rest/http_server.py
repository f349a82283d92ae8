"""The HTTP server: uvicorn inside the loop of the gRPC server that it stands beside, started and stopped with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import uvicorn
from typing_extensions import override

from katib.access import Everyone
from katib.errors import Conflict, InvalidInput, Problem
from katib.rest.application import Services, application
from katib.rest.certificates import Certificates
from katib.rest.connections import Connection
from katib.rest.http_metrics import HttpMetrics
from katib.rest.operations import Patience
from katib.rest.recognition import Recognition
from katib.rest.run_files import RunFiles
from katib.rpc.credentials import check_plaintext, host_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from prometheus_client import CollectorRegistry

    from katib.access import Authenticator
    from katib.rest.operations import Api
    from katib.rpc.credentials import Tls
    from katib.rpc.tracking_calls import TrackingCalls
    from katib.rpc.transfers import Transfers
    from katib.store.artifacts import ArtifactStore

__all__ = ["HttpOptions", "HttpServer", "check_http_address", "is_loopback"]

_BACKLOG: Final = 512
_KEEP_ALIVE_SECONDS: Final = 65
"""Longer than the 60 s after which usual proxies close theirs."""
_LARGEST_HEAD: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How the server is run.

    Attributes:
        addresses: ``HOST:PORT`` each; the port 0 is any free one.
        tls: How connections are secured; None for plaintext.
        insecure_plaintext: Whether plaintext is allowed where other machines can reach it.
        grace: Seconds that calls get to end when the server stops.
        most_connections: Further ones are answered 503.
        patience: How long is waited for callers.
    """

    addresses: Sequence[str]
    tls: Tls | None = None
    insecure_plaintext: bool = False
    grace: float = 30.0
    most_connections: int = 1024
    patience: Patience = field(default_factory=Patience)


class HttpServer:
    """A server for as long as it is open (``async with``).

    Args:
        apis: What it answers.
        tracking: Stays open when this is closed.
        transfers: In which files of runs move; they stay open too.
        artifacts: Where files of runs are; None for no files.
        authenticator: Knows the callers.
        registry: Of Prometheus.
        fault: Says why the store cannot be asked; empty while it can.

    Attributes:
        addresses: Where it answers, with the ports that were found.
    """

    def __init__(
        self,
        options: HttpOptions,
        apis: Sequence[Api],
        *,
        tracking: TrackingCalls,
        transfers: Transfers,
        artifacts: ArtifactStore | None = None,
        authenticator: Authenticator | None = None,
        registry: CollectorRegistry | None = None,
        fault: Callable[[], str] = str,
    ) -> None:
        self._options = options
        self._apis = apis
        self._tracking = tracking
        self._transfers = transfers
        self._artifacts = artifacts
        self._authenticator = authenticator or Everyone()
        self._registry = registry
        self._fault = fault
        self._stack = AsyncExitStack()
        self._running: list[asyncio.Task[None]] = []
        self.addresses: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            InvalidInput: An address or a TLS file is wrong, or plaintext is not allowed there.
            Conflict: An address is in use.
        """
        options = self._options
        for address in options.addresses:
            check_http_address(address, plaintext=options.tls is None and not options.insecure_plaintext)
        certificates = Certificates(options.tls) if options.tls is not None else None
        try:
            sockets = [self._stack.enter_context(_listening(address)) for address in options.addresses]
            services = Services(
                tracking=self._tracking,
                run_files=RunFiles(self._artifacts, self._transfers),
                recognition=self._stack.enter_context(Recognition(self._authenticator)),
                patience=options.patience,
                metrics=HttpMetrics(self._registry) if self._registry is not None else None,
                loopback=is_loopback(options.addresses),
                fault=self._fault,
                stopping=lambda: self._server.should_exit,
            )
            config = uvicorn.Config(
                application(self._apis, services),
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                # What it would say is ours to say (``answers``, ``application``), or noise that callers can make.
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=_BACKLOG,
                limit_concurrency=options.most_connections,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                h11_max_incomplete_event_size=_LARGEST_HEAD,
            )
            config.load()
            if certificates is not None:
                config.ssl = certificates.context
                self._running.append(asyncio.create_task(certificates.follow()))
            self._server = _Server(config)
            self._serving = asyncio.create_task(self._server.serve(sockets))
            while not self._server.started:
                if self._serving.done():
                    await self._serving  # raises
                await asyncio.sleep(0.005)
            self.addresses = tuple(
                f"{address.rpartition(':')[0]}:{listener.getsockname()[1]}"
                for address, listener in zip(options.addresses, sockets, strict=True)
            )
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0)

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls and give those that run some time to end; again, it changes nothing.

        Args:
            grace: Seconds they get; None for what the options say.
        """
        if not self._serving.done():
            # Seconds; uvicorn says ``int`` and takes any number.
            self._server.config.timeout_graceful_shutdown = self._options.grace if grace is None else grace  # type: ignore[assignment]
            self._server.should_exit = True
            await self._serving
        await self._close()

    async def _close(self) -> None:
        for task in self._running:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._running.clear()
        await self._stack.aclose()


class _Server(uvicorn.Server):
    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to whoever runs the loop."""
        yield


def is_loopback(addresses: Sequence[str]) -> bool:
    """Return whether only this machine can reach all of these."""
    try:
        for address in addresses:
            check_plaintext(address)
    except InvalidInput:
        return False
    return True


def check_http_address(address: str, *, plaintext: bool = False) -> None:
    """Refuse what is no address to answer HTTP at.

    Args:
        address: ``HOST:PORT``.
        plaintext: Also refuse one that other machines can reach.

    Raises:
        InvalidInput: It is none.
    """
    if address.startswith("unix:"):
        raise InvalidInput([Problem("--http-address", "must be HOST:PORT, such as 127.0.0.1:5000", address)])
    try:
        host_of(address)
        if plaintext:
            check_plaintext(address)
    except InvalidInput as error:
        problem = error.problems[0]
        raise InvalidInput([Problem("--http-address", problem.message, problem.value)]) from None


@contextlib.contextmanager
def _listening(address: str) -> Generator[socket.socket, None, None]:
    host, port = host_of(address), int(address.rpartition(":")[2])
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, place = found[0]
        # With its protocol by name: asyncio sends small answers at once (TCP_NODELAY) on such sockets alone.
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Conflict(f"cannot listen on {address}: {error.strerror}") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
            listener.bind(place)
            listener.listen(_BACKLOG)
            listener.setblocking(False)  # noqa: FBT003 - the library's own
        except OSError as error:
            raise Conflict(f"cannot listen on {address}: {error.strerror}") from error
        yield listener
