"""Random histories of experiments, and those that were found wrong by them, in a few words."""

import os

import pytest
from histories import Simulation
from world import condition, experiment, state, status, tell

from katib.kube.resource import JOBS
from katib.operator.kinds import EXPERIMENTS, TRIALS

SEEDS = int(os.environ.get("KATIB_HISTORIES", "9"))
"""How many; a thousand take a quarter of an hour."""
FIRST = int(os.environ.get("KATIB_FIRST_HISTORY", "0"))
STEPS = 300


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_whatever_happens_every_experiment_comes_to_its_end(monkeypatch, seed):
    history = Simulation(seed, monkeypatch, faults=0.03 if seed % 3 else 0.0)
    history.run(STEPS)
    tell(f"seed {seed}: {dict(history.counts)}")
    assert not history.problems, "\n".join(history.story[-400:])


@pytest.fixture
def calm(monkeypatch):
    """Nothing fails, and nothing comes between, but what the test says."""
    history = Simulation(0, monkeypatch, faults=0.0, interleaving=0.0)
    yield history
    assert not history.problems, "\n".join(history.story)


def create(history, *, fates="ok", **more):
    body = experiment(**more)
    body["spec"]["trialTemplate"]["trialSpec"]["metadata"]["annotations"] = {"sim/fates": fates}
    return history.as_user(lambda: history.user.create(EXPERIMENTS, body, "red"))


def edit(history, **spec):
    history.as_user(lambda: history.user.merge_patch(EXPERIMENTS, "search", {"spec": spec}, "red"))


def bring(history):
    """Let the watches bring all there is."""
    for watch in history.life.watches:
        while watch.pending():
            watch.bring()


def look(history):
    """Look at the experiment, with all news."""
    bring(history)
    history.life.parts.experiment_queue.add(("red", "search"))
    history.life.look("experiment")


def now(history):
    return history.cluster.objects["Experiment"]["red", "search"]


def test_trials_that_might_start_wait_when_fewer_may_run_at_a_time(calm):
    create(calm, parallel=4, trials=6)
    look(calm)
    calm.life.tasks.pop()()
    look(calm)
    assert len(calm.trials()) == 4
    edit(calm, parallelTrialCount=1)
    look(calm)
    bring(calm)
    for _ in range(8):
        calm.life.look("trial")
    assert len(calm.cluster.objects["Job"]) == 1
    calm.quiet()
    assert status(now(calm))["trialsSucceeded"] == 6


def test_points_that_come_after_the_budget_was_lowered_are_no_trials(calm):
    create(calm, parallel=4, trials=6)
    look(calm)
    edit(calm, maxTrialCount=2, parallelTrialCount=2)
    look(calm)
    calm.life.tasks.pop()()
    calm.quiet()
    assert [state(each) for each in calm.trials()] == ["Succeeded"] * 2
    assert state(now(calm)) == "Succeeded"


def test_a_given_result_counts_also_when_it_could_not_be_written_at_once(calm):
    given = {
        "parameterAssignments": [{"name": "lr", "value": "0.02"}],
        "metrics": [{"name": "loss", "value": "-1"}],
    }
    create(calm, trials=2, initialTrials=[given])
    calm.failing.append("apply trials")
    look(calm)
    [trial] = calm.trials()
    assert not state(trial), "it was made, and its status could not be written"
    calm.quiet()
    assert [state(each) for each in calm.trials()] == ["Succeeded"] * 3
    assert (status(now(calm))["trials"], status(now(calm))["trialsSucceeded"]) == (2, 2)
    assert status(now(calm))["currentOptimalTrial"]["bestTrialName"] == trial["metadata"]["name"]


def test_a_finished_experiment_does_not_begin_again_because_its_trials_are_deleted(calm):
    create(calm, trials=3, resumePolicy="LongRunning")
    calm.quiet()
    before = status(now(calm))
    for trial in calm.trials()[:2]:
        calm.as_user(lambda trial=trial: calm.user.delete(TRIALS, trial["metadata"]["name"], "red"))
    calm.quiet()
    assert len(calm.trials()) == 1
    assert status(now(calm)) == before, "what it has found is true"
    calm.raised[now(calm)["metadata"]["uid"]] = True
    edit(calm, maxTrialCount=4)
    calm.quiet()
    assert condition(now(calm))["reason"] == "ExperimentMaxTrialsReached"
    assert len(calm.trials()) == 4


def test_a_trial_that_has_failed_stays_so_when_no_answer_told_that_it_was_written(calm):
    create(calm, trials=1, parallel=1, fates="fail")
    look(calm)
    calm.life.tasks.pop()()
    look(calm)
    bring(calm)
    calm.life.look("trial")
    [trial], [job] = calm.trials(), calm.cluster.objects["Job"].values()
    failed = {"status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    name = trial["metadata"]["name"]
    calm.as_user(lambda: calm.user.merge_patch(JOBS, name, failed, "red", subresource="status"))
    bring(calm)
    calm.life.client.lose = True
    calm.life.look("trial")
    calm.as_user(lambda: calm.user.delete(JOBS, job["metadata"]["name"], "red"))
    for watch in calm.life.watches:
        if watch._resource == JOBS:
            watch.relist()
    calm.life.look("trial")
    assert [state(each) for each in calm.trials()] == ["Failed"]
    calm.quiet()


def test_a_status_is_not_written_on_another_experiment_of_the_same_name(calm):
    create(calm, trials=3)
    look(calm)

    def replaced(_):
        calm.life.client._before = before
        calm.as_user(lambda: calm.user.delete(EXPERIMENTS, "search", "red"))
        create(calm, trials=2)

    calm.life.tasks.pop()()
    bring(calm)
    calm.life.parts.experiment_queue.add(("red", "search"))
    before, calm.life.client._before = calm.life.client._before, replaced
    calm.clock.passed += 5.0  # so that the status is to be written
    calm.life.look("experiment")
    assert not any(status(now(calm)).values()), "what is written was true of the old one"
    calm.quiet()
    assert [state(each) for each in calm.trials()] == ["Succeeded"] * 2
