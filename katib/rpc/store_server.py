"""The store server: Katib's DB manager and the store's own service on one or several addresses, with one store behind them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final, Self

from katib.errors import Interrupted
from katib.rpc.callers import Callers
from katib.rpc.db_manager import DbManager
from katib.rpc.group_commits import GroupCommits, GroupLimits
from katib.rpc.grpc_server import GrpcServer, Listening
from katib.rpc.services import full_name
from katib.rpc.store_metrics import StoreMetrics
from katib.rpc.tracking_calls import TrackingCalls
from katib.rpc.tracking_service import SERVICE, TrackingService
from katib.rpc.transfers import Transfers
from katib.store.observation_logs import Receipt, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry

    from katib.access import Authenticator
    from katib.rpc.server_part import ServerPart
    from katib.store.artifacts import ArtifactStore
    from katib.store.full_store import FullStore

__all__ = ["StoreServer", "StoreServerOptions"]

_LOGGER: Final = logging.getLogger(__name__)
_SERVICES: Final = ("DBManager",)
_HEALTH_NAMES: Final = ("", "grpc.health.v1.Health", full_name("DBManager"), SERVICE.full_name)
"""Katib's probes ask for the second one."""
_CHECK_SECONDS: Final = 1.0
_LONGEST_CHECK: Final = 5.0


@dataclass(frozen=True, slots=True)
class StoreServerOptions:
    """How a server is run.

    Attributes:
        listening: How it is reached, and how it ends.
        threads: Calls that read the store at a time.
        most_reads: Those and the ones that wait for them.
        limits: Reports that may wait.
        most_files: That move at a time, over whichever protocol.
        longest_call: Seconds after which a call ends in any case.
        anonymous_reports: Whether Katib's clients may report without a token where others need one.
    """

    listening: Listening = field(default_factory=Listening)
    threads: int = 4
    most_reads: int = 256
    limits: GroupLimits = field(default_factory=GroupLimits)
    most_files: int = 32
    longest_call: float = 60.0
    anonymous_reports: bool = False


