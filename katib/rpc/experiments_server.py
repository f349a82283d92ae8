"""A server of the experiments' API alone; ``katib up`` serves it beside the others."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from katib.rpc.callers import Callers
from katib.rpc.experiments_service import SERVICE, ExperimentsService
from katib.rpc.grpc_server import GrpcServer, Listening
from katib.rpc.server_metrics import CallMetrics

if TYPE_CHECKING:
    from katib.access import Authenticator
    from katib.experiments.protocol import Experiments
    from katib.rpc.experiments_service import ExperimentsOf

__all__ = ["ExperimentsServer", "ExperimentsServerOptions"]

_HEALTH_NAMES: Final = ("", "grpc.health.v1.Health", SERVICE.full_name)


@dataclass(frozen=True, slots=True)
class ExperimentsServerOptions:
    """How a server is run.

    Attributes:
        listening: How it is reached, and how it ends.
        threads: Calls at a time that are not ask and tell.
        most_waiting: Those and the ones that wait for them.
        most_watches: Calls that watch.
        most_logs: Calls that read what trials print.
        longest_call: Seconds after which a call ends in any case that has no stream.
    """

    listening: Listening = field(default_factory=Listening)
    threads: int = 8
    most_waiting: int = 256
    most_watches: int = 10_000
    most_logs: int = 128
    longest_call: float = 60.0


class ExperimentsServer:
    """A server for as long as it is open (``async with``).

    Args:
        options: How it is run.
        experiments: What it is about; or what returns those of the owner of a token. They stay open when the server is closed.
        authenticator: Knows the callers; None lets everybody do everything.

    Attributes:
        addresses: Where it answers, with the ports that were found.
        metrics_port: Where Prometheus asks; None for nowhere.
    """

    def __init__(
        self,
        options: ExperimentsServerOptions,
        experiments: Experiments | ExperimentsOf,
        *,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._options = options
        self._experiments = experiments
        self._callers = Callers(authenticator)
        self._metrics = CallMetrics("experiments")
        self._stack = AsyncExitStack()
        self.addresses: tuple[str, ...] = ()
        self.metrics_port: int | None = None

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            InvalidInput: An address or a TLS file is wrong, or plaintext is not allowed there.
            Conflict: An address is in use.
        """
        options = self._options
        try:
            self._server = GrpcServer(options.listening, self._metrics)
            self.addresses, self.metrics_port = self._server.addresses, self._server.metrics_port
            self._service = self._stack.enter_context(
                ExperimentsService(
                    self._experiments,
                    self._stack.enter_context(self._callers),
                    metrics=self._metrics,
                    longest_call=options.longest_call,
                    threads=options.threads,
                    most_waiting=options.most_waiting,
                    most_watches=options.most_watches,
                    most_logs=options.most_logs,
                )
            )
            await self._server.start(
                (self._service.handler(),), services=(), own_services=(SERVICE,), healthy=_HEALTH_NAMES
            )
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0)

    async def tell_health(self, *, serving: bool) -> None:
        """Answer probes so from now on."""
        await self._server.tell_health(serving=serving)

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls and give those that run some time to end; again, it changes nothing.

        Args:
            grace: Seconds they get; None for what the options say.
        """
        self._service.close_streams()
        await self._server.stop(grace)
        await self._stack.aclose()
