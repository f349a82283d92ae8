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
    value: str
    comparison: Literal["equal", "less", "greater"]
    start_step: int | None = None


class TrialSpec(ApiModel):
    """What is run and what is measured."""

    objective: ObjectiveSpec | None = None
    parameter_assignments: list[KeyValue] = Field(default_factory=list)
    early_stopping_rules: list[EarlyStoppingRule] | None = None
    run_spec: dict[str, Any] | None = None
    retain_run: bool | None = None
    metrics_collector: MetricsCollectorSpec | None = None
    primary_pod_labels: dict[str, str] | None = None
    primary_container_name: str | None = None
    success_condition: str | None = None
    failure_condition: str | None = None
    labels: dict[str, str] | None = None


class TrialStatus(ApiModel):
    """What has been observed of one trial."""

    start_time: Time | None = None
    completion_time: Time | None = None
    last_reconcile_time: Time | None = None
    conditions: list[Condition] = Field(default_factory=list)
    observation: Observation | None = None


class Trial(ApiModel):
    """One point of an experiment's search space and the job that measures it."""

    api_version: Literal["kubeflow.org/v1beta1"] = API_VERSION
    kind: Literal["Trial"] = "Trial"
    metadata: ObjectMeta
    spec: TrialSpec
    status: TrialStatus | None = None
