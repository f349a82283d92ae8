"""Bayesian optimization keeps the contract, searches better than chance, and answers in time."""

import logging
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import check_grad

from katib.algorithm import call
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.testing.algorithm_contract import MIXED, AlgorithmContract
from suggestions._gaussian_process import GaussianProcess
from suggestions._surrogates import promise
from suggestions.bayesian_optimization import _levelled


def _double(name, low, high, **more):
    return {
        "name": name,
        "parameterType": "double",
        "feasibleSpace": {"min": str(low), "max": str(high), **more},
    }


SQUARE = [_double("x", -5, 10), _double("y", 0, 15)]
CUBE = [_double(name, 0, 1) for name in "abc"]
TRAINING = [
    _double("rate", 0.00001, 1, distribution="logUniform"),
    {"name": "units", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "100"}},
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["b", "c", "a"]}},
    _double("drop", 0, 1, step="0.1"),
]


def branin(point):
    x, y = point["x"], point["y"]
    ridge = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return ridge + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann3(point):
    steep = [(3, 10, 30), (0.1, 10, 35), (3, 10, 30), (0.1, 10, 35)]
    centres = [(0.3689, 0.117, 0.2673), (0.4699, 0.4387, 0.747), (0.1091, 0.8732, 0.5547), (0.0381, 0.5743, 0.8828)]
    total = 0.0
    for height, widths, centre in zip((1, 1.2, 3, 3.2), steep, centres, strict=True):
        total -= height * math.exp(-sum(w * (point[n] - c) ** 2 for n, w, c in zip("abc", widths, centre, strict=True)))
    return total


def training(point):
    kinds = {"a": 0.0, "b": 1.0, "c": 0.5}
    rate = (math.log10(point["rate"]) + 2.5) ** 2
    return rate + ((point["units"] - 37) / 20) ** 2 + kinds[point["kind"]] + abs(point["drop"] - 0.3)


def suite(algorithm="bayesianoptimization", **settings):
    return type("Suite", (AlgorithmContract,), {"algorithm": algorithm, "settings": settings})()


def run(of, parameters, function, trials, *, seed, count=1, maximize=False, fails=lambda _: False):
    """Search, and return the points and the best value among those that did not fail."""
    history, algorithm, points, best = History(), of.make(parameters, seed=seed, maximize=maximize), [], math.inf
    while len(points) < trials:
        found = suggest(algorithm, history, count)
        points += found
        for trial in of.issue(history, found):
            if fails(trial.point):
                of.finish(history, trial, TrialState.FAILED, None)
            else:
                value = function(trial.point)
                best = min(best, value)
                of.finish(history, trial, TrialState.SUCCEEDED, -value if maximize else value)
    return points, best


def past(parameters, function, trials, *, seed=0):
    """Return a history of random trials."""
    history, rng = History(), random.Random(seed)
    space = suite("random").make(parameters).problem.space
    for index in range(trials):
        point = space.sample(rng)
        history.record(PastTrial(index, f"t{index}", point, TrialState.SUCCEEDED, (function(point),), float(index)))
    return history


class TestBayesianOptimization(AlgorithmContract):
    algorithm = "bayesianoptimization"
    bad_settings = {
        "no_such_setting": "1",
        "base_estimator": "SVM",
        "n_initial_points": "-1",
        "acq_func": "UCB",
        "acq_optimizer": "adam",
        "random_state": "-1",
    }


class TestFromTheFirstPointOn(AlgorithmContract):
    """The contract again with a model as early as there can be one."""

    algorithm = "bayesianoptimization"
    settings = {"n_initial_points": "0", "acq_func": "EI"}


@pytest.mark.parametrize("model", ["RF", "ET", "GBRT"])
def test_trees_keep_the_contract_too(model):
    """Not all of it: fitting them for each point of a call takes long."""
    of = suite(base_estimator=model, n_initial_points="4")
    warm = of.search(lambda: of.make(MIXED), 3)
    assert warm == of.search(lambda: of.make(MIXED), 3, fresh_each_call=True)
    of.test_conditional_parameters_have_values_only_where_they_are_active()


