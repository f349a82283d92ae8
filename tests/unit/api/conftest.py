"""A valid experiment to change one thing of."""

import copy

import pytest

DOCUMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "tune"},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "loss", "additionalMetricNames": ["accuracy"]},
        "algorithm": {"algorithmName": "random"},
        "maxTrialCount": 12,
        "parameters": [
            {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.1"}},
            {"name": "layers", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "8"}},
            {"name": "batch", "parameterType": "discrete", "feasibleSpace": {"list": ["16", "32"]}},
            {"name": "optimizer", "parameterType": "categorical", "feasibleSpace": {"list": ["sgd", "adam"]}},
        ],
        "trialTemplate": {
            "primaryContainerName": "main",
            "trialParameters": [{"name": "rate", "reference": "lr"}],
            "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {}},
        },
    },
}


@pytest.fixture
def document():
    """A fresh copy of the document."""
    return copy.deepcopy(DOCUMENT)


@pytest.fixture
def spec(document):
    """Its ``spec``."""
    return document["spec"]
