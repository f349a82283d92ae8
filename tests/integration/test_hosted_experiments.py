"""Experiments of this machine outlive whoever drives them: let go, killed, restarted, or driven by somebody else meanwhile."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from katib.api.trial import TrialState
from katib.client.views.progress import progress_view
from katib.client.waiting import wait_for as wait_until
from katib.errors import Conflict, DeadlineExceeded, InvalidInput, NotFound, StoreUnavailable, Unsupported
from katib.experiments.over import DELETING
from katib.experiments.protocol import Budget, ExperimentQuery, Measurement, Outcome
from katib.local import experiments as local_experiments
from katib.local import hosted_drivers, hosted_requests
from katib.local.driver import Driver
from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.local.runtime import of_cluster
from katib.local.stopping import stop
from katib.local.submit import check, resume, submit
from katib.store import open_store
from katib.store.tracking.records import Node, NodeKind
from katib.testing.experiments_contract import ExperimentsPlace, eventually, state_of

# Hosts what there is, or drives one experiment as `katib run` does; says when it has begun, and goes on until it is killed.
HOST = """
import sys, time
from pathlib import Path
from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.store import open_store
home = Home(Path(sys.argv[1]))
with open_store(home.store_path) as store, LocalExperiments(home, store) as experiments:
    for path in sys.argv[2:]:
        experiments.create("default", Path(path).read_text())
    experiments.recover()
    print("ready", flush=True)
    time.sleep(600)
"""
DRIVE = """
import sys
from pathlib import Path
from katib.local.driver import Driver
from katib.local.home import Home
from katib.local.submit import check, submit
from katib.store import open_store
home = Home(Path(sys.argv[1]))
with open_store(home.store_path) as store:
    [experiment] = check(Path(sys.argv[2]).read_text(), namespace="default")
    experiment = submit(home, store, experiment)
    print("ready", flush=True)
    Driver(home, store, experiment).run()
"""


class Place(ExperimentsPlace):
    """What the contract's tests use, for these."""


place = Place()
document, running, wait_for = place.document, place.running, place.wait_for


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(local_experiments, "_KEEP_SECONDS", 0.1)
    monkeypatch.setattr(hosted_drivers, "_OTHERS_PAUSE", 0.1)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def store(home):
    with open_store(home.store_path) as store:
        yield store


@pytest.fixture
def host(home, store):
    """Give places of experiments over one store, each closed at last; nothing of them runs on after the test."""
    made = []

    def make():
        made.append(LocalExperiments(home, store))
        return made[-1]

    yield make
    for experiments in made:
        experiments.close()
    with LocalExperiments(home, store) as last:
        for each in last.find(None, ExperimentQuery(limit=1000)).experiments:
            last.delete(each.metadata.namespace, each.metadata.name)


