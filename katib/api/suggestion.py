"""The Suggestion resource, v1beta1: how many points were asked for and which were given."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from katib.api.base import API_VERSION, ApiModel, BlankIsAbsent, Condition, KeyValue, ObjectMeta, Time
from katib.api.experiment import AlgorithmSpec, ResumePolicy
from katib.api.trial import EarlyStoppingRule

__all__ = ["Suggestion", "SuggestionSpec", "SuggestionStatus", "TrialAssignment"]


class TrialAssignment(ApiModel):
    """One suggested point with the name of the trial it is for."""

    name: str
    """The trial."""
    parameter_assignments: list[KeyValue] = Field(default_factory=list)
    """Its point."""
    early_stopping_rules: list[EarlyStoppingRule] | None = None
    """When it is to be stopped."""
    labels: dict[str, str] | None = None
    """Labels for the trial."""


class SuggestionSpec(ApiModel):
    """How many points are wanted in all."""

    algorithm: AlgorithmSpec
    """What suggests the points."""
    early_stopping: AlgorithmSpec | None = None
    """What stops trials that are worse than others."""
    requests: int | None = None
    """How many points are wanted in all."""
    resume_policy: Annotated[ResumePolicy | None, BlankIsAbsent] = None
    """As in the experiment."""


class SuggestionStatus(ApiModel):
    """Which points were given."""

    algorithm_settings: list[KeyValue] | None = None
    """Settings that the algorithm gave itself."""
    suggestion_count: int | None = None
    """How many points were given."""
    suggestions: list[TrialAssignment] | None = None
    """The newest points."""
    start_time: Time | None = None
    """When it began."""
    completion_time: Time | None = None
    """When it ended."""
    last_reconcile_time: Time | None = None
    """Not written."""
    conditions: list[Condition] | None = None
    """What has happened; the last one is the current one."""


class Suggestion(ApiModel):
    """The conversation with an algorithm about one experiment, in total."""

    api_version: Literal["kubeflow.org/v1beta1"] = API_VERSION
    kind: Literal["Suggestion"] = "Suggestion"
    metadata: ObjectMeta
    spec: SuggestionSpec
    status: SuggestionStatus | None = None
