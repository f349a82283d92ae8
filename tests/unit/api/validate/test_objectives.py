"""Objectives, further metrics, strategies and bounds (facts 2.8, item 5)."""

import pytest


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"objectiveMetricName": ""}, {"spec.objective.objectiveMetricName": "must not be empty"}),
        ({"goal": float("inf")}, {"spec.objective.goal": "must be a finite number"}),
        ({"goal": float("nan")}, {"spec.objective.goal": "must be a finite number"}),
        ({"goal": 0}, {}),
        (
            {"additionalMetricNames": ["loss"]},
            {"spec.objective.additionalMetricNames[0]": "is the objective already"},
        ),
        (
            {"additionalMetricNames": ["a", "", "a"]},
            {
                "spec.objective.additionalMetricNames[1]": "must not be empty",
                "spec.objective.additionalMetricNames[2]": "is listed twice",
            },
        ),
        (
            {"metricStrategies": [{"name": "los", "value": "min"}]},
            {"spec.objective.metricStrategies[0].name": "is none of the experiment's metrics"},
        ),
        (
            {"metricStrategies": [{"name": "loss", "value": "min"}, {"name": "loss", "value": "max"}]},
            {"spec.objective.metricStrategies[0].name": "has more than one strategy"},
        ),
        ({"bounds": [{"metricName": "memory", "max": 1}, {"metricName": "accuracy", "min": 0.5, "max": 0.5}]}, {}),
        (
            {"bounds": [{"metricName": "", "max": 1}]},
            {"spec.objective.bounds[0].metricName": "must not be empty"},
        ),
        (
            {"bounds": [{"metricName": "loss", "max": 1}]},
            {"spec.objective.bounds[0].metricName": "is an objective; bounds are for other metrics"},
        ),
        ({"bounds": [{"metricName": "m"}]}, {"spec.objective.bounds[0]": "needs a min or a max"}),
        (
            {"bounds": [{"metricName": "m", "min": 2, "max": 1}]},
            {"spec.objective.bounds[0].min": "must be at most max (1.0)"},
        ),
        (
            {"bounds": [{"metricName": "m", "min": float("-inf")}]},
            {"spec.objective.bounds[0].min": "must be a finite number"},
        ),
        (
            {"bounds": [{"metricName": "m", "min": 1}, {"metricName": "m", "max": 2}]},
            {"spec.objective.bounds[1].metricName": "has bounds already; write min and max together"},
        ),
    ],
)
def test_objective(spec, messages, changes, wanted):
    spec["objective"].update(changes)
    assert messages() == wanted


def test_objective_is_required_and_the_rest_is_checked_all_the_same(spec, messages):
    del spec["objective"]
    spec["maxTrialCount"] = 0
    assert messages() == {"spec.objective": "is required", "spec.maxTrialCount": "must be more than 0"}


def test_nearest_metric_is_suggested(spec, problems):
    spec["objective"]["metricStrategies"] = [{"name": "acuracy", "value": "max"}]
    assert problems()["spec.objective.metricStrategies[0].name"].hint == "did you mean 'accuracy'?"


@pytest.mark.parametrize(
    ("further", "wanted"),
    [
        ([{"type": "maximize", "objectiveMetricName": "speed", "goal": 5}], {}),
        (
            [{"type": "maximize", "objectiveMetricName": "loss"}],
            {"spec.objectives[0].objectiveMetricName": "is an objective already"},
        ),
        (
            [{"type": "maximize", "objectiveMetricName": "x"}, {"type": "maximize", "objectiveMetricName": "x"}],
            {"spec.objectives[1].objectiveMetricName": "is an objective already"},
        ),
        (
            [{"type": "minimize", "objectiveMetricName": "", "goal": float("inf")}],
            {
                "spec.objectives[0].objectiveMetricName": "must not be empty",
                "spec.objectives[0].goal": "must be a finite number",
            },
        ),
    ],
)
def test_further_objectives(spec, messages, further, wanted):
    spec["objectives"] = further
    assert messages() == wanted