@pytest.mark.parametrize(
    ("parameters", "function", "maximize"),
    [(SQUARE, branin, False), (CUBE, hartmann3, True), (TRAINING, training, False)],
)
@pytest.mark.parametrize("count", [1, 5])
def test_thirty_trials_beat_random_search(parameters, function, maximize, count):
    won, ours, theirs = 0, [], []
    for seed in range(8):
        ours.append(run(suite(), parameters, function, 30, seed=seed, count=count, maximize=maximize)[1])
        theirs.append(run(suite("random"), parameters, function, 30, seed=seed)[1])
        won += ours[-1] < theirs[-1]
    optimum = {branin: 0.397887, hartmann3: -3.86278, training: 0.0}[function]
    assert won >= 7
    assert np.median(ours) - optimum < 0.25 * (np.median(theirs) - optimum)


@pytest.mark.parametrize("model", ["GP", "RF", "ET", "GBRT"])
@pytest.mark.parametrize("function", ["gp_hedge", "LCB", "EI", "PI"])
def test_every_model_and_acquisition_function_searches(model, function):
    of = suite(base_estimator=model, acq_func=function, n_initial_points="8", random_state="3")
    points, best = run(of, SQUARE, branin, 16, seed=1, count=2)
    assert len(set(points)) == 16
    assert best < 10  # one random point in ten


@pytest.mark.parametrize("optimizer", ["auto", "sampling", "lbfgs"])
def test_every_way_of_optimizing_searches(optimizer):
    assert run(suite(acq_optimizer=optimizer), SQUARE, branin, 25, seed=2)[1] < 1.5


def test_all_distributions_and_negative_ranges_take_part():
    """Katib's service took every double for logarithmic, and failed where one begins at 0 or below."""

    def middle(point):
        return abs(point["x"] - 3) + abs(point["bell"] - 5) + abs(math.log10(point["lr"]) + 2) + abs(point["n"] - 2)

    points, best = run(suite(), MIXED, middle, 30, seed=1)
    assert best < 0.8 * min(map(middle, points[:10]))


@pytest.mark.parametrize("state", [TrialState.FAILED, TrialState.KILLED, TrialState.METRICS_UNAVAILABLE])
def test_where_trials_fail_is_left_alone(state):
    """The half of the square that holds the best point fails."""
    of, history = suite(), History()
    algorithm = of.make(SQUARE, seed=4)
    for _ in range(50):
        (trial,) = of.issue(history, suggest(algorithm, history, 1))
        if trial.point["x"] > 2.5:
            of.finish(history, trial, state, None)
        else:
            of.finish(history, trial, TrialState.SUCCEEDED, branin(trial.point))
    failed = [trial.point for trial in history if trial.state is state]
    assert len(set(failed)) == len(failed)
    assert sum(point["x"] > 2.5 for point in [trial.point for trial in history][20:]) <= 6
    assert min(trial.values[0] for trial in history.measured()) < 0.6


def test_result_that_breaks_a_bound_is_as_bad_as_a_failure():
    of, history = suite(), past(SQUARE, branin, 30)
    for trial in list(history):
        infeasible = trial.point["x"] > 2.5
        history.record(
            PastTrial(
                trial.index,
                trial.name,
                trial.point,
                trial.state,
                (-50.0,) if infeasible else trial.values,
                0.0,
                feasible=not infeasible,
            )
        )
    for _ in range(10):
        (trial,) = of.issue(history, suggest(of.make(SQUARE), history, 1))
        assert trial.point["x"] < 4


def test_early_stopped_trial_counts_with_its_value():
    first, second = (past(SQUARE, branin, 12) for _ in range(2))
    for trial in list(second):
        second.record(PastTrial(trial.index, trial.name, trial.point, TrialState.EARLY_STOPPED, trial.values))
    assert suggest(suite().make(SQUARE), first, 3) == suggest(suite().make(SQUARE), second, 3)


@pytest.mark.parametrize("model", ["GP", "ET"])
def test_points_of_one_call_and_running_trials_are_spread(model):
    of, history = suite(base_estimator=model), past(SQUARE, branin, 25)
    algorithm = of.make(SQUARE, seed=2)
    units = []
    for _ in range(2):
        points = suggest(algorithm, history, 8)
        of.issue(history, points)
        units += [algorithm.problem.space.to_unit(point) for point in points]
    apart = [math.dist(one, other) for place, one in enumerate(units) for other in units[:place]]
    assert len(units) == 16
    assert min(apart) > 9e-4
    assert np.mean(apart) > 0.1


