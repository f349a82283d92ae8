"""TPE keeps the contract, learns from every kind of result, and beats chance on one and on several objectives."""

import math
import pickle
import random

import numpy as np
import pytest
from scipy.stats import wilcoxon

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.testing.algorithm_contract import CONDITIONAL, FINITE, MIXED, AlgorithmContract

BOTH = pytest.mark.parametrize("algorithm", ["tpe", "multivariate-tpe"])
SEEDS = range(16)


class TestTpe(AlgorithmContract):
    algorithm = "tpe"
    bad_settings = {
        "no_such_setting": "1",
        "n_startup_trials": "-1",
        "n_ei_candidates": "100000000",
        "n_EI_candidates": "many",
        "gamma": "1",
        "prior_weight": "0",
        "random_state": "-1",
    }


class TestMultivariateTpe(TestTpe):
    algorithm = "multivariate-tpe"


class TestTpeFromTheFirstTrialOn(TestTpe):
    """The model alone, with every setting set: also where nothing was measured yet."""

    settings = {"n_startup_trials": "0", "gamma": "0.3", "prior_weight": "0.5"}
    bad_settings = {"no_such_setting": "1"}


class TestMultivariateTpeFromTheFirstTrialOn(TestTpeFromTheFirstTrialOn):
    algorithm = "multivariate-tpe"


def make(algorithm, parameters, *, seed=1, objectives=(("loss", "minimize"),), settings=()):
    stated = [{"objectiveMetricName": name, "type": kind} for name, kind in objectives]
    spec = {
        "algorithm": {
            "algorithmName": algorithm,
            "algorithmSettings": [{"name": name, "value": value} for name, value in dict(settings).items()],
        },
        "parameters": parameters,
        **({"objective": stated[0]} if len(stated) == 1 else {"objectives": stated}),
    }
    document = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "t"}, "spec": spec}
    return registry.create(with_defaults(parse_experiment(document)), seed)


def real(name, low, high, **more):
    return {"name": name, "parameterType": "double", "feasibleSpace": {"min": low, "max": high, **more}}


def search(algorithm, outcome, trials, *, count=1):
    """Run trials whose outcome is a number, numbers, or a state without any."""
    history = History()
    while len(history) < trials:
        for point in suggest(algorithm, history, count):
            result = outcome(point)
            state = result if isinstance(result, TrialState) else TrialState.SUCCEEDED
            values = None if isinstance(result, TrialState) else tuple(np.atleast_1d(result).tolist())
            index = history.next_index
            history.record(PastTrial(index, f"t{index}", point, state, values, labels=point.labels))
    return history


def best(history):
    return min(trial.values[0] for trial in history)


def sphere(point):
    return sum((value - 1) ** 2 for value in point.values())


def rosenbrock(point):
    x, y, z = point["x"], point["y"], point["z"]
    return 100 * (y - x * x) ** 2 + (1 - x) ** 2 + 100 * (z - y * y) ** 2 + (1 - y) ** 2


def mixed(point):
    rank = ["a", "b"].index(point["c"])
    parts = [math.log10(point["lr"]) + 2, point["x"] - 1, (point["bell"] - 6) / 2, math.log10(point["logbell"])]
    return sum(part**2 for part in parts) + abs(point["n"] - 3) + 10 * point["s"] + float(point["d"]) / 8 + rank


FUNCTIONS = {
    "sphere": (sphere, [real(name, "-5", "5") for name in "wxyz"]),
    "rosenbrock": (rosenbrock, [real(name, "-2", "2") for name in "xyz"]),
    "mixed": (mixed, MIXED),
}


@BOTH
@pytest.mark.parametrize("function", FUNCTIONS)
def test_beats_chance_on_public_functions(algorithm, function):
    outcome, parameters = FUNCTIONS[function]
    ours, chance = [], []
    for seed in SEEDS[:12]:
        ours.append(best(search(make(algorithm, parameters, seed=seed), outcome, 45, count=3)))
        chance.append(best(search(make("random", parameters, seed=seed), outcome, 45)))
    assert wilcoxon(np.log(ours), np.log(chance), alternative="less").pvalue < 0.05


@BOTH
def test_maximizing_is_minimizing_the_opposite(algorithm):
    parameters = FUNCTIONS["sphere"][1]
    down = search(make(algorithm, parameters), sphere, 30)
    up = search(make(algorithm, parameters, objectives=[("loss", "maximize")]), lambda point: -sphere(point), 30)
    assert [trial.point for trial in up] == [trial.point for trial in down]


