"""What the store is told: everything in the end, however long it was away, in few calls and the newest state only."""

import threading
import time

import pytest

from katib.api.trial import TrialState
from katib.errors import InvalidInput, Problem, StoreUnavailable
from katib.operator import recorder as module
from katib.operator.recorder import Recorder


class StoreDouble:
    """A store that is away when it is told to be, and refuses what it is told to refuse."""

    def __init__(self):
        self.away = False
        self.refuses = set()
        self.experiments, self.trials, self.jobs, self.places, self.deleted = {}, {}, {}, {}, []
        self.versions, self.batches = [], []
        self.calls = 0

    def _call(self):
        self.calls += 1
        if self.away:
            raise StoreUnavailable("the store is away")

    def record_experiment(self, experiment, version):
        self._call()
        self.versions.append(version)
        self.experiments[experiment.metadata.uid] = experiment

    def record_trials(self, experiment, records, *, jobs, places):
        self._call()
        if self.refuses & {record.name for record in records}:
            raise InvalidInput([Problem("trial", "is not to its liking")])
        assert experiment.metadata.uid in self.experiments, "its experiment comes first"
        self.batches.append(len(records))
        self.trials.update((record.name, record) for record in records)
        self.jobs.update(jobs)
        self.places.update(places)

    def mark_deleted(self, namespace, uid):
        self._call()
        self.deleted.append((namespace, uid))


@pytest.fixture
def store():
    return StoreDouble()


@pytest.fixture
def recorder(store, monkeypatch):
    monkeypatch.setattr(module, "_EVERY", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.05)
    recorder = Recorder(store)
    recorder.start()
    yield recorder
    recorder.stop()


def until(holds):
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_all_is_told_after_a_store_was_away(recorder, store, experiment, trial):
    store.away = True
    recorder.experiment(experiment)
    for state in (TrialState.CREATED, TrialState.RUNNING, TrialState.SUCCEEDED):
        recorder.trials(experiment, [trial(index, state) for index in range(20)])
    recorder.run("search-4f-3", job={"kind": "Job"}, place={"node": "first"})
    recorder.deleted("team", "u-1")
    until(lambda: store.calls >= 3)
    assert recorder.waiting == 22, "the newest state of each, however often it changed"
    store.away = False
    until(lambda: recorder.waiting == 0 and store.deleted)
    assert {record.state for record in store.trials.values()} == {TrialState.SUCCEEDED}
    assert len(store.trials) == 20
    assert store.jobs == {"search-4f-3": {"kind": "Job"}}
    assert store.places == {"search-4f-3": {"node": "first"}}
    assert store.deleted == [("team", "u-1")]


def test_a_trial_that_changes_while_it_is_told_in_vain_keeps_its_newer_state(recorder, store, experiment, trial):
    recorder.experiment(experiment)
    until(lambda: store.experiments)
    held, entered = threading.Event(), threading.Event()
    record_trials = store.record_trials

    def slow(*_arguments, **_more):
        store.record_trials = record_trials
        entered.set()
        held.wait(10)
        raise StoreUnavailable("it went away meanwhile")

    store.record_trials = slow
    recorder.trials(experiment, [trial(0, TrialState.RUNNING)])
    assert entered.wait(10)
    recorder.trials(experiment, [trial(0, TrialState.SUCCEEDED)])
    held.set()
    until(lambda: store.trials)
    assert store.trials["search-4f-0"].state is TrialState.SUCCEEDED


def test_what_the_store_refuses_holds_nothing_else_up(recorder, store, experiment, trial):
    store.refuses = {"search-4f-0"}
    recorder.experiment(experiment)
    recorder.trials(experiment, [trial(0)])
    until(lambda: recorder.waiting == 0)
    recorder.trials(experiment, [trial(1)])
    until(lambda: store.trials)
    assert list(store.trials) == ["search-4f-1"]


def test_many_are_told_in_few_calls(recorder, store, experiment, trial):
    store.away = True
    recorder.experiment(experiment)
    recorder.trials(experiment, [trial(index) for index in range(1_200)])
    store.away = False
    until(lambda: len(store.trials) == 1_200)
    assert len(store.batches) <= 4
    assert max(store.batches) <= 500


def test_the_versions_of_an_experiment_grow_also_from_one_operator_to_the_next(recorder, store, experiment):
    recorder.experiment(experiment)
    until(lambda: len(store.versions) == 1)
    following = Recorder(store)
    following.start()
    following.experiment(experiment)
    until(lambda: len(store.versions) == 2)
    following.stop()
    assert store.versions == sorted(set(store.versions))


def test_what_is_left_is_told_at_the_end(store, experiment, trial):
    recorder = Recorder(store)
    recorder.experiment(experiment)
    recorder.trials(experiment, [trial(0)])
    recorder.start()
    recorder.stop()
    assert list(store.trials) == ["search-4f-0"]


def test_a_store_that_is_away_does_not_hold_the_end_up(store, experiment):
    store.away = True
    recorder = Recorder(store)
    recorder.experiment(experiment)
    recorder.start()
    recorder.stop(timeout=10)
    assert recorder.waiting == 1
    assert store.calls <= 2
