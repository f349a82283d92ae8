"""A change that is asked for again with its request id is made once: by many at a time, after a restart, and after a kill."""

import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from katib.errors import Conflict, InvalidInput, NotFound
from katib.experiments.protocol import Budget
from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.store import open_store
from katib.testing.experiments_contract import eventually, state_of

TEAM = "team"


class KilledError(BaseException):
    """In place of a signal: nothing after it is done."""


def by_callers(name="search"):
    """Return an experiment whose trials callers run, so that it goes on until it is told otherwise."""
    spec = {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 2,
        "maxTrialCount": 10,
        "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
    }
    document = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": name}, "spec": spec}
    return json.dumps(document)


class Server:
    """Experiments of a home, opened as often as they are closed."""

    def __init__(self, home):
        self.home = home
        self.open()

    def open(self):
        self.store = open_store(self.home.store_path)
        self.experiments = LocalExperiments(self.home, self.store)
        self.experiments.recover()
        return self.experiments

    def close(self):
        self.experiments.close()
        self.store.close()

    def again(self):
        self.close()
        return self.open()

    def state(self, name="search"):
        return state_of(self.experiments.get(TEAM, name))

    def reasons(self):
        return [event.reason for event in self.experiments.events(TEAM, "search")]


@pytest.fixture
def server(tmp_path):
    made = Server(Home(tmp_path / "home"))
    yield made
    made.close()


def test_a_server_that_starts_anew_gives_the_first_answers(server):
    experiments = server.experiments
    created = experiments.create(TEAM, by_callers(), request_id="c-1")
    edited = experiments.edit_budget(TEAM, "search", Budget(max_trial_count=7), request_id="e-1")
    experiments.edit_budget(TEAM, "search", Budget(max_trial_count=8))
    stopped = experiments.stop(TEAM, "search", at_once=True, request_id="s-1")
    eventually(lambda: server.state() == "Stopped", "the experiment is stopped")
    resumed = experiments.resume(TEAM, "search", request_id="r-1")

    experiments = server.again()
    assert experiments.create(TEAM, by_callers(), request_id="c-1") == created
    with pytest.raises(Conflict, match="'c-1' was used for another request"):
        experiments.create(TEAM, by_callers("other"), request_id="c-1")
    assert experiments.edit_budget(TEAM, "search", Budget(max_trial_count=7), request_id="e-1") == edited
    assert experiments.stop(TEAM, "search", at_once=True, request_id="s-1") == stopped
    assert experiments.resume(TEAM, "search", request_id="r-1") == resumed
    assert experiments.get(TEAM, "search").spec.max_trial_count == 8
    assert server.store.requests(resumed.metadata.uid) in ([], ["reload"])  # no end
    assert server.reasons().count("ExperimentResumed") == 1
    with pytest.raises(Conflict, match="'s-1' was used for another request"):
        experiments.delete(TEAM, "search", request_id="s-1")

    experiments.delete(TEAM, "search", request_id="d-1")
    new = experiments.create(TEAM, by_callers(), request_id="c-2")
    experiments = server.again()
    experiments.delete(TEAM, "search", request_id="d-1")
    assert experiments.get(TEAM, "search").metadata.uid == new.metadata.uid
    with pytest.raises(NotFound, match="created by this request, and deleted since"):
        experiments.create(TEAM, by_callers(), request_id="c-1")
    assert experiments.create(TEAM, by_callers(), request_id="c-2").metadata.uid == new.metadata.uid
    experiments.delete(TEAM, "search")


def test_of_many_at_a_time_one_is_made_and_all_get_its_answer(server):
    experiments = server.experiments
    experiments.create(TEAM, by_callers())
    barrier = threading.Barrier(6)

    def edit(_):
        barrier.wait()
        return experiments.edit_budget(TEAM, "search", Budget(max_trial_count=7), request_id="e-1")

    def other(number):
        barrier.wait()
        try:
            return experiments.edit_budget(TEAM, "search", Budget(max_trial_count=20 + number), request_id="e-2")
        except Conflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(edit, range(6)))
        others = [made for made in pool.map(other, range(6)) if made is not None]
    assert all(answer == answers[0] for answer in answers)
    (made,) = others
    assert experiments.get(TEAM, "search").spec.max_trial_count == made.spec.max_trial_count
    assert server.reasons().count("ExperimentBudgetEdited") == 2
    experiments.delete(TEAM, "search")


