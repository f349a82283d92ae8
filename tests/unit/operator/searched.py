"""An experiment whose algorithm has a server of its own."""

from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment


def experiment(name="search", **spec):
    document = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name, "namespace": "team", "uid": "uid-1"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "tpe"},
            "parameters": [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
            "trialTemplate": {"primaryContainerName": "main", "trialParameters": [], "trialSpec": {"kind": "Job"}},
            **spec,
        },
    }
    return with_defaults(parse_experiment(document))
