"""Runs a server in the foreground: log lines on standard error, one line when it is ready, and an orderly end on a signal."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Protocol, Self

from katib.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.cli.store_http import StoreHttpOptions
    from katib.rpc.grpc_server import Listening
    from katib.rpc.store_server import StoreServerOptions
    from katib.rpc.suggestion_server import ServerOptions
    from katib.store.full_store import FullStore

__all__ = ["serve_store", "serve_suggestion"]


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


def serve_store(
    options: Callable[[], StoreServerOptions],
    store: FullStore,
    *,
    http: Callable[[], StoreHttpOptions],
    name: str,
    verbose: bool,
) -> None:
    """Answer for a store until a signal comes.

    Args:
        options: Makes them; called when it is known that everything needed is installed.
        store: What is served.
        http: Who may call, where files are, and how HTTP is served; likewise.
        name: What it is called.
        verbose: Log every call.

    Raises:
        Unsupported: The extra ``server`` is not installed.
    """
    module = _prepare("katib.cli.store_http", verbose=verbose)
    made = options()
    server = module.server_of(made, http(), store)
    asyncio.run(_serve(server, made.listening, "store server", f", {name}"))


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


async def _serve(server: _Server, listening: Listening, what: str, more: str) -> None:
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


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
