"""The Experiment resource, v1beta1: every field Katib has, and our optional additions.

Additions (absent from Katib, all optional) are marked "Extension" in their docstring. Models here hold shape only;
what a well-shaped experiment must also satisfy is in ``katib.api.validate``, what is filled in is in ``katib.api.defaults``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from katib.api.base import (
    API_VERSION,
    ApiModel,
    BlankIsAbsent,
    Condition,
    Int32,
    KeyValue,
    NumberText,
    ObjectMeta,
    Time,
)

__all__ = [
    "AlgorithmSpec",
    "Bound",
    "Collector",
    "CollectorSource",
    "ConfigMapSource",
    "Constraint",
    "Experiment",
    "ExperimentSpec",
    "ExperimentStatus",
    "FeasibleSpace",
    "FileSystemPath",
    "Filter",
    "GraphConfig",
    "HttpGet",
    "InitialTrial",
    "Metric",
    "MetricStrategy",
    "MetricsCollectorSpec",
    "NasConfig",
    "ObjectiveSpec",
    "Observation",
    "Operation",
    "OptimalTrial",
    "ParameterCondition",
    "ParameterSpec",
    "SecondaryObjective",
    "TrialParameter",
    "TrialTemplate",
]

ParameterType = Literal["double", "int", "discrete", "categorical", "unknown"]
Distribution = Literal["uniform", "logUniform", "normal", "logNormal", "unknown"]
ObjectiveType = Literal["minimize", "maximize"]
Strategy = Literal["min", "max", "latest"]
ResumePolicy = Literal["Never", "LongRunning", "FromVolume"]
NumberTexts = list[NumberText]
"""Named here because inside ``FeasibleSpace`` the word ``list`` is a field."""
CollectorKind = Literal["StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "Push"]


class FeasibleSpace(ApiModel):
    """The values a parameter may take: a range (double, int) or a list (discrete, categorical)."""

    max: NumberText | None = None
    min: NumberText | None = None
    step: NumberText | None = None
    list: NumberTexts | None = None
    distribution: Annotated[Distribution | None, BlankIsAbsent] = None


class ParameterCondition(ApiModel):
    """Extension: the parameter exists only while ``parameter`` has one of the values in ``in``."""

    parameter: str
    in_: list[NumberText] = Field(alias="in")


class ParameterSpec(ApiModel):
    """One dimension of the search space."""

    name: str
    parameter_type: ParameterType
    feasible_space: FeasibleSpace
    condition: ParameterCondition | None = None
    """Extension: see ``ParameterCondition``."""


class Constraint(ApiModel):
    """Extension: a boolean expression over parameters that every point must satisfy, such as ``a + b <= 1``."""

    expression: str


class MetricStrategy(ApiModel):
    """Which value of a metric's series stands for the trial."""

    name: str
    value: Strategy


class Bound(ApiModel):
    """Extension: a trial is feasible only while the metric lies within [min, max]."""

    metric_name: str
    min: float | None = None
    max: float | None = None


class ObjectiveSpec(ApiModel):
    """What is optimised, and when it is good enough."""

    type: ObjectiveType
    goal: float | None = None
    objective_metric_name: str
    additional_metric_names: list[str] | None = None
    metric_strategies: list[MetricStrategy] | None = None
    bounds: list[Bound] | None = None
    """Extension: feasibility by other metrics."""


class SecondaryObjective(ApiModel):
    """Extension: a further objective; together with ``objective`` it asks for the Pareto set."""

    type: ObjectiveType
    objective_metric_name: str
    goal: float | None = None


class AlgorithmSpec(ApiModel):
    """An algorithm or early stopper by name, with its settings as text."""

    algorithm_name: str
    algorithm_settings: list[KeyValue] | None = None


class TrialParameter(ApiModel):
    """A name the template uses (``${trialParameters.<name>}``) and what it stands for."""

    name: str
    description: str | None = None
    reference: str


class ConfigMapSource(ApiModel):
    """A template kept in a ConfigMap instead of the experiment."""

    config_map_name: str
    config_map_namespace: str
    template_path: str


class TrialTemplate(ApiModel):
    """How one trial is run: any Kubernetes job kind with placeholders, and how its end is recognised."""

    retain: bool | None = None
    trial_spec: dict[str, Any] | None = None
    config_map: ConfigMapSource | None = None
    trial_parameters: list[TrialParameter] | None = None
    primary_pod_labels: dict[str, str] | None = None
    primary_container_name: str | None = None
    success_condition: str | None = None
    failure_condition: str | None = None


class FileSystemPath(ApiModel):
    """Where a collector finds the metrics file or folder."""

    path: str | None = None
    kind: Annotated[Literal["File", "Directory"] | None, BlankIsAbsent] = None
    format: Annotated[Literal["TEXT", "JSON"] | None, BlankIsAbsent] = None


class Filter(ApiModel):
    """Regular expressions (RE2) whose group 1 is a metric's name and group 2 its value."""

    metrics_format: list[str] | None = None


