"""New trials from points: recorded before anything starts, so that starting twice starts the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.experiment import Metric, Observation
from katib.api.metric_names import metric_names
from katib.api.trial import TrialState
from katib.engine.naming import trial_name
from katib.engine.trial import TrialRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from katib.api.experiment import Experiment, InitialTrial
    from katib.engine.ledger import Ledger

__all__ = ["initial_records", "records_to_run_again", "trial_records"]

Assignments = tuple[tuple[str, str], ...]


def trial_records(
    experiment: Experiment,
    first_index: int,
    points: Iterable[tuple[Assignments, Mapping[str, str]]],
    now: datetime,
) -> list[TrialRecord]:
    """Return the records of new trials with consecutive indices.

    Args:
        experiment: With its uid.
        first_index: The index of the first one.
        points: Printed assignments and the algorithm's labels.
        now: The time of creation.
    """
    return [
        _record(experiment, index, assignments, now, labels=labels)
        for index, (assignments, labels) in enumerate(points, start=first_index)
    ]


def initial_records(experiment: Experiment, indices: Iterable[int], now: datetime) -> list[TrialRecord]:
    """Return the records of some ``initialTrials``, whose places are their indices; those with results are finished (imported)."""
    order = [parameter.name for parameter in experiment.spec.parameters or []]
    stated = experiment.spec.initial_trials or []
    records = []
    for index in indices:
        initial = stated[index]
        values = {assignment.name: assignment.value for assignment in initial.parameter_assignments}
        # The texts of a network have no parameters that could order them.
        assignments = tuple((name, values[name]) for name in order or values if name in values)
        records.append(
            _record(experiment, index, assignments, now, labels={}, observation=_observation(experiment, initial))
        )
    return records


def records_to_run_again(ledger: Ledger) -> list[TrialRecord]:
    """Return the records with which trials start anew that were ended only because their user stopped the experiment."""
    message = "Trial is created again after its experiment was stopped"
    return [record.again(message) for record in ledger.to_run_again()]


def _record(
    experiment: Experiment,
    index: int,
    assignments: Sequence[tuple[str, str]],
    now: datetime,
    *,
    labels: Mapping[str, str],
    observation: Observation | None = None,
) -> TrialRecord:
    known = observation is not None
    return TrialRecord(
        index=index,
        name=trial_name(experiment.metadata.name, experiment.metadata.uid or "", index),
        state=TrialState.SUCCEEDED if known else TrialState.CREATED,
        assignments=tuple(assignments),
        created=now,
        finished=now if known else None,
        observation=observation,
        reason="TrialImported" if known else "TrialCreated",
        message="Its result was given with the experiment" if known else "Trial is created",
        imported=known,
        labels=dict(labels),
    )


def _observation(experiment: Experiment, initial: InitialTrial) -> Observation | None:
    if initial.metrics is None:
        return None
    values = {metric.name: metric.value for metric in initial.metrics}
    names = [name for name in metric_names(experiment.spec) if name in values]
    return Observation(
        metrics=[Metric(name=name, min=values[name], max=values[name], latest=values[name]) for name in names]
    )
