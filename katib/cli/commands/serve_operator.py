"""``katib serve operator``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from katib.cli.settings import Settings

__all__ = ["command"]


def command(
    settings: Settings,
    watch_namespace: Annotated[
        str | None,
        typer.Option(
            "--watch-namespace",
            metavar="NAME",
            help="The only namespace whose experiments run (default: all of the cluster).",
            show_default=False,
        ),
    ] = None,
    suggestion_address: Annotated[
        str, typer.Option("--suggestion-address", metavar="HOST:PORT", help="The suggestion server.")
    ] = "katib-suggestion.katib:6789",
    store_address: Annotated[
        str, typer.Option("--store-address", metavar="HOST:PORT", help="The store server.")
    ] = "katib-store.katib:6789",
    trial_store_address: Annotated[
        str,
        typer.Option(
            "--trial-store-address",
            metavar="URL",
            help="The store server over HTTP, as the pods of trials reach it.",
        ),
    ] = "http://katib-store.katib:8080",
    collector_image: Annotated[
        str, typer.Option("--collector-image", metavar="IMAGE", help="What gathers metrics beside each trial.")
    ] = "katib-collector:latest",
    collector_pull_policy: Annotated[
        str, typer.Option("--collector-pull-policy", metavar="POLICY", help="When a node fetches that image.")
    ] = "IfNotPresent",
    report_key_file: Annotated[
        Path | None,
        typer.Option(
            "--report-key-file", metavar="FILE", help="What the tokens are signed with by which trials report."
        ),
    ] = None,
    store_token_file: Annotated[
        Path | None, typer.Option("--store-token-file", metavar="FILE", help="The operator's token for the store.")
    ] = None,
    root_ca: Annotated[
        Path | None,
        typer.Option("--root-ca", metavar="FILE", help="Whose certificates both servers have (default: plain text)."),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(
            "--kubeconfig", metavar="FILE", help="The cluster (default: the one around this process, or KUBECONFIG)."
        ),
    ] = None,
    experiment_workers: Annotated[
        int, typer.Option("--experiment-workers", metavar="N", min=1, help="Experiments looked at at a time.")
    ] = 4,
    trial_workers: Annotated[
        int, typer.Option("--trial-workers", metavar="N", min=1, help="Trials looked at at a time.")
    ] = 8,
    suggestion_timeout: Annotated[
        str, typer.Option("--suggestion-timeout", metavar="TIME", help="The longest an algorithm may compute.")
    ] = "10m",
    leader_election: Annotated[
        bool | None,
        typer.Option(
            "--leader-election/--no-leader-election",
            help="Let only one of several operators act at a time (default: as Katib's configuration says, else yes).",
            show_default=False,
        ),
    ] = None,
    lease_namespace: Annotated[
        str, typer.Option("--lease-namespace", metavar="NAME", help="Where their lease is.")
    ] = "katib",
    health_address: Annotated[
        str | None,
        typer.Option(
            "--health-address",
            metavar="HOST:PORT",
            help="Where probes and Prometheus may ask (default: as Katib's configuration says, else 127.0.0.1:8080).",
            show_default=False,
        ),
    ] = None,
    katib_config: Annotated[
        Path | None, typer.Option("--katib-config", metavar="FILE", help="Katib's own configuration (KatibConfig).")
    ] = None,
    katib_config_map: Annotated[
        str | None,
        typer.Option(
            "--katib-config-map", metavar="NAMESPACE/NAME", help="The ConfigMap that has it under katib-config.yaml."
        ),
    ] = None,
    webhook_address: Annotated[
        str | None,
        typer.Option(
            "--webhook-address",
            metavar="HOST:PORT",
            help="Where to answer the webhook for pods that controllers make (default: nowhere).",
        ),
    ] = None,
    webhook_cert: Annotated[
        Path | None, typer.Option("--webhook-cert", metavar="FILE", help="The webhook's certificate chain (PEM).")
    ] = None,
    webhook_key: Annotated[
        Path | None, typer.Option("--webhook-key", metavar="FILE", help="Its private key (PEM).")
    ] = None,
    webhook_client_ca: Annotated[
        Path | None,
        typer.Option(
            "--webhook-client-ca", metavar="FILE", help="Let only clients ask whose certificate this authority signed."
        ),
    ] = None,
) -> None:
    """Run the experiments of a Kubernetes cluster.

    Experiments are custom resources; each trial becomes a job of any kind. It ends on SIGTERM or Ctrl-C; trials run on, and the next
    operator takes them over.
    """
    from katib.api.duration import parse_duration
    from katib.cli.operating import KatibConfigPlace, WebhookPlace, operate
    from katib.operator.settings import OperatorSettings

    operate(
        OperatorSettings(
            namespace=watch_namespace,
            suggestion_address=suggestion_address,
            store_address=store_address,
            trial_store_address=trial_store_address,
            collector_image=collector_image,
            collector_pull_policy=collector_pull_policy,
            report_key=report_key_file,
            token_file=store_token_file,
            root_ca=root_ca,
            experiment_workers=experiment_workers,
            trial_workers=trial_workers,
            suggestion_deadline=parse_duration(suggestion_timeout).total_seconds(),
            lease_namespace=lease_namespace,
            pod_webhook=webhook_address is not None,
        ),
        kubeconfig=kubeconfig,
        health_address=health_address,
        leader_election=leader_election,
        config=KatibConfigPlace(katib_config, katib_config_map),
        webhook=WebhookPlace.of(webhook_address, webhook_cert, webhook_key, webhook_client_ca),
        verbose=settings.verbose,
    )