def test_a_thousand_past_trials_are_answered_from_a_part_of_them(caplog):
    history = past(TRAINING, training, 1_000)
    algorithm = suite().make(TRAINING)
    with caplog.at_level(logging.INFO, "suggestions.bayesian_optimization"):
        points = suggest(algorithm, history, 8)
        suggest(algorithm, history, 1)
    assert [record.getMessage() for record in caplog.records] == [
        (
            "bayesianoptimization of experiment 'contract': the model is fitted to 400 of 1000 results "
            "(the best, the latest and some others), to answer in time"
        )
    ]
    assert points == suggest(suite().make(TRAINING), history, 8)
    assert len(set(points)) == 8
    best = min(training(trial.point) for trial in history)
    assert min(map(training, points)) < best
    trials, values = algorithm._results(history)
    assert len(trials) == len(values) == 400
    assert min(training(trial.point) for trial in trials) == best
    assert [trial.index for trial in trials][-100:] == list(range(900, 1000))


@pytest.mark.parametrize("seconds", [0.0, 0.2, 1.0])
def test_caller_who_does_not_wait_long_gets_less_and_is_told(seconds):
    history = past(TRAINING, training, 1_000)
    with call.answering(seconds) as notes:
        points = suggest(suite().make(TRAINING), history, 8)
    assert len(set(points)) == 8
    assert not any(history.was_tried(point) for point in points)
    assert {note.kind for note in notes} == {"reduced-model"}
    assert "fitted to" in notes[0].text
    assert ("of 8 points are random" in notes[-1].text) == (seconds < 0.1 or len(notes) > 1)


def test_caller_who_waits_gets_the_same_as_one_without_a_deadline():
    history = past(TRAINING, training, 100)
    with call.answering(60.0) as notes:
        points = suggest(suite().make(TRAINING), history, 3)
    assert points == suggest(suite().make(TRAINING), history, 3)
    assert notes == []


def test_few_trials_are_all_used(caplog):
    with caplog.at_level(logging.INFO, "suggestions.bayesian_optimization"):
        suggest(suite().make(SQUARE), past(SQUARE, branin, 20), 1)
    assert caplog.records == []


def test_initial_points_are_a_latin_hypercube_however_they_are_asked_for():
    of = suite(n_initial_points="12")
    at_once = suggest(of.make(SQUARE), History(), 12)
    space = of.make(SQUARE).problem.space
    for axis in range(2):
        assert sorted(int(12 * space.to_unit(point)[axis]) for point in at_once) == list(range(12))
    assert run(of, SQUARE, branin, 12, seed=1)[0] == at_once


def test_values_are_pythons_own_numbers():
    """Numpy's would be printed with their type, and a trial could not read them."""
    points, _ = run(suite(), MIXED, lambda point: point["x"], 14, seed=1)
    space = suite().make(MIXED).problem.space
    assert {type(value) for point in points for value in point.values()} == {float, int, str}
    assert [space.parse(point.assignments()) for point in points] == points


def test_constraint_that_few_points_satisfy():
    of, history = suite(), History()
    algorithm = of.make(SQUARE, constraints=("x + y < -3",))
    for _ in range(8):
        for trial in of.issue(history, suggest(algorithm, history, 2)):
            of.finish(history, trial, TrialState.SUCCEEDED, branin(trial.point))
    assert len({trial.point for trial in history}) == 16


def test_categories_by_the_hundred_and_huge_integers():
    wide = [
        {"name": "c", "parameterType": "categorical", "feasibleSpace": {"list": [f"c{i}" for i in range(300)]}},
        {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "1000000000000"}},
    ]
    points, _ = run(suite(), wide, lambda point: point["n"] / 1e12 + (point["c"] == "c7"), 16, seed=1, count=4)
    assert len(set(points)) == 16


def test_random_state_comes_before_the_seed():
    of = suite(random_state="4")
    one, two = (suggest(of.make(MIXED, seed=seed), History(), 3) for seed in (1, 2))
    assert one == two
    assert one != suggest(suite().make(MIXED, seed=1), History(), 3)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("base_estimator", "SVM", "base_estimator SVM is not supported in Bayesian optimization"),
        ("acq_func", "UCB", "acq_func UCB is not supported in Bayesian optimization"),
        ("acq_optimizer", "adam", "acq_optimizer adam is not supported in Bayesian optimization"),
        ("n_initial_points", "-1", "n_initial_points should be great or equal than zero"),
        ("n_initial_points", "many", "'n_initial_points' must be a valid integer"),
        ("random_state", "-1", "random_state should be great or equal than zero"),
    ],
)
def test_settings_are_refused_in_katibs_words(name, value, text):
    with pytest.raises(InvalidInput, match=text) as caught:
        suite(**{name: value}).make(SQUARE)
    assert "algorithmSettings[0].value" in str(caught.value)


