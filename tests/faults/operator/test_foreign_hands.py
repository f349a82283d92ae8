"""What others do to the objects of an experiment while it runs: nothing of it wedges, and everything says what happened."""

from types import SimpleNamespace

import pytest
from world import condition, experiment, of_absent_kind, state, status, words

from katib.engine.naming import trial_name
from katib.errors import Conflict
from katib.kube.resource import JOBS
from katib.operator.kinds import EXPERIMENTS, SUGGESTIONS, TRIALS
from katib.operator.parts import Parts


def delete_trial(world, trial):
    world.client.delete(TRIALS, trial["metadata"]["name"], world.namespace)


def test_a_trial_that_is_deleted_while_it_runs_is_replaced(world, start):
    start(world)
    world.create(experiment(rule="seconds=1", trials=4))
    first = world.until(lambda: [t for t in world.trials() if state(t) == "Running"], what="one runs")[0]
    delete_trial(world, first)
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert world.states() == ["Succeeded"] * 4
    assert first["metadata"]["name"] not in [each["metadata"]["name"] for each in world.trials()]
    assert status(ended)["trialsSucceeded"] == 4
    assert world.events("TrialDeleted")
    assert world.most["search"] <= 3, "the job of what was deleted is taken away by the cluster, in its own time"


def test_a_trial_that_is_deleted_before_it_starts_is_replaced(world, start):
    """It waits, as its kind is not there; deleting it is what an impatient person does."""
    start(world)
    world.create(of_absent_kind(trials=2, parallel=1))
    first = world.until(world.trials, what="there is a trial")[0]
    assert state(first) in ("", "Created")
    delete_trial(world, first)
    second = world.until(
        lambda: [t for t in world.trials() if t["metadata"]["name"] != first["metadata"]["name"]], what="another one"
    )
    assert len(second) == 1


def test_a_trial_that_is_deleted_after_its_end_is_made_up_for(world, start):
    start(world)
    world.create(experiment(rule="seconds=0.7", trials=5, parallel=1))
    first = world.until(lambda: [t for t in world.trials() if state(t) == "Succeeded"], what="one has ended")[0]
    delete_trial(world, first)
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert world.states() == ["Succeeded"] * 5
    assert status(ended)["currentOptimalTrial"]["bestTrialName"] in [t["metadata"]["name"] for t in world.trials()]


def test_trials_of_a_finished_experiment_may_be_deleted(world, start):
    start(world)
    world.create(experiment(trials=3))
    world.ended()
    delete_trial(world, world.trials()[0])
    world.until(lambda: len(world.trials()) == 2, what="it is gone")
    again = start(world)  # what a new operator sees is only what is left
    world.until(lambda: again.actions > 0, what="the new one has begun")
    world.create(experiment("other", trials=2))
    world.ended("other")
    assert state(world.get()) == "Succeeded"
    assert len(world.trials()) == 2


def test_a_job_that_is_deleted_ends_its_trial_with_the_reason(world, start):
    start(world)
    world.create(experiment(rule="end=never reports=0", trials=2, parallel=1, maxFailedTrialCount=1))
    job = world.until(world.jobs, what="there is a job")[0]
    world.client.delete(JOBS, job["metadata"]["name"], world.namespace)
    killed = world.reason_is("JobDeleted")
    assert state(killed) == "Killed"
    assert killed["metadata"]["name"] == job["metadata"]["name"]
    second = world.until(world.jobs, what="the next one runs")[0]
    assert second["metadata"]["name"] != job["metadata"]["name"]


def foreign_job(name):
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"suspend": True, "template": {"spec": pod}},
    }


def test_a_foreign_job_of_the_same_name_is_left_alone_and_fails_the_trial(world, start):
    made = world.create(experiment(trials=2, parallel=1, maxFailedTrialCount=2))
    taken = trial_name("search", made["metadata"]["uid"], 0)
    foreign = world.client.create(JOBS, foreign_job(taken), world.namespace)
    start(world)
    failed = world.reason_is("JobNameTaken")
    assert failed["metadata"]["name"] == taken
    ended = world.ended()
    assert world.client.get(JOBS, taken, world.namespace)["metadata"]["uid"] == foreign["metadata"]["uid"]
    assert status(ended)["trialsFailed"] == 1


def test_a_foreign_trial_of_the_same_name_is_said_and_waited_for(world, start):
    made = world.create(experiment(trials=2, parallel=1))
    taken = trial_name("search", made["metadata"]["uid"], 0)
    body = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Trial",
        "metadata": {"name": taken},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "parameterAssignments": [],
            "runSpec": foreign_job("x"),
        },
    }
    world.client.create(TRIALS, body, world.namespace)
    start(world)
    event = world.until(lambda: world.events("ReconcileError"), what="it is said")[0]
    assert taken in words(event)
    assert "belongs to something else" in words(event)
    world.client.delete(TRIALS, taken, world.namespace)
    assert state(world.ended(seconds=90)) == "Succeeded"


def test_a_suggestion_that_is_deleted_comes_again(world, start):
    start(world)
    world.create(experiment(rule="seconds=1.5", trials=3, parallel=1))
    first = world.until(lambda: world.find(resource=SUGGESTIONS), what="there is a Suggestion")
    world.client.delete(SUGGESTIONS, "search", world.namespace)
    again = world.until(
        lambda: (
            (found := world.find(resource=SUGGESTIONS))
            and found["metadata"]["uid"] != first["metadata"]["uid"]
            and found
        ),
        what="another one",
    )
    assert again["metadata"]["ownerReferences"][0]["kind"] == "Experiment"
    ended = world.ended()
    assert state(ended) == "Succeeded"
    assert len(world.trials()) == 3


