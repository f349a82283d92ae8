"""``katib serve store``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.serve_options import (
    AddressOption,
    GraceOption,
    HttpAddressOption,
    InsecureAnonymousOption,
    InsecurePlaintextOption,
    MetricsAddressOption,
    TimeoutOption,
    TlsCertOption,
    TlsClientCaOption,
    TlsKeyOption,
    TokenAudienceOption,
    TokenFileOption,
    TokenReviewOption,
)
from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings
    from katib.cli.store_http import StoreHttpOptions
    from katib.rpc.store_server import StoreServerOptions

__all__ = ["command"]


def command(
    settings: Settings,
    url: StoreUrlOption = None,
    address: AddressOption = None,
    http_address: HttpAddressOption = None,
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
    token_review: TokenReviewOption = False,
    token_audience: TokenAudienceOption = None,
    anonymous_reports: Annotated[
        bool,
        typer.Option(
            "--anonymous-reports", help="Take reports without a token, as Katib's own collectors and SDK send them."
        ),
    ] = False,
    insecure_anonymous: InsecureAnonymousOption = False,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    insecure_plaintext: InsecurePlaintextOption = False,
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", min=1, help="Reports that may wait; further ones are refused.")
    ] = 1024,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=1, help="Calls that read the store at a time.")
    ] = 4,
    timeout: TimeoutOption = "1m",
    grace: GraceOption = "30s",
    metrics_address: MetricsAddressOption = None,
) -> None:
    """Keep what runs report, for our clients and others'.

    Over gRPC it answers Katib's DB manager (its controller, collectors and SDK can be pointed at it) and our own store API; over HTTP,
    with --http-address, MLflow's and ModelDB's REST. It serves the store of local mode unless a URL names another one.
    A report is acknowledged when it is durable. The server ends on SIGTERM or Ctrl-C, after the calls that it is answering; a second
    one ends it at once.
    """
    from katib.api.duration import parse_duration
    from katib.cli.serve_options import check_tls_options, listening
    from katib.cli.serving import serve_store
    from katib.cli.store_url import meant_store, named_store

    check_tls_options(tls_cert, tls_key, tls_client_ca)

    def options() -> StoreServerOptions:
        from katib.rpc.group_commits import GroupLimits
        from katib.rpc.store_server import StoreServerOptions

        return StoreServerOptions(
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
            limits=GroupLimits(waiting=queue),
            longest_call=parse_duration(timeout).total_seconds(),
            anonymous_reports=anonymous_reports,
        )

    def http() -> StoreHttpOptions:
        from katib.cli.store_http import StoreHttpOptions, artifacts_place

        return StoreHttpOptions(
            addresses=http_address or (),
            artifacts=artifacts_place(artifacts, meant_store(url, settings)),
            token_file=token_file,
            token_review=token_review,
            audiences=tuple(token_audience or ()),
            insecure_anonymous=insecure_anonymous,
        )

    with named_store(url, settings) as (name, store):
        serve_store(options, store, http=http, name=name, verbose=settings.verbose)
