"""``katib serve suggestion``."""

from __future__ import annotations

import os
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
    from katib.rpc.suggestion_server import ServerOptions

__all__ = ["command"]

_MIB = 1 << 20
_FEWEST_WORKERS = 2


def command(
    settings: Settings,
    address: AddressOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    tls_client_ca: TlsClientCaOption = None,
    insecure_plaintext: InsecurePlaintextOption = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            help="Calls computed at a time (default: one for each CPU, at least 2).",
            show_default=False,
        ),
    ] = None,
    queue: Annotated[
        int, typer.Option("--queue", metavar="N", min=0, help="Calls that may wait; further ones are refused.")
    ] = 64,
    cache: Annotated[
        int, typer.Option("--cache", metavar="MIB", min=1, help="Memory for what is remembered between calls.")
    ] = 256,
    timeout: TimeoutOption = "10m",
    grace: GraceOption = "30s",
    metrics_address: MetricsAddressOption = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            "--checkpoints", metavar="DIR", help="The volume with the trials' checkpoints, which pbt hands on."
        ),
    ] = None,
    trial_namespace: Annotated[
        str | None,
        typer.Option(
            "--trial-namespace",
            metavar="NAME",
            help="Where trials are marked as stopped early (default: this pod's namespace).",
        ),
    ] = None,
) -> None:
    """Suggest points to other programs over gRPC.

    One server serves every algorithm and any number of experiments; Katib's controller can be pointed at it. It ends on SIGTERM or
    Ctrl-C, after the calls that it is answering; a second one ends it at once.
    """
    from katib.api.duration import parse_duration
    from katib.cli.serve_options import check_tls_options, listening
    from katib.cli.serving import serve_suggestion
    from katib.errors import InvalidInput, Problem

    check_tls_options(tls_cert, tls_key, tls_client_ca)
    if checkpoints is not None and not checkpoints.is_dir():
        raise InvalidInput([Problem("--checkpoints", "is no folder", str(checkpoints))])

    def options() -> ServerOptions:
        from katib.rpc.suggestion_server import ServerOptions
        from katib.rpc.worker_pool import PoolLimits

        return ServerOptions(
            listening=listening(
                address=address,
                tls_cert=tls_cert,
                tls_key=tls_key,
                tls_client_ca=tls_client_ca,
                insecure_plaintext=insecure_plaintext,
                metrics_address=metrics_address,
                grace=grace,
            ),
            limits=PoolLimits(
                workers=workers or max(len(os.sched_getaffinity(0)), _FEWEST_WORKERS),
                waiting=queue,
                cache_bytes=cache * _MIB,
            ),
            longest_call=parse_duration(timeout).total_seconds(),
            checkpoints=checkpoints,
        )

    serve_suggestion(options, trial_namespace=trial_namespace, verbose=settings.verbose)
