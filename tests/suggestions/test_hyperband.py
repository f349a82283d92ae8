"""Hyperband keeps the contract, halves as the paper's table says, and begins the next bracket while a rung is under way."""

import random
from collections import defaultdict

import pytest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.testing.algorithm_contract import AlgorithmContract

LABEL = "katib.kubeflow.org/halving-"
X = {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
PAPER = {  # Li et al. (2018), table 1: R = 81 and eta = 3, as pairs of configurations and resource
    0: [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    1: [(34, 3), (11, 9), (3, 27), (1, 81)],
    2: [(15, 9), (5, 27), (1, 81)],
    3: [(8, 27), (2, 81)],
    4: [(5, 81)],
}
ONE_ROUND = 206


def epochs(most):
    return {"name": "epochs", "parameterType": "int", "feasibleSpace": {"min": "1", "max": str(most)}}


def make(parameters=(X,), *, r_l=81, seed=1, maximize=False, **stated):
    stated = {"r_l": str(r_l), "resource_name": "epochs", **stated}
    kind = type("Suite", (AlgorithmContract,), {"algorithm": "hyperband", "settings": stated})
    return kind().make([*parameters, epochs(r_l)], seed=seed, maximize=maximize)


def play(algorithm, trials, *, parallel=1, failing=0.0, seed=1, synchronous=False):
    """Run trials, which end in random order, or all of them before more are asked for."""
    history, running, rng = History(), [], random.Random(seed)
    while len(history) < trials or running:
        if len(history) < trials and not (synchronous and running):
            running += AlgorithmContract.issue(history, suggest(algorithm, history, parallel - len(running)))
        trial = running.pop(rng.randrange(len(running)))
        if rng.random() < failing:
            AlgorithmContract.finish(history, trial, TrialState.FAILED, None)
        else:
            AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, trial.point["x"])
    return history


def rungs_of(history):
    """Trials by bracket and rung."""
    found = defaultdict(lambda: defaultdict(list))
    for trial in history:
        found[int(trial.labels[LABEL + "bracket"])][int(trial.labels[LABEL + "rung"])].append(trial)
    return found


def shape(rungs):
    return [(len(trials), trials[0].point["epochs"]) for _, trials in sorted(rungs.items())]


def ids(trials):
    return {trial.labels[LABEL + "configuration"] for trial in trials}


class TestHyperband(AlgorithmContract):
    algorithm = "hyperband"
    settings = {"r_l": "4", "eta": "2", "resource_name": "epochs"}
    bad_settings = {"no_such_setting": "1", "eta": "0.5", "random_state": "-1", "brackets": "4"}
    always = [epochs(4)]
    exhaustive = False


@pytest.mark.parametrize("parallel", [1, 4, 8, 9, 27])
def test_brackets_are_those_of_the_papers_table(parallel):
    brackets = rungs_of(play(make(), ONE_ROUND + 400, parallel=parallel))
    for number, expected in PAPER.items():
        assert shape(brackets[number]) == expected


def test_synchronous_run_does_one_rung_after_the_other():
    history = list(play(make(), ONE_ROUND))
    order = [(bracket, rung) for bracket in PAPER for rung, (size, _) in enumerate(PAPER[bracket]) for _ in range(size)]
    assert [(int(trial.labels[LABEL + "bracket"]), int(trial.labels[LABEL + "rung"])) for trial in history] == order
    assert sum(trial.point["epochs"] == 81 for trial in history) == 10


@pytest.mark.parametrize("parallel", [1, 4, 8, 9])
@pytest.mark.parametrize("failing", [0, 0.3])
@pytest.mark.parametrize("synchronous", [False, True])
def test_promoted_are_exactly_the_best(parallel, failing, synchronous):
    history = play(make(), ONE_ROUND + 100, parallel=parallel, failing=failing, synchronous=synchronous)
    brackets = rungs_of(history)
    for number, expected in PAPER.items():
        rungs = brackets[number]
        for rung in range(1, len(expected)):
            measured = sorted((trial for trial in rungs[rung - 1] if trial.is_measured), key=lambda trial: trial.values)
            size = expected[rung][0]
            if len(rungs[rung - 1]) < expected[rung - 1][0]:  # too few were left after failures
                size = min(size, max(len(rungs[rung - 1]) // 3, 1))
            assert ids(rungs[rung]) == ids(measured[:size])
    assert len(brackets[0][1]) == 27


def test_next_bracket_begins_while_a_rung_is_under_way():
    made, history = make(r_l=9), History()
    first = AlgorithmContract.issue(history, suggest(made, history, 9))
    padding = AlgorithmContract.issue(history, suggest(made, history, 6))
    assert {trial.labels[LABEL + "bracket"] for trial in padding[:5]} == {"1"}  # of 5 configurations
    assert {trial.labels[LABEL + "bracket"] for trial in padding[5:]} == {"2"}
    assert [trial.point["epochs"] for trial in padding] == [3] * 5 + [9]
    for trial in first:
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, trial.point["x"])
    points = suggest(made, history, 4)
    assert [point.labels[LABEL + "bracket"] for point in points] == ["0", "0", "0", "2"]
    assert [point["epochs"] for point in points[:3]] == [3, 3, 3]


def test_after_the_last_bracket_the_first_begins_again_with_new_configurations():
    history = play(make(r_l=9), 60)
    brackets = rungs_of(history)
    assert shape(brackets[0]) == shape(brackets[3]) == [(9, 1), (3, 3), (1, 9)]
    assert not {trial.point["x"] for trial in brackets[0][0]} & {trial.point["x"] for trial in brackets[3][0]}


def test_rung_in_which_all_failed_ends_its_bracket():
    made, history = make(r_l=9), History()
    for trial in AlgorithmContract.issue(history, suggest(made, history, 9)):
        AlgorithmContract.finish(history, trial, TrialState.FAILED, None)
    assert {point.labels[LABEL + "bracket"] for point in suggest(made, history, 3)} == {"1"}


def test_trial_that_vanished_from_the_history_is_made_up_for():
    """Katib's controller leaves trials without metrics out of its requests."""
    made, history, gone = make(r_l=9), History(), History()
    for trial in AlgorithmContract.issue(history, suggest(made, history, 9)):
        AlgorithmContract.finish(history, trial, TrialState.SUCCEEDED, trial.point["x"])
        if trial.index != 4:
            gone.record(history[trial.name])
    (point,) = suggest(made, gone, 1)
    assert (point.labels[LABEL + "bracket"], point.labels[LABEL + "rung"]) == ("0", "0")


def test_fewer_kinds_of_brackets_may_take_turns():
    brackets = rungs_of(play(make(r_l=9, brackets="1"), 39))
    assert [shape(brackets[number]) for number in range(3)] == [[(9, 1), (3, 3), (1, 9)]] * 3
    with pytest.raises(InvalidInput, match="brackets must be at most 3"):
        make(r_l=9, brackets="4")


@pytest.mark.parametrize("maximize", [False, True])
def test_best_is_what_the_objective_says(maximize):
    history = play(make(r_l=9, maximize=maximize), 13)
    (last,) = (trial for trial in history if trial.labels[LABEL + "rung"] == "2")
    values = [trial.point["x"] for trial in history]
    assert last.point["x"] == (max(values) if maximize else min(values))
