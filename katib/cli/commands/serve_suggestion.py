"""``katib serve suggestion``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from katib.cli.settings import Settings
    from katib.rpc.suggestion_server import ServerOptions

__all__ = ["command"]

_MIB = 1 << 20
_FEWEST_WORKERS = 2


def command(
    settings: Settings,
    address: Annotated[
        list[str] | None,
        typer.Option(
            "--address",
            metavar="HOST:PORT",
            help="Where to answer; may be given again (default: 127.0.0.1:6789).",
            show_default=False,
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="The server's certificate chain (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key (PEM).")] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-client-ca", metavar="FILE", help="Let only clients call whose certificate this authority signed."
        ),
    ] = None,
    insecure_plaintext: Annotated[
        bool, typer.Option("--insecure-plaintext", help="Answer without TLS where other machines can call.")
    ] = False,
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
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="The longest a call may take.")] = "10m",
    grace: Annotated[
        str, typer.Option("--grace", metavar="TIME", help="The time running calls get when the server is told to stop.")
    ] = "30s",
    metrics_address: Annotated[
        str | None, typer.Option("--metrics-address", metavar="HOST:PORT", help="Where Prometheus may ask over HTTP.")
    ] = None,
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
    from katib.cli.serving import serve_suggestion
    from katib.errors import InvalidInput, Problem

    if (tls_cert is None) != (tls_key is None):
        missing = "--tls-key" if tls_key is None else "--tls-cert"
        raise InvalidInput([Problem(missing, "is required: a certificate and its key go together")])
    if tls_client_ca is not None and tls_cert is None:
        raise InvalidInput([Problem("--tls-client-ca", "needs --tls-cert and --tls-key")])
    if checkpoints is not None and not checkpoints.is_dir():
        raise InvalidInput([Problem("--checkpoints", "is no folder", str(checkpoints))])

    def options() -> ServerOptions:
        from katib.rpc.credentials import Tls
        from katib.rpc.suggestion_server import ServerOptions
        from katib.rpc.worker_pool import PoolLimits

        return ServerOptions(
            addresses=address or ["127.0.0.1:6789"],
            tls=Tls(tls_cert, tls_key, tls_client_ca) if tls_cert and tls_key else None,
            insecure_plaintext=insecure_plaintext,
            limits=PoolLimits(
                workers=workers or max(len(os.sched_getaffinity(0)), _FEWEST_WORKERS),
                waiting=queue,
                cache_bytes=cache * _MIB,
            ),
            longest_call=parse_duration(timeout).total_seconds(),
            grace=parse_duration(grace).total_seconds(),
            metrics_address=metrics_address,
            checkpoints=checkpoints,
        )

    serve_suggestion(options, trial_namespace=trial_namespace, verbose=settings.verbose)
