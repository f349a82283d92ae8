"""Ends, reports and heartbeats that race the end of a lease, in many seeded orders, with failed commits and killed servers in between.

The clock is the test's own, and the driver's turns are made one by one. What clients were answered is held against what is recorded.
"""

import random
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.status import over
from katib.errors import Conflict, KatibError, NotFound, StoreUnavailable
from katib.experiments.asking import MOST_CLIENTS_OF_A_TRIAL
from katib.experiments.protocol import Measurement, Outcome
from katib.local import worker_driver, worker_search
from katib.local.home import Home
from katib.local.runtime import WORKERS, with_runtime
from katib.local.worker_driver import WorkerDriver
from katib.local.worker_search import ClientReport, WorkerSearch
from katib.store import open_store

CLIENTS = [f"w{number}" for number in range(16)]
PARALLEL, TRIALS, FAILURES = 5, 14, 5


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


class Race:
    """One experiment, its clients, and what they were told."""

    def __init__(self, store, home, number, clock):
        self.random = random.Random(number)
        self.store, self.home, self.clock = store, home, clock
        document = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": f"race-{number}", "namespace": "team"},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "algorithm": {"algorithmName": "random"},
                "parallelTrialCount": PARALLEL,
                "maxTrialCount": TRIALS,
                "maxFailedTrialCount": FAILURES,
                "seed": number,
                "parameters": [{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}],
            },
        }
        self.experiment = store.create_experiment(with_runtime(with_defaults(parse_experiment(document)), WORKERS))
        self.uid = self.experiment.metadata.uid
        self.given = {client: {} for client in CLIENTS}
        self.ended = {}
        self.reported = {}
        self.requests = 0
        self.search = None
        self.fails = False
        self.start()

    def start(self):
        """Serve it from what is recorded, as a server that was started anew."""
        if self.search is not None:
            self.search.__exit__(None, None, None)
        self.driver = WorkerDriver(self.home, self.store, self.experiment, ended=lambda _: None)
        found = self.store.experiment("team", self.experiment.metadata.name)
        self.search = WorkerSearch(self.store, found, self.driver._wakeup.set).__enter__()

    def turn(self):
        """Make one turn; one whose commit fails, or whose server is killed in it, leaves nothing."""
        write = self.search.write

        def failing(decided):
            write(decided)
            raise StoreUnavailable("the disk is full")

        if self.fails:
            self.search.write = failing
        try:
            return self.driver._turn(self.search)
        except StoreUnavailable as error:
            self.driver._fail(error)
            self.start()
            return None
        finally:
            self.fails = False

    def step(self):
        """Let some clients speak at once while the time passes, and look at what they are answered."""
        said = []
        for client in self.random.sample(CLIENTS, self.random.randint(1, 6)):
            said += self.speak(client)
        self.clock.now += self.random.choice([0, 0, 0.1, 1, 2.5])
        self.fails = self.random.random() < 0.06
        before = {record.name: record for record in self.store.trials(self.uid)}
        decided = self.turn()
        after = {record.name: record for record in self.store.trials(self.uid)}
        for each in said:
            self.hear(each, before, after)
        self.check(before, after)
        if decided is not None and not decided.finished and self.random.random() < 0.05:
            self.start()
        return decided is not None and decided.finished

    def speak(self, client):
        known = list(self.given[client])
        others = [trial for held in self.given.values() for trial in held]
        kind = self.random.choice(["ask", "ask", "beat", "report", "end", "end", "again", "other"])
        lease = self.random.choice([1, 2, 4])
        if kind == "ask" or not known:
            count = self.random.randint(1, 2)
            return [("ask", client, None, None, self.driver.suggest(client, count=count, lease=lease, wait=0.0))]
        trial = self.random.choice(known)
        if kind == "other":
            trial = self.random.choice(others)
        self.requests += 1
        value = str(self.requests)
        measured, request = [Measurement("loss", value)], f"r{value}"
        if kind == "beat":
            return [(kind, client, trial, None, self.driver.heartbeat(client, [trial], lease))]
        if kind == "report":
            return [(kind, client, trial, value, self.driver.report(ClientReport(trial, client, measured, request)))]
        how = self.random.choice([Outcome.COMPLETED] * 4 + [Outcome.BROKEN])
        report = ClientReport(trial, client, measured, request, how, "it broke")
        said = [("end", client, trial, (how, value), self.driver.complete(report, how))]
        if kind == "again":  # sent twice, as by a client whose connection broke
            said.append(("end", client, trial, (how, value), self.driver.complete(report, how)))
        return said

    def hear(self, said, before, after):
        kind, client, trial, more, future = said
        assert future.done(), "whoever does not wait is answered in the turn"
        error = future.exception()
        if isinstance(error, StoreUnavailable):
            return
        assert error is None or isinstance(error, (Conflict, NotFound)), error
        if kind == "ask":
            for record in future.result().trials:
                self.given[client][record.name] = record.attempt
        elif kind == "beat":
            (held,) = future.result()
            if held.lost:
                assert held.reason
        elif kind == "report" and error is None:
            self.reported.setdefault((trial, before[trial].attempt), []).append(more)
        elif kind == "end":
            if error is not None:
                if trial not in self.given[client]:
                    assert "silent for too long" not in str(error), "who never had it was not silent"
                return
            assert trial in self.given[client], "only who was given a trial may end it"
            record = future.result()
            assert record == after[trial], "what was answered is what is recorded"
            if before[trial].state.is_active:
                assert record.attempt == self.given[client][trial], "a lease that was lost ends nothing"
            self.ended.setdefault(trial, record)

    def check(self, before, after):
        active = [record for record in after.values() if record.state.is_active]
        assert len(active) <= PARALLEL
        counts = Counter(record.state for record in after.values())
        assert counts[TrialState.SUCCEEDED] + counts[TrialState.FAILED] + len(active) <= TRIALS
        for name, record in before.items():
            if not record.state.is_active:
                assert after[name] == record, "an end is an end"
        for name, record in self.ended.items():
            assert after[name] == record

    def run(self):
        turns = 0
        while not self.step():
            turns += 1
            assert turns < 3_000, "it comes to its end"
        self.search.__exit__(None, None, None)
        status = self.store.experiment("team", self.experiment.metadata.name).status
        records = self.store.trials(self.uid)
        assert over(status)
        counts = Counter(record.state for record in records)
        assert status.trials == len(records) == len({record.name for record in records})
        for state, number in (
            (TrialState.SUCCEEDED, status.trials_succeeded),
            (TrialState.FAILED, status.trials_failed),
            (TrialState.KILLED, status.trials_killed),
        ):
            assert counts[state] == (number or 0)
        failed = counts[TrialState.FAILED]
        assert counts[TrialState.SUCCEEDED] + failed == TRIALS or FAILURES <= failed < FAILURES + PARALLEL
        lost = Counter()
        for event in self.store.events(self.uid):
            lost[event.trial] += event.count if event.reason == "WorkerLost" else 0
        for record in records:
            seen = [observed.text for observed in self.store.series(self.uid, record.name)]
            assert len(set(seen)) == len(seen), "nothing is recorded twice"
            if record.state is TrialState.SUCCEEDED:
                assert record.observation.metrics[0].latest == seen[-1]
                assert lost[record.name] == record.attempt - 1 < MOST_CLIENTS_OF_A_TRIAL, "lost, or ended: not both"
                for value in self.reported.get((record.name, record.attempt), []):
                    assert value in seen
        return turns


@pytest.fixture
def race(tmp_path, monkeypatch):
    clock = Clock()
    home = Home(tmp_path)
    # The algorithm answers in a thread of its own, and is waited for by the real clock.
    monkeypatch.setattr(worker_search, "time", SimpleNamespace(monotonic=clock.monotonic))
    monkeypatch.setattr(worker_driver, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=time.sleep))
    with open_store(home.store_path) as store:
        yield lambda number: Race(store, home, number, clock)


def test_an_end_and_the_end_of_a_lease_never_both_happen(race):
    for number in range(12):
        try:
            race(number).run()
        except (AssertionError, KatibError) as error:
            error.add_note(f"seed {number}")
            raise
