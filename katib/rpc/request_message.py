"""The other direction of ``experiment_message`` and ``trial_message``: what somebody who asks a suggestion server sends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.api.trial import TrialState
from katib.errors import Unsupported
from katib.rpc import v1beta1 as wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from katib.algorithm.history import PastTrial
    from katib.api.experiment import AlgorithmSpec, Experiment, NasConfig, ParameterSpec

__all__ = ["OBJECTIVE_TYPES", "TRIAL_STATES", "ZERO_TIME", "experiment_message", "trial_message", "unsayable"]

_PARAMETER_TYPES: Final = {
    "double": wire.DOUBLE,
    "int": wire.INT,
    "discrete": wire.DISCRETE,
    "categorical": wire.CATEGORICAL,
    "unknown": wire.UNKNOWN_TYPE,
}
_DISTRIBUTIONS: Final = {
    None: wire.DISTRIBUTION_UNSPECIFIED,
    "unknown": wire.DISTRIBUTION_UNSPECIFIED,
    "uniform": wire.UNIFORM,
    "logUniform": wire.LOG_UNIFORM,
    "normal": wire.NORMAL,
    "logNormal": wire.LOG_NORMAL,
}
OBJECTIVE_TYPES: Final = {"minimize": wire.MINIMIZE, "maximize": wire.MAXIMIZE}
TRIAL_STATES: Final = {
    TrialState.CREATED: wire.TrialStatus.CREATED,
    TrialState.RUNNING: wire.TrialStatus.RUNNING,
    TrialState.SUCCEEDED: wire.TrialStatus.SUCCEEDED,
    TrialState.KILLED: wire.TrialStatus.KILLED,
    TrialState.FAILED: wire.TrialStatus.FAILED,
    TrialState.METRICS_UNAVAILABLE: wire.TrialStatus.METRICSUNAVAILABLE,
    TrialState.EARLY_STOPPED: wire.TrialStatus.EARLYSTOPPED,
}
ZERO_TIME: Final = "0001-01-01T00:00:00Z"
"""What Kubernetes calls a time that has not come."""


def unsayable(experiment: Experiment) -> list[str]:
    """Return which of our extensions an experiment uses that change its search and for which Katib's wire has no field."""
    spec = experiment.spec
    stated = {
        "spec.objectives": spec.objectives,
        "spec.constraints": spec.constraints,
        "spec.objective.bounds": spec.objective and spec.objective.bounds,
        "spec.parameters[].condition": [each for each in spec.parameters or [] if each.condition is not None],
    }
    return [name for name, value in stated.items() if value]


def experiment_message(experiment: Experiment, *, partial: bool = False) -> wire.Experiment:
    """Return a defaulted experiment as Katib's wire has it.

    Args:
        experiment: What is asked about.
        partial: Leave out what cannot be said, as it is said beside the message.

    Raises:
        Unsupported: It uses one of our extensions that change the search, for which Katib's wire has no field.
    """
    spec = experiment.spec
    if not partial and (names := unsayable(experiment)):
        raise Unsupported(f"{names[0]} cannot be sent to a suggestion server: Katib's wire has no field for it")
    message = wire.Experiment(name=experiment.metadata.name)
    if spec.parameters:
        message.spec.parameter_specs.parameters.extend(map(_parameter, spec.parameters))
    if spec.objective is not None:
        message.spec.objective.type = OBJECTIVE_TYPES[spec.objective.type]
        message.spec.objective.goal = spec.objective.goal or 0.0
        message.spec.objective.objective_metric_name = spec.objective.objective_metric_name
        message.spec.objective.additional_metric_names.extend(spec.objective.additional_metric_names or [])
    if spec.algorithm is not None:
        _fill(message.spec.algorithm, spec.algorithm)
    if spec.early_stopping is not None:
        _fill(message.spec.early_stopping, spec.early_stopping)
    message.spec.parallel_trial_count = spec.parallel_trial_count or 0
    message.spec.max_trial_count = spec.max_trial_count or 0
    if spec.nas_config is not None:
        message.spec.nas_config.CopyFrom(_nas(spec.nas_config))
    return message


def _fill(message: wire.AlgorithmSpec | wire.EarlyStoppingSpec, spec: AlgorithmSpec) -> None:
    message.algorithm_name = spec.algorithm_name
    for setting in spec.algorithm_settings or []:
        message.algorithm_settings.add(name=setting.name, value=setting.value)


def _parameter(spec: ParameterSpec) -> wire.ParameterSpec:
    space = spec.feasible_space
    return wire.ParameterSpec(
        name=spec.name,
        parameter_type=_PARAMETER_TYPES[spec.parameter_type],
        feasible_space=wire.FeasibleSpace(
            max=space.max or "",
            min=space.min or "",
            list=space.list or [],
            step=space.step or "",
            distribution=_DISTRIBUTIONS[space.distribution],
        ),
    )


def _nas(config: NasConfig) -> wire.NasConfig:
    graph = config.graph_config
    message = wire.NasConfig(
        graph_config=wire.GraphConfig(
            num_layers=graph.num_layers or 0, input_sizes=graph.input_sizes or [], output_sizes=graph.output_sizes or []
        )
    )
    for operation in config.operations:
        added = message.operations.operation.add(operation_type=operation.operation_type)
        added.parameter_specs.parameters.extend(map(_parameter, operation.parameters or []))
    return message


def trial_message(trial: PastTrial, objectives: Sequence[str], *, labels: bool = True) -> wire.Trial:
    """Return a trial as Katib's wire has it.

    Args:
        trial: What is known of it.
        objectives: The names of its values.
        labels: Whether its labels are sent; Katib's controller keeps them.
    """
    message = wire.Trial(name=trial.name)
    message.spec.parameter_assignments.assignments.extend(
        wire.ParameterAssignment(name=item.name, value=item.value) for item in trial.point.assignments()
    )
    if labels:
        message.spec.labels.update(trial.labels)
    message.status.condition = TRIAL_STATES[trial.state]
    message.status.start_time = ZERO_TIME if trial.started is None else _time(trial.started)
    ended = None if trial.started is None or trial.seconds is None else trial.started + trial.seconds
    message.status.completion_time = ZERO_TIME if ended is None else _time(ended)
    for name, value in _measured(trial, objectives):
        message.status.observation.metrics.add(name=name, value=repr(value))
    return message


def _measured(trial: PastTrial, objectives: Sequence[str]) -> Iterable[tuple[str, float]]:
    return zip(objectives, trial.values, strict=True) if trial.values is not None else ()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