@BOTH
def test_points_of_one_call_are_distinct_and_those_of_single_calls(algorithm):
    history = search(make(algorithm, MIXED), mixed, 24)
    at_once = suggest(make(algorithm, MIXED), history, 8)
    assert len(set(at_once)) == 8
    one_by_one = []
    for _ in range(8):
        [point] = suggest(make(algorithm, MIXED), history, 1)
        one_by_one.append(point)
        history.record(PastTrial(history.next_index, f"t{history.next_index}", point, TrialState.RUNNING))
    assert one_by_one == at_once


@BOTH
@pytest.mark.parametrize("fate", [TrialState.FAILED, TrialState.METRICS_UNAVAILABLE, math.nan, math.inf, -math.inf])
def test_region_that_fails_is_avoided(algorithm, fate):
    square = [real(name, "0", "1") for name in "xy"]

    def outcome(point):
        return fate if point["x"] > 0.4 else (point["x"] - 0.3) ** 2 + (point["y"] - 0.3) ** 2

    shares = []
    for seed in range(5):
        late = list(search(make(algorithm, square, seed=seed), outcome, 50))[20:]
        shares.append(sum(trial.point["x"] > 0.4 for trial in late) / len(late))
    assert np.mean(shares) < 0.3  # by chance 0.6


@BOTH
def test_points_out_of_bounds_are_avoided_however_good_they_are(algorithm):
    line = [real("x", "0", "1")]
    history = History()
    rng = random.Random(1)
    for index in range(30):
        x = rng.random()
        point = make(algorithm, line).problem.space.point({"x": x})
        history.record(PastTrial(index, f"t{index}", point, TrialState.SUCCEEDED, (x,), feasible=x > 0.5))
    proposals = suggest(make(algorithm, line), history, 8)
    assert sum(0.45 < point["x"] < 0.75 for point in proposals) >= 6


@BOTH
def test_running_trials_are_kept_away_from(algorithm):
    line = [real("x", "0", "1")]
    history = search(make(algorithm, line), lambda point: (point["x"] - 0.5) ** 2, 20)
    [first] = suggest(make(algorithm, line), history, 1)
    batch = suggest(make(algorithm, line), history, 8)
    assert batch[0] == first
    gaps = np.diff(sorted(point["x"] for point in batch))
    assert gaps.min() > 1e-4


@BOTH
def test_an_early_stopped_trial_ranks_behind_those_that_ended(algorithm):
    line = [real("x", "0", "1")]
    space = make(algorithm, line).problem.space
    near = {}
    for state in (TrialState.EARLY_STOPPED, TrialState.SUCCEEDED):
        history = History()
        for index in range(40):
            x = (index + 0.5) / 40
            low = x < 0.3
            result = (state, (0.0,)) if low else (TrialState.SUCCEEDED, (x,))
            history.record(PastTrial(index, f"t{index}", space.point({"x": x}), *result))
        near[state] = sum(point["x"] < 0.25 for point in suggest(make(algorithm, line), history, 8))
    assert near[TrialState.EARLY_STOPPED] <= 4
    assert near[TrialState.SUCCEEDED] >= 7


@BOTH
def test_conditional_parameters_are_learned_where_they_are_active(algorithm):
    def outcome(point):
        if point["kind"] == "tree":
            return 10.0 - point["depth"]
        return abs(point["units"] - 64) / 8 + point.get("drop", 1.0)

    history = search(make(algorithm, CONDITIONAL, seed=3), outcome, 14)
    assert best(history) == 0.0
    assert {trial.point["kind"] for trial in history} == {"tree", "net"}
    for trial in history:
        assert ("depth" in trial.point) == (trial.point["kind"] == "tree")
        assert ("drop" in trial.point) == (trial.point.get("units") == 64)


def front(point):
    """ZDT1 with three parameters; its front is f2 = 1 - sqrt(f1)."""
    x, rest = point["x"], 1 + 4.5 * (point["y"] + point["z"])
    return x, rest * (1 - math.sqrt(x / rest))


def volume(history):
    """The area that the front dominates within [0, 1] x [0, 6]."""
    area, top = 0.0, 6.0
    for first, second in sorted(trial.values for trial in history):
        if second < top:
            area += (1 - first) * (top - second)
            top = second
    return area


@BOTH
def test_front_of_two_objectives_beats_that_of_chance(algorithm):
    cube = [real(name, "0", "1") for name in "xyz"]
    two = [("a", "minimize"), ("b", "minimize")]
    wins = 0
    for seed in SEEDS:
        ours = search(make(algorithm, cube, seed=seed, objectives=two), front, 40)
        chance = search(make("random", cube, seed=seed, objectives=two), front, 40)
        wins += volume(ours) > volume(chance)
    assert wins >= 13  # of 16, which chance does once in 94 times


