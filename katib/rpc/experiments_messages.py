"""Experiments, trials and what belongs to them as the messages of their API; ``experiments_records`` has the other direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.api.typed_value import typed_value
from katib.engine.conditions import current
from katib.engine.status import over
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_values import COMPARISONS, EXPERIMENT_STATES, TRIAL_STATES, fill_time
from katib.rpc.recording_text import experiment_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from katib.api.experiment import Experiment, Metric, OptimalTrial
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Event, Observed

__all__ = ["event_message", "experiment_message", "is_over", "kinds_of", "measured_message", "trial_message"]

_LARGEST: int = 2**63


def sendable(text: str) -> str:
    """Return a text without the halves of characters that a program may have printed, and that UTF-8 has no bytes for."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def kinds_of(experiment: Experiment) -> dict[str, str]:
    """Return the types of an experiment's parameters by their names."""
    return {parameter.name: parameter.parameter_type for parameter in experiment.spec.parameters or ()}


def is_over(experiment: Experiment) -> bool:
    """Whether nothing of an experiment will be started."""
    return experiment.status is not None and over(experiment.status)


def experiment_message(experiment: Experiment) -> wire.Experiment:
    """Return an experiment with its status."""
    metadata, spec, status = experiment.metadata, experiment.spec, experiment.status
    message = wire.Experiment(
        namespace=metadata.namespace or "",
        name=metadata.name,
        uid=metadata.uid or "",
        state=wire.CREATED,
        max_trial_count=spec.max_trial_count,
        parallel_trial_count=spec.parallel_trial_count or 0,
        max_failed_trial_count=spec.max_failed_trial_count,
        algorithm=spec.algorithm.algorithm_name if spec.algorithm else "",
        run_by_callers=spec.trial_template is None,
        resource_version=metadata.resource_version or "",
        resource_json=experiment_text(experiment),
    )
    fill_time(message.create_time, metadata.creation_timestamp)
    if status is None:
        return message
    condition = current(status.conditions)
    if condition is not None:
        message.state = EXPERIMENT_STATES.number(condition.type)
        message.reason, message.message = sendable(condition.reason or ""), sendable(condition.message or "")
    fill_time(message.start_time, status.start_time)
    fill_time(message.end_time, status.completion_time)
    message.counts.created = status.trials_pending
    message.counts.running = status.trials_running
    message.counts.succeeded = status.trials_succeeded
    message.counts.failed = status.trials_failed
    message.counts.killed = status.trials_killed
    message.counts.early_stopped = status.trials_early_stopped
    message.counts.metrics_unavailable = status.trial_metrics_unavailable
    kinds = kinds_of(experiment)
    if status.current_optimal_trial is not None and status.current_optimal_trial.best_trial_name:
        _fill_optimum(message.best, status.current_optimal_trial, kinds)
    for optimum in status.pareto_optimal_trials or ():
        _fill_optimum(message.pareto.add(), optimum, kinds)
    return message


def trial_message(experiment: str, record: TrialRecord, kinds: Mapping[str, str]) -> wire.Trial:
    """Return a trial.

    Args:
        experiment: The name of its experiment.
        record: The trial.
        kinds: Of the parameters (``kinds_of``).
    """
    message = wire.Trial(
        experiment=experiment,
        name=record.name,
        index=record.index,
        state=TRIAL_STATES.number(record.state),
        reason=sendable(record.reason),
        message=sendable(record.message),
        attempt=record.attempt,
        labels={sendable(key): sendable(value) for key, value in record.labels.items()},
        stopping=record.stopping is not None,
        stopping_as=TRIAL_STATES.number(record.stopping),
        imported=record.imported,
    )
    _fill_assignments(message.assignments, record.assignments, kinds)
    if record.observation is not None:
        message.measured = True
        _fill_metrics(message.metrics, record.observation.metrics)
    fill_time(message.create_time, record.created)
    fill_time(message.start_time, record.started)
    fill_time(message.end_time, record.finished)
    for rule in record.rules:
        message.rules.add(
            metric=rule.name,
            value=rule.value,
            comparison=COMPARISONS.number(rule.comparison),
            start_step=rule.start_step,
        )
    return message


def event_message(event: Event) -> wire.Event:
    """Return something worth telling."""
    message = wire.Event(
        reason=sendable(event.reason),
        message=sendable(event.message),
        warning=event.kind == "Warning",
        trial=event.trial or "",
        count=event.count,
    )
    fill_time(message.first_time, event.first)
    fill_time(message.last_time, event.last)
    return message


def measured_message(observed: Observed) -> wire.Measured:
    """Return what a trial reported."""
    message = wire.Measured(
        sequence=observed.sequence,
        metric=sendable(observed.name),
        text=sendable(observed.text),
        number=observed.value,
        step=observed.step,
    )
    fill_time(message.time, observed.time)
    return message


def _fill_optimum(message: wire.OptimalTrial, optimum: OptimalTrial, kinds: Mapping[str, str]) -> None:
    message.name = optimum.best_trial_name
    _fill_assignments(message.assignments, ((each.name, each.value) for each in optimum.parameter_assignments), kinds)
    _fill_metrics(message.metrics, optimum.observation.metrics)


def _fill_assignments(messages: Any, assignments: Iterable[tuple[str, str]], kinds: Mapping[str, str]) -> None:
    for name, text in assignments:
        kind = kinds.get(name, "")
        value = typed_value(kind, text)
        message = messages.add(name=name, text=text)
        if isinstance(value, int) and kind == "int":
            if -_LARGEST <= value < _LARGEST:
                message.integer = value
        elif not isinstance(value, str):
            message.number = value
        elif kind == "categorical":
            message.category = value


def _fill_metrics(messages: Any, metrics: Iterable[Metric]) -> None:
    for metric in metrics:
        texts = {field: getattr(metric, field) for field in ("name", "latest", "min", "max")}
        messages.add(**{field: sendable(text) for field, text in texts.items() if text is not None})
