"""Katib's service ``DBManager``: what trials report, into the store and out of it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from katib.access import Role
from katib.errors import Denied, Overloaded
from katib.rpc import v1beta1 as wire
from katib.rpc.callers import Callers, has_token
from katib.rpc.calls import Call, answering
from katib.rpc.db_manager_requests import (
    MOST_ROWS,
    NAMESPACE_KEY,
    bounds_of,
    named_namespace,
    named_trial,
    reply_of,
    report_of,
)
from katib.rpc.requests import decoded
from katib.rpc.services import handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    import grpc

    from katib.rpc.group_commits import GroupCommits
    from katib.rpc.store_metrics import StoreMetrics
    from katib.store.observation_logs import ObservationLogs, Receipt, Report

__all__ = ["DbManager"]

T = TypeVar("T")

_LOGGER: Final = logging.getLogger(__name__)
_LARGE: Final = 1 << 16
"""Bytes of a request that are not decoded between two other calls."""
_MOST_WARNED: Final = 10_000


class DbManager:
    """Answers the service.

    Args:
        store: Where logs are kept.
        threads: Where the store is read.
        commits: Where reports become durable.
        metrics: Told what happened.
        most_reads: Calls that may read, or wait to, at a time.
        longest_call: Seconds after which a call ends whose caller set no deadline, or a later one.
        callers: Knows who may; None for everybody.
        anonymous_reports: Whether a report needs no token where other calls do: Katib's own clients have none.
    """

    def __init__(
        self,
        store: ObservationLogs,
        *,
        threads: Executor,
        commits: GroupCommits[Report, Receipt],
        metrics: StoreMetrics,
        most_reads: int,
        longest_call: float,
        callers: Callers | None = None,
        anonymous_reports: bool = False,
    ) -> None:
        self._callers = callers or Callers()
        self._anonymous_reports = anonymous_reports
        self._store = store
        self._threads = threads
        self._commits = commits
        self._metrics = metrics
        self._most_reads = most_reads
        self._longest_call = longest_call
        self._reads = 0
        self._warned: OrderedDict[str, None] = OrderedDict()

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return what a server needs to answer the service."""
        methods = {
            "ReportObservationLog": self._report,
            "GetObservationLog": self._get,
            "DeleteObservationLog": self._delete,
        }
        answers = {
            name: answering(name, method, metrics=self._metrics, longest_call=self._longest_call)
            for name, method in methods.items()
        }
        return (handlers("DBManager", answers),)

    # -- the calls ----------------------------------------------------------------------------------------------------

    async def _report(self, request: bytes, call: Call) -> bytes:
        namespace, only = await self._reporter(call)
        if len(request) < _LARGE:
            report = _read_report(request, namespace)
        else:
            report = await self._in_thread(partial(_read_report, request, namespace))
        if only is not None and report.trial != only:
            raise Denied(f"this token is for reports of trial {only!r}, not of {report.trial[:80]!r}")
        receipt = await self._commits.commit(report, len(request))
        self._metrics.reported(receipt)
        self._warn(report.trial, receipt.chosen_of)
        return wire.ReportObservationLogReply().SerializeToString()

    async def _get(self, request: bytes, call: Call) -> bytes:
        message = decoded(wire.GetObservationLogRequest, request)
        trial, (start, end) = named_trial(message), bounds_of(message)
        namespace = await self._namespace(call, Role.READ)

        def read() -> bytes:
            metric = message.metric_name or None
            return reply_of(
                self._store.log(trial, metric, namespace=namespace, start=start, end=end, limit=MOST_ROWS + 1)
            )

        return await self._in_thread(read)

    async def _delete(self, request: bytes, call: Call) -> bytes:
        trial = named_trial(decoded(wire.DeleteObservationLogRequest, request))
        namespace = await self._namespace(call, Role.WRITE)
        await self._in_thread(partial(self._store.delete_log, trial, namespace=namespace))
        return wire.DeleteObservationLogReply().SerializeToString()

    # -- what is the same for all of them --------------------------------------------------------------------------

    async def _reporter(self, call: Call) -> tuple[str | None, str | None]:
        """Return where a report is, if its caller may report, and the only trial that it may be about; None for any.

        Raises:
            InvalidInput, Unauthenticated, Denied: As ``_namespace``.
        """
        named = named_namespace(call.metadata)
        if not self._callers.known or (self._anonymous_reports and not has_token(call.metadata)):
            return named, None
        return await self._callers.admit_reporter(call.metadata, named, field=NAMESPACE_KEY)

    async def _namespace(self, call: Call, role: Role) -> str | None:
        """Return where a call looks, if its caller may; None for everywhere.

        Raises:
            InvalidInput: It names none, though its caller may see several, or several.
            Unauthenticated: Nobody knows who calls.
            Denied: They may not.
        """
        named = named_namespace(call.metadata)
        if not self._callers.known:
            return named
        return await self._callers.admit_anywhere(call.metadata, named, role, field=NAMESPACE_KEY)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        """Call a function in a thread, if not too many wait for one.

        Raises:
            Overloaded: They do.
        """
        if self._reads >= self._most_reads:
            raise Overloaded(
                f"{self._reads} calls read the store, or wait to, which is all this server takes; ask again"
            )
        self._reads += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, function)
        # Counted until the thread is free, which may be after the caller has gone.
        running.add_done_callback(self._read_ended)
        return await asyncio.shield(running)

    def _read_ended(self, running: asyncio.Future[T]) -> None:
        self._reads -= 1
        if not running.cancelled():
            running.exception()  # nobody may be left to ask

    def _warn(self, trial: str, chosen_of: Sequence[str]) -> None:
        """Say, once for each trial, that a report may have been meant for another one."""
        if not chosen_of or trial in self._warned:
            return
        self._warned[trial] = None
        if len(self._warned) > _MOST_WARNED:
            self._warned.popitem(last=False)
        _LOGGER.warning(
            "trial %s: there are several of the name, in the namespaces %s; what is reported without %s is taken to be of the most "
            "recent one, in %s",
            trial,
            ", ".join(sorted(set(chosen_of))),
            NAMESPACE_KEY,
            chosen_of[0],
        )


def _read_report(request: bytes, namespace: str | None) -> Report:
    return report_of(decoded(wire.ReportObservationLogRequest, request), namespace)
