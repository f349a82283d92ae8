"""The suggestion server: both services, health, reflection and metrics on one or several addresses, until it is told to stop."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from katib.errors import Conflict
from katib.rpc import v1beta1 as wire
from katib.rpc.credentials import Tls, check_plaintext, host_of, server_credentials
from katib.rpc.learning_curves import LearningCurves
from katib.rpc.server_metrics import ServerMetrics
from katib.rpc.services import MESSAGE_OPTIONS, full_name
from katib.rpc.suggestion_service import SuggestionService
from katib.rpc.trial_status import NoTrials
from katib.rpc.worker_pool import PoolLimits, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from katib.rpc.trial_status import TrialStatusWriter

__all__ = ["ServerOptions", "SuggestionServer"]

_HEALTH_NAMES: Final = ("", "manager.v1beta1.Suggestion", full_name("Suggestion"), full_name("EarlyStopping"))
"""Katib's probes ask for the second one."""
_PING_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a server is run.

    Attributes:
        addresses: ``HOST:PORT`` each; the port 0 is any free one.
        tls: How connections are secured; None for plaintext.
        insecure_plaintext: Whether plaintext is allowed where other machines can reach it.
        limits: How much it takes on.
        longest_call: Seconds after which a call ends in any case.
        grace: Seconds that calls get to end when the server stops.
        metrics_address: Where Prometheus may ask; None for nowhere.
        checkpoints: The folder with the trials' checkpoints.
    """

    addresses: Sequence[str] = ("127.0.0.1:6789",)
    tls: Tls | None = None
    insecure_plaintext: bool = False
    limits: PoolLimits = field(default_factory=PoolLimits)
    longest_call: float = 600.0
    grace: float = 30.0
    metrics_address: str | None = None
    checkpoints: Path | None = None


class SuggestionServer:
    """A server for as long as it is open (``async with``).

    Attributes:
        addresses: Where it answers, with the ports that were found.
        metrics_port: Where Prometheus asks; None for nowhere.
        pool: Its workers.
    """

    def __init__(self, options: ServerOptions, trial_status: TrialStatusWriter | None = None) -> None:
        self._options = options
        self._trial_status = trial_status or NoTrials()
        self.addresses: tuple[str, ...] = ()
        self.metrics_port: int | None = None
        self.pool = WorkerPool(options.limits)
        self._metrics = ServerMetrics()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            InvalidInput: An address or a TLS file is wrong, or plaintext is not allowed there.
            Conflict: An address is in use.
            RunnerError: No worker can be started.
        """
        options = self._options
        for address in options.addresses:
            host_of(address)
            if options.tls is None and not options.insecure_plaintext:
                check_plaintext(address)
        credentials = server_credentials(options.tls) if options.tls else None
        try:
            self._server = grpc.aio.server(
                options=(
                    *MESSAGE_OPTIONS,
                    # Two servers that share a port without knowing are a fault that is hard to find.
                    ("grpc.so_reuseport", 0),
                    # Clients may ask whether a quiet connection still lives.
                    ("grpc.http2.min_recv_ping_interval_without_data_ms", _PING_SECONDS * 1000),
                    ("grpc.keepalive_permit_without_calls", 1),
                )
            )
            self.addresses = tuple(self._listen(address, credentials) for address in options.addresses)
            if options.metrics_address is not None:
                self.metrics_port = self._serve_metrics(options.metrics_address)
            await self._stack.enter_async_context(self.pool)
            self._metrics.watch(self.pool)
            service = SuggestionService(
                self.pool,
                curves=LearningCurves(),
                trial_status=self._trial_status,
                metrics=self._metrics,
                longest_call=options.longest_call,
                checkpoints=options.checkpoints,
            )
            self._server.add_generic_rpc_handlers(service.handlers())
            self._health = health.aio.HealthServicer()
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
            _reflect(self._server)
            await self._server.start()
            for name in _HEALTH_NAMES:
                await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0)

    def _listen(self, address: str, credentials: Any) -> str:
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise Conflict(f"cannot listen on {address}: is it in use, or not an address of this machine?") from error
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    def _serve_metrics(self, address: str) -> int:
        host = host_of(address)
        try:
            return self._metrics.serve(host, int(address.rpartition(":")[2]))
        except OSError as error:
            raise Conflict(f"cannot answer Prometheus on {address}: {error.strerror}") from error

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls, give those that run some time to end, and end the workers; again, it changes nothing.

        Args:
            grace: Seconds they get; None for what the options say.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._options.grace if grace is None else grace)
        await self._stack.aclose()


def _reflect(server: Any) -> None:
    """Let clients ask for the services and messages; the pool they see is made for that alone."""
    pool = descriptor_pool.DescriptorPool()
    for file in (wire.DESCRIPTOR, health_pb2.DESCRIPTOR):
        pool.AddSerializedFile(file.serialized_pb)
    names = [full_name("Suggestion"), full_name("EarlyStopping"), health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server, pool=pool)
