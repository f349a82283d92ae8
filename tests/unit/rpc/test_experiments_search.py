"""A search that is said as a message is the experiment that its document would be."""

import json

import pytest
from google.protobuf import json_format

from katib.admission import admit
from katib.errors import InvalidExperiment, InvalidInput, Problem
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_search import document_of_search, in_search


def search(**fields):
    return json_format.ParseDict(
        {"name": "search", "objectives": [{"metric": "loss", "direction": 1}], **fields}, wire.Search()
    )


SPACES = [
    {"name": "x", "double_space": {"min": 1e-5, "max": 1, "distribution": "LOG_UNIFORM"}},
    {"name": "y", "double_space": {"min": 0, "max": 1, "step": 0.25}},
    {"name": "layers", "int_space": {"min": -3, "max": "9007199254740993", "step": 2}},
    {"name": "optimizer", "categorical_space": {"values": ["adam", "1"]}},
    {"name": "batch", "discrete_space": {"values": [0.5, 16]}},
]


def test_everything_that_can_be_said():
    found = json.loads(
        document_of_search(
            search(
                parameters=SPACES,
                objectives=[
                    {"metric": "loss", "direction": "MINIMIZE", "goal": 0.1},
                    {"metric": "auc", "direction": "MAXIMIZE"},
                ],
                algorithm="tpe",
                algorithm_settings={"b": "2", "a": "1"},
                early_stopping="medianstop",
                early_stopping_settings={"start_step": "4"},
                max_trial_count=9,
                parallel_trial_count=3,
                max_failed_trial_count=0,
                seed=-5,
                labels={"team": "blue"},
            )
        )
    )
    assert found["metadata"] == {"name": "search", "labels": {"team": "blue"}}
    spec = found["spec"]
    assert [each["feasibleSpace"] for each in spec["parameters"]] == [
        {"min": "1e-05", "max": "1.0", "distribution": "logUniform"},
        {"min": "0.0", "max": "1.0", "step": "0.25"},
        {"min": "-3", "max": "9007199254740993", "step": "2"},
        {"list": ["adam", "1"]},
        {"list": ["0.5", "16.0"]},
    ]
    assert [each["parameterType"] for each in spec["parameters"]] == [
        "double",
        "double",
        "int",
        "categorical",
        "discrete",
    ]
    assert spec["objective"] == {"objectiveMetricName": "loss", "type": "minimize", "goal": 0.1}
    assert spec["objectives"] == [{"objectiveMetricName": "auc", "type": "maximize"}]
    assert spec["algorithm"]["algorithmSettings"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
    assert spec["earlyStopping"]["algorithmName"] == "medianstop"
    assert (spec["maxTrialCount"], spec["parallelTrialCount"], spec["maxFailedTrialCount"], spec["seed"]) == (
        9,
        3,
        0,
        -5,
    )
    assert "trialTemplate" not in spec


def test_little_is_enough():
    spec = json.loads(document_of_search(search(parameters=SPACES[:1])))["spec"]
    assert spec["algorithm"] == {"algorithmName": "random"}
    assert "maxTrialCount" not in spec


def test_what_only_the_message_can_have_wrong():
    with pytest.raises(InvalidInput) as caught:
        document_of_search(
            search(
                parameters=[{"name": "x"}, {"name": "y", "int_space": {"min": 1, "max": 2, "distribution": 9}}],
                objectives=[{"metric": "loss"}],
            )
        )
    assert [problem.path for problem in caught.value.problems] == [
        "search.parameters[0]",
        "search.parameters[1].int_space.distribution",
        "search.objectives[0].direction",
    ]
    with pytest.raises(InvalidInput, match=r"search\.objectives"):
        document_of_search(search(objectives=[]))


def test_faults_of_the_document_are_told_in_terms_of_the_message():
    message = search(
        name="Not A Name",
        parameters=[
            {"name": "x", "double_space": {"min": 1, "max": 0}},
            {"name": "", "categorical_space": {"values": []}},
            {"name": "z", "double_space": {"min": "NaN", "max": 0}},
        ],
        objectives=[{"metric": "loss", "direction": 1}, {"metric": "", "direction": 1}],
        algorithm="rndom",
        max_trial_count=0,
    )
    with pytest.raises(InvalidExperiment) as caught:
        admit(document_of_search(message), config_maps=lambda *_: {}, template_required=False)
    told = in_search(caught.value, message)
    paths = {problem.path for problem in told.problems}
    assert {"search.name", "search.algorithm", "search.max_trial_count"} <= paths
    assert any(path.startswith("search.parameters[0].double_space.") for path in paths)
    assert any(path.startswith("search.parameters[1]") for path in paths)
    assert any(path.startswith("search.parameters[2].double_space.min") for path in paths)
    assert any(path.startswith("search.objectives[1].metric") for path in paths)
    assert all(path.startswith("search.") for path in paths), paths
    assert all(problem.line is None for problem in told.problems)


def test_places_that_the_message_does_not_have_stay_as_they_are():
    told = in_search(
        InvalidInput([Problem("spec.other", "x"), Problem("spec.parameters[7].feasibleSpace.list", "x")]), search()
    )
    assert [problem.path for problem in told.problems] == ["spec.other", "search.parameters[7].feasibleSpace.list"]
