"""Some services of a gRPC server that has others too: ``katib up`` answers on one address for what each server answers alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc
    from prometheus_client import CollectorRegistry

__all__ = ["ServerPart"]


class ServerPart(Protocol):
    """What a server opens before it answers, and closes when it has answered."""

    @property
    def services(self) -> Sequence[str]:
        """Names of Katib's services, as ``api.proto`` has them."""

    @property
    def own_services(self) -> Sequence[Any]:
        """Descriptors of ours."""

    @property
    def healthy(self) -> Sequence[str]:
        """The names under which probes ask for them."""

    async def open(self, registry: CollectorRegistry) -> Sequence[grpc.GenericRpcHandler]:
        """Begin, and return what answers.

        Args:
            registry: Of Prometheus, of the whole server.

        Raises:
            KatibError: It cannot.
        """

    def close_streams(self) -> None:
        """End the calls that go on for as long as their callers want."""

    async def close(self) -> None:
        """End, when no call runs any more."""
