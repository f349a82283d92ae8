"""Every example runs as it is, and does what it says."""

import math
from pathlib import Path

import pytest
import yaml

from katib.algorithm import registry
from katib.metrics.collector import KINDS

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
EXPERIMENTS = sorted(EXAMPLES.glob("*/*.yaml"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_example_succeeds_with_every_trial_measured(katib, path):
    name = yaml.safe_load(path.read_text())["metadata"]["name"]
    katib("run", path, timeout=280)
    experiment = katib.get("get", "experiment", name)
    conditions = [condition["type"] for condition in experiment["status"]["conditions"]]
    assert conditions[-1] == "Succeeded"
    counts = experiment["status"]
    stopped = counts.get("trialsEarlyStopped", 0) if "earlyStopping" in experiment["spec"] else 0
    assert counts["trialsSucceeded"] + stopped == experiment["spec"]["maxTrialCount"]
    assert experiment["status"].get("trialsFailed", 0) == 0
    trials = katib.get("trials", name)["items"]
    wanted = [experiment["spec"]["objective"]["objectiveMetricName"]]
    wanted += experiment["spec"]["objective"].get("additionalMetricNames", [])
    for trial in trials:
        measured = {metric["name"]: metric["latest"] for metric in trial["status"]["observation"]["metrics"]}
        assert wanted[0] in measured
        # A genotype is a result that is no number.
        numbers = [measured[metric] for metric in wanted if metric in measured and metric != "Best-Genotype"]
        assert all(math.isfinite(float(number)) for number in numbers)


def test_every_example_is_listed_in_its_readme():
    listed = (EXAMPLES / "README.md").read_text()
    assert [path.name for path in EXPERIMENTS if path.name not in listed] == []


def test_every_algorithm_and_every_collector_has_an_example():
    specs = [yaml.safe_load(path.read_text())["spec"] for path in EXPERIMENTS]
    assert {spec["algorithm"]["algorithmName"] for spec in specs} == set(registry.names())
    collectors = {spec.get("metricsCollectorSpec", {}).get("collector", {}).get("kind", "StdOut") for spec in specs}
    assert collectors == set(KINDS)


def test_grid_example_visits_every_combination_once(katib):
    katib("run", EXAMPLES / "algorithms" / "grid.yaml")
    points = [
        tuple(assignment["value"] for assignment in trial["spec"]["parameterAssignments"])
        for trial in katib.get("trials", "grid")["items"]
    ]
    assert len(points) == len(set(points)) == 16
    assert {x for x, _ in points} == {"-5.0", "0.0", "5.0", "10.0"}


def test_conditional_example_leaves_inactive_parameters_out(katib):
    katib("run", EXAMPLES / "features" / "conditional.yaml")
    for trial in katib.get("trials", "conditional")["items"]:
        values = {assignment["name"]: assignment["value"] for assignment in trial["spec"]["parameterAssignments"]}
        expected = {"aluminium": {"alloy"}, "timber": {"grade"}, "steel": set()}[values["material"]]
        assert values.keys() - {"width", "height", "material"} == expected
        command = trial["spec"]["runSpec"]["spec"]["template"]["spec"]["containers"][0]["command"]
        options = {argument.split("=")[0] for argument in command[2:]}
        assert options == {"--width", "--height", "--material"} | {f"--{name}" for name in expected}


def test_multi_objective_example_gives_a_front_nothing_dominates(katib):
    katib("run", EXAMPLES / "features" / "multi-objective.yaml")
    status = katib.get("get", "experiment", "multi-objective")["status"]
    feasible = {}
    for trial in katib.get("trials", "multi-objective")["items"]:
        metrics = {metric["name"]: float(metric["latest"]) for metric in trial["status"]["observation"]["metrics"]}
        if metrics["cost"] <= 500:
            feasible[trial["metadata"]["name"]] = (metrics["weight"], metrics["stress"])
    front = {
        name
        for name, (weight, stress) in feasible.items()
        if not any(w <= weight and s <= stress and (w, s) != (weight, stress) for w, s in feasible.values())
    }
    assert len(front) > 2, "light beams and strong ones"
    assert {trial["bestTrialName"] for trial in status["paretoOptimalTrials"]} == front


def test_constraints_example_tries_no_forbidden_point_and_prefers_feasible_results(katib):
    katib("run", EXAMPLES / "features" / "constraints.yaml")
    for trial in katib.get("trials", "constraints")["items"]:
        values = {
            assignment["name"]: float(assignment["value"]) for assignment in trial["spec"]["parameterAssignments"]
        }
        assert values["width"] <= values["height"] <= 4 * values["width"]
    best = katib.get("get", "experiment", "constraints")["status"]["currentOptimalTrial"]
    metrics = {metric["name"]: float(metric["latest"]) for metric in best["observation"]["metrics"]}
    assert metrics["stress"] <= 1


def test_initial_trials_example_runs_the_unknown_point_and_trusts_the_known_one(katib):
    katib("run", EXAMPLES / "features" / "initial-trials.yaml")
    trials = katib.get("trials", "initial-trials")["items"]
    points = [tuple(a["value"] for a in trial["spec"]["parameterAssignments"]) for trial in trials]
    assert len(points) == 6  # five of the budget and the known one
    assert ("6", "12") in points
    assert ("4", "16") in points
    known = trials[points.index(("6", "12"))]
    assert known["status"]["observation"]["metrics"][0]["latest"] == "561.6"
    assert katib("logs", known["metadata"]["name"], code=None).stdout == ""
