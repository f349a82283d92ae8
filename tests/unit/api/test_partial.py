"""One mistyped field hides no other fault, and brings none up that only follows from it."""

import pytest

from katib.api.parse import parse_experiment
from katib.api.partial import partial_experiment
from katib.errors import InvalidExperiment, Problem

DOCUMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "e"},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "loss", "goal": 0.1},
        "algorithm": {"algorithmName": "random"},
        "maxTrialCount": 3,
        "parameters": [
            {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
            {"name": "y", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "1"}},
        ],
    },
}


def broken(place, value):
    """The document with one value changed (or added), its problems, and the part that is left."""
    document = {**DOCUMENT, "spec": {**DOCUMENT["spec"]}}
    parent = document
    for name in place[:-1]:
        parent[name] = {**parent[name]}
        parent = parent[name]
    parent[place[-1]] = value
    with pytest.raises(InvalidExperiment) as caught:
        parse_experiment(document)
    return caught.value.problems, partial_experiment(document, caught.value.problems)


def test_the_rest_of_the_document_is_there():
    _, part = broken(("spec", "maxTrialCount"), "many")
    assert part.experiment.spec.max_trial_count is None
    assert part.experiment.spec.objective.goal == 0.1
    assert [parameter.name for parameter in part.experiment.spec.parameters] == ["x", "y"]
    assert part.removed == ("spec.maxTrialCount",)


def test_a_fault_in_a_list_takes_the_list_so_that_places_stay_what_they_are():
    _, part = broken(("spec", "initialTrials"), [{"parameterAssignments": []}, {"parameterAssignments": 7}])
    assert part.experiment.spec.initial_trials is None
    assert part.explains(Problem("spec.initialTrials[0].metrics", "must have the objective"))


def test_a_parameter_that_does_not_fit_keeps_its_place_and_its_name():
    x, y = DOCUMENT["spec"]["parameters"]
    misspelt = {"name": "z", "parameterTipe": "double", "feasibleSpace": {"min": "0", "max": "1"}}
    hanging = {**y, "condition": {"parameter": "z", "in": ["adam"]}}
    _, part = broken(("spec", "parameters"), [x, misspelt, hanging])
    assert [parameter.name for parameter in part.experiment.spec.parameters] == ["x", "z", "y"]
    assert part.explains(Problem("spec.parameters[1].feasibleSpace", "is required"))
    assert part.explains(Problem("spec.parameters[2].condition.in[0]", "is not a value of 'z'"))
    assert not part.explains(Problem("spec.parameters[0].feasibleSpace.min", "must be at most max"))
    assert not part.explains(Problem("spec.constraints[0].expression", "is not an expression"))
    assert not part.explains(Problem("spec.algorithm.algorithmName", "is no algorithm"))
    assert not part.explains(Problem("spec.trialTemplate.trialParameters[0].reference", "is none of the parameters"))


@pytest.mark.parametrize("parameter", [{"nmae": "x", "parameterType": "double"}, {"name": 7}, "x", None])
def test_parameters_of_which_one_has_no_name_are_taken_out(parameter):
    _, part = broken(("spec", "parameters"), [*DOCUMENT["spec"]["parameters"], parameter])
    assert part.experiment.spec.parameters is None
    assert part.explains(Problem("spec.parameters", "is required"))
    assert part.explains(Problem("spec.trialTemplate.trialParameters[0].reference", "is none of the parameters"))
    assert not part.explains(Problem("spec.maxFailedTrialCount", "must be at most maxTrialCount"))


def test_a_misspelt_field_explains_the_one_that_was_meant():
    problems, part = broken(("spec", "maxTrialCuont"), 3)
    assert "maxTrialCount" in problems[0].hint
    assert part.explains(Problem("spec.maxTrialCount", "is required"))
    assert part.experiment.spec.max_trial_count == 3


@pytest.mark.parametrize(
    ("path", "explained"),
    [
        ("spec.objective.type", True),
        ("spec.objective", True),
        ("spec.objective.metricStrategies[0].name", True),
        ("spec.objectiveless", False),
        ("spec", True),
        ("metadata.name", False),
    ],
)
def test_what_lies_above_below_or_follows_is_explained(path, explained):
    _, part = broken(("spec", "objective", "type"), "smallest")
    assert part.explains(Problem(path, "is wrong")) is explained


def test_document_of_which_nothing_is_left():
    _, part = broken(("spec",), 7)
    assert part is None
