"""Random histories of experiments, and those that were found wrong by them, in a few words."""

import os

import pytest
from histories import Simulation
from world import condition, experiment, state, status, tell

from katib.kube.resource import JOBS
from katib.operator.kinds import EXPERIMENTS, SUGGESTIONS, TRIALS

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


def test_a_trial_that_has_half_started_keeps_its_place_when_fewer_may_run(calm):
    create(calm, parallel=2, trials=4, fates="never")
    look(calm)
    calm.life.tasks.pop()()
    look(calm)
    second = calm.trials()[1]["metadata"]["name"]
    bring(calm)
    calm.life.parts.trial_queue.get(timeout=0)  # the first is being looked at, by another worker
    calm.failing.append("apply trials")
    calm.life.look("trial")
    assert [name for _, name in calm.cluster.objects["Job"]] == [second]
    assert not state(calm.trials()[1]), "its job is there, and its status could not be written"
    edit(calm, parallelTrialCount=1)
    look(calm)
    calm.life.parts.trial_queue.done(("red", calm.trials()[0]["metadata"]["name"]))
    calm.quiet()
    assert [state(each) or "Created" for each in calm.trials()] == ["Created", "Running"]
    assert len(calm.cluster.objects["Job"]) == 1


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


def begin(history, **more):
    """Create an experiment, and let its first trials run."""
    create(history, **more)
    look(history)
    while history.life.tasks:
        history.life.tasks.pop()()
    look(history)
    bring(history)
    while len(history.life.parts.trial_queue):
        history.life.look("trial")


def marks(trial):
    metadata = trial["metadata"]
    return metadata.get("labels"), metadata.get("annotations"), metadata.get("ownerReferences")


def take_all(history, trial):
    patch = {"metadata": {"labels": None, "annotations": None, "ownerReferences": None}}
    history.as_user(lambda: history.user.merge_patch(TRIALS, trial["metadata"]["name"], patch, "red"))


@pytest.mark.parametrize("restarts", [False, True])
def test_a_trial_is_followed_whatever_marks_are_taken_from_it(calm, restarts):
    create(calm, trials=4, parallel=2, fates="never")
    calm.quiet()
    before = {each["metadata"]["name"]: marks(each) for each in calm.trials()}
    assert len(before) == 2
    for trial in calm.trials():
        take_all(calm, trial)
    calm.life.dead = restarts
    writes = calm.cluster.writes
    calm.quiet()
    assert {each["metadata"]["name"]: marks(each) for each in calm.trials()} == before
    assert calm.cluster.writes - writes == 2, "one for each"
    assert [state(each) for each in calm.trials()] == ["Running"] * 2
    assert not [each for each in calm.events if each[2] == "TrialDeleted"]
    assert len(calm.cluster.objects["Job"]) == 2


def test_a_trial_without_marks_is_taken_by_no_other_experiment(calm):
    begin(calm, trials=2, parallel=2, fates="never")
    trial = calm.trials()[0]
    patch = {"metadata": {"labels": None, "ownerReferences": None}}
    calm.life.dead = True
    calm.as_user(lambda: calm.user.merge_patch(TRIALS, trial["metadata"]["name"], patch, "red"))
    calm.as_user(lambda: calm.user.create(EXPERIMENTS, experiment("search-too", trials=2), "red"))
    calm.quiet()
    assert marks(calm.trials(now(calm))[0]) == marks(trial)
    assert status(calm.cluster.objects["Experiment"]["red", "search-too"])["trials"] == 2


def test_a_trial_of_a_finished_experiment_gets_its_marks_back(calm):
    create(calm, trials=2)
    calm.quiet()
    trial = calm.trials()[0]
    take_all(calm, trial)
    calm.quiet()
    assert marks(calm.trials()[0]) == marks(trial)
    assert status(now(calm))["trialsSucceeded"] == 2


def test_an_index_that_somebody_edits_is_put_right(calm):
    begin(calm, trials=3, parallel=2)
    first, second = calm.trials()
    patch = {"metadata": {"annotations": {"katib.kubeflow.org/trial-index": "1"}}}
    calm.as_user(lambda: calm.user.merge_patch(TRIALS, first["metadata"]["name"], patch, "red"))
    calm.quiet()
    assert [marks(each) for each in calm.trials()[:2]] == [marks(first), marks(second)]
    assert [state(each) for each in calm.trials()] == ["Succeeded"] * 3


