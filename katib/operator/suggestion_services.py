"""Which suggestion service answers for which experiment: the shared one, one that the configuration names, or the experiment's own."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from katib.errors import AlgorithmError, DeadlineExceeded, Interrupted, InvalidSettings, KatibError, Overloaded
from katib.operator.composed_services import ComposedServices, Readiness
from katib.operator.katib_config import KatibConfig
from katib.rpc.suggestion_client import ServerAuthority, SuggestionClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from katib.api.experiment import Experiment
    from katib.kube.client import Client
    from katib.operator.katib_config import SuggestionEntry
    from katib.operator.katib_config_endpoint import EndpointTls
    from katib.operator.settings import OperatorSettings
    from katib.rpc.suggestion_client import EncodedHistory, Suggestions

__all__ = ["ExperimentService", "SuggestionServices"]

_LOGGER: Final = logging.getLogger(__name__)
_TO_VALIDATE: Final = 60.0
_SHORTEST: Final = 1.0


@dataclass(frozen=True, slots=True)
class _ClientKey:
    """What makes one client differ from another."""

    address: str
    extended: bool
    tls: EndpointTls | None = None
    shared: bool = False


class SuggestionServices:
    """Clients by address, and what the configuration says of algorithms.

    Args:
        settings: Of the operator.
        client: Of the API server, for services that experiments have for themselves; None where there can be none.
        config: What the configuration says now; by default nothing.
        on_change: Called with an experiment's namespace, name and uid when its own service became another.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        *,
        client: Client | None = None,
        config: Callable[[], KatibConfig] = KatibConfig,
        on_change: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        self._settings = settings
        self._config = config
        self._lock = threading.Lock()
        self._clients: dict[_ClientKey, SuggestionClient] = {}
        self._services: dict[str, ExperimentService] = {}
        self.composed: ComposedServices | None = None
        if client is not None:
            self.composed = ComposedServices(client, namespace=settings.namespace, on_change=on_change)

    @property
    def config(self) -> KatibConfig:
        """What the configuration says now."""
        return self._config()

    def algorithms(self) -> frozenset[str]:
        """Return the names of the algorithms whose settings only a service of the configuration can judge."""
        return frozenset(self.config.suggestions)

    def service_of(self, experiment: Experiment) -> ExperimentService:
        """Return the service of an experiment's algorithm."""
        service = ExperimentService(self, experiment)
        with self._lock:
            self._services[experiment.metadata.uid or ""] = service
        return service

    def entry_of(self, experiment: Experiment) -> SuggestionEntry | None:
        """Return what the configuration says of an experiment's algorithm; None for the shared service."""
        stated = experiment.spec.algorithm
        return self.config.suggestions.get(stated.algorithm_name) if stated else None

    def over(self, experiment: Experiment) -> None:
        """Take away what an experiment that has ended does not need any more; what its resume policy keeps stays.

        Raises:
            KatibError: The API server could not be told; it is to be done again.
        """
        with self._lock:
            service = self._services.pop(experiment.metadata.uid or "", None)
        if service is not None:
            service.close()
        if self.composed is not None and experiment.spec.resume_policy != "LongRunning":
            self.composed.remove(experiment)

    def gone(self, uid: str) -> None:
        """Forget an experiment that was deleted."""
        with self._lock:
            service = self._services.pop(uid, None)
        if service is not None:
            service.close()

    def reconfigured(self) -> None:
        """Bring the services of experiments that run up to date with a changed configuration."""
        with self._lock:
            services = list(self._services.values())
        for service in services:
            try:
                service.refresh()
            except KatibError as error:  # it is tried again with the experiment's next request
                _LOGGER.warning("%s: %s", service.name, error)

    def client(self, address: str, *, extended: bool) -> SuggestionClient:
        """Return the client of an address that is asked in plain text."""
        return self._client(
            _ClientKey(address, extended=extended), lambda: SuggestionClient(address, extended=extended)
        )

    def endpoint(self, entry: SuggestionEntry) -> SuggestionClient:
        """Return the client of a server that runs anyway."""
        tls = entry.tls
        if tls is None:
            return self.client(entry.endpoint, extended=entry.extended)
        return self._client(
            _ClientKey(entry.endpoint, extended=entry.extended, tls=tls),
            lambda: SuggestionClient(
                entry.endpoint,
                extended=entry.extended,
                authority=ServerAuthority(tls.ca_bundle, tls.server_name),
            ),
        )

    def shared(self) -> SuggestionClient:
        """Return the client of the service for every algorithm that the configuration does not name."""
        address, root_ca = self._settings.suggestion_address, self._settings.root_ca
        return self._client(
            _ClientKey(address, extended=True, shared=True),
            lambda: SuggestionClient(address, extended=True, root_ca=root_ca),
        )

    def _client(self, key: _ClientKey, make: Callable[[], SuggestionClient]) -> SuggestionClient:
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                client = self._clients[key] = make()
            return client

    def drop_client(self, address: str, *, extended: bool) -> None:
        """Close the client of a service that only one experiment had."""
        with self._lock:
            client = self._clients.pop(_ClientKey(address, extended=extended), None)
        if client is not None:
            client.close()

    def close(self) -> None:
        """Close all of them."""
        if self.composed is not None:
            self.composed.deployments.stop()
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


