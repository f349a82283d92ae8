"""The experiments' API of a cluster: what ``katib up`` answers on one machine, over custom resources and as whoever calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from katib.operator.cluster_callers import CallersOfCluster, ClusterAddress, ExperimentsOfCallers
from katib.operator.cluster_experiments import ClusterExperiments
from katib.operator.cluster_store import ClusterStore
from katib.rpc.experiments_server import ExperimentsServer, ExperimentsServerOptions

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

__all__ = ["ApiServer", "ApiServerOptions"]


@dataclass(frozen=True, slots=True)
class ApiServerOptions:
    """How an API server is run.

    Attributes:
        server: How it is reached, and how much it takes at a time.
        store_address: Of the store, for what trials reported; None where there is none: then their statuses have to do.
        store_token_file: Says to the store who asks. It is asked of a trial only after Kubernetes has let the caller read that trial.
        former_store_token_file: Is used as long as that is not there.
        store_root_ca: Whose certificate the store has; None for plain text.
        served_elsewhere: Algorithms that other suggestion servers of the cluster have.
    """

    server: ExperimentsServerOptions = field(default_factory=ExperimentsServerOptions)
    store_address: str | None = None
    store_token_file: Path | None = None
    former_store_token_file: Path | None = None
    store_root_ca: Path | None = None
    served_elsewhere: Collection[str] = ()


class ApiServer:
    """A server for as long as it is open (``async with``).

    Args:
        options: How it is run.
        address: Of the Kubernetes API server that it is in front of.

    Attributes:
        addresses: Where it answers, with the ports that were found.
        metrics_port: Where Prometheus asks; None for nowhere.
    """

    def __init__(self, options: ApiServerOptions, address: ClusterAddress) -> None:
        self._address = address
        self._served = tuple(options.served_elsewhere)
        self._store: ClusterStore | None = None
        if options.store_address:
            self._store = ClusterStore(
                options.store_address,
                token_file=options.store_token_file,
                former_token_file=options.former_store_token_file,
                root_ca=options.store_root_ca,
            )
        self._callers = ExperimentsOfCallers(self._experiments_of)
        self._server = ExperimentsServer(
            options.server, self._callers, authenticator=CallersOfCluster(address.client_of)
        )
        self.addresses: tuple[str, ...] = ()
        self.metrics_port: int | None = None

    def _experiments_of(self, token: str) -> ClusterExperiments:
        return ClusterExperiments(self._address.client_of(token), store=self._store, served_elsewhere=self._served)

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            InvalidInput: An address or a TLS file is wrong, or plaintext is not allowed there.
            Conflict: An address is in use.
        """
        await self._server.__aenter__()
        self.addresses, self.metrics_port = self._server.addresses, self._server.metrics_port
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0)

    async def stop(self, grace: float | None = None) -> None:
        """Take no more calls and give those that run some time to end; again, it changes nothing.

        Args:
            grace: Seconds they get; None for what the options say.
        """
        await self._server.stop(grace)
        self._callers.close()
        if self._store is not None:
            self._store.close()

    def abandon(self) -> None:
        """Nothing here has to be ended before the process may end."""
