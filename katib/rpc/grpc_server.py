"""A gRPC server as every one of ours is: addresses, TLS, health, reflection and metrics, until it is told to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from katib.errors import Conflict
from katib.rpc import v1beta1 as wire
from katib.rpc.credentials import check_plaintext, host_of, server_credentials
from katib.rpc.services import MESSAGE_OPTIONS, full_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from katib.rpc.credentials import Tls
    from katib.rpc.server_metrics import CallMetrics

__all__ = ["GrpcServer", "Listening"]

_PING_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Listening:
    """How a server is reached, and how it ends.

    Attributes:
        addresses: ``HOST:PORT`` each; the port 0 is any free one.
        tls: How connections are secured; None for plaintext.
        insecure_plaintext: Whether plaintext is allowed where other machines can reach it.
        metrics_address: Where Prometheus may ask; None for nowhere.
        grace: Seconds that calls get to end when the server stops.
    """

    addresses: Sequence[str] = ("127.0.0.1:6789",)
    tls: Tls | None = None
    insecure_plaintext: bool = False
    metrics_address: str | None = None
    grace: float = 30.0


class GrpcServer:
    """A server that listens as soon as it is made, and answers once it is started.

    Args:
        listening: Where.
        metrics: What Prometheus is told.

    Attributes:
        addresses: Where it answers, with the ports that were found.
        metrics_port: Where Prometheus asks; None for nowhere.

    Raises:
        InvalidInput: An address or a TLS file is wrong, or plaintext is not allowed there.
        Conflict: An address is in use.
    """

    def __init__(self, listening: Listening, metrics: CallMetrics) -> None:
        for address in listening.addresses:
            host_of(address)
            if listening.tls is None and not listening.insecure_plaintext:
                check_plaintext(address)
        credentials = server_credentials(listening.tls) if listening.tls else None
        self._grace = listening.grace
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
        self._health = health.aio.HealthServicer()
        self.addresses = tuple(self._listen(address, credentials) for address in listening.addresses)
        self.metrics_port: int | None = None
        if listening.metrics_address is not None:
            self.metrics_port = _serve_metrics(metrics, listening.metrics_address)

    def _listen(self, address: str, credentials: Any) -> str:
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise Conflict(f"cannot listen on {address}: is it in use, or not an address of this machine?") from error
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    async def start(
        self,
        handlers: Sequence[grpc.GenericRpcHandler],
        *,
        services: Iterable[str],
        own_services: Iterable[Any] = (),
        healthy: Iterable[str],
    ) -> None:
        """Answer.

        Args:
            handlers: Of the services.
            services: Their names, as ``api.proto`` has them.
            own_services: Descriptors of those that are not Katib's.
            healthy: The names under which probes ask.
        """
        self._healthy = tuple(healthy)
        self._server.add_generic_rpc_handlers(tuple(handlers))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        _reflect(self._server, services, own_services)
        await self._server.start()
        await self.tell_health(serving=True)

    async def tell_health(self, *, serving: bool) -> None:
        """Answer probes so from now on."""
        response = health_pb2.HealthCheckResponse
        for name in self._healthy:
            await self._health.set(name, response.SERVING if serving else response.NOT_SERVING)

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls and give those that run some time to end; again, it changes nothing.

        Args:
            grace: Seconds they get; None for what the options say.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._grace if grace is None else grace)


def _serve_metrics(metrics: CallMetrics, address: str) -> int:
    host = host_of(address)
    try:
        return metrics.serve(host, int(address.rpartition(":")[2]))
    except OSError as error:
        raise Conflict(f"cannot answer Prometheus on {address}: {error.strerror}") from error


def _reflect(server: Any, services: Iterable[str], own_services: Iterable[Any]) -> None:
    """Let clients ask for the services and messages; the pool they see is made for that alone."""
    pool = descriptor_pool.DescriptorPool()
    own = tuple(own_services)
    for file in (wire.DESCRIPTOR, health_pb2.DESCRIPTOR, *(service.file for service in own)):
        for needed in (*file.dependencies, file):
            pool.AddSerializedFile(needed.serialized_pb)
    names = [*map(full_name, services), *(service.full_name for service in own)]
    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server, pool=pool)
