"""What an experiment means where it says nothing (facts 2.7); the same for a file, a client and a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.api.experiment import (
    Collector,
    CollectorSource,
    ExperimentSpec,
    FileSystemPath,
    HttpGet,
    MetricsCollectorSpec,
    MetricStrategy,
    ObjectiveSpec,
)
from katib.api.metric_names import metric_names
from katib.api.trial_kind import trial_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.experiment import Experiment, ParameterSpec, TrialTemplate

__all__ = ["with_defaults"]

_PARALLEL_TRIALS: Final = 3
_FILES: Final = {
    "File": FileSystemPath(kind="File", path="/var/log/katib/metrics.log", format="TEXT"),
    "TensorFlowEvent": FileSystemPath(kind="Directory", path="/var/log/katib/tfevent/"),
}


def with_defaults(experiment: Experiment) -> Experiment:
    """Return the experiment with every default written out; again on its result changes nothing."""
    spec = experiment.spec.model_copy(deep=True)
    if spec.parallel_trial_count is None:
        spec.parallel_trial_count = _default_parallel(spec.max_trial_count)
    if not spec.resume_policy:
        spec.resume_policy = "Never"
    _default_distributions(spec.parameters or [])
    for operation in spec.nas_config.operations if spec.nas_config else []:
        _default_distributions(operation.parameters or [])
    _default_objectives(spec)
    _default_collector(spec)
    if spec.trial_template is not None:
        _default_conditions(spec.trial_template)
    return experiment.model_copy(update={"spec": spec})


def _default_parallel(max_trials: int | None) -> int:
    """Katib's default is 3, which Katib then refuses beside a smaller ``maxTrialCount``; ours fits."""
    return _PARALLEL_TRIALS if max_trials is None or max_trials < 1 else min(_PARALLEL_TRIALS, max_trials)


def _default_distributions(parameters: Sequence[ParameterSpec]) -> None:
    for parameter in parameters:
        if parameter.feasible_space.distribution is None:
            parameter.feasible_space.distribution = "uniform"


def _default_objectives(spec: ExperimentSpec) -> None:
    if spec.objective is None and spec.objectives:
        first, *others = spec.objectives
        spec.objective = ObjectiveSpec(
            type=first.type, objective_metric_name=first.objective_metric_name, goal=first.goal
        )
        spec.objectives = others or None
    if spec.objective is None:
        return
    types = {objective.objective_metric_name: objective.type for objective in spec.objectives or []}
    types[spec.objective.objective_metric_name] = spec.objective.type
    strategies = list(spec.objective.metric_strategies or [])
    known = {strategy.name for strategy in strategies}
    for name in metric_names(spec):
        if name not in known:
            goal = types.get(name)
            strategies.append(
                MetricStrategy(
                    name=name, value="min" if goal == "minimize" else "max" if goal == "maximize" else "latest"
                )
            )
    spec.objective.metric_strategies = strategies


def _default_collector(spec: ExperimentSpec) -> None:
    collector = spec.metrics_collector_spec
    if collector is None:
        collector = spec.metrics_collector_spec = MetricsCollectorSpec()
    if collector.collector is None:
        collector.collector = Collector(kind="StdOut")
    kind = collector.collector.kind
    if kind in _FILES:
        source = collector.source = collector.source or CollectorSource()
        path = source.file_system_path = source.file_system_path or FileSystemPath()
        default = _FILES[kind]
        path.kind = path.kind or default.kind
        path.path = path.path or default.path
        path.format = path.format or default.format
    elif kind == "PrometheusMetric":
        source = collector.source = collector.source or CollectorSource()
        http = source.http_get = source.http_get or HttpGet()
        http.path = http.path or "/metrics"
        http.port = 8080 if http.port is None else http.port


def _default_conditions(template: TrialTemplate) -> None:
    if template.trial_spec is None:
        return
    kind = trial_kind(template.trial_spec.get("apiVersion"), template.trial_spec.get("kind"))
    if kind is None:
        return
    template.success_condition = template.success_condition or kind.success_condition
    template.failure_condition = template.failure_condition or kind.failure_condition
    if kind.primary_pod_labels and template.primary_pod_labels is None:
        template.primary_pod_labels = dict(kind.primary_pod_labels)
