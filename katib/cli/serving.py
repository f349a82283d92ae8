"""Runs a server in the foreground: log lines on standard error, one line when it is ready, and an orderly end on a signal."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from katib.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.rpc.suggestion_server import ServerOptions

__all__ = ["serve_suggestion"]


def serve_suggestion(options: Callable[[], ServerOptions], *, trial_namespace: str | None, verbose: bool) -> None:
    """Serve until a signal comes.

    Args:
        options: Makes them; called when it is known that everything needed is installed.
        trial_namespace: Where trials are marked as stopped; None for the default.
        verbose: Log every call.

    Raises:
        Unsupported: The extra ``server`` is not installed.
    """
    # Before grpc is imported: its own log lines are for its developers.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    try:
        importlib.import_module("katib.rpc.suggestion_server")
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"serving needs more than is installed ({error.name}): pip install 'katib[server]'"
        ) from error
    asyncio.run(_serve(options(), trial_namespace))


async def _serve(options: ServerOptions, trial_namespace: str | None) -> None:
    from katib.rpc.suggestion_server import SuggestionServer
    from katib.rpc.trial_status import cluster_trials

    loop = asyncio.get_running_loop()
    stopping, at_once = asyncio.Event(), asyncio.Event()

    def told_to_stop() -> None:
        (at_once if stopping.is_set() else stopping).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_stop)
    async with SuggestionServer(options, cluster_trials(trial_namespace)) as server:
        how = "plaintext" if options.tls is None else "TLS"
        _say(f"suggestion server on {', '.join(server.addresses)} ({how}), {options.limits.workers} workers")
        if server.metrics_port is not None:
            _say(f"metrics on port {server.metrics_port}")
        await stopping.wait()
        _say(f"stopping: running calls get {options.grace:g} s; again, at once")
        draining = asyncio.create_task(server.stop())
        done, _ = await asyncio.wait(
            {draining, asyncio.create_task(at_once.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        if draining in done:
            await draining
        else:
            draining.cancel()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