class ExperimentService:
    """The service of one experiment, chosen anew for each request: the configuration may change between two of them.

    Args:
        services: All of them.
        experiment: Whose.
    """

    def __init__(self, services: SuggestionServices, experiment: Experiment) -> None:
        self._services = services
        self._experiment = experiment
        self._judged: tuple[str, object, object] | None = None
        self._own: tuple[str, bool] | None = None
        self._why = ""
        self._making = threading.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        """The experiment's."""
        return f"{self._experiment.metadata.namespace}/{self._experiment.metadata.name}"

    @property
    def readiness(self) -> Readiness | None:
        """Whether the experiment's own service answers; None where it has none."""
        entry = self._services.entry_of(self._experiment)
        if entry is None or not entry.container or self._services.composed is None:
            return None
        known = self._services.composed.readiness(self._experiment, entry)
        if known is None or not known.ready:
            said = self._why or (known.message if known else "the suggestion server is being made")
            return Readiness(ready=False, message=said)
        return known

    def suggest(
        self,
        experiment: Experiment,
        history: EncodedHistory,
        *,
        count: int,
        issued: int,
        settings: Iterable[tuple[str, str]] = (),
        deadline: float,
    ) -> Suggestions:
        """Return the next points; as ``SuggestionClient.suggest``, which says what is raised.

        Raises:
            Overloaded: Also while the experiment's own service is not ready; ask again later.
        """
        self._experiment = experiment
        ends = time.monotonic() + deadline
        entry = self._services.entry_of(experiment)
        composed = self._services.composed
        if entry is None or not entry.container:
            self._leave_own(None)
            if composed is not None:
                composed.remove(experiment)
        client = self._services.shared() if entry is None else self._client(experiment, entry)
        try:
            if entry is not None:
                self._judge(client, experiment, min(_TO_VALIDATE, deadline))
            left = max(ends - time.monotonic(), _SHORTEST)
            return client.suggest(experiment, history, count=count, issued=issued, settings=settings, deadline=left)
        except Overloaded:
            if composed is not None and self._own is not None:
                composed.doubt(experiment)
            raise

    def refresh(self) -> None:
        """Bring the experiment's own service up to date with the configuration, if it has one."""
        entry, composed = self._services.entry_of(self._experiment), self._services.composed
        if composed is not None and entry is not None and entry.container:
            with self._making:
                if not self._closed:
                    composed.refresh(self._experiment, entry, probes=self._services.config.controller.probes)

    def close(self) -> None:
        """Make nothing any more: what is taken away now must not come back through a request that is still under way."""
        with self._making:
            self._closed = True
        self._leave_own(None)

    def _client(self, experiment: Experiment, entry: SuggestionEntry) -> SuggestionClient:
        if entry.endpoint:
            return self._services.endpoint(entry)
        composed = self._services.composed
        if composed is None:
            raise Overloaded("there is no cluster in which the experiment's own suggestion server could run")
        try:
            with self._making:
                if self._closed:
                    raise Interrupted("the experiment has ended")
                address = composed.address(experiment, entry, probes=self._services.config.controller.probes)
        except KatibError as error:
            self._why = str(error)
            raise
        self._why = ""
        self._leave_own((address, entry.extended))
        return self._services.client(address, extended=entry.extended)

    def _leave_own(self, new: tuple[str, bool] | None) -> None:
        old, self._own = self._own, new
        if old is not None and old != new:
            self._services.drop_client(old[0], extended=old[1])

    def _judge(self, client: SuggestionClient, experiment: Experiment, deadline: float) -> None:
        """Have the service judge the experiment before its first request, as Katib does."""
        subject = (client.address, experiment.spec.algorithm, experiment.spec.parameters)
        if self._judged == subject:
            return
        try:
            client.validate(experiment, deadline=deadline)
        except InvalidSettings as error:
            failure = InvalidSettings(error.problems)
            failure.args = (f"Validation failed: ValidateAlgorithmSettings Error: {error}",)  # Katib's words
            raise failure from error
        except DeadlineExceeded:
            raise
        except AlgorithmError as error:  # it may not be able to judge, and still suggest
            _LOGGER.warning("%s: the suggestion server could not judge the experiment: %s", self.name, error)
        self._judged = subject
