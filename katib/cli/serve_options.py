"""Options that every server has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from katib.rpc.grpc_server import Listening

__all__ = [
    "AddressOption",
    "GraceOption",
    "HttpAddressOption",
    "InsecureAnonymousOption",
    "InsecurePlaintextOption",
    "MetricsAddressOption",
    "ReportKeyFileOption",
    "TimeoutOption",
    "TlsCertOption",
    "TlsClientCaOption",
    "TlsKeyOption",
    "TokenAudienceOption",
    "TokenFileOption",
    "TokenReviewOption",
    "check_tls_options",
    "listening",
]

AddressOption = Annotated[
    list[str] | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="Where to answer; may be given again (default: 127.0.0.1:6789).",
        show_default=False,
    ),
]
TlsCertOption = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="The server's certificate chain (PEM).")
]
TlsKeyOption = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="Its private key (PEM).")]
TlsClientCaOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-ca", metavar="FILE", help="Let only clients call whose certificate this authority signed."
    ),
]
InsecurePlaintextOption = Annotated[
    bool, typer.Option("--insecure-plaintext", help="Answer without TLS where other machines can call.")
]
TimeoutOption = Annotated[str, typer.Option("--timeout", metavar="TIME", help="The longest a call may take.")]
GraceOption = Annotated[
    str, typer.Option("--grace", metavar="TIME", help="The time running calls get when the server is told to stop.")
]
MetricsAddressOption = Annotated[
    str | None, typer.Option("--metrics-address", metavar="HOST:PORT", help="Where Prometheus may ask over HTTP.")
]

HttpAddressOption = Annotated[
    list[str] | None,
    typer.Option(
        "--http-address",
        metavar="HOST:PORT",
        help="Where to answer MLflow's and ModelDB's clients over HTTP; may be given again (default: nowhere).",
        show_default=False,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="Who may call, and what they may do, by their tokens."),
]
TokenReviewOption = Annotated[
    bool, typer.Option("--token-review", help="Ask Kubernetes whose a token is, and what they may do.")
]
TokenAudienceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--token-audience",
        metavar="NAME",
        help="Whom tokens that Kubernetes knows must be meant for; may be given again (default: Kubernetes itself).",
        show_default=False,
    ),
]
ReportKeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--report-key-file",
        metavar="FILE",
        help="Keys, one a line, that sign tokens with which a trial reports its own metrics; the operator has the same file.",
    ),
]
InsecureAnonymousOption = Annotated[
    bool, typer.Option("--insecure-anonymous", help="Let everybody do everything where other machines can call.")
]


def check_tls_options(cert: Path | None, key: Path | None, client_ca: Path | None) -> None:
    """Refuse options that need others.

    Raises:
        InvalidInput: Some do.
    """
    if (cert is None) != (key is None):
        missing = "--tls-key" if key is None else "--tls-cert"
        raise InvalidInput([Problem(missing, "is required: a certificate and its key go together")])
    if client_ca is not None and cert is None:
        raise InvalidInput([Problem("--tls-client-ca", "needs --tls-cert and --tls-key")])


def listening(
    *,
    address: list[str] | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    insecure_plaintext: bool,
    metrics_address: str | None,
    grace: str,
) -> Listening:
    """Return how a server is reached; called when it is known that everything needed is installed."""
    from katib.api.duration import parse_duration
    from katib.rpc.credentials import Tls
    from katib.rpc.grpc_server import Listening

    return Listening(
        addresses=address or ["127.0.0.1:6789"],
        tls=Tls(tls_cert, tls_key, tls_client_ca) if tls_cert and tls_key else None,
        insecure_plaintext=insecure_plaintext,
        metrics_address=metrics_address,
        grace=parse_duration(grace).total_seconds(),
    )
