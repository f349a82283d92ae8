"""The outline of a neural architecture search, as it is written: the graph and the operations its layers choose from (facts 7.8).

Which parts of the graph have to be there is for the algorithm to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.numbers import parse_decimal
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.experiment import ExperimentSpec, GraphConfig, ParameterSpec

__all__ = ["network_problems"]

_PATH = "spec.nasConfig"


def network_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Yield what is wrong with ``nasConfig``, besides the ranges and lists of its operations' parameters."""
    if spec.nas_config is None:
        return
    yield from _graph_problems(spec.nas_config.graph_config)
    if spec.constraints:
        yield Problem("spec.constraints", "cannot be given beside nasConfig: networks have no parameters to constrain")
    for index, operation in enumerate(spec.nas_config.operations):
        path = f"{_PATH}.operations[{index}]"
        if not operation.operation_type.strip():
            yield Problem(f"{path}.operationType", "must not be empty", katib_text="Missing operationType in Operation")
        if not operation.parameters:
            yield Problem(
                f"{path}.parameters",
                "is required: at least one parameter",
                katib_text="Missing ParameterConfigs in Operation",
            )
        for place, parameter in enumerate(operation.parameters or []):
            yield from _parameter_problems(f"{path}.parameters[{place}]", parameter)


def _graph_problems(graph: GraphConfig) -> Iterator[Problem]:
    path = f"{_PATH}.graphConfig"
    if graph.num_layers is not None and graph.num_layers < 1:
        yield Problem(f"{path}.numLayers", "must be at least 1", graph.num_layers)
    for field, sizes in (("inputSizes", graph.input_sizes), ("outputSizes", graph.output_sizes)):
        for index, size in enumerate(sizes or []):
            if size < 1:
                yield Problem(f"{path}.{field}[{index}]", "must be at least 1", size)


def _parameter_problems(path: str, parameter: ParameterSpec) -> Iterator[Problem]:
    step = (parameter.feasible_space.step or "").strip()
    if parameter.parameter_type == "double" and not step and not _is_single(parameter):
        yield Problem(
            f"{path}.feasibleSpace.step",
            "is required: an operation has finitely many forms",
            katib_text="Step parameter should be > 0 in ParameterConfig.feasibleSpace",
        )
    if parameter.condition is not None:
        yield Problem(f"{path}.condition", "is for parameters of an experiment, not for those of an operation")


def _is_single(parameter: ParameterSpec) -> bool:
    space = parameter.feasible_space
    low = parse_decimal(space.min or "")
    return low is not None and low == parse_decimal(space.max or "")