def test_climbing_needs_a_model_with_slopes():
    with pytest.raises(InvalidInput, match="lbfgs is not supported in Bayesian optimization with base_estimator RF"):
        suite(base_estimator="RF", acq_optimizer="lbfgs").make(SQUARE)


def test_several_objectives_are_refused():
    from katib.algorithm import registry
    from katib.api.defaults import with_defaults
    from katib.api.parse import parse_experiment

    document = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "two"},
        "spec": {
            "objectives": [{"type": "minimize", "objectiveMetricName": name} for name in ("loss", "size")],
            "algorithm": {"algorithmName": "bayesianoptimization"},
            "parameters": SQUARE,
        },
    }
    with pytest.raises(InvalidInput, match="one objective"):
        registry.create(with_defaults(parse_experiment(document)), 1)


def test_levelled_values_keep_their_order_and_have_an_end():
    levelled = _levelled(np.array([3.0, 1.0, math.nan, 2.0, math.inf, -math.inf, 1e300]))
    assert np.isfinite(levelled).all()
    assert levelled[1] == levelled[5] < levelled[3] < levelled[0] < levelled[6] == levelled[2] == levelled[4]
    assert levelled.mean() == pytest.approx(0)


def test_gradients_are_those_of_the_functions():
    rng = np.random.default_rng(0)
    rows = rng.random((20, 4))
    values = np.sin(5 * rows[:, 0]) + rows[:, 1]
    process = GaussianProcess(np.array([0, 1, 2, 2]))
    theta = process._prior + 0.3
    assert (
        check_grad(lambda t: process._loss(t, rows, values)[0], lambda t: process._loss(t, rows, values)[1], theta)
        < 1e-3
    )
    process.fit(rows, values, steps=30)
    process.condition(rows, values)
    place = rng.random(4)
    mean, deviation, _, _ = process.gradient(place)
    assert (mean, deviation) == pytest.approx([float(part[0]) for part in process.predict(place[None])])
    for kind in ("EI", "PI", "LCB"):
        for best in (-3.0, mean, 3.0):

            def worth(row, kind=kind, best=best):
                return float(promise(kind, *map(np.array, process.gradient(row)[:2]), best)[0])

            def slope(row, kind=kind, best=best):
                at, by, at_slope, by_slope = process.gradient(row)
                _, by_mean, by_deviation = promise(kind, np.array(at), np.array(by), best)
                return by_mean * at_slope + by_deviation * by_slope

            assert check_grad(worth, slope, place) < 1e-3 * (1 + np.abs(slope(place)).max())


def timed(function, trials, seconds):
    """Return random trials of the square and how long each took."""
    history = History()
    for trial in past(SQUARE, function, trials):
        history.record(replace(trial, seconds=seconds(trial.point)))
    return history


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("acq_func", "model"), [("EIps", "GP"), ("EIps", "ET"), ("PIps", "ET")])
def test_improvement_per_second_looks_where_trials_are_short(acq_func, model, sign):
    """Of two places that are equally good it takes the one where a trial takes a hundredth of the time."""

    def function(point):
        return (point["y"] - 5) ** 2 + ((point["x"] - 2.5) ** 2 - 25) ** 2 / 50

    def seconds(point):
        return 10.0 ** (2 + sign * (point["x"] - 2.5) / 5)

    for seed in range(3):
        algorithm = suite(acq_func=acq_func, base_estimator=model).make(SQUARE, seed=seed)
        point = suggest(algorithm, timed(function, 40, seconds), 1)[0]
        assert seconds(point) < 100


def test_improvement_per_second_without_any_times_is_improvement():
    history = past(SQUARE, branin, 25)
    points = suggest(suite(acq_func="EIps").make(SQUARE), history, 3)
    assert points == suggest(suite(acq_func="EI").make(SQUARE), history, 3)
