"""A trial as a resource: what ``kubectl get trial -o yaml`` shows of one on a cluster, for one that is a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.api.base import Condition, KeyValue, ObjectMeta
from katib.api.trial import Trial, TrialSpec, TrialState, TrialStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord

__all__ = ["trial_resource"]

_EXPERIMENT_LABEL = "katib.kubeflow.org/experiment"


def trial_resource(record: TrialRecord, experiment: Experiment, *, job: Mapping[str, Any] | None = None) -> Trial:
    """Return the v1beta1 Trial of a record.

    Args:
        record: The trial.
        experiment: Its experiment, for what trials inherit.
        job: Its rendered job, if it has one.
    """
    spec = experiment.spec
    template = spec.trial_template
    labels = {**(experiment.metadata.labels or {}), **record.labels, _EXPERIMENT_LABEL: experiment.metadata.name}
    return Trial(
        metadata=ObjectMeta(
            name=record.name,
            namespace=experiment.metadata.namespace,
            labels=labels,
            annotations={"katib.kubeflow.org/trial-index": str(record.index)},
            creation_timestamp=record.created,
        ),
        spec=TrialSpec(
            objective=spec.objective,
            parameter_assignments=[KeyValue(name=name, value=value) for name, value in record.assignments],
            early_stopping_rules=list(record.rules) or None,
            run_spec=dict(job) if job is not None else None,
            retain_run=template.retain if template else None,
            metrics_collector=spec.metrics_collector_spec,
            primary_pod_labels=template.primary_pod_labels if template else None,
            primary_container_name=template.primary_container_name if template else None,
            success_condition=template.success_condition if template else None,
            failure_condition=template.failure_condition if template else None,
            labels=dict(record.labels) or None,
        ),
        status=TrialStatus(
            start_time=record.started,
            completion_time=record.finished,
            conditions=_conditions(record),
            observation=record.observation,
        ),
    )


def _conditions(record: TrialRecord) -> list[Condition]:
    """Return the conditions the trial went through, the current one last."""
    is_waiting = record.state is TrialState.CREATED and record.stopping is None and bool(record.message)
    reason, message = (record.reason, record.message) if is_waiting else ("", "")
    conditions = [
        _condition("Created", reason or "TrialCreated", message or "Trial is created", record.created),
    ]
    if record.started is not None:
        running = record.state is TrialState.RUNNING and record.stopping is None
        # What it waits for, where its driver knows.
        reason, message = (record.reason, record.message) if running else ("", "")
        status = "True" if record.state is TrialState.RUNNING else "False"
        conditions.append(
            _condition("Running", reason or "TrialRunning", message or "Trial is running", record.started, status)
        )
    if not record.state.is_active:
        conditions.append(
            _condition(str(record.state), record.reason, record.message, record.finished or record.created)
        )
    elif record.stopping is not None:
        conditions[-1].message = f"Trial is being stopped: {record.message}"
    return conditions


def _condition(kind: str, reason: str, message: str, at: Any, status: str = "True") -> Condition:
    return Condition(
        type=kind, status=status, reason=reason, message=message, last_update_time=at, last_transition_time=at
    )
