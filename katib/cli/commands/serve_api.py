"""``katib serve api``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.serve_options import (
    AddressOption,
    GraceOption,
    InsecurePlaintextOption,
    MetricsAddressOption,
    TimeoutOption,
    TlsCertOption,
    TlsClientCaOption,
    TlsKeyOption,
)

if TYPE_CHECKING:
    from katib.cli.settings import Settings
    from katib.operator.api_server import ApiServerOptions

__all__ = ["command"]


def command(
    settings: Settings,
    address: AddressOption = None,
    store_address: Annotated[
        str | None,
        typer.Option(
            "--store-address",
            metavar="HOST:PORT",
            help="The store server, for what trials reported (default: none; of a trial there is then its last values).",
            show_default=False,
        ),
    ] = None,
    store_token_file: Annotated[
        Path | None, typer.Option("--store-token-file", metavar="FILE", help="This server's token for the store.")
    ] = None,
    former_store_token_file: Annotated[
        Path | None,
        typer.Option(
            "--former-store-token-file",
            metavar="FILE",
            help="The token to use as long as that file is not there, in an installation of an older version.",
        ),
    ] = None,
    root_ca: Annotated[
        Path | None,
        typer.Option("--root-ca", metavar="FILE", help="Whose certificate the store has (default: plain text)."),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(
            "--kubeconfig",
            metavar="FILE",
            help="Where the cluster is (default: the one around this process, or KUBECONFIG); its credentials are not used.",
        ),
    ] = None,
    kubernetes_ca: Annotated[
        Path | None,
        typer.Option(
            "--kubernetes-ca",
            metavar="FILE",
            help="Whose certificate the API server around this process has (default: where pods have it).",
            show_default=False,
        ),
    ] = None,
    served_algorithm: Annotated[
        list[str] | None,
        typer.Option(
            "--served-algorithm",
            metavar="NAME",
            help="An algorithm that another suggestion server of the cluster has; may be given again.",
            show_default=False,
        ),
    ] = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    insecure_plaintext: InsecurePlaintextOption = False,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=1, help="Calls at a time that ask Kubernetes.")
    ] = 16,
    timeout: TimeoutOption = "1m",
    grace: GraceOption = "30s",
    metrics_address: MetricsAddressOption = None,
) -> None:
    """Answer for a cluster's experiments over gRPC.

    Callers send their Kubernetes token, and everything is asked of Kubernetes with it: they may do here what they may do with kubectl,
    and this server has no rights of its own. It ends on SIGTERM or Ctrl-C, after the calls that it is answering; a second one ends it at
    once.
    """
    from katib.api.duration import parse_duration
    from katib.cli.serve_options import check_tls_options, listening
    from katib.cli.serving import serve_api

    check_tls_options(tls_cert, tls_key, tls_client_ca)

    def options() -> ApiServerOptions:
        from katib.operator.api_server import ApiServerOptions
        from katib.rpc.experiments_server import ExperimentsServerOptions

        server = ExperimentsServerOptions(
            listening=listening(
                address=address,
                tls_cert=tls_cert,
                tls_key=tls_key,
                tls_client_ca=tls_client_ca,
                insecure_plaintext=insecure_plaintext,
                metrics_address=metrics_address,
                grace=grace,
            ),
            threads=threads,
            longest_call=parse_duration(timeout).total_seconds(),
        )
        return ApiServerOptions(
            server=server,
            store_address=store_address,
            store_token_file=store_token_file,
            former_store_token_file=former_store_token_file,
            store_root_ca=root_ca,
            served_elsewhere=tuple(served_algorithm or ()),
        )

    serve_api(options, kubeconfig=kubeconfig, root_ca=kubernetes_ca, verbose=settings.verbose)
