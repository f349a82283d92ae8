"""The driver's conversation with an early stopper: by difference, for those with news, and never waiting."""

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from katib.algorithm.early_stopper import EarlyStopper
from katib.algorithm.problem import SearchProblem
from katib.api.defaults import with_defaults
from katib.api.experiment import Experiment
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.trial import TrialRecord
from katib.errors import StoreUnavailable
from katib.local.early_stopping import Watcher

NOW = datetime(2024, 5, 1, tzinfo=UTC)
RULE = EarlyStoppingRule(name="loss", value="1", comparison="greater")


class Noting(EarlyStopper, name="noting"):
    """Condemns every trial it is asked about and notes what it saw."""

    def __init__(self, problem, settings):
        super().__init__(problem, settings)
        self.asked = []
        self.curves = {}
        self.hold = None
        self.reports = {}

    def stored(self, name, metric):
        if name in self.reports and self.reports[name] is None:
            raise StoreUnavailable("locked")
        return self.reports.get(name, []) if metric == "loss" else []

    def rules(self, history, curves):
        self.curves = {name: list(curve) for name, curve in curves.items()}
        return [RULE] * len(history)

    def verdict(self, history, curves, trial_name):  # noqa: ARG002 - the base's signature
        if self.hold is not None:
            self.hold.wait()
        self.asked.append(trial_name)
        if curves[trial_name][-1] == 13:
            raise OSError("out of luck")
        return f"{trial_name} ends"


def record(index, state=TrialState.RUNNING, **fields):
    known = TrialRecord(
        index=index, name=f"t{index}", state=state, assignments=(("x", "0.5"),), created=NOW, started=NOW, attempt=1
    )
    return replace(known, **fields)


@pytest.fixture
def stopper():
    experiment = with_defaults(
        Experiment.model_validate(
            {
                "apiVersion": "kubeflow.org/v1beta1",
                "kind": "Experiment",
                "metadata": {"name": "tune"},
                "spec": {
                    "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
                    "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                    "algorithm": {"algorithmName": "random"},
                },
            }
        )
    )
    made = Noting(SearchProblem.from_experiment(experiment, 1), Noting.Settings())
    made.spec = experiment.spec
    return made


@pytest.fixture
def watcher(stopper):
    made = Watcher(stopper, stopper.spec, wake=lambda: None, stored=stopper.stored)
    yield made
    made.close()


def judged(watcher):
    """Ask, wait for the answer and return it."""
    watcher.ask()
    assert watcher.is_judging
    while (judgement := watcher.take()) is None:
        pass
    return judgement


def names(judgement):
    return [verdict.name for verdict in judgement.verdicts]


def test_only_running_trials_that_reported_something_new_are_looked_at(watcher, stopper):
    watcher.record([record(0), record(1), record(2, TrialState.CREATED)])
    watcher.report("t0", [1.0])
    judgement = judged(watcher)
    assert [(each.name, each.attempt, each.sentence) for each in judgement.verdicts] == [("t0", 1, "t0 ends")]
    assert watcher.rules == judgement.rules == (RULE,) * 3
    watcher.report("t1", [2.0])
    watcher.report("t1", [None])
    assert names(judged(watcher)) == ["t1"]
    assert stopper.curves["t0"] == [1.0]
    assert stopper.curves["t1"][0] == 2.0
    assert stopper.curves["t1"][1] != stopper.curves["t1"][1]  # a word is a report that is no number


def test_all_that_run_are_looked_at_when_one_has_ended(watcher):
    watcher.record([record(0), record(1), record(2)])
    watcher.report("t0", [1.0])
    watcher.report("t1", [1.0])
    judged(watcher)
    watcher.record([record(2, TrialState.SUCCEEDED)])
    assert names(judged(watcher)) == ["t0", "t1"]


def test_nothing_new_is_not_asked(watcher):
    watcher.ask()
    assert not watcher.is_judging
    watcher.record([record(0)])
    watcher.report("t0", [])
    watcher.ask()
    assert not watcher.is_judging
    assert watcher.take() is None


def test_curves_go_on_and_a_trial_that_is_run_again_begins_a_new_one(watcher, stopper):
    watcher.record([record(0), record(1)])
    watcher.report("t0", [1.0, 2.0])
    watcher.report("t1", [1.0])
    judged(watcher)
    watcher.report("t0", [3.0])
    watcher.report("t1", [2.0])
    watcher.forget("t1")
    watcher.report("t1", [5.0])
    watcher.record([record(1, attempt=2)])
    assert [(each.name, each.attempt) for each in judged(watcher).verdicts] == [("t0", 1), ("t1", 2)]
    assert stopper.curves == {"t0": [1.0, 2.0, 3.0], "t1": [5.0]}


def test_slow_stopper_is_not_waited_for_and_hears_everything_afterwards(watcher, stopper):
    stopper.hold = threading.Event()
    watcher.record([record(0)])
    watcher.report("t0", [1.0])
    watcher.ask()
    for value in range(100):
        watcher.report("t0", [float(value)])
        watcher.ask()
    assert watcher.take() is None
    stopper.hold.set()
    while watcher.take() is None:
        pass
    judged(watcher)
    assert stopper.curves["t0"] == [1.0, *map(float, range(100))]
    assert stopper.asked == ["t0", "t0"]


def test_stopper_that_raises_is_a_sentence_and_is_asked_again(watcher):
    watcher.record([record(0)])
    watcher.report("t0", [13.0])
    judgement = judged(watcher)
    assert judgement.error == "early stopper 'noting' failed, and stopped nothing: OSError: out of luck"
    assert "Traceback" in judgement.details
    watcher.report("t0", [1.0])
    assert names(judged(watcher)) == ["t0"]


def test_curves_of_trials_that_ended_before_are_read_once(watcher, stopper):
    stopper.reports = {"t0": [1.0, None], "t1": []}
    ended = [record(index, TrialState.SUCCEEDED) for index in range(3)]
    watcher.record([*ended, record(3)])
    for each in ended:
        watcher.recall(each.name)
    watcher.report("t3", [2.0])
    assert names(judged(watcher)) == ["t3"]
    assert stopper.curves.keys() == {"t0", "t3"}
    assert stopper.curves["t0"][0] == 1.0
    stopper.reports["t0"] = [7.0]
    watcher.report("t3", [3.0])
    judged(watcher)
    assert stopper.curves["t0"][0] == 1.0


def test_curve_that_cannot_be_read_now_is_read_next_time(watcher, stopper):
    stopper.reports = {"t0": [1.0], "t1": None, "t2": [2.0]}
    for index in range(3):
        watcher.record([record(index, TrialState.SUCCEEDED)])
        watcher.recall(f"t{index}")
    assert "locked" in judged(watcher).error
    stopper.reports["t1"] = [5.0]
    watcher.record([record(3)])
    watcher.report("t3", [2.0])
    assert judged(watcher).error == ""
    assert stopper.curves == {"t0": [1.0], "t1": [5.0], "t2": [2.0], "t3": [2.0]}


def test_nobody_is_woken_after_the_end(stopper):
    woken = []
    stopper.hold = threading.Event()
    watcher = Watcher(stopper, stopper.spec, wake=lambda: woken.append(1), stored=stopper.stored)
    watcher.record([record(0)])
    watcher.report("t0", [1.0])
    watcher.ask()
    watcher.close()
    stopper.hold.set()
    watcher._thread.join()
    assert stopper.asked == ["t0"]
    assert woken == []
