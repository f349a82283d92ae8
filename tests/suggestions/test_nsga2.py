"""NSGA-II keeps the contract, breeds in generations, and finds a better front than chance."""

import math
import pickle

import pytest

from katib.algorithm import registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.testing.algorithm_contract import CONDITIONAL, MIXED, AlgorithmContract

GENERATION = "katib.kubeflow.org/nsga2-generation"
CUBE = [
    {"name": name, "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}} for name in ("x", "y", "z")
]


class TestNsga2(AlgorithmContract):
    algorithm = "nsga2"
    bad_settings = {
        "no_such_setting": "1",
        "population_size": "1",
        "crossover_prob": "1.5",
        "mutation_prob": "-0.1",
        "swapping_prob": "x",
        "random_state": "-1",
    }


class TestNsga2Breeding(TestNsga2):
    """The same with generations so small that most points are children."""

    settings = {"population_size": "4", "mutation_prob": "0.2"}
    bad_settings = {"no_such_setting": "1"}


def make(parameters=CUBE, *, algorithm="nsga2", seed=1, kinds=("minimize", "minimize"), size=None, budget=None):
    settings = [] if size is None else [{"name": "population_size", "value": str(size)}]
    spec = {
        "objectives": [{"objectiveMetricName": f"f{place}", "type": kind} for place, kind in enumerate(kinds)],
        "algorithm": {"algorithmName": algorithm, "algorithmSettings": settings},
        "parameters": parameters,
        **({} if budget is None else {"maxTrialCount": budget}),
    }
    document = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "n"}, "spec": spec}
    return registry.create(with_defaults(parse_experiment(document)), seed)


def search(algorithm, outcome, trials, *, count=1):
    history = History()
    while len(history) < trials:
        for point in suggest(algorithm, history, count):
            result = outcome(point)
            index = history.next_index
            state = TrialState.FAILED if result is None else TrialState.SUCCEEDED
            history.record(PastTrial(index, f"t{index}", point, state, result, labels=point.labels))
    return history


def front(point):
    """ZDT1 with three parameters; its front is f2 = 1 - sqrt(f1)."""
    x, rest = point["x"], 1 + 4.5 * (point["y"] + point["z"])
    return x, rest * (1 - math.sqrt(x / rest))


def volume(history):
    """The area that the front dominates within [0, 1] x [0, 6]."""
    area, top = 0.0, 6.0
    for first, second in sorted(trial.values for trial in history if trial.values):
        if second < top:
            area += (1 - first) * (top - second)
            top = second
    return area


def generations(history):
    return [int(trial.labels[GENERATION]) for trial in history]


def test_front_of_two_objectives_beats_that_of_chance():
    wins = 0
    for seed in range(16):
        ours = search(make(seed=seed, size=12), front, 96, count=4)
        chance = search(make(algorithm="random", seed=seed), front, 96)
        wins += volume(ours) > volume(chance)
    assert wins >= 14


def test_one_objective_is_enough():
    wins = 0
    for seed in range(16):

        def outcome(point):
            return (sum((value - 0.3) ** 2 for value in point.values()),)

        ours = search(make(seed=seed, size=10, kinds=("minimize",)), outcome, 80)
        chance = search(make(algorithm="random", seed=seed, kinds=("minimize",)), outcome, 80)
        wins += min(trial.values for trial in ours) < min(trial.values for trial in chance)
    assert wins >= 13


def test_each_objective_has_its_direction():
    def outcome(point):
        return point["x"] + point["y"], point["z"]

    late = list(search(make(size=8, kinds=("maximize", "minimize")), outcome, 80))[60:]
    assert sum(trial.values[0] for trial in late) / 20 > 1.3  # by chance 1
    assert sum(trial.values[1] for trial in late) / 20 < 0.35  # by chance 0.5