@pytest.fixture
def other_process(home, tmp_path):
    started = []

    def start(script, *documents):
        paths = []
        for index, text in enumerate(documents):
            paths.append(tmp_path / f"{index}.json")
            paths[-1].write_text(text)
        command = [sys.executable, "-c", script, str(home.path), *map(str, paths)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def only_trial(experiments, name="search"):
    [trial] = experiments.trials("default", name)
    return trial


def runs_of(home, store, name, trial):
    """The process id of a trial's supervisor: the same one, if it is the same run."""
    uid = store.experiment("default", name).metadata.uid
    return (home.trial_folder(uid, trial) / "supervisor.lock").read_text()


# -- letting go and taking over ------------------------------------------------------------------------------------------


def test_closed_it_lets_trials_run_and_the_next_one_takes_them_over(host, home, store):
    first = host()
    first.create("default", document(behaviour="long", trials=2))
    running(first, "search", 2)
    before = first.trials("default", "search")
    processes = [runs_of(home, store, "search", trial.name) for trial in before]
    first.close()
    assert not home.is_driven(store.experiment("default", "search").metadata.uid)
    with pytest.raises(StoreUnavailable, match="closed"):
        first.create("default", document("another"))
    second = host()
    second.recover()
    eventually(lambda: home.is_driven(store.experiment("default", "search").metadata.uid), "it is driven again")
    second.edit_budget("default", "search", Budget(max_trial_count=3, parallel_trial_count=3))
    running(second, "search", 3)
    after = second.trials("default", "search")
    assert [(trial.name, trial.attempt) for trial in after[:2]] == [(trial.name, trial.attempt) for trial in before]
    assert [runs_of(home, store, "search", trial.name) for trial in before] == processes


def test_killed_its_experiments_are_taken_over_by_the_next_one(host, other_process):
    killed = other_process(HOST, document(behaviour="long", trials=2), document("quick", trials=6))
    experiments = host()
    running(experiments, "search", 2)
    before = experiments.trials("default", "search")
    killed.kill()
    killed.wait()
    experiments.recover()
    done = wait_for(experiments, "quick", "Succeeded")
    assert done.status.trials_succeeded == 6
    assert all(
        len(experiments.observations("default", "quick", trial.name)) == 1
        for trial in experiments.trials("default", "quick")
    )
    running(experiments, "search", 2)
    after = experiments.trials("default", "search")
    assert [(trial.name, trial.attempt) for trial in after] == [(trial.name, trial.attempt) for trial in before]


def test_an_experiment_of_another_process_is_left_to_it_until_that_is_gone(host, home, store, other_process):
    run = other_process(DRIVE, document(behaviour="long", trials=3, parallel=1))
    experiments = host()
    experiments.recover()
    running(experiments, "search", 1)
    # What is asked here is heeded there.
    experiments.edit_budget("default", "search", Budget(parallel_trial_count=2))
    running(experiments, "search", 2)
    before = experiments.trials("default", "search")
    run.kill()
    run.wait()
    uid = store.experiment("default", "search").metadata.uid
    eventually(lambda: home.is_driven(uid), "it is taken over")
    experiments.edit_budget("default", "search", Budget(parallel_trial_count=3))
    running(experiments, "search", 3)
    assert experiments.trials("default", "search")[:2] == before


def test_the_run_of_another_process_can_be_stopped_and_resumed_here(host, other_process):
    run = other_process(DRIVE, document(behaviour="long", trials=1))
    experiments = host()
    running(experiments, "search", 1)
    experiments.stop("default", "search")
    wait_for(experiments, "search", "Stopped")
    run.wait()
    experiments.resume("default", "search")
    running(experiments, "search", 1)
    assert only_trial(experiments).attempt == 2


def test_a_deletion_ends_the_run_of_another_process(host, other_process):
    run = other_process(DRIVE, document(behaviour="long", trials=1))
    experiments = host()
    running(experiments, "search", 1)
    experiments.delete("default", "search", purge=True)
    assert run.wait(30) == 0
    with pytest.raises(NotFound):
        experiments.get("default", "search")


def test_a_stop_that_nobody_has_heeded_yet_is_heeded_after_a_restart(host, store):
    first = host()
    first.create("default", document(behaviour="long", trials=1))
    running(first, "search", 1)
    first.close()
    # As if the process had been killed between its answer and the driver's next look.
    store.request(store.experiment("default", "search").metadata.uid, "stop")
    second = host()
    second.recover()
    wait_for(second, "search", "Stopped")
    assert only_trial(second).state is TrialState.KILLED


def test_an_experiment_recorded_but_never_driven_begins(host, home, store):
    [checked] = check(document(trials=1), namespace="default")
    submit(home, store, hosted_requests.noted(checked, home, "", ""))
    experiments = host()
    experiments.recover()
    wait_for(experiments, "search", "Succeeded")


def test_what_wound_up_when_its_driver_died_is_ended(host, store):
    """It is over already, but its trials run."""
    experiments = host()
    experiments.create("default", document(behaviour="long", trials=1))
    running(experiments, "search", 1)
    experiments.close()
    found = store.experiment("default", "search")
    conditions = [*found.status.conditions]
    conditions[-1] = conditions[-1].model_copy(update={"type": "Stopped", "reason": "ExperimentStopped"})
    store.save_status(found.metadata.uid, found.status.model_copy(update={"conditions": conditions}))
    again = host()
    again.recover()
    eventually(lambda: only_trial(again).state is TrialState.KILLED, "the trial is ended")


def test_experiments_of_a_cluster_are_left_to_it(host, home, store):
    [checked] = check(document(trials=1), namespace="default")
    made = submit(home, store, of_cluster(checked))
    experiments = host()
    experiments._take_over({made.metadata.uid}, at_once=True)
    assert not experiments._is_hosted(made.metadata.uid)
    for call in (
        lambda: experiments.stop("default", "search"),
        lambda: experiments.resume("default", "search"),
        lambda: experiments.edit_budget("default", "search", Budget(max_trial_count=3)),
        lambda: experiments.delete("default", "search"),
    ):
        with pytest.raises(Conflict, match="cluster"):
            call()
    assert experiments.get("default", "search").metadata.uid == made.metadata.uid
    store.delete_experiment(made.metadata.uid)


def test_experiments_of_another_machine_with_the_same_store_are_left_to_it(host, store, monkeypatch):
    monkeypatch.setattr(local_experiments, "_POLITE_SECONDS", 0.1)
    monkeypatch.setattr(local_experiments, "_KILL_SECONDS", 0.1)
    [checked] = check(document(trials=1), namespace="default")
    made = submit(home, store, hosted_requests.noted(checked, Home(Path("/elsewhere")), "", ""))
    experiments = host()
    experiments._take_over({made.metadata.uid}, at_once=True)
    assert not experiments._is_hosted(made.metadata.uid)
    experiments.stop("default", "search")
    assert not experiments._is_hosted(made.metadata.uid)
    assert store.requests(made.metadata.uid) == ["stop"]  # which is heard there
    with pytest.raises(DeadlineExceeded, match="another machine"):
        experiments.delete("default", "search")
    store.delete_experiment(made.metadata.uid)


# -- faults ------------------------------------------------------------------------------------------------------------


def test_an_experiment_whose_folder_is_removed_says_so_and_goes_on(host, home, store):
    experiments = host()
    experiments.create("default", document("other", "long", trials=1))
    experiments.create("default", document(behaviour="long", trials=1))
    running(experiments, "search", 1)
    running(experiments, "other", 1)
    other = only_trial(experiments, "other")
    shutil.rmtree(home.experiment_folder(store.experiment("default", "search").metadata.uid))
    eventually(
        lambda: any(event.reason == "RunnerFailed" for event in experiments.events("default", "search")), "it is said"
    )
    eventually(lambda: only_trial(experiments).attempt == 2, "the trial is run again")
    running(experiments, "search", 1)
    assert state_of(experiments.get("default", "search")) == "Running"
    assert only_trial(experiments, "other") == other


def test_an_experiment_that_cannot_be_driven_says_why_and_is_tried_again(host, monkeypatch):
    """A runtime that is not there any more; the others are not concerned, and it can be deleted."""
    real = hosted_drivers.Driver
    broken = {"broken"}

    def made(home, store, experiment, **options):
        if experiment.metadata.name in broken:
            raise Unsupported("docker is not installed")
        return real(home, store, experiment, **options)

    monkeypatch.setattr(hosted_drivers, "Driver", made)
    monkeypatch.setattr(hosted_drivers, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(hosted_drivers, "_LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(local_experiments, "_POLITE_SECONDS", 0.1)
    monkeypatch.setattr(local_experiments, "_KILL_SECONDS", 0.1)
    experiments = host()
    experiments.create("default", document("broken", trials=1))
    experiments.create("default", document(trials=1))
    wait_for(experiments, "search", "Succeeded")
    told = wait_for(experiments, "broken", "Restarting").status.conditions[-1]
    assert told.reason == "Unsupported"
    assert "docker is not installed" in told.message
    event = [event for event in experiments.events("default", "broken") if event.reason == "Unsupported"]
    assert event[0].kind == "Warning"
    broken.clear()
    done = wait_for(experiments, "broken", "Succeeded")
    assert "Restarting" not in [condition.type for condition in done.status.conditions]
    broken.add("again")
    experiments.create("default", document("again", trials=1))
    wait_for(experiments, "again", "Restarting")
    experiments.delete("default", "again")
    with pytest.raises(NotFound):
        experiments.get("default", "again")


def test_a_fault_in_a_driver_is_told_and_does_not_stop_it(host, monkeypatch):
    faults = iter([ZeroDivisionError("a defect"), StoreUnavailable("the disk is full")])
    real = Driver.run

    def run(driver):
        for fault in faults:
            raise fault
        return real(driver)

    monkeypatch.setattr(Driver, "run", run)
    monkeypatch.setattr(hosted_drivers, "_FIRST_PAUSE", 0.02)
    experiments = host()
    experiments.create("default", document(trials=1))
    wait_for(experiments, "search", "Succeeded")
    assert any("ZeroDivisionError" in event.message for event in experiments.events("default", "search"))


# -- edits that meet the driver at a bad moment --------------------------------------------------------------------------


def test_no_edit_is_lost_at_the_end_of_an_experiment(host):
    """Whether it comes before or after the last trial's end, the greater budget is used up."""
    experiments = host()
    experiments.create("default", document(trials=1, parallel=1))
    for trials in range(2, 16):
        experiments.edit_budget("default", "search", Budget(max_trial_count=trials))
        time.sleep(0.013 * (trials % 5))
    done = wait_for(experiments, "search", "Succeeded")
    eventually(lambda: len(experiments.trials("default", "search")) == 15, "all of the budget is used")
    done = wait_for(experiments, "search", "Succeeded")
    assert (done.spec.max_trial_count, done.status.trials_succeeded) == (15, 15)


def test_stopped_and_resumed_at_any_moment_it_goes_on(host):
    """The last word counts, also where the end that was asked for is still under way."""
    experiments = host()
    experiments.create("default", document(behaviour="long", trials=2))
    for pause in (0.0, 0.01, 0.1, 0.3, 0.02, 0.5):
        experiments.stop("default", "search", at_once=pause == 0.1)
        time.sleep(pause)
        experiments.resume("default", "search")
    running(experiments, "search", 2)
    assert state_of(experiments.get("default", "search")) == "Running"
    experiments.resume("default", "search")
    experiments.stop("default", "search")
    wait_for(experiments, "search", "Stopped")


def test_the_budget_of_a_stopped_experiment_is_edited_without_going_on(host):
    experiments = host()
    experiments.create("default", document(behaviour="long", trials=1))
    running(experiments, "search", 1)
    experiments.stop("default", "search", at_once=True)
    wait_for(experiments, "search", "Stopped")
    experiments.edit_budget("default", "search", Budget(max_trial_count=2, parallel_trial_count=2))
    assert state_of(experiments.get("default", "search")) == "Stopped"
    experiments.resume("default", "search")
    running(experiments, "search", 2)


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_request_is_known_after_a_restart(host):
    text = document(trials=1)
    made = host().create("default", text, request_id="r")
    again = host()
    assert again.create("default", text, request_id="r").metadata.uid == made.metadata.uid
    with pytest.raises(Conflict, match="another request"):
        again.create("default", document(trials=2), request_id="r")


def test_a_request_does_not_make_again_what_was_deleted(host):
    experiments = host()
    text = document(trials=1)
    experiments.create("default", text, request_id="r")
    experiments.delete("default", "search")
    with pytest.raises(NotFound, match="deleted since"):
        experiments.create("default", text, request_id="r")
    assert experiments.create("default", text, request_id="s").metadata.name == "search"


def test_a_request_id_is_of_one_request_only(host):
    experiments = host()
    experiments.create("default", document("one", trials=1), request_id="r")
    with pytest.raises(Conflict, match="another request"):
        experiments.create("default", document("two", trials=1), request_id="r")
    with pytest.raises(InvalidInput, match="255"):
        experiments.create("default", document("two"), request_id="r" * 256)


def test_a_copied_document_says_nothing_of_its_own_driving(host):
    experiments = host()
    text = json.loads(document(trials=1))
    text["metadata"]["annotations"] = {
        "katib.kubeflow.org/driver": "cluster",
        "katib.kubeflow.org/local-runtime": "workers",
        "katib.kubeflow.org/request-id": "r",
        "mine": "kept",
    }
    made = experiments.create("default", json.dumps(text))
    assert made.metadata.annotations["mine"] == "kept"
    wait_for(experiments, "search", "Succeeded")
    with pytest.raises(Conflict, match="already"):
        experiments.create("default", json.dumps(text), request_id="r")


# -- experiments without a trial template --------------------------------------------------------------------------------


def for_callers(name="search", trials=2):
    text = json.loads(document(name, trials=trials))
    del text["spec"]["trialTemplate"]
    return json.dumps(text)


def test_trials_of_an_experiment_without_a_template_are_its_callers(host, home, store):
    experiments = host()
    experiments.create("default", for_callers())
    given = experiments.workers.suggest("default", "search", "worker", count=2, wait=10).result(30)
    with pytest.raises(NotFound, match="caller"):
        experiments.logs("default", "search", given.trials[0].name)
    experiments.close()
    with pytest.raises(Conflict, match="katib up"):
        resume(home, store, store.experiment("default", "search"))
    with pytest.raises(Conflict, match="katib up"):
        stop(home, store, store.experiment("default", "search"))
    again = host()
    again.recover()
    eventually(lambda: again._is_hosted(store.experiment("default", "search").metadata.uid), "it is hosted again")
    held = again.workers.suggest("default", "search", "worker", count=2, wait=10).result(30)
    assert [trial.name for trial in held.trials] == [trial.name for trial in given.trials]
    for trial in held.trials:
        loss = Measurement("loss", dict(trial.assignments)["x"])
        again.workers.complete(
            "default", "search", trial.name, "worker", Outcome.COMPLETED, measurements=[loss]
        ).result(30)
    wait_for(again, "search", "Succeeded")
    again.edit_budget("default", "search", Budget(max_trial_count=3))
    more = again.workers.suggest("default", "search", "worker", wait=10).result(30)
    assert [trial.index for trial in more.trials] == [2]
    again.stop("default", "search", at_once=True)
    wait_for(again, "search", "Stopped")
    again.delete("default", "search")


def test_a_file_without_a_template_is_refused_where_nobody_asks_for_trials():
    with pytest.raises(InvalidInput, match="trialTemplate"):
        check(for_callers())


# -- deleting ----------------------------------------------------------------------------------------------------------


def test_deleted_it_can_be_purged_or_stays_for_restoration(host, home, store):
    experiments = host()
    made = experiments.create("default", document(trials=1))
    wait_for(experiments, "search", "Succeeded")
    folder = home.experiment_folder(made.metadata.uid)
    experiments.delete("default", "search")
    assert folder.exists()
    assert store.trials(made.metadata.uid)
    experiments.delete("default", "search", purge=True)
    assert not folder.exists()
    with pytest.raises(NotFound):
        store.trials(made.metadata.uid)


def test_what_is_deleted_through_another_door_is_ended(host, store):
    """The store's own API marks records as deleted and does not know who drives them."""
    experiments = host()
    experiments.recover()
    made = experiments.create("default", document(behaviour="long", trials=1))
    running(experiments, "search", 1)
    store.tracking("default").delete(Node(NodeKind.EXPERIMENT, made.metadata.uid))
    eventually(
        lambda: [trial.state for trial in store.trials(made.metadata.uid)] == [TrialState.KILLED], "its trial is ended"
    )
    eventually(lambda: not experiments._is_hosted(made.metadata.uid), "nobody drives it")


def test_trials_without_news_write_nothing(host, store):
    """Many experiments share one store."""
    experiments = host()
    experiments.create("default", document(behaviour="long", trials=1))
    running(experiments, "search", 1)
    version = store.versions("default", "search")
    writes, looks = [], []
    real = store.requests
    store.guard_writes(lambda: writes.append(1))
    store.requests = lambda uid: looks.append(uid) or real(uid)
    try:
        eventually(lambda: len(looks) >= 3, "the driver has looked for requests three times")
    finally:
        store.guard_writes(lambda: None)
        del store.requests
    assert writes == []
    assert store.versions("default", "search") == version


def test_who_waits_for_what_is_deleted_is_told_that_it_was_deleted(host, monkeypatch):
    experiments = host()
    experiments.create("default", for_callers())
    (trial,) = experiments.workers.suggest("default", "search", "a", wait=30).result(30).trials
    assert trial.state is TrialState.RUNNING
    changes, end, stopped = experiments.changes, experiments._end, threading.Event()

    def seen(*place):
        found = changes(*place)
        if any(state_of(experiment) == "Stopped" for experiment in found.experiments):
            stopped.set()
        return found

    def ended(experiment):
        end(experiment)
        assert stopped.wait(30), "whoever waits has seen its end before it is gone"

    monkeypatch.setattr(experiments, "changes", seen)
    monkeypatch.setattr(experiments, "_end", ended)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait_until, experiments, "default", "search", view=lambda: progress_view("none"))
        experiments.delete("default", "search")
        with pytest.raises(NotFound, match="deleted while it was waited for"):
            waiting.result(30)


def test_who_waits_for_what_is_stopped_is_told_so_also_after_a_deletion_that_was_undone(host):
    experiments = host()
    made = experiments.create("default", for_callers())
    experiments._store.record_event(made.metadata.uid, DELETING, "by a process that was killed")
    experiments.stop("default", "search", at_once=True)
    wait_for(experiments, "search", "Stopped")
    experiments.resume("default", "search")
    experiments.stop("default", "search", at_once=True)
    with pytest.raises(Conflict, match="is Stopped, not Succeeded"):
        wait_until(experiments, "default", "search", view=lambda: progress_view("none"))


def test_nothing_of_a_deleted_experiment_runs(host, home, store):
    experiments = host()
    experiments.create("default", document(behaviour="long", trials=2))
    running(experiments, "search", 2)
    supervisors = [int(runs_of(home, store, "search", t.name)) for t in experiments.trials("default", "search")]
    experiments.delete("default", "search", purge=True)
    for supervisor in supervisors:
        with pytest.raises(ProcessLookupError):
            os.kill(supervisor, 0)