class StoreServer:
    """A server for as long as it is open (``async with``).

    Args:
        options: How it is run.
        store: What it serves; stays open when the server is closed.
        authenticator: Knows the callers; None lets everybody do everything.
        artifacts: Where contents of artifacts are; None for no place.
        archive: Where runs go before they are purged; None for nowhere.
        parts: Other services on the same addresses.

    Attributes:
        addresses: Where it answers, with the ports that were found.
        metrics_port: Where Prometheus asks; None for nowhere.
        tracking: How the store is asked in the terms of runs, once the server is open, for whoever answers beside it.
        transfers: In which files of runs move, likewise.
        fault: Why the store cannot be asked; empty while it can.
    """

    tracking: TrackingCalls
    transfers: Transfers

    def __init__(
        self,
        options: StoreServerOptions,
        store: FullStore,
        *,
        authenticator: Authenticator | None = None,
        artifacts: ArtifactStore | None = None,
        archive: ArtifactStore | None = None,
        parts: Sequence[ServerPart] = (),
    ) -> None:
        self._options = options
        self._store = store
        self._parts = parts
        self._artifacts = artifacts
        self._archive = archive
        self._callers = Callers(authenticator)
        self.fault = ""
        self._metrics = StoreMetrics()
        self._stack = AsyncExitStack()
        self.addresses: tuple[str, ...] = ()
        self.metrics_port: int | None = None

    @property
    def registry(self) -> CollectorRegistry:
        """What Prometheus is told."""
        return self._metrics.registry

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            InvalidInput: An address or a TLS file is wrong, or plaintext is not allowed there.
            Conflict: An address is in use.
            StoreUnavailable: The database does not answer.
        """
        options = self._options
        try:
            self._server = GrpcServer(options.listening, self._metrics)
            self.addresses, self.metrics_port = self._server.addresses, self._server.metrics_port
            await asyncio.to_thread(self._store.check)
            threads = ThreadPoolExecutor(options.threads, thread_name_prefix="read")
            self._stack.callback(threads.shutdown)
            self._commits = commits = await self._stack.enter_async_context(
                GroupCommits[Report, Receipt](self._store.report, options.limits)
            )
            service = DbManager(
                self._store,
                threads=threads,
                commits=commits,
                metrics=self._metrics,
                most_reads=options.most_reads,
                longest_call=options.longest_call,
                callers=self._stack.enter_context(self._callers),
                anonymous_reports=options.anonymous_reports,
            )
            self.tracking = await self._stack.enter_async_context(
                TrackingCalls(self._store, threads, most_reads=options.most_reads, limits=options.limits)
            )
            self._metrics.watch(commits, self.tracking.commits)
            self.transfers = self._stack.enter_context(Transfers(options.most_files))
            self._stack.push_async_callback(self.transfers.finish)
            self._own = TrackingService(
                self.tracking,
                self._callers,
                self.transfers,
                artifacts=self._artifacts,
                archive=self._archive,
                metrics=self._metrics,
                longest_call=options.longest_call,
            )
            handlers = [*service.handlers(), self._own.handler()]
            for part in self._parts:
                handlers += await part.open(self._metrics.registry)
                self._stack.push_async_callback(part.close)
            await self._server.start(
                handlers,
                services=[*_SERVICES, *chain.from_iterable(part.services for part in self._parts)],
                own_services=[SERVICE, *chain.from_iterable(part.own_services for part in self._parts)],
                healthy=dict.fromkeys((*_HEALTH_NAMES, *chain.from_iterable(part.healthy for part in self._parts))),
            )
            self._watching = asyncio.create_task(self._watch())
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0)

    async def report(self, report: Report, size: int) -> Receipt:
        """Return what became of a report once that is durable, for whoever takes them beside gRPC.

        Args:
            size: About how many bytes it has.

        Raises:
            Overloaded: Too much waits already.
            StoreUnavailable: The database does not answer.
        """
        receipt = await self._commits.commit(report, size)
        self._metrics.reported(receipt)
        return receipt

    async def _watch(self) -> None:
        """Tell probes whether the database answers, about as soon as it changes."""
        checker = ThreadPoolExecutor(1, thread_name_prefix="check")
        serving = True
        try:
            while True:
                await asyncio.sleep(_CHECK_SECONDS)
                checking = asyncio.get_running_loop().run_in_executor(checker, self._store.check)
                done, _ = await asyncio.wait({checking}, timeout=_LONGEST_CHECK)
                if not done:
                    serving = await self._tell(serving, f"the database has not answered for {_LONGEST_CHECK:g} s")
                    await asyncio.wait({checking})
                fault = checking.exception()
                serving = await self._tell(serving, "" if fault is None else str(fault))
        finally:
            checker.shutdown(wait=False, cancel_futures=True)

    async def _tell(self, serving: bool, fault: str) -> bool:  # noqa: FBT001 - what was told last
        """Tell probes of a change, and return what they are told now."""
        self.fault = fault
        if serving == (not fault):
            return serving
        await self._server.tell_health(serving=not serving)
        _LOGGER.warning(f"not serving: {fault}" if fault else "the store answers again")
        return not serving

    async def drain(self, grace: float | None = None) -> None:
        """Take no more calls, end those that go on for ever, and give the others some time to end; again, it changes nothing.

        Args:
            grace: Seconds they get; None for what the options say.
        """
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        self._own.close_streams()
        for part in self._parts:
            part.close_streams()
        await self._server.stop(grace)

    async def stop(self, grace: float | None = None) -> None:
        """Drain it, and commit what waits; again, it changes nothing.

        Args:
            grace: Seconds that calls get; None for what the options say.
        """
        await self.drain(grace)
        await self._stack.aclose()

    def abandon(self) -> None:
        """End this process, where a thread may wait for a database that does not answer; what was acknowledged is durable."""
        os._exit(Interrupted.exit_code)
