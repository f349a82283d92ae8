"""The experiments' API on a server that answers for other things too, as ``katib up`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.rpc.callers import Callers
from katib.rpc.experiments_service import SERVICE, ExperimentsService
from katib.rpc.server_metrics import CallMetrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc
    from prometheus_client import CollectorRegistry

    from katib.access import Authenticator
    from katib.experiments.protocol import Experiments

__all__ = ["ExperimentsPart"]


class ExperimentsPart:
    """A ``ServerPart``.

    Args:
        experiments: What it is about; they stay open.
        authenticator: Knows the callers; None lets everybody do everything.
        longest_call: Seconds after which a call without streams ends in any case.

    Attributes:
        service: What answers, once it is open.
    """

    services = ()
    own_services = (SERVICE,)
    healthy = (SERVICE.full_name,)
    service: ExperimentsService

    def __init__(self, experiments: Experiments, *, authenticator: Authenticator | None, longest_call: float) -> None:
        self._experiments = experiments
        self._callers = Callers(authenticator)
        self._longest_call = longest_call

    async def open(self, registry: CollectorRegistry) -> Sequence[grpc.GenericRpcHandler]:
        """Begin, and return what answers."""
        self._callers.__enter__()
        self.service = ExperimentsService(
            self._experiments,
            self._callers,
            metrics=CallMetrics("experiments", registry),
            longest_call=self._longest_call,
        )
        return [self.service.handler()]

    def close_streams(self) -> None:
        """End the calls that watch and that read what is printed."""
        self.service.close_streams()

    async def close(self) -> None:
        """End, when no call runs any more."""
        self.service.close()
        self._callers.__exit__(None, None, None)
