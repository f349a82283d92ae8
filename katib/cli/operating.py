"""Runs an operator in the foreground: log lines on standard error, and an orderly end on a signal."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from katib.errors import Conflict, InvalidInput, Problem, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from katib.kube.client import Client
    from katib.operator.katib_config import ControllerSettings
    from katib.operator.katib_config_source import KatibConfigSource
    from katib.operator.pod_webhook_server import PodWebhookServer
    from katib.operator.running import Operator
    from katib.operator.settings import OperatorSettings

__all__ = ["KatibConfigPlace", "WebhookPlace", "health_addresses", "operate", "with_katib_config"]

_TOKENS_LAST: Final = timedelta(days=366)
"""A trial may run for long, and its token opens nothing but its own log."""


@dataclass(frozen=True, slots=True)
class KatibConfigPlace:
    """Where Katib's own configuration is; neither where there is none.

    Attributes:
        file: Of it.
        config_map: ``NAMESPACE/NAME``.
    """

    file: Path | None = None
    config_map: str | None = None

    def source(self, client: Client) -> KatibConfigSource | None:
        """Return what reads it.

        Raises:
            InvalidInput: It says something wrong, or both places are given.
            KatibError: It is not there.
        """
        from katib.operator.katib_config_source import ConfigFile, ConfigInCluster, KatibConfigSource

        if self.file is not None and self.config_map is not None:
            raise InvalidInput([Problem("--katib-config-map", "goes without --katib-config: one of them is read")])
        if self.file is not None:
            return KatibConfigSource(ConfigFile(self.file))
        if self.config_map is None:
            return None
        namespace, slash, name = self.config_map.partition("/")
        if not slash or not namespace or not name or "/" in name:
            raise InvalidInput([Problem("--katib-config-map", "must be NAMESPACE/NAME", self.config_map)])
        return KatibConfigSource(ConfigInCluster(client, namespace, name))


@dataclass(frozen=True, slots=True)
class WebhookPlace:
    """Where the webhook answers, and with which files.

    Attributes:
        address: ``HOST:PORT``.
        certificate: Its chain.
        key: Its private key.
        client_ca: Whose clients may ask.
    """

    address: str
    certificate: Path
    key: Path
    client_ca: Path | None

    @classmethod
    def of(
        cls, address: str | None, certificate: Path | None, key: Path | None, client_ca: Path | None
    ) -> WebhookPlace | None:
        """Return what options say; None where no webhook is wanted.

        Raises:
            InvalidInput: One that others need is missing.
        """
        given = {"--webhook-address": address, "--webhook-cert": certificate, "--webhook-key": key}
        if address is None and certificate is None and key is None and client_ca is None:
            return None
        if address is None or certificate is None or key is None:
            missing = next(name for name, value in given.items() if value is None)
            raise InvalidInput([Problem(missing, "is required: an API server asks a webhook over TLS only")])
        return cls(address, certificate, key, client_ca)


def operate(
    settings: OperatorSettings,
    *,
    kubeconfig: str | None,
    health_address: str | None,
    verbose: bool,
    leader_election: bool | None = None,
    config: KatibConfigPlace | None = None,
    webhook: WebhookPlace | None = None,
) -> None:
    """Operate until a signal comes.

    Args:
        settings: Of the operator.
        kubeconfig: The cluster; None for the one around this process.
        health_address: Where probes and Prometheus may ask; None for what Katib's configuration says.
        verbose: Log what is looked at.
        leader_election: Whether several operators take turns; None for what Katib's configuration says.
        config: Where that configuration is.
        webhook: Where the webhook for pods answers.

    Raises:
        Conflict: Another operator has taken over; a new process may stand for the next election.
        Unsupported: The extra ``kubernetes`` is not installed, or there is no cluster.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("urllib3", "kubernetes"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        from katib.kube.client import Client
        from katib.operator.health_server import HealthServer
        from katib.operator.running import Operator
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"operating needs more than is installed ({error.name}): pip install 'katib[kubernetes]'"
        ) from error
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Client.connect(kubeconfig=kubeconfig, user_agent="katib-operator") as client:
        source = config.source(client) if config is not None else None
        controller = source.config.controller if source is not None else None
        operator = Operator(
            with_katib_config(settings, controller, leader_election),
            client,
            token_of=_token_of(settings),
            config=source,
        )
        with contextlib.ExitStack() as servers:
            for address in health_addresses(health_address, controller):
                server = HealthServer(
                    address,
                    is_well=lambda: operator.is_well,
                    is_ready=lambda: operator.is_well,
                    registry=operator.parts.metrics.registry,
                )
                servers.enter_context(server)
            if webhook is not None:
                servers.enter_context(_webhook_server(operator, webhook))
            if not operator.run(stop):
                raise Conflict("another operator leads now; this process ends, as what it knew is of yesterday")


def with_katib_config(
    settings: OperatorSettings, controller: ControllerSettings | None, leader_election: bool | None
) -> OperatorSettings:
    """Return settings with what Katib's configuration says, as far as an option does not."""
    if leader_election is None and controller is not None:
        leader_election = controller.leader_election
    if leader_election is not None:
        settings = replace(settings, leader_election=leader_election)
    if controller is not None and controller.lease_name:
        settings = replace(settings, lease_name=controller.lease_name)
    return settings


def health_addresses(option: str | None, controller: ControllerSettings | None) -> list[str]:
    """Return where probes and Prometheus may ask; each address answers both."""
    if option is not None:
        return [option]
    stated = [] if controller is None else [controller.health_address, controller.metrics_address]
    if not any(stated):
        return ["127.0.0.1:8080"]
    return [address for address in dict.fromkeys(stated) if address not in ("", "0")]


def _webhook_server(operator: Operator, place: WebhookPlace) -> PodWebhookServer:
    from katib.operator.pod_webhook_server import PodWebhookServer

    return PodWebhookServer(
        place.address,
        operator.pod_webhook(),
        certificate=place.certificate,
        key=place.key,
        client_ca=place.client_ca,
    )


def _token_of(settings: OperatorSettings) -> Callable[[str, str], str]:
    """Return who makes the tokens with which trials report; empty ones where the store wants none."""
    if settings.report_key is None:
        return lambda _namespace, _name: ""
    from katib.access.report_token import ReportKeys, sign_report

    keys = ReportKeys(settings.report_key)

    def token_of(namespace: str, name: str) -> str:
        return sign_report(keys.newest, namespace=namespace, trial=name, expires=datetime.now(UTC) + _TOKENS_LAST)

    return token_of
