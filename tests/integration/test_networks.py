"""Experiments on networks instead of parameters, from the file to the result."""

import json
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples" / "algorithms"


def test_result_that_is_a_text_is_the_optimum(katib):
    katib("run", EXAMPLES / "darts.yaml")
    experiment = katib.get("get", "experiment", "darts")
    assert katib.condition(experiment)["type"] == "Succeeded"
    assert experiment["status"]["trialsSucceeded"] == 1
    optimum = experiment["status"]["currentOptimalTrial"]
    (metric,) = optimum["observation"]["metrics"]
    assert metric["name"] == "Best-Genotype"
    assert metric["latest"] == "Genotype(normal=['convolution_3x3', 'skip_connection'])"
    assert [item["name"] for item in optimum["parameterAssignments"]] == [
        "algorithm-settings",
        "search-space",
        "num-layers",
    ]


def test_of_several_texts_the_last_one_stands(katib):
    """As in Katib: texts cannot be compared."""
    experiment = yaml.safe_load((EXAMPLES / "darts.yaml").read_text())
    experiment["spec"]["maxTrialCount"] = 2
    template = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    template["containers"][0]["command"][1] = str(EXAMPLES / "one_shot.py")
    path = katib.folder / "twice.yaml"
    path.write_text(yaml.safe_dump(experiment))
    katib("run", path)
    trials = katib.get("trials", "darts")["items"]
    status = katib.get("get", "experiment", "darts")["status"]
    assert status["trialsSucceeded"] == len(trials) == 2
    last = max(trials, key=lambda trial: int(trial["metadata"]["annotations"]["katib.kubeflow.org/trial-index"]))
    assert status["currentOptimalTrial"]["bestTrialName"] == last["metadata"]["name"]


def test_no_network_is_trained_twice(katib):
    katib("run", EXAMPLES / "enas.yaml")
    trials = katib.get("trials", "enas")["items"]
    networks = [
        {item["name"]: item["value"] for item in trial["spec"]["parameterAssignments"]}["architecture"]
        for trial in trials
    ]
    assert len(networks) == len(set(networks)) == 16
    assert all(len(json.loads(network)) == 4 for network in networks)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("enas.yaml", {"algorithm": {"algorithmName": "random"}}, "spec.nasConfig"),
        ("random.yaml", {"algorithm": {"algorithmName": "enas"}}, "spec.parameters"),
        ("enas.yaml", {"initialTrials": [{"parameterAssignments": [{"name": "arch", "value": "[]"}]}]}, "architecture"),
    ],
)
def test_kinds_of_search_that_do_not_fit_are_refused_with_their_place(katib, file, change, said):
    experiment = yaml.safe_load((EXAMPLES / file).read_text())
    experiment["spec"].update(change)
    path = katib.folder / "wrong.yaml"
    path.write_text(yaml.safe_dump(experiment))
    assert said in katib("validate", path, code=2).stderr


def test_template_that_does_not_take_all_of_a_network_is_refused(katib):
    experiment = yaml.safe_load((EXAMPLES / "enas.yaml").read_text())
    experiment["spec"]["trialTemplate"]["trialParameters"][1]["reference"] = "nn-config"
    path = katib.folder / "wrong.yaml"
    path.write_text(yaml.safe_dump(experiment))
    said = katib("validate", path, code=2).stderr
    assert "architecture, nn_config" in said
    assert "spec.trialTemplate.trialParameters" in said
