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
    """The largest value of a range."""
    min: NumberText | None = None
    """The smallest value of a range."""
    step: NumberText | None = None
    """The distance between values of a range; without it a double takes any value, and an int every whole number."""
    list: NumberTexts | None = None
    """The values of a discrete or categorical parameter."""
    distribution: Annotated[Distribution | None, BlankIsAbsent] = None
    """How values of a range are drawn; by default ``uniform``."""


class ParameterCondition(ApiModel):
    """Extension: the parameter exists only while ``parameter`` has one of the values in ``in``."""

    parameter: str
    """The parameter it depends on."""
    in_: list[NumberText] = Field(alias="in")
    """Its values beside which this parameter exists."""


class ParameterSpec(ApiModel):
    """One dimension of the search space."""

    name: str
    """Its name, which ``trialParameters`` refer to."""
    parameter_type: ParameterType
    """Whether it is a number of a range (``double``, ``int``), of a list (``discrete``) or a word (``categorical``)."""
    feasible_space: FeasibleSpace
    condition: ParameterCondition | None = None
    """Extension: see ``ParameterCondition``."""


class Constraint(ApiModel):
    """Extension: a boolean expression over parameters that every point must satisfy, such as ``a + b <= 1``."""

    expression: str
    """What must hold, such as ``a + b <= 1``; names that are no plain words stand in backticks."""


class MetricStrategy(ApiModel):
    """Which value of a metric's series stands for the trial."""

    name: str
    """The metric."""
    value: Strategy
    """Its smallest, largest or last value."""


class Bound(ApiModel):
    """Extension: a trial is feasible only while the metric lies within [min, max]."""

    metric_name: str
    """The metric."""
    min: float | None = None
    """The least it may be."""
    max: float | None = None
    """The most it may be."""


class ObjectiveSpec(ApiModel):
    """What is optimised, and when it is good enough."""

    type: ObjectiveType
    """Whether less or more is better."""
    goal: float | None = None
    """The value that is good enough: the experiment has succeeded then."""
    objective_metric_name: str
    """The metric that is optimised, as trials print it."""
    additional_metric_names: list[str] | None = None
    """Metrics that are collected beside it."""
    metric_strategies: list[MetricStrategy] | None = None
    """Which value of a metric's series stands for a trial; by default the best one of the objective, and the last one of others."""
    bounds: list[Bound] | None = None
    """Extension: feasibility by other metrics."""


class SecondaryObjective(ApiModel):
    """Extension: a further objective; together with ``objective`` it asks for the Pareto set."""

    type: ObjectiveType
    """Whether less or more is better."""
    objective_metric_name: str
    """The metric that is optimised."""
    goal: float | None = None
    """The value that is good enough."""


class AlgorithmSpec(ApiModel):
    """An algorithm or early stopper by name, with its settings as text."""

    algorithm_name: str
    """Its name; ``katib algorithms`` lists them."""
    algorithm_settings: list[KeyValue] | None = None
    """Its settings; ``katib algorithms show NAME`` lists them."""


class TrialParameter(ApiModel):
    """A name the template uses (``${trialParameters.<name>}``) and what it stands for."""

    name: str
    """The name in the template."""
    description: str | None = None
    """What it is, for people."""
    reference: str
    """The parameter, or something of the trial itself, such as ``${trialSpec.Name}``."""


class ConfigMapSource(ApiModel):
    """A template kept in a ConfigMap instead of the experiment."""

    config_map_name: str
    """The name of the ConfigMap."""
    config_map_namespace: str
    """Its namespace."""
    template_path: str
    """The key in its data."""


class TrialTemplate(ApiModel):
    """How one trial is run: any Kubernetes job kind with placeholders, and how its end is recognised."""

    retain: bool | None = None
    """Whether jobs are kept when they have ended."""
    trial_spec: dict[str, Any] | None = None
    """The job of a trial, of any kind, with ``${trialParameters.<name>}`` where its values go."""
    config_map: ConfigMapSource | None = None
    trial_parameters: list[TrialParameter] | None = None
    """What the names in the template stand for."""
    primary_pod_labels: dict[str, str] | None = None
    """Labels of the pods from which metrics are collected; by default the kind knows them."""
    primary_container_name: str | None = None
    """The container from which metrics are collected."""
    success_condition: str | None = None
    """A GJSON query on the job that finds something once it has succeeded; known for the kinds that katib ships."""
    failure_condition: str | None = None
    """A GJSON query on the job that finds something once it has failed; known for the kinds that katib ships."""


class FileSystemPath(ApiModel):
    """Where a collector finds the metrics file or folder."""

    path: str | None = None
    """Absolute, in the primary container."""
    kind: Annotated[Literal["File", "Directory"] | None, BlankIsAbsent] = None
    """File or Directory."""
    format: Annotated[Literal["TEXT", "JSON"] | None, BlankIsAbsent] = None
    """How lines of a file are written: TEXT (``name=value``) or JSON."""


class Filter(ApiModel):
    """Regular expressions (RE2) whose group 1 is a metric's name and group 2 its value."""

    metrics_format: list[str] | None = None
    """Each has a group for the name and a group for the value."""


def _int_or_text(value: object) -> int | str:
    """Kubernetes' IntOrString; not a union, whose branches pydantic would name in the path of an error."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise PydanticCustomError("int_or_text", "must be a number or a name")
    return value


class HttpGet(ApiModel):
    """Kubernetes' HTTPGetAction, for the Prometheus collector."""

    path: str | None = None
    """By default ``/metrics``."""
    port: Annotated[int | str, PlainValidator(_int_or_text, json_schema_input_type=int | str)] | None = None
    """By default 8080."""
    host: str | None = None
    """By default the pod itself."""
    scheme: str | None = None
    """HTTP or HTTPS."""
    http_headers: list[KeyValue] | None = None
    """Headers to send."""


