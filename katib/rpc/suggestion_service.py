"""Katib's services ``Suggestion`` and ``EarlyStopping``: each call is a task for a worker, within the caller's deadline."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from typing import TYPE_CHECKING, Final

from katib.rpc import v1beta1 as wire
from katib.rpc.calls import Call, FailedCall, answering
from katib.rpc.checkpoint_copies import prepare_checkpoints
from katib.rpc.request_parts import RequestParts
from katib.rpc.requests import decoded
from katib.rpc.services import handlers
from katib.rpc.status import status_of
from katib.rpc.worker_call import Kind, Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import grpc

    from katib.rpc.calls import Context
    from katib.rpc.learning_curves import LearningCurves
    from katib.rpc.server_metrics import SuggestionMetrics
    from katib.rpc.trial_status import TrialStatusWriter
    from katib.rpc.worker_pool import WorkerPool

    _Method = Callable[[bytes, Call], Awaitable[bytes]]

__all__ = ["SuggestionService"]

_LOGGER: Final = logging.getLogger(__name__)


class SuggestionService:
    """Answers both services.

    Args:
        pool: Where the work is done.
        curves: Of finished trials, for early stopping.
        trial_status: Who marks a trial as stopped.
        metrics: Told what happened.
        longest_call: Seconds after which a call ends whose caller set no deadline, or a later one.
        checkpoints: The folder with the trials' checkpoints, for algorithms that hand them on; None without one.
    """

    def __init__(
        self,
        pool: WorkerPool,
        *,
        curves: LearningCurves,
        trial_status: TrialStatusWriter,
        metrics: SuggestionMetrics,
        longest_call: float,
        checkpoints: Path | None = None,
    ) -> None:
        self._pool = pool
        self._curves = curves
        self._trial_status = trial_status
        self._metrics = metrics
        self._longest_call = longest_call
        self._checkpoints = checkpoints

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return what a server needs to answer both services."""
        suggestion = {
            "GetSuggestions": self._suggestions,
            "ValidateAlgorithmSettings": self._worker_only(Kind.VALIDATE),
        }
        stopping = {
            "GetEarlyStoppingRules": self._rules,
            "ValidateEarlyStoppingSettings": self._worker_only(Kind.VALIDATE_STOPPER),
            "SetTrialStatus": self._set_trial_status,
        }
        return (
            handlers("Suggestion", {name: self._answering(name, method) for name, method in suggestion.items()}),
            handlers("EarlyStopping", {name: self._answering(name, method) for name, method in stopping.items()}),
        )

    def _answering(self, name: str, method: _Method) -> Callable[[bytes, Context], Awaitable[bytes]]:
        return answering(name, method, metrics=self._metrics, longest_call=self._longest_call)

    # -- the calls ----------------------------------------------------------------------------------------------------

    async def _suggestions(self, request: bytes, call: Call) -> bytes:
        parts = decoded(RequestParts, request)
        reply = await self._work(Task(Kind.SUGGEST, request, call.seconds), _key(parts))
        if self._checkpoints is not None:
            await asyncio.to_thread(prepare_checkpoints, self._checkpoints, b"".join(parts.experiment), reply)
        return reply

    def _worker_only(self, kind: Kind) -> _Method:
        async def method(request: bytes, call: Call) -> bytes:
            return await self._work(Task(kind, request, call.seconds), None)

        return method

    async def _rules(self, request: bytes, call: Call) -> bytes:
        started = time.monotonic()
        parts = decoded(RequestParts, request)
        message = decoded(wire.GetEarlyStoppingRulesRequest, request)
        finished = [trial.name for trial in message.trials if trial.status.condition == wire.TrialStatus.SUCCEEDED]
        curves = {}
        if finished:
            metric = message.experiment.spec.objective.objective_metric_name
            curves = await self._curves.of(message.db_manager_address, finished, metric, call.seconds)
        left = call.seconds - (time.monotonic() - started)
        return await self._work(Task(Kind.RULES, request, left, curves), _key(parts))

    async def _set_trial_status(self, request: bytes, call: Call) -> bytes:
        name = decoded(wire.SetTrialStatusRequest, request).trial_name
        await self._trial_status.mark_early_stopped(name, call.seconds)
        return wire.SetTrialStatusReply().SerializeToString()

    # -- what is the same for all of them --------------------------------------------------------------------------

    async def _work(self, task: Task, key: object) -> bytes:
        outcome = await self._pool.call(task, key)
        for note in outcome.notes:
            self._metrics.noted(note.kind)
            _LOGGER.warning("%s: %s", task.kind.value, note.text)
        if outcome.failure is None:
            return outcome.reply
        if outcome.failure.details:
            _LOGGER.error("%s failed\n%s", task.kind.value, outcome.failure.details)
        raise FailedCall(status_of(outcome.failure.code, outcome.failure.message, outcome.failure.problems))


def _key(parts: RequestParts) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in (parts.experiment_json,) if parts.experiment_json else parts.experiment:
        digest.update(part)
    return digest.digest()
