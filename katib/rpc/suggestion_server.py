"""The suggestion server: both services on one or several addresses, with the workers behind them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from katib.rpc.grpc_server import GrpcServer, Listening
from katib.rpc.learning_curves import LearningCurves
from katib.rpc.server_metrics import SuggestionMetrics
from katib.rpc.services import full_name
from katib.rpc.suggestion_service import SuggestionService
from katib.rpc.trial_status import NoTrials
from katib.rpc.worker_pool import PoolLimits, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import grpc
    from prometheus_client import CollectorRegistry

    from katib.rpc.trial_status import TrialStatusWriter

__all__ = ["ServerOptions", "SuggestionPart", "SuggestionServer"]

_SERVICES: Final = ("Suggestion", "EarlyStopping")
_HEALTH_NAMES: Final = ("", "manager.v1beta1.Suggestion", *map(full_name, _SERVICES))
"""Katib's probes ask for the second one."""


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How a server is run.

    Attributes:
        listening: How it is reached, and how it ends.
        limits: How much it takes on.
        longest_call: Seconds after which a call ends in any case.
        checkpoints: The folder with the trials' checkpoints.
    """

    listening: Listening = field(default_factory=Listening)
    limits: PoolLimits = field(default_factory=PoolLimits)
    longest_call: float = 600.0
    checkpoints: Path | None = None


class SuggestionPart:
    """Both services, for a server that has others too; a ``ServerPart``.

    Args:
        options: How they are run; not how they are reached.
        trial_status: Who marks a trial as stopped; None for nobody.

    Attributes:
        pool: Their workers.
    """

    services = _SERVICES
    own_services = ()
    healthy = _HEALTH_NAMES

    def __init__(self, options: ServerOptions, trial_status: TrialStatusWriter | None = None) -> None:
        self._options = options
        self._trial_status = trial_status or NoTrials()
        self.pool = WorkerPool(options.limits)

    async def open(self, registry: CollectorRegistry) -> Sequence[grpc.GenericRpcHandler]:
        """Start the workers, and return what answers.

        Raises:
            RunnerError: No worker can be started.
        """
        return await self.answering(SuggestionMetrics(registry))

    async def answering(self, metrics: SuggestionMetrics) -> Sequence[grpc.GenericRpcHandler]:
        """Do the same, and tell these metrics."""
        await self.pool.__aenter__()
        metrics.watch(self.pool)
        return SuggestionService(
            self.pool,
            curves=LearningCurves(),
            trial_status=self._trial_status,
            metrics=metrics,
            longest_call=self._options.longest_call,
            checkpoints=self._options.checkpoints,
        ).handlers()

    def close_streams(self) -> None:
        """Do nothing: no call has a stream."""

    async def close(self) -> None:
        """End the workers."""
        await self.pool.__aexit__(None, None, None)


class SuggestionServer:
    """A server for as long as it is open (``async with``).

    Attributes:
        addresses: Where it answers, with the ports that were found.
        metrics_port: Where Prometheus asks; None for nowhere.
        pool: Its workers.
    """

    def __init__(self, options: ServerOptions, trial_status: TrialStatusWriter | None = None) -> None:
        self._options = options
        self._part = SuggestionPart(options, trial_status)
        self.addresses: tuple[str, ...] = ()
        self.metrics_port: int | None = None
        self.pool = self._part.pool
        self._metrics = SuggestionMetrics()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            InvalidInput: An address or a TLS file is wrong, or plaintext is not allowed there.
            Conflict: An address is in use.
            RunnerError: No worker can be started.
        """
        options = self._options
        try:
            self._server = GrpcServer(options.listening, self._metrics)
            self.addresses, self.metrics_port = self._server.addresses, self._server.metrics_port
            handlers = await self._part.answering(self._metrics)
            self._stack.push_async_callback(self._part.close)
            await self._server.start(handlers, services=_SERVICES, healthy=_HEALTH_NAMES)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0)

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls, give those that run some time to end, and end the workers; again, it changes nothing.

        Args:
            grace: Seconds they get; None for what the options say.
        """
        await self._server.stop(grace)
        await self._stack.aclose()

    def abandon(self) -> None:
        """Do nothing: workers that compute are killed when the server is closed."""
