"""The Suggestion of an experiment that is driven without one: what its algorithm was asked for and has given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.base import KeyValue, ObjectMeta
from katib.api.experiment import AlgorithmSpec
from katib.api.suggestion import Suggestion, SuggestionSpec, SuggestionStatus, TrialAssignment
from katib.engine.conditions import with_condition
from katib.engine.status import FINAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.base import Condition
    from katib.api.experiment import Experiment, ExperimentStatus
    from katib.engine.trial import TrialRecord

__all__ = ["suggestion_resource"]


def suggestion_resource(experiment: Experiment, trials: Sequence[TrialRecord]) -> Suggestion:
    """Return the v1beta1 Suggestion of an experiment, made of its trials."""
    spec, meta, status = experiment.spec, experiment.metadata, experiment.status
    conditions = _conditions(status)
    points = [
        TrialAssignment(
            name=record.name,
            parameter_assignments=[KeyValue(name=name, value=value) for name, value in record.assignments],
            early_stopping_rules=[*record.rules] or None,
            labels=dict(record.labels) or None,
        )
        for record in trials
        if not record.imported
    ]
    return Suggestion(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels=meta.labels,
            annotations=meta.annotations,
            creation_timestamp=meta.creation_timestamp,
        ),
        spec=SuggestionSpec(
            algorithm=spec.algorithm or AlgorithmSpec(algorithm_name="random"),
            early_stopping=spec.early_stopping,
            requests=len(points),
            resume_policy=spec.resume_policy,
        ),
        status=SuggestionStatus(
            suggestion_count=len(points),
            suggestions=points,
            start_time=status.start_time if status else None,
            completion_time=status.completion_time if status else None,
            conditions=conditions,
        ),
    )


def _conditions(status: ExperimentStatus | None) -> list[Condition]:
    """Return what has happened, in Katib's words: it is done with when the experiment is over, however that ended."""
    found: list[Condition] = []
    for condition in status.conditions if status else []:
        at = condition.last_transition_time
        if at is None:
            continue
        if condition.type == "Created":
            found = with_condition(found, "Created", "SuggestionCreated", "Suggestion is created", at)
        elif condition.type == "Running" and condition.status == "True":
            found = with_condition(found, "Running", "SuggestionRunning", "Suggestion is running", at)
        elif condition.type in FINAL and condition.status == "True":
            not_running = ("Suggestion is succeeded", "Suggestion is not running")
            found = with_condition(found, "Running", *not_running, at, status="False")
            found = with_condition(found, "Succeeded", "Experiment is succeeded", "Suggestion is succeeded", at)
    return found
