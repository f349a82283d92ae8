"""What messages of the experiments' API say, as the records that everything else works with; ``experiments_messages`` sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.api.experiment import Metric, Observation
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.trial import TrialRecord
from katib.errors import InvalidInput, RemoteFault
from katib.experiments.protocol import HeldTrial, StopOrder, Suggested
from katib.rpc.experiments_values import COMPARISONS, EXPERIMENT_STATES, TRIAL_STATES, time_of
from katib.rpc.recording_text import experiment_of
from katib.store.protocol import Event, Observed

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.experiment import Experiment
    from katib.rpc import experiments_v1 as wire

__all__ = [
    "event_of",
    "experiment_of_message",
    "held_of",
    "observed_of",
    "order_of",
    "suggested_of",
    "trial_of_message",
]


def experiment_of_message(message: wire.Experiment) -> Experiment:
    """Return an experiment with its status.

    Raises:
        RemoteFault: It is none that is known here.
    """
    try:
        return experiment_of(message.resource_json, "resource_json")
    except InvalidInput as error:
        raise RemoteFault(
            f"the server answers with an experiment that is not known here; is it of another version? {error}"
        ) from error


def trial_of_message(message: wire.Trial) -> TrialRecord:
    """Return a trial.

    Raises:
        RemoteFault: It is none that is known here.
    """
    state: TrialState | None = TRIAL_STATES.word(message.state)
    if state is None:
        raise RemoteFault(f"the server says of trial {message.name!r} a state that is not known here: {message.state}")
    return TrialRecord(
        index=message.index,
        name=message.name,
        state=state,
        assignments=tuple((each.name, each.text) for each in message.assignments),
        created=_required_time(message, "create_time"),
        started=time_of(message, "start_time"),
        finished=time_of(message, "end_time"),
        observation=_observation(message),
        reason=message.reason,
        message=message.message,
        imported=message.imported,
        stopping=(TRIAL_STATES.word(message.stopping_as) or TrialState.KILLED) if message.stopping else None,
        attempt=message.attempt,
        labels=dict(message.labels),
        rules=tuple(
            EarlyStoppingRule(
                name=rule.metric,
                value=rule.value,
                comparison=COMPARISONS.word(rule.comparison),
                start_step=rule.start_step if rule.HasField("start_step") else None,
            )
            for rule in message.rules
        ),
    )


def _required_time(message: Any, field: str) -> datetime:
    found = time_of(message, field)
    if found is None:
        raise RemoteFault(f"the server answers with a {message.DESCRIPTOR.name} without {field}")
    return found


def _observation(message: wire.Trial) -> Observation | None:
    if not message.measured:
        return None
    return Observation(
        metrics=[
            Metric(
                name=metric.name,
                min=metric.min if metric.HasField("min") else None,
                max=metric.max if metric.HasField("max") else None,
                latest=metric.latest if metric.HasField("latest") else None,
            )
            for metric in message.metrics
        ]
    )


def event_of(message: wire.Event) -> Event:
    """Return something worth telling."""
    return Event(
        reason=message.reason,
        message=message.message,
        kind="Warning" if message.warning else "Normal",
        trial=message.trial or None,
        count=message.count,
        first=_required_time(message, "first_time"),
        last=_required_time(message, "last_time"),
    )


def observed_of(message: wire.Measured) -> Observed:
    """Return what a trial reported."""
    return Observed(
        sequence=message.sequence,
        name=message.metric,
        text=message.text,
        value=message.number if message.HasField("number") else None,
        time=time_of(message, "time"),
        step=message.step if message.HasField("step") else None,
    )


def suggested_of(message: wire.SuggestTrialsResponse) -> Suggested:
    """Return trials for a client to run."""
    return Suggested(
        trials=tuple(trial_of_message(trial) for trial in message.trials),
        over=message.over,
        state=EXPERIMENT_STATES.word(message.state) or "",
        reason=message.reason,
        waiting=message.waiting,
    )


def held_of(message: wire.HeartbeatResponse) -> list[HeldTrial]:
    """Return what a client is told about its trials."""
    return [
        HeldTrial(name=each.trial, lost=each.lost, should_stop=each.should_stop, reason=each.reason)
        for each in message.trials
    ]


def order_of(message: wire.ReportMeasurementResponse | wire.ShouldStopResponse) -> StopOrder:
    """Return whether to end a trial."""
    return StopOrder(should_stop=message.should_stop, reason=message.reason)
