"""Puts the HTTP server together that ``katib serve store --http-address`` runs: which APIs it has, where files are, who may call."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from katib.access import AccessOptions, authenticator_for
from katib.rest.http_server import HttpOptions, check_http_address, is_loopback
from katib.rest.mlflow.api import MlflowApi
from katib.rest.modeldb.api import ModeldbApi
from katib.rest.operations import Patience
from katib.rest.reports import ReportsApi
from katib.rest.store_http import StoreHttp
from katib.rpc.credentials import host_of
from katib.rpc.store_server import StoreServer
from katib.store.artifacts import open_artifacts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from katib.access import Authenticator
    from katib.rest.operations import Api
    from katib.rpc.server_part import ServerPart
    from katib.rpc.store_server import StoreServerOptions
    from katib.store.full_store import FullStore

__all__ = ["StoreHttpOptions", "artifacts_place", "server_of"]

_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True)
class StoreHttpOptions:
    """What the command line says about callers, files and HTTP.

    Attributes:
        addresses: Of HTTP, ``HOST:PORT`` each; none for no HTTP.
        artifacts: Where files of runs are; None for no files.
        archive: Where runs go before they are purged; None for nowhere.
        token_file: Who may call.
        token_review: Ask Kubernetes.
        audiences: Whom the tokens that it knows must be meant for.
        insecure_anonymous: Everybody may do everything, from everywhere.
        report_key_file: Trials report with tokens that are signed with these keys.
    """

    addresses: Sequence[str]
    artifacts: str | Path | None = None
    archive: str | None = None
    token_file: Path | None = None
    token_review: bool = False
    audiences: tuple[str, ...] = ()
    insecure_anonymous: bool = False
    report_key_file: Path | None = None


def artifacts_place(said: str | None, store: str | Path) -> str | Path | None:
    """Return where files are: where somebody said, else in a folder beside a store that is a file."""
    if said:
        return said
    path = Path(store.removeprefix(_SQLITE)) if isinstance(store, str) and store.startswith(_SQLITE) else store
    return path.expanduser().absolute().parent / "artifacts" if isinstance(path, Path) else None


def server_of(
    made: StoreServerOptions,
    options: StoreHttpOptions,
    store: FullStore,
    more: Callable[[Authenticator], tuple[Sequence[ServerPart], Sequence[Api]]] = lambda _: ((), ()),
) -> StoreServer | StoreHttp:
    """Return the server of a store: gRPC, and beside it HTTP where there is an address for it.

    Args:
        made: How gRPC is run; HTTP has the same TLS and the same time to end.
        more: Returns what it answers beside the store, over gRPC and over HTTP; given who knows the callers.

    Raises:
        InvalidInput: An option is wrong.
        StoreUnavailable, Denied, Unsupported: The place of the files cannot be used.
    """
    # What is no address is not taken for one that other machines can call, which wants more options.
    for address in made.listening.addresses:
        host_of(address)
    for address in options.addresses:
        check_http_address(address)
    authenticator = authenticator_for(
        AccessOptions(
            loopback=_only_known_callers(made, options),
            token_file=options.token_file,
            token_review=options.token_review,
            audiences=options.audiences,
            insecure_anonymous=options.insecure_anonymous,
            report_key_file=options.report_key_file,
        )
    )
    artifacts = None if options.artifacts is None else open_artifacts(options.artifacts)
    archive = None
    if options.archive is not None:
        import_module(
            "katib.store.archive.parquet_pieces"
        )  # says now that it needs an extra, not when the first run is to go
        archive = open_artifacts(options.archive)
    parts, apis = more(authenticator)
    grpc = StoreServer(made, store, authenticator=authenticator, artifacts=artifacts, archive=archive, parts=parts)
    if not options.addresses:
        return grpc
    listening = made.listening
    http = HttpOptions(
        addresses=options.addresses,
        tls=listening.tls,
        insecure_plaintext=listening.insecure_plaintext,
        grace=listening.grace,
        patience=Patience(call=made.longest_call),
    )
    return StoreHttp(
        grpc,
        http,
        [MlflowApi(), ModeldbApi(), ReportsApi(grpc.report), *apis],
        artifacts=artifacts,
        authenticator=authenticator,
    )


def _only_known_callers(made: StoreServerOptions, options: StoreHttpOptions) -> bool:
    """Return whether only this machine can call, or only those whose certificate an authority of ours signed."""
    tls = made.listening.tls
    if tls is not None and tls.client_ca is not None:
        return True
    return is_loopback([*made.listening.addresses, *options.addresses])
