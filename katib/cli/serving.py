"""Runs a server in the foreground: log lines on standard error, one line when it is ready, and an orderly end on a signal."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from katib.cli.safe_text import printable
from katib.errors import Conflict, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from katib.cli.store_http import StoreHttpOptions
    from katib.local.home import Home
    from katib.operator.api_server import ApiServerOptions
    from katib.rpc.grpc_server import Listening
    from katib.rpc.store_server import StoreServerOptions
    from katib.rpc.suggestion_server import ServerOptions
    from katib.store.file_lease import FileLease
    from katib.store.full_store import FullStore

__all__ = ["serve_experiments", "serve_store", "serve_suggestion", "warn"]

_LOOKS_EVERY: Final = 0.5
_LONGEST_END: Final = 5.0
"""Seconds that a server without its lease gets to refuse what waits."""


def serve_suggestion(options: Callable[[], ServerOptions], *, trial_namespace: str | None, verbose: bool) -> None:
    """Answer for the algorithms until a signal comes.

    Args:
        options: Makes them; called when it is known that everything needed is installed.
        trial_namespace: Where trials are marked as stopped; None for the default.
        verbose: Log every call.

    Raises:
        Unsupported: The extra ``server`` is not installed.
    """
    module = _prepare("katib.rpc.suggestion_server", verbose=verbose)
    from katib.rpc.trial_status import cluster_trials

    made = options()
    server = module.SuggestionServer(made, cluster_trials(trial_namespace))
    asyncio.run(_serve(server, made.listening, "suggestion server", f", {made.limits.workers} workers"))


def serve_api(
    options: Callable[[], ApiServerOptions], *, kubeconfig: str | None, root_ca: Path | None, verbose: bool
) -> None:
    """Answer for a cluster's experiments until a signal comes.

    Args:
        options: Makes them; called when it is known that everything needed is installed.
        kubeconfig: Where the cluster is; None for the one around this process.
        root_ca: Whose certificate its API server has; None for where pods have it.
        verbose: Log every call.

    Raises:
        Unsupported: There is no cluster, or the extras ``server`` and ``kubernetes`` are not installed.
    """
    module = _prepare("katib.operator.api_server", verbose=verbose)
    from katib.operator.cluster_callers import ClusterAddress

    made = options()
    address = ClusterAddress.find(kubeconfig=kubeconfig, root_ca=root_ca)
    server = module.ApiServer(made, address)
    asyncio.run(_serve(server, made.server.listening, "API server", f", for {address.host}"))


def serve_store(
    options: Callable[[], StoreServerOptions],
    store: FullStore,
    *,
    http: Callable[[], StoreHttpOptions],
    name: str,
    verbose: bool,
    lease: FileLease | None = None,
    beside: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Answer for a store until a signal comes.

    Args:
        options: Makes them; called when it is known that everything needed is installed.
        store: What is served.
        http: Who may call, where files are, and how HTTP is served; likewise.
        name: What it is called.
        verbose: Log every call.
        lease: Of the store's file; None where several may serve it.
        beside: Makes what is open for as long as the server is; called when it is known that everything needed is installed.

    Raises:
        Conflict: Another server has taken over the file.
        Unsupported: The extra ``server`` is not installed.
    """
    module = _prepare("katib.cli.store_http", verbose=verbose)
    made = options()
    server = module.server_of(made, http(), store)
    if lease is not None:
        store.guard_writes(lease.check)
    with beside():
        asyncio.run(_serve(server, made.listening, "store server", f", {name}", lease))


def serve_experiments(
    options: Callable[[], StoreServerOptions],
    store: FullStore,
    *,
    http: Callable[[], StoreHttpOptions],
    home: Home,
    runtime: str,
    name: str,
    verbose: bool,
    lease: FileLease | None,
) -> None:
    """Run the experiments of this machine and answer for them, until a signal comes.

    Args:
        options, store, http, name, verbose, lease: As ``serve_store``.
        home: Where trials put their files.
        runtime: What runs them.

    Raises:
        Conflict: Another server has taken over the file.
        Unsupported: The extra ``server`` is not installed.
    """
    module = _prepare("katib.cli.experiments_server", verbose=verbose)
    if lease is not None:
        store.guard_writes(lease.check)
    made = options()
    with module.ExperimentsOfThisMachine(made, http(), store, home, runtime) as experiments:
        said = f", {name}; trials run as {runtime}" + ("es" if runtime == "process" else " containers")
        asyncio.run(_serve(experiments.server, made.listening, "katib", said, lease))


def _prepare(module: str, *, verbose: bool) -> Any:
    """Set up the log, and return the module of a server."""
    # Before grpc is imported: its own log lines are for its developers.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"serving needs more than is installed ({error.name}): pip install 'katib[server]'"
        ) from error


class _Server(Protocol):
    addresses: tuple[str, ...]
    metrics_port: int | None

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def stop(self, grace: float | None = None) -> None: ...

    def abandon(self) -> None: ...


async def _serve(server: _Server, listening: Listening, what: str, more: str, lease: FileLease | None = None) -> None:
    loop = asyncio.get_running_loop()
    stopping, at_once = asyncio.Event(), asyncio.Event()

    def told_to_stop() -> None:
        (at_once if stopping.is_set() else stopping).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop)
    async with server:
        how = "plaintext" if listening.tls is None else "TLS"
        _say(f"{what} on {', '.join(server.addresses)} ({how}){more}")
        for address in getattr(server, "http_addresses", ()):
            _say(f"http on {address}")
        if server.metrics_port is not None:
            _say(f"metrics on port {server.metrics_port}")
        if lease is not None:
            lease.serves_at(", ".join([*server.addresses, *getattr(server, "http_addresses", ())]))
            ends = {asyncio.create_task(stopping.wait()), asyncio.create_task(_until_lost(lease))}
            _, others = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for other in others:
                other.cancel()
            if lease.lost:
                await _end_without(server, lease)
        await stopping.wait()
        _say(f"stopping: running calls get {listening.grace:g} s; again, at once")
        draining = asyncio.create_task(server.stop())
        done, _ = await asyncio.wait(
            {draining, asyncio.create_task(at_once.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        if draining in done:
            await draining
        else:
            server.abandon()
            draining.cancel()


async def _until_lost(lease: FileLease) -> None:
    while not lease.lost:  # noqa: ASYNC110 - a thread finds it out
        await asyncio.sleep(_LOOKS_EVERY)


async def _end_without(server: _Server, lease: FileLease) -> None:
    """End a server whose file is another's now: what waits is refused, as the store takes no changes any more."""
    told = Conflict(lease.lost)
    stopping = asyncio.create_task(server.stop(0))
    done, _ = await asyncio.wait({stopping}, timeout=_LONGEST_END)
    if not done:  # a thread waits for a volume that is away, perhaps, and would be waited for
        warn(str(told))
        os._exit(told.exit_code)
    raise told


def warn(text: str) -> None:
    """Say something that is not what was asked for, on standard error."""
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
