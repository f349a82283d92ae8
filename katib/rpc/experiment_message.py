"""From Katib's ``Experiment`` message to an experiment, checked as far as a message without a trial template can be.

Faults are named by their place in the experiment as its author wrote it (``spec.parameters[0].feasibleSpace.min``);
``request_path`` says where that is in a request.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

from katib.algorithm import registry
from katib.api.base import KeyValue, ObjectMeta
from katib.api.defaults import with_defaults
from katib.api.experiment import (
    AlgorithmSpec,
    Experiment,
    ExperimentSpec,
    FeasibleSpace,
    GraphConfig,
    NasConfig,
    ObjectiveSpec,
    Operation,
    ParameterSpec,
)
from katib.api.validate.objectives import objective_problems
from katib.api.validate.parameters import constraint_problems, parameter_problems
from katib.errors import InvalidExperiment, Problem
from katib.rpc import v1beta1 as wire

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "algorithm_spec_of",
    "check_search",
    "experiment_of",
    "experiment_path",
    "request_path",
    "seed_of",
]

_PARAMETER_TYPES: Final[dict[int, Any]] = {
    wire.UNKNOWN_TYPE: "unknown",
    wire.DOUBLE: "double",
    wire.INT: "int",
    wire.DISCRETE: "discrete",
    wire.CATEGORICAL: "categorical",
}
_DISTRIBUTIONS: Final[dict[int, Any]] = {
    wire.DISTRIBUTION_UNSPECIFIED: None,
    wire.UNIFORM: "uniform",
    wire.LOG_UNIFORM: "logUniform",
    wire.NORMAL: "normal",
    wire.LOG_NORMAL: "logNormal",
}
_OBJECTIVE_TYPES: Final[dict[int, Any]] = {wire.MINIMIZE: "minimize", wire.MAXIMIZE: "maximize"}
_MOST_PARAMETERS: Final = 10_000


def experiment_of(message: wire.Experiment) -> Experiment:
    """Return what a message says, with defaults.

    Raises:
        InvalidExperiment: It uses a number that stands for nothing.
    """
    problems: list[Problem] = []
    spec = message.spec
    objective = _objective(spec.objective, problems) if spec.HasField("objective") else None
    parameters = _parameters(spec.parameter_specs.parameters, "spec.parameters", problems)
    nas = _nas(spec.nas_config, problems) if spec.HasField("nas_config") else None
    for name, count in (
        ("parallelTrialCount", spec.parallel_trial_count),
        ("maxTrialCount", spec.max_trial_count),
    ):
        if count < 0:
            problems.append(Problem(f"spec.{name}", "must not be negative", count))
    if problems:
        raise InvalidExperiment(problems)
    return with_defaults(
        Experiment(
            metadata=ObjectMeta(name=message.name),
            spec=ExperimentSpec(
                parameters=parameters if parameters or nas is None else None,
                objective=objective,
                algorithm=algorithm_spec_of(spec.algorithm) if spec.HasField("algorithm") else None,
                early_stopping=algorithm_spec_of(spec.early_stopping) if spec.HasField("early_stopping") else None,
                # Numbers that were not sent arrive as 0.
                parallel_trial_count=spec.parallel_trial_count or None,
                max_trial_count=spec.max_trial_count or None,
                nas_config=nas,
            ),
        )
    )


def check_search(experiment: Experiment) -> None:
    """Check what a search depends on: objective, space and algorithm.

    Raises:
        InvalidExperiment: With every problem.
    """
    spec, stated = experiment.spec, experiment.spec.algorithm
    problems = [*objective_problems(spec), *parameter_problems(spec), *constraint_problems(spec)]
    unknown = stated is None or stated.algorithm_name not in registry.names()
    if unknown or not problems:
        problems += registry.problems(experiment)
    if problems:
        raise InvalidExperiment(problems)


def seed_of(message: wire.Experiment) -> int:
    """Return the seed of a search whose settings name none: the same whenever the same experiment is asked about.

    What may change while an experiment runs (its budgets, and settings that come back from its suggestions) is no part of it.
    """
    digest = hashlib.blake2b(digest_size=7)
    for part in (
        message.name.encode(),
        message.spec.algorithm.algorithm_name.encode(),
        message.spec.parameter_specs.SerializeToString(deterministic=True),
        message.spec.nas_config.SerializeToString(deterministic=True),
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    return int.from_bytes(digest.digest(), "big")


def algorithm_spec_of(message: wire.AlgorithmSpec | wire.EarlyStoppingSpec) -> AlgorithmSpec:
    """Return the name and settings of an algorithm or early stopper."""
    settings = [KeyValue(name=item.name, value=item.value) for item in message.algorithm_settings]
    return AlgorithmSpec(algorithm_name=message.algorithm_name, algorithm_settings=settings)


def _objective(message: wire.ObjectiveSpec, problems: list[Problem]) -> ObjectiveSpec | None:
    kind = _OBJECTIVE_TYPES.get(message.type)
    if kind is None:
        problems.append(
            Problem("spec.objective.type", "must be minimize or maximize", _enum(wire.ObjectiveType, message.type))
        )
        return None
    return ObjectiveSpec(
        type=kind,
        goal=message.goal or None,
        objective_metric_name=message.objective_metric_name,
        additional_metric_names=list(message.additional_metric_names) or None,
    )


def _parameters(messages: Iterable[wire.ParameterSpec], path: str, problems: list[Problem]) -> list[ParameterSpec]:
    found: list[ParameterSpec] = []
    for index, message in enumerate(messages):
        if index == _MOST_PARAMETERS:
            problems.append(Problem(path, f"must have at most {_MOST_PARAMETERS} parameters"))
            break
        here = f"{path}[{index}]"
        kind, space = _PARAMETER_TYPES.get(message.parameter_type), message.feasible_space
        if kind is None:
            problems.append(Problem(f"{here}.parameterType", "is no parameter type", message.parameter_type))
            continue
        if space.distribution not in _DISTRIBUTIONS:
            problems.append(Problem(f"{here}.feasibleSpace.distribution", "is no distribution", space.distribution))
            continue
        found.append(
            ParameterSpec(
                name=message.name,
                parameter_type=kind,
                feasible_space=FeasibleSpace(
                    max=space.max or None,
                    min=space.min or None,
                    step=space.step or None,
                    list=list(space.list) or None,
                    distribution=_DISTRIBUTIONS[space.distribution],
                ),
            )
        )
    return found


def _nas(message: wire.NasConfig, problems: list[Problem]) -> NasConfig:
    graph = message.graph_config
    return NasConfig(
        graph_config=GraphConfig(
            num_layers=graph.num_layers or None,
            input_sizes=list(graph.input_sizes) or None,
            output_sizes=list(graph.output_sizes) or None,
        ),
        operations=[
            Operation(
                operation_type=operation.operation_type,
                parameters=_parameters(
                    operation.parameter_specs.parameters, f"spec.nasConfig.operations[{index}].parameters", problems
                ),
            )
            for index, operation in enumerate(message.operations.operation)
        ],
    )


def _enum(kind: Any, number: int) -> object:
    return kind.Name(number) if number in kind.values() else number


_RENAMED: Final = (
    (re.compile(r"^metadata\.name$"), "experiment.name"),
    (re.compile(r"^spec\.parameters\b"), "experiment.spec.parameter_specs.parameters"),
    (
        re.compile(r"^spec\.nasConfig\.operations(\[\d+\])\.parameters\b"),
        r"experiment.spec.nas_config.operations.operation\1.parameter_specs.parameters",
    ),
    (re.compile(r"^spec\.nasConfig\.operations\b"), "experiment.spec.nas_config.operations.operation"),
    (re.compile(r"^spec\b"), "experiment.spec"),
)


def request_path(path: str) -> str:
    """Return where in a request the field is that an experiment's author knows by this path."""
    for pattern, replacement in _RENAMED:
        changed, count = pattern.subn(replacement, path, count=1)
        if count:
            path = changed
            break
    return re.sub(r"(?<=[a-z0-9])[A-Z]", lambda match: f"_{match[0].lower()}", path)


_WRITTEN: Final = (
    (re.compile(r"^experiment\.name$"), "metadata.name"),
    (re.compile(r"^experiment\.spec\b"), "spec"),
    (re.compile(r"^spec\.parameter_specs\.parameters\b"), "spec.parameters"),
    (re.compile(r"^spec\.nas_config\.operations\.operation\b"), "spec.nas_config.operations"),
    (re.compile(r"^(spec\.nas_config\.operations\[\d+\])\.parameter_specs\.parameters\b"), r"\1.parameters"),
)


def experiment_path(path: str) -> str:
    """Return by which path an experiment's author knows a field of a request: the reverse of ``request_path``."""
    if not path.startswith("experiment."):
        return path
    for pattern, replacement in _WRITTEN:
        path = pattern.sub(replacement, path, count=1)
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), path)