def test_a_deletion_that_was_killed_goes_on_and_means_no_other_experiment(server, monkeypatch):
    experiments = server.experiments
    experiments.create(TEAM, by_callers("first"))
    experiments.create(TEAM, by_callers("second"))

    def killed(*_):
        raise KilledError

    for name in ("first", "second"):
        with monkeypatch.context() as patch:
            patch.setattr(experiments, "_end", killed)
            with pytest.raises(KilledError):
                experiments.delete(TEAM, name, request_id=f"d-{name}")
    experiments = server.again()
    experiments.delete(TEAM, "first")  # by somebody else
    new = experiments.create(TEAM, by_callers("first"))
    for name in ("first", "second"):
        experiments.delete(TEAM, name, request_id=f"d-{name}")
    assert experiments.get(TEAM, "first").metadata.uid == new.metadata.uid
    with pytest.raises(NotFound):
        experiments.get(TEAM, "second")
    experiments.delete(TEAM, "first")


def test_a_change_whose_answer_is_not_kept_is_not_made_either(server, monkeypatch):
    experiments = server.experiments
    made = experiments.create(TEAM, by_callers())

    def killed(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(server.store, "keep_answer", killed)
        for call in (
            lambda: experiments.create(TEAM, by_callers("other"), request_id="c-1"),
            lambda: experiments.edit_budget(TEAM, "search", Budget(max_trial_count=7), request_id="e-1"),
            lambda: experiments.stop(TEAM, "search", at_once=True, request_id="s-1"),
            lambda: experiments.delete(TEAM, "search", request_id="d-1"),
        ):
            with pytest.raises(KilledError):
                call()
    experiments = server.again()
    with pytest.raises(NotFound):
        experiments.get(TEAM, "other")
    found = experiments.get(TEAM, "search")
    assert (found.metadata.uid, found.spec) == (made.metadata.uid, made.spec)
    assert server.store.requests(made.metadata.uid) == []
    assert experiments.create(TEAM, by_callers("other"), request_id="c-1").metadata.name == "other"
    for name in ("search", "other"):
        experiments.delete(TEAM, name)


def test_what_failed_has_changed_nothing_and_may_be_asked_for_again(server):
    experiments = server.experiments
    with pytest.raises(NotFound):
        experiments.stop(TEAM, "search", at_once=True, request_id="s-1")
    experiments.create(TEAM, by_callers())
    experiments.stop(TEAM, "search", at_once=True, request_id="s-1")
    eventually(lambda: server.state() == "Stopped", "the experiment is stopped")
    for call in (experiments.stop, experiments.resume, experiments.delete):
        with pytest.raises(InvalidInput, match="at most 255 characters"):
            call(TEAM, "search", request_id="x" * 256)
    experiments.delete(TEAM, "search")


def test_ids_are_of_a_namespace_and_forgotten_after_a_day(server):
    experiments = server.experiments
    experiments.create(TEAM, by_callers(), request_id="c-1")
    experiments.create("others", by_callers(), request_id="c-1")
    experiments.stop(TEAM, "search", at_once=True, request_id="s-1")
    connection = sqlite3.connect(server.home.store_path)
    with connection:
        (kept,) = connection.execute("SELECT count(*) FROM answers").fetchone()
        connection.execute("UPDATE answers SET given = given - 86400000000")
    connection.close()
    experiments.stop("others", "search", at_once=True, request_id="s-1")
    assert kept == 3
    assert server.store.answer(TEAM, "s-1") is None
    assert server.store.answer("others", "s-1") is not None
    # What made it is known for as long as the experiment is there.
    found = experiments.create(TEAM, by_callers(), request_id="c-1")
    assert found.metadata.uid == experiments.get(TEAM, "search").metadata.uid
    for namespace in (TEAM, "others"):
        experiments.delete(namespace, "search")
