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
    parameter_assignments: list[KeyValue] = Field(default_factory=list)
    early_stopping_rules: list[EarlyStoppingRule] | None = None
    labels: dict[str, str] | None = None


class SuggestionSpec(ApiModel):
    """How many points are wanted in all."""

    algorithm: AlgorithmSpec
    early_stopping: AlgorithmSpec | None = None
    requests: int | None = None
    resume_policy: Annotated[ResumePolicy | None, BlankIsAbsent] = None


class SuggestionStatus(ApiModel):
    """Which points were given."""

    algorithm_settings: list[KeyValue] | None = None
    suggestion_count: int | None = None
    suggestions: list[TrialAssignment] | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    last_reconcile_time: Time | None = None
    conditions: list[Condition] | None = None


class Suggestion(ApiModel):
    """The conversation with an algorithm about one experiment, in total."""

    api_version: Literal["kubeflow.org/v1beta1"] = API_VERSION
    kind: Literal["Suggestion"] = "Suggestion"
    metadata: ObjectMeta
    spec: SuggestionSpec
    status: SuggestionStatus | None = None