@pytest.mark.parametrize("taken", [{"ownerReferences": None}, {"labels": None}])
def test_a_job_is_followed_also_without_its_owner_or_its_labels(calm, taken):
    begin(calm, trials=2, parallel=2)
    for name in [name for _, name in calm.cluster.objects["Job"]]:
        calm.as_user(lambda name=name: calm.user.merge_patch(JOBS, name, {"metadata": taken}, "red"))
    calm.quiet()
    assert [state(each) for each in calm.trials()] == ["Succeeded"] * 2
    assert not calm.cluster.objects["Job"], "they are taken away as any other"


def test_a_budget_below_the_given_points_ends_an_experiment_that_runs(calm):
    points = [{"parameterAssignments": [{"name": "lr", "value": each}]} for each in ("0.02", "0.03", "0.05")]
    begin(calm, trials=4, parallel=1, initialTrials=points)
    edit(calm, maxTrialCount=1)
    calm.quiet()
    assert (state(now(calm)), condition(now(calm))["reason"]) == ("Succeeded", "ExperimentMaxTrialsReached")
    assert [state(each) for each in calm.trials()] == ["Succeeded"]


def test_an_experiment_that_begins_with_more_given_points_than_trials_is_refused(calm):
    points = [{"parameterAssignments": [{"name": "lr", "value": each}]} for each in ("0.02", "0.03", "0.05")]
    create(calm, trials=2, initialTrials=points)
    calm.quiet()
    assert condition(now(calm))["reason"] == "InvalidExperiment"
    assert not calm.trials()


@pytest.mark.parametrize("more", [{}, {"fates": "fail", "maxFailedTrialCount": 1}])
def test_a_new_operator_writes_nothing_of_what_is_finished(calm, more):
    create(calm, trials=3, **more)
    calm.quiet()
    writes = calm.cluster.writes
    calm.life.dead = True
    calm.quiet()
    assert calm.cluster.writes == writes


def test_a_suggestion_server_that_is_back_is_not_waited_for(calm):
    begin(calm, trials=4, parallel=2, fates="never")
    edit(calm, parallelTrialCount=3)
    calm.suggestions_down = True
    look(calm)
    calm.life.tasks.pop()()
    calm.clock.passed += 6.0
    look(calm)
    assert "suggestion server is away" in condition(now(calm))["message"]
    edit(calm, parallelTrialCount=2)  # there is no further request
    calm.quiet()
    assert condition(now(calm))["message"] == "Experiment is running"
    [suggestion] = calm.cluster.objects["Suggestion"].values()
    assert condition(suggestion)["message"] == "Suggestion is running"


def test_no_name_is_given_twice_though_all_that_counted_it_is_deleted(calm):
    create(calm, trials=3, parallel=1, resumePolicy="LongRunning")
    calm.quiet()
    names = [each["metadata"]["name"] for each in calm.trials()]
    calm.as_user(lambda: calm.user.delete(SUGGESTIONS, "search", "red"))
    calm.as_user(lambda: calm.user.delete(TRIALS, names[-1], "red"))
    calm.quiet()
    calm.raised[now(calm)["metadata"]["uid"]] = True
    edit(calm, maxTrialCount=4)
    calm.quiet()
    assert state(now(calm)) == "Succeeded"
    new = {each["metadata"]["name"] for each in calm.trials()} - set(names)
    assert len(new) == 2
    assert len(calm.trials()) == 4


def test_a_given_point_that_is_deleted_runs_again_when_its_old_job_is_gone(calm):
    points = [{"parameterAssignments": [{"name": "lr", "value": "0.02"}]}]
    begin(calm, trials=1, parallel=1, initialTrials=points, fates="never")
    [trial], [job] = calm.trials(), list(calm.cluster.objects["Job"].values())
    calm.as_user(lambda: calm.user.delete(TRIALS, trial["metadata"]["name"], "red"))
    look(calm)  # before the garbage collector
    bring(calm)
    while len(calm.life.parts.trial_queue):
        calm.life.look("trial")
    [again] = calm.trials()
    assert again["metadata"]["name"] == trial["metadata"]["name"]
    assert state(again) != "Failed"
    calm.quiet()
    [new] = calm.cluster.objects["Job"].values()
    assert new["metadata"]["uid"] != job["metadata"]["uid"]
    assert state(calm.trials()[0]) == "Running"
