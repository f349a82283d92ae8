"""The outline of a network is checked as far as any algorithm needs it, each fault at its place."""

from typing import Any

import pytest

from katib.api.experiment import ExperimentSpec
from katib.api.validate.networks import network_problems

SIZE = {"name": "size", "parameterType": "categorical", "feasibleSpace": {"list": ["3"]}}


def operation(**changed: Any) -> dict[str, Any]:
    return {"operationType": "conv", "parameters": [SIZE], **changed}


def real(**space: str) -> dict[str, Any]:
    return {"name": "rate", "parameterType": "double", "feasibleSpace": space}


@pytest.mark.parametrize(
    ("graph", "stated", "paths"),
    [
        ({"numLayers": 1, "inputSizes": [1], "outputSizes": [1]}, operation(), []),
        ({"numLayers": 0}, operation(), ["graphConfig.numLayers"]),
        (
            {"inputSizes": [32, 0], "outputSizes": [-1]},
            operation(),
            ["graphConfig.inputSizes[1]", "graphConfig.outputSizes[0]"],
        ),
        ({}, operation(operationType=" "), ["operations[0].operationType"]),
        ({}, operation(parameters=[]), ["operations[0].parameters"]),
        ({}, operation(parameters=[real(min="0", max="1")]), ["operations[0].parameters[0].feasibleSpace.step"]),
        ({}, operation(parameters=[real(min="0", max="1", step="0.5")]), []),
        ({}, operation(parameters=[real(min="1", max="1.0")]), []),
        (
            {},
            operation(parameters=[SIZE, {**SIZE, "name": "x", "condition": {"parameter": "size", "in": ["3"]}}]),
            ["operations[0].parameters[1].condition"],
        ),
    ],
)
def test_faults_of_an_outline(graph, stated, paths):
    spec = ExperimentSpec.model_validate({"nasConfig": {"graphConfig": graph, "operations": [stated]}})
    assert [problem.path for problem in network_problems(spec)] == [f"spec.nasConfig.{path}" for path in paths]


def test_constraints_have_nothing_to_speak_of():
    nas = {"graphConfig": {"numLayers": 1}, "operations": [operation()]}
    spec = ExperimentSpec.model_validate({"nasConfig": nas, "constraints": [{"expression": "a < 1"}]})
    assert [problem.path for problem in network_problems(spec)] == ["spec.constraints"]
    assert list(network_problems(ExperimentSpec())) == []