def _int_or_text(value: object) -> int | str:
    """Kubernetes' IntOrString; not a union, whose branches pydantic would name in the path of an error."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise PydanticCustomError("int_or_text", "must be a number or a name")
    return value


class HttpGet(ApiModel):
    """Kubernetes' HTTPGetAction, for the Prometheus collector."""

    path: str | None = None
    port: Annotated[int | str, PlainValidator(_int_or_text, json_schema_input_type=int | str)] | None = None
    host: str | None = None
    scheme: str | None = None
    http_headers: list[KeyValue] | None = None


class CollectorSource(ApiModel):
    """Where metrics come from."""

    http_get: HttpGet | None = None
    file_system_path: FileSystemPath | None = None
    filter: Filter | None = None


class Collector(ApiModel):
    """Which collector gathers the metrics."""

    kind: CollectorKind
    custom_collector: dict[str, Any] | None = None


class MetricsCollectorSpec(ApiModel):
    """Where metrics come from and what gathers them."""

    source: CollectorSource | None = None
    collector: Collector | None = None


class GraphConfig(ApiModel):
    """The outline of a network in neural architecture search."""

    num_layers: Int32 | None = None
    input_sizes: list[Int32] | None = None
    output_sizes: list[Int32] | None = None


class Operation(ApiModel):
    """One kind of layer, with its own parameters."""

    operation_type: str
    parameters: list[ParameterSpec] | None = None


class NasConfig(ApiModel):
    """The search space of neural architecture search."""

    graph_config: GraphConfig
    operations: list[Operation]


class Metric(ApiModel):
    """A metric of a finished trial: the extremes and the latest value, as the text that was reported."""

    name: str
    min: str | None = None
    max: str | None = None
    latest: str | None = None


class Observation(ApiModel):
    """The metrics of a trial: the objective first, then the others in the order of the experiment."""

    metrics: list[Metric] = Field(default_factory=list)


class InitialTrial(ApiModel):
    """Extension: a point to try first; with ``metrics`` its result is known already and it is not run."""

    parameter_assignments: list[KeyValue]
    metrics: list[KeyValue] | None = None


class ExperimentSpec(ApiModel):
    """What the user asks for."""

    parameters: list[ParameterSpec] | None = None
    objective: ObjectiveSpec | None = None
    objectives: list[SecondaryObjective] | None = None
    """Extension: objectives beside ``objective``."""
    algorithm: AlgorithmSpec | None = None
    early_stopping: AlgorithmSpec | None = None
    trial_template: TrialTemplate | None = None
    parallel_trial_count: Int32 | None = None
    max_trial_count: Int32 | None = None
    max_failed_trial_count: Int32 | None = None
    metrics_collector_spec: MetricsCollectorSpec | None = None
    nas_config: NasConfig | None = None
    resume_policy: Annotated[ResumePolicy | None, BlankIsAbsent] = None
    constraints: list[Constraint] | None = None
    """Extension: what every point must satisfy."""
    initial_trials: list[InitialTrial] | None = None
    """Extension: points to try before the algorithm is asked."""
    max_runtime: NumberText | None = None
    """Extension: wall time for the whole experiment, as a duration (``90s``, ``1h30m``)."""
    trial_timeout: NumberText | None = None
    """Extension: wall time for one trial, as a duration."""
    seed: int | None = None
    """Extension: makes the suggestions reproducible; without it one is drawn and recorded."""


class OptimalTrial(ApiModel):
    """The best trial so far: its name, parameters and metrics."""

    best_trial_name: str = ""
    parameter_assignments: list[KeyValue] = Field(default_factory=list)
    observation: Observation = Field(default_factory=Observation)


class ExperimentStatus(ApiModel):
    """What has been observed. Counters cover all trials; name lists are for people and may be cut by a server."""

    start_time: Time | None = None
    completion_time: Time | None = None
    last_reconcile_time: Time | None = None
    conditions: list[Condition] = Field(default_factory=list)
    current_optimal_trial: OptimalTrial | None = None
    pareto_optimal_trials: list[OptimalTrial] | None = None
    """Extension: the trials no other trial beats in every objective."""
    running_trial_list: list[str] | None = None
    pending_trial_list: list[str] | None = None
    failed_trial_list: list[str] | None = None
    succeeded_trial_list: list[str] | None = None
    killed_trial_list: list[str] | None = None
    early_stopped_trial_list: list[str] | None = None
    metrics_unavailable_trial_list: list[str] | None = None
    trials: int = 0
    trials_succeeded: int = 0
    trials_failed: int = 0
    trials_killed: int = 0
    trials_pending: int = 0
    trials_running: int = 0
    trials_early_stopped: int = 0
    trial_metrics_unavailable: int = 0


class Experiment(ApiModel):
    """A search: space, objective, algorithm, budget and how to run one trial."""

    api_version: Literal["kubeflow.org/v1beta1"] = API_VERSION
    kind: Literal["Experiment"] = "Experiment"
    metadata: ObjectMeta
    spec: ExperimentSpec
    status: ExperimentStatus | None = None
