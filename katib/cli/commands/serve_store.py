"""``katib serve store``."""

from __future__ import annotations

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
from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings
    from katib.rpc.store_server import StoreServerOptions

__all__ = ["command"]


def command(
    settings: Settings,
    url: StoreUrlOption = None,
    address: AddressOption = None,
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
    """Keep what trials report, as Katib's DB manager over gRPC.

    Katib's controller, collectors and SDK can be pointed at it. It serves the store of local mode unless a URL names another one.
    A report is acknowledged when it is durable. The server ends on SIGTERM or Ctrl-C, after the calls that it is answering; a second
    one ends it at once.
    """
    from katib.api.duration import parse_duration
    from katib.cli.serve_options import check_tls_options, listening
    from katib.cli.serving import serve_store
    from katib.cli.store_url import named_store

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
        )

    with named_store(url, settings) as (name, store):
        serve_store(options, store, name=name, verbose=settings.verbose)
