"""``katib up``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.options import Runtime, RuntimeOption
from katib.cli.serve_options import (
    AddressOption,
    GraceOption,
    InsecureAnonymousOption,
    InsecurePlaintextOption,
    MetricsAddressOption,
    TimeoutOption,
    TlsCertOption,
    TlsClientCaOption,
    TlsKeyOption,
    TokenFileOption,
)
from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings
    from katib.cli.store_http import StoreHttpOptions
    from katib.rpc.store_server import StoreServerOptions

__all__ = ["command"]

_GRPC = "127.0.0.1:6789"
_HTTP = "127.0.0.1:8080"


def command(
    settings: Settings,
    url: StoreUrlOption = None,
    address: AddressOption = None,
    http_address: Annotated[
        list[str] | None,
        typer.Option(
            "--http-address",
            metavar="HOST:PORT",
            help=f"Where to answer over HTTP; may be given again (default: {_HTTP}).",
            show_default=False,
        ),
    ] = None,
    no_http: Annotated[bool, typer.Option("--no-http", help="Answer over gRPC only.")] = False,
    runtime: RuntimeOption = Runtime.PROCESS,
    artifacts: Annotated[
        str | None,
        typer.Option(
            "--artifacts",
            metavar="URL",
            help="Where files of runs are kept: a folder, s3://..., gs://... or az://... (default: a folder beside a store in a file).",
            show_default=False,
        ),
    ] = None,
    token_file: TokenFileOption = None,
    insecure_anonymous: InsecureAnonymousOption = False,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    insecure_plaintext: InsecurePlaintextOption = False,
    timeout: TimeoutOption = "1m",
    grace: GraceOption = "10s",
    metrics_address: MetricsAddressOption = None,
) -> None:
    """Serve experiments to a workstation or a small team.

    One process runs experiments of this machine and answers for them: over gRPC the experiments (katib.v1.experiments.Experiments),
    Katib's suggestion services, its DB manager and the store; over HTTP the same experiments, MLflow's and ModelDB's REST. Clients are
    KatibClient with KATIB_SERVER=HOST:PORT, or any program that speaks gRPC. Everything is durable: after an end of any kind the next
    katib up goes on with what ran. It ends on SIGTERM or Ctrl-C and leaves running trials to the next one.
    """
    from katib.api.duration import parse_duration
    from katib.cli.serve_options import check_tls_options, listening
    from katib.cli.serving import serve_experiments, warn
    from katib.cli.store_url import meant_store, named_store
    from katib.errors import Unsupported
    from katib.store.file_lease import lease_of

    if runtime is Runtime.KUBERNETES:
        raise Unsupported("on a cluster experiments are run by its operator (docs/install-kubernetes.md)")
    check_tls_options(tls_cert, tls_key, tls_client_ca)

    def options() -> StoreServerOptions:
        from katib.rpc.store_server import StoreServerOptions

        return StoreServerOptions(
            listening=listening(
                address=address or [_GRPC],
                tls_cert=tls_cert,
                tls_key=tls_key,
                tls_client_ca=tls_client_ca,
                insecure_plaintext=insecure_plaintext,
                metrics_address=metrics_address,
                grace=grace,
            ),
            longest_call=parse_duration(timeout).total_seconds(),
        )

    def http() -> StoreHttpOptions:
        from katib.cli.store_http import StoreHttpOptions, artifacts_place

        return StoreHttpOptions(
            addresses=() if no_http else http_address or [_HTTP],
            artifacts=artifacts_place(artifacts, meant_store(url, settings)),
            token_file=token_file,
            insecure_anonymous=insecure_anonymous,
        )

    with lease_of(meant_store(url, settings), waiting=warn) as lease, named_store(url, settings) as (name, store):
        serve_experiments(
            options,
            store,
            http=http,
            home=settings.home,
            runtime=str(runtime),
            name=name,
            verbose=settings.verbose,
            lease=lease,
        )
