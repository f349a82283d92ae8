"""The optimum, the Pareto set and the goal, whatever trials report and in whichever order they come."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TWO = [{"type": "maximize", "objectiveMetricName": "speed"}]


def best(bench, *trials, **spec):
    optimum = bench.given(*trials, **spec).ledger.optimum
    return None if optimum is None else next(t.index for t in trials if t.name == optimum.best_trial_name)


def test_minimize_and_maximize(bench):
    trials = [bench.trial(index, value=value) for index, value in enumerate([2, 1, 3])]
    assert best(bench, *trials) == 1
    assert best(bench, *trials, objective={"type": "maximize"}) == 2


def test_the_status_shows_parameters_and_metrics(bench):
    optimum = bench.given(bench.trial(4, value=0.5)).ledger.optimum
    assert optimum.to_document() == {
        "bestTrialName": bench.trial(4).name,
        "parameterAssignments": [{"name": "x", "value": "4"}, {"name": "y", "value": "0"}],
        "observation": {"metrics": [{"name": "loss", "min": "0.5", "max": "0.5", "latest": "0.5"}]},
    }


def test_nothing_is_best_before_there_is_a_result(bench):
    assert best(bench, bench.trial(0, "Running"), bench.trial(1, "Failed", 0.1), bench.trial(2)) is None


@pytest.mark.parametrize("state", ["Failed", "Killed", "MetricsUnavailable"])
def test_only_results_count(bench, state):
    assert best(bench, bench.trial(0, state, 0.1), bench.trial(1, "EarlyStopped", 0.9)) == 1


def test_the_first_to_finish_wins_a_tie_then_the_lower_index(bench):
    trials = [bench.trial(0, value=1, at=9), bench.trial(1, value=1, at=2), bench.trial(2, value=1, at=2)]
    for order in itertools.permutations(trials):
        assert best(bench, *order) == 1


@pytest.mark.parametrize(("kind", "winner"), [("minimize", 2), ("maximize", 1)])
def test_nan_never_wins_and_infinity_is_a_number(bench, kind, winner):
    trials = [bench.trial(index, value=value) for index, value in enumerate(["nan", "inf", "-inf"])]
    assert best(bench, *trials, objective={"type": kind}) == winner
    assert best(bench, trials[0], objective={"type": kind}) is None


def test_of_words_the_last_one_wins(bench):
    words = [bench.trial(index, value=f"Genotype({index})") for index in range(3)]
    for order in itertools.permutations(words):
        assert best(bench, *order) == 2
    assert best(bench, *words, bench.trial(3, value="unavailable")) == 2


def test_a_number_beats_every_word(bench):
    assert best(bench, bench.trial(0, value=7), bench.trial(1, value="word")) == 0
    assert best(bench, bench.trial(0, value="word"), bench.trial(1, value=7), bench.trial(2, value="word")) == 1


def test_infeasible_trials_are_never_best(bench):
    def measured(index, loss, size):
        return bench.trial(index, observation=bench.observation(loss=loss, size=size))

    bound = {"bounds": [{"metricName": "size", "min": 1, "max": 2}]}
    trials = [measured(0, 1, 3), measured(1, 2, 2), measured(2, 0, 0.5), measured(3, 0, "nan"), bench.trial(4, value=0)]
    assert best(bench, *trials, objective=bound) == 1
    assert bench.given(*trials, objective={**bound, "goal": 1}).ledger.goal_reached_by is None


def test_the_goal_is_reached_by_the_first(bench):
    trials = [bench.trial(0, value=1, at=9), bench.trial(1, value=0, at=2), bench.trial(2, value=5)]
    for order in itertools.permutations(trials):
        assert bench.given(*order, objective={"goal": 1}).ledger.goal_reached_by == trials[1].name
    assert bench.given(*trials).ledger.goal_reached_by is None


def test_every_objective_must_reach_its_goal(bench):
    goals = {"objective": {"goal": 1}, "objectives": [{**TWO[0], "goal": 10}]}
    near = [
        bench.trial(0, observation=bench.observation(loss=0, speed=9)),
        bench.trial(1, observation=bench.observation(loss=2, speed=11)),
    ]
    assert bench.given(*near, **goals).ledger.goal_reached_by is None
    there = bench.trial(2, observation=bench.observation(loss=1, speed=10))
    assert bench.given(*near, there, **goals).ledger.goal_reached_by == there.name


def test_one_objective_has_no_pareto_set(bench):
    assert bench.given(bench.trial(0, value=1)).ledger.pareto is None


def test_the_set_is_empty_before_there_is_a_result(bench):
    assert bench.given(objectives=TWO).ledger.pareto == []


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(*[st.sampled_from([0, 1, 2, 3, math.nan, math.inf, "word"])] * 2, st.booleans()),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_the_pareto_set_is_what_nothing_dominates(bench_class, results, shuffle):
    bench = bench_class()
    trials = [
        bench.trial(index, observation=bench.observation(loss=loss, speed=speed, size=int(fits)))
        for index, (loss, speed, fits) in enumerate(results)
    ]
    order = shuffle.sample(trials + trials, 2 * len(trials))
    bound = {"bounds": [{"metricName": "size", "min": 1}]}
    ledger = bench.given(*order, objective=bound, objectives=TWO).ledger

    usable = {
        trial.name: (loss, -speed)
        for trial, (loss, speed, fits) in zip(trials, results, strict=True)
        if fits and "word" not in (loss, speed) and not math.isnan(loss) and not math.isnan(speed)
    }
    front = {
        name
        for name, mine in usable.items()
        if not any(
            theirs != mine and all(a <= b for a, b in zip(theirs, mine, strict=True)) for theirs in usable.values()
        )
    }
    names = [optimal.best_trial_name for optimal in ledger.pareto]
    assert set(names) == front
    assert len(names) == len(front)
    assert [usable[name] for name in names] == sorted(usable[name] for name in names)
    if usable:
        assert usable[ledger.optimum.best_trial_name][0] == min(loss for loss, _ in usable.values())


def test_statuses_already_made_keep_their_pareto_set(bench):
    ledger = bench.given(bench.trial(0, observation=bench.observation(loss=1, speed=1)), objectives=TWO).ledger
    before = ledger.pareto
    assert ledger.pareto is before
    ledger.record(bench.trial(1, observation=bench.observation(loss=0, speed=2)))
    assert [optimal.best_trial_name for optimal in before] == [bench.trial(0).name]
    assert [optimal.best_trial_name for optimal in ledger.pareto] == [bench.trial(1).name]
