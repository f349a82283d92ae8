"""Experiments, trials and suggestions as the resources a cluster would show, from what the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.base import KeyValue, ObjectMeta
from katib.api.experiment import AlgorithmSpec, ExperimentStatus
from katib.api.suggestion import Suggestion, SuggestionSpec, SuggestionStatus, TrialAssignment
from katib.engine.ledger import Ledger
from katib.engine.status import with_trial_lists
from katib.engine.trial_document import trial_resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.api.experiment import Experiment
    from katib.api.trial import Trial
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Store

__all__ = ["experiment_resource", "suggestion_resource", "trial_resources"]

_MANY = 50
"""From so many trials on their jobs are read together."""


def experiment_resource(store: Store, experiment: Experiment) -> Experiment:
    """Return the experiment with the names of its trials in the status."""
    ledger = Ledger.from_records(experiment, store.trials(experiment.metadata.uid or ""))
    status = with_trial_lists(experiment.status or ExperimentStatus(), ledger)
    return experiment.model_copy(update={"status": status})


def trial_resources(store: Store, experiment: Experiment, records: Iterable[TrialRecord]) -> list[Trial]:
    """Return trials with the jobs that were made for them."""
    uid, wanted = experiment.metadata.uid or "", list(records)
    if len(wanted) < _MANY:
        return [trial_resource(record, experiment, job=store.job(uid, record.name)) for record in wanted]
    jobs = store.jobs(uid)
    return [trial_resource(record, experiment, job=jobs.get(record.name)) for record in wanted]


def suggestion_resource(store: Store, experiment: Experiment) -> Suggestion:
    """Return what the algorithm was asked for and gave. The user's own points (``initialTrials``) are not its answers."""
    spec = experiment.spec
    own = len(spec.initial_trials or [])
    records = [record for record in store.trials(experiment.metadata.uid or "") if record.index >= own]
    return Suggestion(
        metadata=ObjectMeta(
            name=experiment.metadata.name,
            namespace=experiment.metadata.namespace,
            creation_timestamp=experiment.metadata.creation_timestamp,
        ),
        spec=SuggestionSpec.model_construct(
            algorithm=spec.algorithm or AlgorithmSpec(algorithm_name=""),
            early_stopping=spec.early_stopping,
            requests=len(records),
            resume_policy=spec.resume_policy,
        ),
        status=SuggestionStatus(
            suggestion_count=len(records),
            suggestions=[
                TrialAssignment(
                    name=record.name,
                    parameter_assignments=[KeyValue(name=name, value=value) for name, value in record.assignments],
                    early_stopping_rules=list(record.rules) or None,
                    labels=dict(record.labels) or None,
                )
                for record in records
            ],
        ),
    )
