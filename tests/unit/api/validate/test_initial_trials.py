"""Points to begin with; whether they are in the space is tested with admission."""

import pytest

POINT = [{"name": "lr", "value": "0.05"}]


def result(**metrics):
    return [{"name": name, "value": value} for name, value in metrics.items()]


@pytest.mark.parametrize(
    ("initial", "wanted"),
    [
        ({"parameterAssignments": POINT}, {}),
        ({"parameterAssignments": POINT, "metrics": result(loss="0.5", accuracy=0.9)}, {}),
        (
            {"parameterAssignments": POINT + POINT},
            {"parameterAssignments[1].name": "is assigned twice"},
        ),
        (
            {"parameterAssignments": POINT, "metrics": result(accuracy="1")},
            {"metrics": "must have the objective 'loss': without it there is no result"},
        ),
        (
            {"parameterAssignments": POINT, "metrics": result(loss="1", los="2")},
            {"metrics[1].name": "is none of the experiment's metrics"},
        ),
        (
            {"parameterAssignments": POINT, "metrics": result(loss="low")},
            {"metrics[0].value": "must be a number"},
        ),
        (
            {"parameterAssignments": POINT, "metrics": result(loss="1") + result(loss="2")},
            {"metrics[1].name": "is given twice"},
        ),
    ],
)
def test_initial_trial(spec, messages, initial, wanted):
    spec["initialTrials"] = [initial]
    assert messages() == {f"spec.initialTrials[0].{path}": message for path, message in wanted.items()}


def test_points_to_run_fit_the_budget_and_known_ones_cost_nothing(spec, messages):
    known = {"parameterAssignments": POINT, "metrics": result(loss="1")}
    spec["maxTrialCount"] = 3
    spec["initialTrials"] = [{"parameterAssignments": POINT}] * 3 + [known] * 9
    assert messages() == {}
    spec["initialTrials"] += [{"parameterAssignments": POINT}]
    assert messages() == {"spec.initialTrials": "has 4 points to run, more than maxTrialCount (3)"}


def test_budget_that_makes_no_sense_is_one_problem(spec, messages):
    spec["maxTrialCount"] = -1
    assert "spec.initialTrials" not in messages()


def test_near_metric_is_suggested(spec, problems):
    spec["initialTrials"] = [{"parameterAssignments": POINT, "metrics": result(loss="1", acuracy="2")}]
    assert problems()["spec.initialTrials[0].metrics[1].name"].hint == "did you mean 'accuracy'?"
