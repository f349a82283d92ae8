"""Ask and tell over the wire: trials that callers run. Nothing here waits in a thread: futures are told when they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf.message import Message

from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_messages import trial_message
from katib.rpc.experiments_requests import (
    check_texts,
    read_held,
    read_lease,
    read_measurements,
    read_message,
    read_suggested,
    read_wait,
)
from katib.rpc.experiments_values import EXPERIMENT_STATES, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import HeldTrial, StopOrder, Suggested, WorkerTrials

    Tell: TypeAlias = Callable[[WorkerTrials, str, float], Future[Any]]
    """Asks of a namespace, with the seconds there are."""

__all__ = ["ASKS", "AskCall"]

_MARGIN: Final = 0.5
"""Seconds before a caller's deadline in which the answer gets there."""


def _no_trials(_: Any) -> Sequence[TrialRecord]:
    return ()


@dataclass(frozen=True, slots=True)
class AskCall:
    """A call of ask and tell.

    Attributes:
        request: The class of its request, which has a ``namespace`` and an ``experiment``.
        prepare: Checks a request, and returns what asks.
        reply: Makes the reply of what was answered and the types of the experiment's parameters.
        trials: The trials in what was answered, whose values have types.
        waits: Whether it may wait for something to happen.
    """

    request: Any
    prepare: Callable[[Any], Tell]
    reply: Callable[[str, Any, Mapping[str, str]], Message]
    trials: Callable[[Any], Sequence[TrialRecord]] = _no_trials
    waits: bool = False


def _suggest(request: wire.SuggestTrialsRequest) -> Tell:
    check_texts(request, "experiment", "client_id")
    count, lease, wait = read_suggested(request), read_lease(request), read_wait(request)
    return lambda workers, namespace, seconds: workers.suggest(
        namespace,
        request.experiment,
        request.client_id,
        count=count,
        lease=lease,
        # An answer without a trial says more than a deadline that has passed.
        wait=max(0.0, min(wait, seconds - _MARGIN)),
    )


def _suggested(experiment: str, suggested: Suggested, kinds: Mapping[str, str]) -> Message:
    return wire.SuggestTrialsResponse(
        trials=[trial_message(experiment, record, kinds) for record in suggested.trials],
        over=suggested.over,
        state=EXPERIMENT_STATES.number(suggested.state),
        reason=suggested.reason,
        waiting=suggested.waiting,
    )


def _heartbeat(request: wire.HeartbeatRequest) -> Tell:
    check_texts(request, "experiment", "client_id")
    trials, lease = read_held(request), read_lease(request)
    return lambda workers, namespace, _: workers.heartbeat(
        namespace, request.experiment, request.client_id, trials, lease=lease
    )


def _held(_: str, held: Sequence[HeldTrial], __: Mapping[str, str]) -> Message:
    response = wire.HeartbeatResponse()
    for each in held:
        response.trials.add(trial=each.name, lost=each.lost, should_stop=each.should_stop, reason=each.reason)
    return response


def _report(request: wire.ReportMeasurementRequest) -> Tell:
    check_texts(request, "experiment", "trial", "client_id", optional=("request_id",))
    measurements = read_measurements(request.measurements)
    return lambda workers, namespace, _: workers.report(
        namespace,
        request.experiment,
        request.trial,
        request.client_id,
        measurements,
        request_id=request.request_id,
    )


def _reported(_: str, order: StopOrder, __: Mapping[str, str]) -> Message:
    return wire.ReportMeasurementResponse(should_stop=order.should_stop, reason=order.reason)


def _complete(request: wire.CompleteTrialRequest) -> Tell:
    check_texts(request, "experiment", "trial", "client_id", optional=("request_id",))
    outcome = OUTCOMES.read(request.outcome, "outcome")
    measurements, message = read_measurements(request.measurements), read_message(request)
    return lambda workers, namespace, _: workers.complete(
        namespace,
        request.experiment,
        request.trial,
        request.client_id,
        outcome,
        measurements=measurements,
        message=message,
        request_id=request.request_id,
    )


def _should_stop(request: wire.ShouldStopRequest) -> Tell:
    check_texts(request, "experiment", "trial", "client_id")
    return lambda workers, namespace, _: workers.should_stop(
        namespace, request.experiment, request.trial, request.client_id
    )


def _ordered(_: str, order: StopOrder, __: Mapping[str, str]) -> Message:
    return wire.ShouldStopResponse(should_stop=order.should_stop, reason=order.reason)


ASKS: Final[dict[str, AskCall]] = {
    "SuggestTrials": AskCall(
        wire.SuggestTrialsRequest, _suggest, _suggested, lambda suggested: tuple(suggested.trials), waits=True
    ),
    "Heartbeat": AskCall(wire.HeartbeatRequest, _heartbeat, _held),
    "ReportMeasurement": AskCall(wire.ReportMeasurementRequest, _report, _reported),
    "CompleteTrial": AskCall(wire.CompleteTrialRequest, _complete, trial_message, lambda record: (record,)),
    "ShouldStop": AskCall(wire.ShouldStopRequest, _should_stop, _ordered),
}