def test_a_generation_is_as_many_measured_trials_as_the_population_has():
    assert generations(search(make(size=5), front, 17)) == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 2
    # One in two fails: a generation takes as many trials more.
    calls = iter(range(100))
    failing = search(make(size=5), lambda point: front(point) if next(calls) % 2 else None, 30)
    assert generations(failing) == [0] * 10 + [1] * 10 + [2] * 10


@pytest.mark.parametrize(("budget", "size"), [(None, 50), (20, 10), (100, 20), (1000, 50)])
def test_population_follows_the_budget(budget, size):
    numbers = generations(search(make(budget=budget), front, 60))
    assert numbers.count(0) == min(size, 60)


def test_points_of_one_call_are_distinct_and_those_of_single_calls():
    history = search(make(MIXED, size=8), lambda point: (point["x"], point["s"]), 24)
    at_once = suggest(make(MIXED, size=8), history, 8)
    assert len(set(at_once)) == 8
    one_by_one = []
    for _ in range(8):
        [point] = suggest(make(MIXED, size=8), history, 1)
        one_by_one.append(point)
        history.record(PastTrial(history.next_index, f"t{history.next_index}", point, TrialState.RUNNING))
    assert one_by_one == at_once


def test_region_that_fails_or_is_out_of_bounds_is_avoided():
    late = list(search(make(size=8), lambda point: front(point) if point["y"] < 0.4 else None, 80))[50:]
    assert sum(trial.point["y"] > 0.4 for trial in late) / len(late) < 0.3  # by chance 0.6
    history = search(make(size=8), front, 8)
    for trial in list(history)[:6]:
        history.record(PastTrial(trial.index, trial.name, trial.point, trial.state, trial.values, feasible=False))
    [point] = suggest(make(size=8), history, 1)
    assert point.labels[GENERATION] == "0"  # two of eight count


def test_conditional_parameters_are_inherited_where_they_are_active():
    def outcome(point):
        return (10.0 - point["depth"] if point["kind"] == "tree" else 20.0, float(len(point)))

    history = search(make(CONDITIONAL, size=4), outcome, 12)
    assert min(trial.values for trial in history)[0] == 4.0
    assert all(("depth" in trial.point) == (trial.point["kind"] == "tree") for trial in history)


def test_a_late_result_of_an_old_generation_is_seen_by_warm_and_fresh_alike():
    warm = make(size=5)
    history = search(warm, front, 23)
    suggest(warm, history, 1)
    old = history["t2"]
    history.record(PastTrial(2, "t2", old.point, TrialState.SUCCEEDED, (0.0, 0.0), labels=old.labels))
    assert suggest(warm, history, 3) == suggest(make(size=5), history, 3)


def test_trials_from_elsewhere_belong_to_the_first_generation():
    history = search(make(algorithm="random"), front, 6)
    [point] = suggest(make(size=6), history, 1)
    assert point.labels[GENERATION] == "1"


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.7e308, -1.7e308])
def test_strange_values_of_several_objectives_do_no_harm(value):
    def outcome(point):
        return point["x"], value if point["y"] < 0.5 else point["y"], -value

    assert len(search(make(size=4, kinds=("minimize", "maximize", "minimize")), outcome, 20)) == 20


def test_probabilities_are_refused_in_words():
    suite = type("Stated", (TestNsga2,), {"settings": {"crossover_prob": "1.5"}})()
    with pytest.raises(InvalidInput, match="'crossover_prob' must be less than or equal to 1"):
        suite.make(CUBE)


def test_it_is_silent(capfd, caplog):
    search(make(MIXED, size=4), lambda point: (point["x"], point["s"]), 12)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_a_warm_instance_may_be_sent_to_another_process():
    warm = make(MIXED, size=4)
    history = search(warm, lambda point: (point["x"], point["s"]), 20)
    assert suggest(pickle.loads(pickle.dumps(warm)), history, 2) == suggest(warm, history, 2)  # noqa: S301 - our own
