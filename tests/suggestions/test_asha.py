"""ASHA keeps the contract, promotes as soon as there is somebody to promote, and never waits."""

import random
from itertools import pairwise

import pytest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.testing.algorithm_contract import AlgorithmContract

LABEL = "katib.kubeflow.org/halving-"
X = {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}


def epochs(most):
    return {"name": "epochs", "parameterType": "int", "feasibleSpace": {"min": "1", "max": str(most)}}


def make(*, r_l=9, seed=1, **stated):
    stated = {"r_l": str(r_l), "resource_name": "epochs", **stated}
    kind = type("Suite", (AlgorithmContract,), {"algorithm": "asha", "settings": stated})
    return kind().make([X, epochs(r_l)], seed=seed)


class Run:
    def __init__(self, algorithm):
        self.algorithm, self.history = algorithm, History()

    def ask(self, count):
        return AlgorithmContract.issue(self.history, suggest(self.algorithm, self.history, count))

    def end(self, trial, value=None, state=TrialState.SUCCEEDED):
        AlgorithmContract.finish(self.history, trial, state, trial.point["x"] if value is None else value)


def rung(trial):
    return int(trial.labels[LABEL + "rung"])


class TestAsha(AlgorithmContract):
    algorithm = "asha"
    settings = {"r_l": "4", "eta": "2", "resource_name": "epochs"}
    bad_settings = {"no_such_setting": "1", "eta": "0.5", "random_state": "-1", "s": "-1"}
    always = [epochs(4)]
    exhaustive = False


def test_promotion_comes_with_the_third_result_and_to_the_best():
    run = Run(make())
    trials = run.ask(5)
    run.end(trials[0], 3.0)
    run.end(trials[3], 1.0)
    assert rung(run.ask(1)[0]) == 0
    run.end(trials[1], 2.0)
    promoted, new = run.ask(2)
    assert (promoted.labels[LABEL + "parent"], promoted.point["epochs"]) == ("t3", 3)
    assert (rung(new), new.point["epochs"]) == (0, 1)


def test_later_result_that_is_better_is_promoted_too():
    run = Run(make())
    trials = run.ask(6)
    for trial, value in zip(trials[:3], [3.0, 1.0, 2.0], strict=True):
        run.end(trial, value)
    assert run.ask(1)[0].labels[LABEL + "parent"] == "t1"
    for trial, value in zip(trials[3:], [0.5, 0.2, 9.0], strict=True):
        run.end(trial, value)
    # Two of six: those who are best now. The one promoted before is no longer among them.
    assert [trial.labels[LABEL + "parent"] for trial in run.ask(2)] == ["t4", "t3"]
    assert rung(run.ask(1)[0]) == 0


def test_highest_rung_comes_first():
    run = Run(make())
    for trial in run.ask(9):
        run.end(trial)
    middle = run.ask(3)
    assert [rung(trial) for trial in middle] == [1, 1, 1]
    for trial in middle:
        run.end(trial)
    for trial in run.ask(4)[1:]:
        run.end(trial, 0.0)
    top = [trial for trial in run.history if rung(trial) == 2]
    assert [trial.point["epochs"] for trial in top] == [9]
    assert top[0].point["x"] == min(trial.point["x"] for trial in middle)


def test_failures_count_as_results_and_are_never_promoted():
    run = Run(make())
    trials = run.ask(6)
    for trial in trials[:5]:
        run.end(trial, None, TrialState.FAILED)
    AlgorithmContract.finish(run.history, trials[0], TrialState.FAILED, None)
    run.end(trials[5], 7.0)
    points = run.ask(2)
    assert [rung(trial) for trial in points] == [1, 0]
    assert points[0].labels[LABEL + "parent"] == "t5"


def test_it_never_waits():
    run = Run(make())
    assert len(run.ask(100)) == 100
    assert len(run.ask(1)) == 1


@pytest.mark.parametrize("workers", [1, 4, 8, 9])
def test_rungs_shrink_by_eta_and_hold_the_best(workers):
    run, rng, running = Run(make(r_l=81)), random.Random(workers), []
    while len(run.history) < 400:
        running += run.ask(workers - len(running))
        run.end(running.pop(rng.randrange(len(running))))
    while any(rung(trial) for trial in run.ask(1)):
        pass  # what the last results have earned
    rungs = [[trial for trial in run.history if rung(trial) == level] for level in range(5)]
    for level, (lower, higher) in enumerate(pairwise(rungs)):
        ended = sorted((trial for trial in lower if trial.is_measured), key=lambda trial: trial.values)
        assert {trial.point["epochs"] for trial in higher} == {3 ** (level + 1)}
        assert {trial.point["x"] for trial in ended[: len(ended) // 3]} <= {trial.point["x"] for trial in higher}
        assert len(ended) // 3 <= len(higher) <= len(lower) * 0.6


@pytest.mark.parametrize(
    ("patience", "first"), [("1", [3, 3, 3]), ("2", [9, 9, 3]), ("3", [27, 9, 3]), ("9", [27, 9, 3])]
)
def test_patient_rung_promotes_nobody_before_enough_have_ended(patience, first):
    run, rng, running, found = Run(make(r_l=27, patience=patience)), random.Random(1), [], {}
    for _ in range(600):
        running += run.ask(1)
        for trial in running[-1:]:
            if rung(trial) and rung(trial) not in found:
                below = [each for each in run.history if rung(each) == rung(trial) - 1 and not each.state.is_active]
                found[rung(trial)] = len(below)
        if len(running) == 4:
            run.end(running.pop(rng.randrange(4)))
    assert [found[level] for level in (1, 2, 3)] == first


def test_patience_is_no_reason_to_end_with_nobody_fully_trained():
    kind = type("Suite", (AlgorithmContract,), {"algorithm": "asha"})
    kind.settings = {"r_l": "9", "resource_name": "epochs", "patience": "2"}
    few = {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "4"}}
    run = Run(kind().make([few, epochs(9)]))
    while trials := run.ask(2):
        for trial in trials:
            run.end(trial, float(trial.point["n"]))
    assert [trial.point["n"] for trial in run.history if trial.point["epochs"] == 9] == [1]


def test_lowest_rungs_may_be_left_out():
    run = Run(make(r_l=27, s="2"))
    trials = run.ask(3)
    assert {trial.point["epochs"] for trial in trials} == {9}
    for trial in trials:
        run.end(trial)
    assert run.ask(1)[0].point["epochs"] == 27
    with pytest.raises(InvalidInput, match="s must be at most 3"):
        make(r_l=27, s="4")
