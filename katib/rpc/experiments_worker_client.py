"""Ask and tell of a server elsewhere, as ``katib.experiments.protocol.WorkerTrials``."""

from __future__ import annotations

import math
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_records import held_of, order_of, suggested_of, trial_of_message
from katib.rpc.experiments_values import OUTCOMES, fill_time, request_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import HeldTrial, Measurement, Outcome, StopOrder, Suggested
    from katib.rpc.experiments_connection import Connection

__all__ = ["RemoteWorkerTrials"]

_MOST_SECONDS: Final = 1e8
_LONGEST_WAIT: Final = 20.0
"""Seconds of one call: whoever waits longer asks again, so that a server that is gone is missed."""


class RemoteWorkerTrials:
    """Trials of experiments elsewhere that callers run. What goes wrong is in the futures; a request that got no answer is sent again.

    Args:
        connection: Stays open.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def suggest(
        self, namespace: str, experiment: str, client_id: str, *, count: int = 1, lease: float = 60.0, wait: float = 0.0
    ) -> Future[Suggested]:
        """Give a client trials to run; see ``WorkerTrials``."""
        request = request_of(
            wire.SuggestTrialsRequest,
            namespace=namespace,
            experiment=experiment,
            client_id=client_id,
            count=count or -1,
        )
        _fill_seconds(request.lease, lease)
        end = time.monotonic() + wait

        def fill_wait() -> float:
            part = min(max(0.0, end - time.monotonic()), _LONGEST_WAIT)
            _fill_seconds(request.wait, part)
            return part

        def again(answer: wire.SuggestTrialsResponse) -> bool:
            return not answer.trials and not answer.over and fill_wait() > 0

        fill_wait()
        return self._connection.future(
            "SuggestTrials",
            request,
            suggested_of,
            seconds=self._connection.deadline + min(wait, _LONGEST_WAIT),
            again=again if wait > 0 else None,
        )

    def heartbeat(
        self, namespace: str, experiment: str, client_id: str, trials: Sequence[str] = (), *, lease: float = 60.0
    ) -> Future[list[HeldTrial]]:
        """Renew leases; see ``WorkerTrials``."""
        request = request_of(
            wire.HeartbeatRequest, namespace=namespace, experiment=experiment, client_id=client_id, trials=trials
        )
        _fill_seconds(request.lease, lease)
        return self._connection.future("Heartbeat", request, held_of)

    def report(
        self,
        namespace: str,
        experiment: str,
        trial: str,
        client_id: str,
        measurements: Sequence[Measurement],
        *,
        request_id: str = "",
    ) -> Future[StopOrder]:
        """Record values of metrics; see ``WorkerTrials``."""
        request = request_of(
            wire.ReportMeasurementRequest,
            namespace=namespace,
            experiment=experiment,
            trial=trial,
            client_id=client_id,
            request_id=request_id or uuid.uuid4().hex,
        )
        _fill_measurements(request.measurements, measurements)
        return self._connection.future("ReportMeasurement", request, order_of)

    def complete(
        self,
        namespace: str,
        experiment: str,
        trial: str,
        client_id: str,
        outcome: Outcome,
        *,
        measurements: Sequence[Measurement] = (),
        message: str = "",
        request_id: str = "",
    ) -> Future[TrialRecord]:
        """Record how a trial ended; see ``WorkerTrials``."""
        request = request_of(
            wire.CompleteTrialRequest,
            namespace=namespace,
            experiment=experiment,
            trial=trial,
            client_id=client_id,
            request_id=request_id or uuid.uuid4().hex,
            outcome=OUTCOMES.number(outcome),
            message=message,
        )
        _fill_measurements(request.measurements, measurements)
        return self._connection.future("CompleteTrial", request, trial_of_message)

    def should_stop(self, namespace: str, experiment: str, trial: str, client_id: str) -> Future[StopOrder]:
        """Say whether to go on with a trial; see ``WorkerTrials``."""
        request = request_of(
            wire.ShouldStopRequest, namespace=namespace, experiment=experiment, trial=trial, client_id=client_id
        )
        return self._connection.future("ShouldStop", request, order_of)


def _fill_seconds(target: Any, seconds: float) -> None:
    # What a duration cannot say is none that the server takes.
    seconds = min(max(seconds, -1.0), _MOST_SECONDS) if math.isfinite(seconds) else -1.0
    target.FromNanoseconds(round(seconds * 1e9))
    target.SetInParent()


def _fill_measurements(target: Any, measurements: Iterable[Measurement]) -> None:
    for each in measurements:
        message = request_of(target.add, metric=each.name, text=each.text, step=each.step)
        fill_time(message.time, each.time)