@BOTH
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1.7e308, -1.7e308])
def test_strange_values_of_several_objectives_do_no_harm(algorithm, value):
    three = [("a", "minimize"), ("b", "maximize"), ("c", "minimize")]
    history = search(
        make(algorithm, MIXED, objectives=three),
        lambda point: (point["x"], value if point["c"] == "a" else point["s"], -value),
        20,
    )
    assert len(history) == 20


@BOTH
def test_both_spellings_mean_the_same(algorithm):
    points = [
        [trial.point for trial in search(make(algorithm, MIXED, settings={name: "5"}), mixed, 14)]
        for name in ("n_ei_candidates", "n_EI_candidates")
    ]
    default = [trial.point for trial in search(make(algorithm, MIXED), mixed, 14)]
    assert points[0] == points[1] != default
    same = {"n_ei_candidates": "5", "n_EI_candidates": "5"}
    assert [trial.point for trial in search(make(algorithm, MIXED, settings=same), mixed, 14)] == points[0]
    with pytest.raises(InvalidInput, match="n_ei_candidates and n_EI_candidates are the same setting"):
        make(algorithm, MIXED, settings={"n_ei_candidates": "5", "n_EI_candidates": "6"})


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("gamma", "0", "'gamma' should be in the range of (0, 1)"),
        ("gamma", "1.5", "'gamma' should be in the range of (0, 1)"),
        ("prior_weight", "0", "'prior_weight' should be great than zero"),
        ("n_EI_candidates", "-2", "'n_EI_candidates' should be great than zero"),
        ("random_state", "-1", "'random_state' must be greater than or equal to 0"),
    ],
)
def test_settings_are_refused_in_words(name, value, text):
    with pytest.raises(InvalidInput) as caught:
        make("tpe", MIXED, settings={name: value})
    assert text in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("gamma", "0.9"), ("prior_weight", "9"), ("n_startup_trials", "0")])
def test_settings_matter(name, value):
    plain = [trial.point for trial in search(make("tpe", MIXED), mixed, 40)]
    assert plain != [trial.point for trial in search(make("tpe", MIXED, settings={name: value}), mixed, 40)]


@BOTH
def test_nobody_elses_random_numbers_are_used_or_changed(algorithm):
    history = search(make(algorithm, MIXED), mixed, 14)
    answers = []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the global state is what this is about
        answers.append(suggest(make(algorithm, MIXED), history, 2))
        after = (random.random(), np.random.rand())  # noqa: NPY002
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        assert after == (random.random(), np.random.rand())  # noqa: NPY002
    assert answers[0] == answers[1]


@BOTH
def test_it_is_silent(algorithm, capfd, caplog):
    settings = {"gamma": "0.2", "prior_weight": "2", "n_startup_trials": "2"}
    search(make(algorithm, FINITE, settings=settings), lambda point: float(point["n"]), 20)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@BOTH
def test_a_trial_whose_result_changes_is_seen_anew(algorithm):
    warm = make(algorithm, MIXED)
    history = search(make(algorithm, MIXED), mixed, 20)
    suggest(warm, history, 1)
    for name in ("t3", "t9"):
        old = history[name]
        history.record(PastTrial(old.index, name, old.point, TrialState.SUCCEEDED, (-5.0,)))
    assert suggest(warm, history, 2) == suggest(make(algorithm, MIXED), history, 2)


@BOTH
def test_a_warm_instance_may_be_sent_to_another_process(algorithm):
    warm = make(algorithm, MIXED, settings={"gamma": "0.3"})
    history = search(warm, mixed, 20)
    assert suggest(pickle.loads(pickle.dumps(warm)), history, 2) == suggest(warm, history, 2)  # noqa: S301 - our own


@BOTH
def test_spaces_of_odd_sizes(algorithm):
    one = {"name": "one", "parameterType": "categorical", "feasibleSpace": {"list": ["a"]}}
    below = {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "5"}}
    below["condition"] = {"parameter": "one", "in": ["a"]}
    huge = {"name": "huge", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "999999999999999999"}}
    endless = [huge, real("wide", "-1e300", "1e300"), real("l", "0.05", "9", step="0.05", distribution="logNormal")]
    settings = {"n_startup_trials": "2"}
    for parameters, size in (([one], 1), ([one, below], 5), (endless, 15)):
        history = History()
        while points := suggest(make(algorithm, parameters, settings=settings), history, min(4, 15 - len(history))):
            for point in points:
                index = history.next_index
                history.record(PastTrial(index, f"t{index}", point, TrialState.SUCCEEDED, (float(index),)))
        assert len(history) == history.distinct_points == size