PHASES = {
    "at once": lambda _world: True,
    "with a job": lambda world: world.jobs(),
    "while a trial is stopped": lambda world: any(
        "katib.kubeflow.org/stopping" in (t["metadata"].get("annotations") or {}) for t in world.trials()
    ),
    "after its end": lambda world: state(world.get()) == "Succeeded",
}


@pytest.mark.parametrize("phase", PHASES)
def test_an_experiment_that_is_deleted_takes_everything_along(world, start, phase):
    start(world)
    rule = "seconds=0.2" if phase == "after its end" else "end=never"
    world.create(experiment(rule=rule, trials=4))
    if phase == "while a trial is stopped":
        world.until(world.jobs, what="there is a job")
        world.annotate(stop="true")
    world.until(lambda: PHASES[phase](world), what=phase)
    world.delete()
    world.until(world.is_empty, what="all is gone")


def test_an_experiment_is_deleted_also_without_a_store_and_a_suggestion_server(
    world, start, store_relay, suggestion_relay
):
    start(world, store_address=store_relay.address, suggestion_address=suggestion_relay.address)
    world.create(experiment(rule="end=never", trials=4))
    world.until(world.jobs, what="there is a job")
    store_relay.go_away()
    suggestion_relay.go_away()
    world.delete()
    world.until(world.is_empty, what="all is gone")


def test_an_operator_that_was_down_finds_an_experiment_deleted_and_another_of_its_name(world, start):
    first = start(world)
    old = world.create(experiment(rule="end=never", trials=4))
    world.until(world.jobs, what="there is a job")
    first.kill()
    world.delete()
    world.until(lambda: world.find() is None, what="it is gone")
    new = world.create(experiment(trials=3))
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    start(world)
    assert state(world.ended()) == "Succeeded"
    world.until(lambda: len(world.trials()) == 3, what="only the new one's trials are left")
    owners = {trial["metadata"]["ownerReferences"][0]["uid"] for trial in world.trials()}
    assert owners == {new["metadata"]["uid"]}


def test_an_operator_that_was_down_finds_an_experiment_edited(world, start):
    first = start(world)
    world.create(experiment(rule="seconds=0.5", trials=3, parallel=1))
    world.until(world.jobs, what="there is a job")
    first.kill()
    world.edit(maxTrialCount=5)
    start(world)
    world.ended()
    assert world.states() == ["Succeeded"] * 5


def test_equal_names_in_two_namespaces_never_meet(world, start, client):
    from world import World

    with World(client, "twin") as twin:
        start(world, namespace=None)  # of the whole cluster
        world.create(experiment(trials=4, rule="seconds=0.3 value=1"))
        twin.create(experiment(trials=3, rule="seconds=0.3 value=2"))
        assert state(world.ended()) == state(twin.ended()) == "Succeeded"
        for one, count, value in ((world, 4, 1.0), (twin, 3, 2.0)):
            assert one.states() == ["Succeeded"] * count
            found = {float(status(t)["observation"]["metrics"][0]["latest"]) for t in one.trials()}
            assert found == {value}
        twin.delete()
        twin.until(twin.is_empty, what="all is gone")
        assert len(world.trials()) == 4


def test_what_the_user_writes_into_an_experiment_stays(world, start):
    start(world)
    world.create(experiment(trials=3, rule="seconds=0.5"))
    patch = {"metadata": {"labels": {"team": "blue"}, "annotations": {"note": "mine"}}}
    world.client.merge_patch(EXPERIMENTS, "search", patch, world.namespace)
    ended = world.ended()
    assert ended["metadata"]["labels"]["team"] == "blue"
    assert ended["metadata"]["annotations"]["note"] == "mine"
    assert condition(ended)["type"] == "Succeeded"


def test_a_status_does_not_stay_on_another_experiment_of_the_same_name(world):
    made = world.create(experiment())
    parts = SimpleNamespace(client=world.client)
    key, late = (world.namespace, "search"), {"trials": 7, "conditions": [{"type": "Succeeded", "status": "True"}]}
    with pytest.raises(Conflict):
        Parts.write_status(parts, EXPERIMENTS, key, late, uid="00000000-0000-4000-8000-000000000000")
    assert not any(status(world.get()).values())
    Parts.write_status(parts, EXPERIMENTS, key, {"trials": 7}, uid=made["metadata"]["uid"])
    assert status(world.get())["trials"] == 7


def test_marks_that_are_taken_from_a_trial_are_put_back_and_its_job_is_followed(world, start):
    start(world)
    world.create(experiment(rule="seconds=2", trials=2, parallel=2))
    world.until(lambda: world.states() == ["Running"] * 2, what="both run")
    first, second = world.trials()
    name, other = first["metadata"]["name"], second["metadata"]["name"]
    nothing = {"metadata": {"labels": None, "annotations": None, "ownerReferences": None}}
    world.client.merge_patch(TRIALS, name, nothing, world.namespace)
    world.client.merge_patch(JOBS, other, {"metadata": {"ownerReferences": None}}, world.namespace)
    marks = ("labels", "annotations", "ownerReferences")
    world.until(
        lambda: all(world.get(name, TRIALS)["metadata"].get(each) == first["metadata"][each] for each in marks),
        what="they are back",
    )
    world.ended()
    assert world.states() == ["Succeeded"] * 2
    assert [each["metadata"]["name"] for each in world.trials()] == [name, other]
    assert not world.events("TrialDeleted")
    world.until(lambda: not world.jobs(), what="the jobs are taken away")
