"""``katib serve store``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.serve_options import (
    AddressOption,
    GraceOption,
    HttpAddressOption,
    InsecureAnonymousOption,
    InsecurePlaintextOption,
    MetricsAddressOption,
    ReportKeyFileOption,
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
    from katib.store.full_store import FullStore

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
    archive: Annotated[
        str | None,
        typer.Option(
            "--archive",
            metavar="URL",
            help="Where runs are written before they are purged, as Parquet: a folder, s3://..., gs://... or az://...",
            show_default=False,
        ),
    ] = None,
    retention_every: Annotated[
        str | None,
        typer.Option(
            "--retention-every",
            metavar="TIME",
            help="Carry the projects' own policies out so often, such as 1h (default: never).",
            show_default=False,
        ),
    ] = None,
    token_file: TokenFileOption = None,
    token_review: TokenReviewOption = False,
    token_audience: TokenAudienceOption = None,
    report_key_file: ReportKeyFileOption = None,
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
    from katib.cli.serving import serve_store, warn
    from katib.cli.store_url import meant_store, named_store
    from katib.store.file_lease import lease_of

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
            archive=archive,
            token_file=token_file,
            token_review=token_review,
            audiences=tuple(token_audience or ()),
            insecure_anonymous=insecure_anonymous,
            report_key_file=report_key_file,
        )

    # Before the store is opened, which may upgrade it.
    def duty() -> contextlib.AbstractContextManager[object]:
        return _duty(store, retention_every, http())

    with lease_of(meant_store(url, settings), waiting=warn) as lease, named_store(url, settings) as (name, store):
        serve_store(options, store, http=http, name=name, verbose=settings.verbose, lease=lease, beside=duty)


def _duty(store: FullStore, every: str | None, options: StoreHttpOptions) -> contextlib.AbstractContextManager[object]:
    """Return what carries the projects' own policies out beside the server."""
    if every is None:
        return contextlib.nullcontext()
    from katib.api.duration import parse_duration
    from katib.errors import InvalidInput
    from katib.store.artifacts import open_artifacts
    from katib.store.retention_duty import RetentionDuty

    seconds = parse_duration(every).total_seconds()
    if seconds < 1:
        raise InvalidInput(f"--retention-every {every} is too often: at most once a second")
    artifacts = None if options.artifacts is None else open_artifacts(options.artifacts)
    archive = None if options.archive is None else open_artifacts(options.archive)
    return RetentionDuty(store, seconds, artifacts=artifacts, archive=archive)
