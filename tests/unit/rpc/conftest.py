"""Requests to vary, and one call answered in this process."""

from collections.abc import Callable

import pytest
from google.protobuf import json_format

from katib.rpc import v1beta1 as wire
from katib.rpc.answer import Answerer
from katib.rpc.worker_call import Kind, Outcome, Task

EXPERIMENT = {
    "name": "exp",
    "spec": {
        "objective": {"type": "MINIMIZE", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 3,
        "maxTrialCount": 20,
        "parameterSpecs": {
            "parameters": [
                {"name": "x", "parameterType": "DOUBLE", "feasibleSpace": {"min": "0", "max": "1", "step": "0.01"}},
                {"name": "n", "parameterType": "INT", "feasibleSpace": {"min": "1", "max": "9"}},
                {"name": "c", "parameterType": "CATEGORICAL", "feasibleSpace": {"list": ["a", "b"]}},
            ]
        },
    },
}


@pytest.fixture
def experiment() -> wire.Experiment:
    """A sound experiment for random search, to be changed by a test."""
    return json_format.ParseDict(EXPERIMENT, wire.Experiment())


@pytest.fixture
def answered() -> Callable[[Kind, bytes], Outcome]:
    """Answer one call by somebody who knows nothing yet."""

    def answer(kind: Kind, request: bytes) -> Outcome:
        return Answerer(1 << 20).answer(Task(kind, request, 60))

    return answer
