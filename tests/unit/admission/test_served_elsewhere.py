"""Algorithms that other suggestion servers have: admitted by their name, and judged by their server alone."""

import json

import pytest

from katib.admission import admit
from katib.errors import InvalidExperiment


def document(algorithm, *settings, **spec):
    container = {"name": "main", "image": "x", "command": ["train", "${trialParameters.lr}"]}
    job = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": [container]}}}}
    return json.dumps(
        {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": "search"},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "algorithm": {
                    "algorithmName": algorithm,
                    "algorithmSettings": [{"name": name, "value": value} for name, value in settings],
                },
                "parameters": [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
                "trialTemplate": {
                    "primaryContainerName": "main",
                    "trialParameters": [{"name": "lr", "reference": "lr"}],
                    "trialSpec": job,
                },
                **spec,
            },
        }
    )


def test_a_name_that_only_others_know(config_maps):
    admitted = admit(document("tarot"), config_maps=config_maps, served_elsewhere={"tarot"})
    assert admitted.spec.algorithm.algorithm_name == "tarot"
    with pytest.raises(InvalidExperiment, match="tarot"):
        admit(document("tarot"), config_maps=config_maps, served_elsewhere={"oracle"})


def test_settings_of_ours_are_not_asked_of_another_server(config_maps):
    text = document("tpe", ("only_katibs_knows_it", "1"))
    with pytest.raises(InvalidExperiment, match="only_katibs_knows_it"):
        admit(text, config_maps=config_maps)
    admit(text, config_maps=config_maps, served_elsewhere={"tpe"})


def test_everything_else_is_checked_all_the_same(config_maps):
    with pytest.raises(InvalidExperiment) as caught:
        admit(document("tarot", maxTrialCount=0), config_maps=config_maps, served_elsewhere={"tarot"})
    assert [problem.path for problem in caught.value.problems] == ["spec.maxTrialCount"]
