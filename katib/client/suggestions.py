"""The Suggestion of an experiment that is driven without one: what its algorithm was asked for and has given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.base import KeyValue, ObjectMeta
from katib.api.experiment import AlgorithmSpec
from katib.api.suggestion import Suggestion, SuggestionSpec, SuggestionStatus, TrialAssignment
from katib.engine.conditions import current, with_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord

__all__ = ["suggestion_resource"]


def suggestion_resource(experiment: Experiment, trials: Sequence[TrialRecord]) -> Suggestion:
    """Return the v1beta1 Suggestion of an experiment, made of its trials."""
    spec, meta, status = experiment.spec, experiment.metadata, experiment.status
    conditions = [condition for condition in (status.conditions if status else []) if condition.type == "Created"]
    last = current(status.conditions) if status else None
    if last is not None and last.type in {"Running", "Succeeded", "Failed"} and last.last_transition_time:
        reason = f"Suggestion{last.type}"
        conditions = with_condition(
            conditions, last.type, reason, f"Suggestion is {last.type.lower()}", last.last_transition_time
        )
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
