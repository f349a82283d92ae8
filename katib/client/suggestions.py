"""The Suggestion of an experiment that is driven without one: what its algorithm was asked for and has given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.api.base import KeyValue, ObjectMeta
from katib.api.experiment import AlgorithmSpec
from katib.api.suggestion import Suggestion, SuggestionSpec, SuggestionStatus, TrialAssignment
from katib.engine.conditions import with_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.base import Condition
    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord

__all__ = ["suggestion_resource"]

_CONDITIONS: Final = {
    "Created": ("SuggestionCreated", "Suggestion is created"),
    "Running": ("SuggestionRunning", "Suggestion is running"),
    "Succeeded": ("Experiment is succeeded", "Suggestion is succeeded"),
    "Failed": ("SuggestionFailed", "Suggestion has failed"),
}
"""Katib's reasons and messages, by the experiment's own conditions."""


def suggestion_resource(experiment: Experiment, trials: Sequence[TrialRecord]) -> Suggestion:
    """Return the v1beta1 Suggestion of an experiment, made of its trials."""
    spec, meta, status = experiment.spec, experiment.metadata, experiment.status
    conditions: list[Condition] = []
    for condition in status.conditions if status else []:
        known = _CONDITIONS.get(condition.type) if condition.status == "True" else None
        if known is not None and condition.last_transition_time:
            conditions = with_condition(conditions, condition.type, *known, condition.last_transition_time)
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
