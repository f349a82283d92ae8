"""The Trial resource, v1beta1: one point of the search space and the job that measures it."""

from __future__ import annotations

import enum
from typing import Any, Literal

from pydantic import Field

from katib.api.base import API_VERSION, ApiModel, Condition, KeyValue, ObjectMeta, Time
from katib.api.experiment import MetricsCollectorSpec, ObjectiveSpec, Observation

__all__ = ["EarlyStoppingRule", "Trial", "TrialSpec", "TrialState", "TrialStatus"]


class TrialState(enum.StrEnum):
    """Where a trial is in its life; the values are the condition types of ``status.conditions`` (facts 2.5)."""

    CREATED = "Created"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    KILLED = "Killed"
    FAILED = "Failed"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    EARLY_STOPPED = "EarlyStopped"

    @property
    def is_active(self) -> bool:
        """Whether the trial still uses a place of ``parallelTrialCount``."""
        return self in (TrialState.CREATED, TrialState.RUNNING)


class EarlyStoppingRule(ApiModel):
    """Stop the trial when the metric compares so, from its ``start_step``-th report on."""

    name: str
    """The metric."""
    value: str
    """What it is compared with."""
    comparison: Literal["equal", "less", "greater"]
    """How it compares."""
    start_step: int | None = None
    """The report from which on the rule counts."""


class TrialSpec(ApiModel):
    """What is run and what is measured."""

    objective: ObjectiveSpec | None = None
    parameter_assignments: list[KeyValue] = Field(default_factory=list)
    """The point."""
    early_stopping_rules: list[EarlyStoppingRule] | None = None
    """When it is to be stopped."""
    run_spec: dict[str, Any] | None = None
    """The job, ready to run."""
    retain_run: bool | None = None
    """Whether the job is kept when it has ended."""
    metrics_collector: MetricsCollectorSpec | None = None
    primary_pod_labels: dict[str, str] | None = None
    """Labels of the pods from which metrics are collected."""
    primary_container_name: str | None = None
    """The container from which metrics are collected."""
    success_condition: str | None = None
    """A GJSON query on the job that finds something once it has succeeded."""
    failure_condition: str | None = None
    """A GJSON query on the job that finds something once it has failed."""
    labels: dict[str, str] | None = None
    """Labels that the algorithm gave."""


class TrialStatus(ApiModel):
    """What has been observed of one trial."""

    start_time: Time | None = None
    """When it began."""
    completion_time: Time | None = None
    """When it ended."""
    last_reconcile_time: Time | None = None
    """Not written."""
    conditions: list[Condition] = Field(default_factory=list)
    """What has happened; the last one is the current one."""
    observation: Observation | None = None
    objective_value: str | None = None
    """Extension: the objective's value, for ``kubectl get``."""


class Trial(ApiModel):
    """One point of an experiment's search space and the job that measures it."""

    api_version: Literal["kubeflow.org/v1beta1"] = API_VERSION
    kind: Literal["Trial"] = "Trial"
    metadata: ObjectMeta
    spec: TrialSpec
    status: TrialStatus | None = None