class CollectorSource(ApiModel):
    """Where metrics come from."""

    http_get: HttpGet | None = None
    file_system_path: FileSystemPath | None = None
    filter: Filter | None = None


class Collector(ApiModel):
    """Which collector gathers the metrics."""

    kind: CollectorKind
    """What gathers them: output, a file, TensorFlow's events, Prometheus' metrics, a container of your own, or nothing, as the trial reports itself (Push)."""
    custom_collector: dict[str, Any] | None = None
    """The container of the kind Custom."""


class MetricsCollectorSpec(ApiModel):
    """Where metrics come from and what gathers them."""

    source: CollectorSource | None = None
    collector: Collector | None = None


class GraphConfig(ApiModel):
    """The outline of a network in neural architecture search."""

    num_layers: Int32 | None = None
    """How many layers there are."""
    input_sizes: list[Int32] | None = None
    """The sizes of the input."""
    output_sizes: list[Int32] | None = None
    """The sizes of the output."""


class Operation(ApiModel):
    """One kind of layer, with its own parameters."""

    operation_type: str
    """What the layer does, such as ``convolution``."""
    parameters: list[ParameterSpec] | None = None
    """Its parameters and their values."""


class NasConfig(ApiModel):
    """The search space of neural architecture search."""

    graph_config: GraphConfig
    operations: list[Operation]
    """The kinds of layers to choose from."""


class Metric(ApiModel):
    """A metric of a finished trial: the extremes and the latest value, as the text that was reported."""

    name: str
    """The metric."""
    min: str | None = None
    """The smallest value."""
    max: str | None = None
    """The largest value."""
    latest: str | None = None
    """The last value."""


class Observation(ApiModel):
    """The metrics of a trial: the objective first, then the others in the order of the experiment."""

    metrics: list[Metric] = Field(default_factory=list)


class InitialTrial(ApiModel):
    """Extension: a point to try first; with ``metrics`` its result is known already and it is not run."""

    parameter_assignments: list[KeyValue]
    """The point."""
    metrics: list[KeyValue] | None = None
    """Its result, if it is known."""


class ExperimentSpec(ApiModel):
    """What the user asks for."""

    parameters: list[ParameterSpec] | None = None
    """The dimensions of the search space."""
    objective: ObjectiveSpec | None = None
    objectives: list[SecondaryObjective] | None = None
    """Extension: objectives beside ``objective``."""
    algorithm: AlgorithmSpec | None = None
    """What suggests the points to try, by name, with its settings as text."""
    early_stopping: AlgorithmSpec | None = None
    """What stops trials that are worse than others, by name, with its settings as text."""
    trial_template: TrialTemplate | None = None
    parallel_trial_count: Int32 | None = None
    """How many trials run at once; by default 3."""
    max_trial_count: Int32 | None = None
    """How many trials there are in all; without it, until the goal is reached."""
    max_failed_trial_count: Int32 | None = None
    """How many trials may fail before the experiment does."""
    metrics_collector_spec: MetricsCollectorSpec | None = None
    nas_config: NasConfig | None = None
    resume_policy: Annotated[ResumePolicy | None, BlankIsAbsent] = None
    """Whether it can go on after its last trial: LongRunning and FromVolume can."""
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
    """The trial."""
    parameter_assignments: list[KeyValue] = Field(default_factory=list)
    """Its point."""
    observation: Observation = Field(default_factory=Observation)
    """Its metrics."""


class ExperimentStatus(ApiModel):
    """What has been observed. Counters cover all trials; name lists are for people and may be cut by a server."""

    start_time: Time | None = None
    """When it began."""
    completion_time: Time | None = None
    """When it ended."""
    last_reconcile_time: Time | None = None
    """Not written."""
    conditions: list[Condition] = Field(default_factory=list)
    """What has happened; the last one is the current one."""
    current_optimal_trial: OptimalTrial | None = None
    """The best trial so far."""
    best_objective: str | None = None
    """Extension: the objective's value in the best trial so far, for ``kubectl get``."""
    best_parameters: str | None = None
    """Extension: the parameters of the best trial so far on one line, for ``kubectl get -o wide``."""
    pareto_optimal_trials: list[OptimalTrial] | None = None
    """Extension: the trials no other trial beats in every objective."""
    running_trial_list: list[str] | None = None
    """Trials that run."""
    pending_trial_list: list[str] | None = None
    """Trials that wait to run."""
    failed_trial_list: list[str] | None = None
    """Trials that failed."""
    succeeded_trial_list: list[str] | None = None
    """Trials that succeeded."""
    killed_trial_list: list[str] | None = None
    """Trials that were killed."""
    early_stopped_trial_list: list[str] | None = None
    """Trials that were stopped early."""
    metrics_unavailable_trial_list: list[str] | None = None
    """Trials without metrics."""
    trials: int = 0
    """How many trials there are."""
    trials_succeeded: int = 0
    """How many succeeded."""
    trials_failed: int = 0
    """How many failed."""
    trials_killed: int = 0
    """How many were killed."""
    trials_pending: int = 0
    """How many wait to run."""
    trials_running: int = 0
    """How many run."""
    trials_early_stopped: int = 0
    """How many were stopped early."""
    trial_metrics_unavailable: int = 0
    """How many had no metrics."""


class Experiment(ApiModel):
    """A search: space, objective, algorithm, budget and how to run one trial."""

    api_version: Literal["kubeflow.org/v1beta1"] = API_VERSION
    kind: Literal["Experiment"] = "Experiment"
    metadata: ObjectMeta
    spec: ExperimentSpec
    status: ExperimentStatus | None = None
