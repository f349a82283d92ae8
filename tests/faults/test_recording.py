"""An operator that records while its store is killed again and again: everything is there once, and nothing older replaced anything."""

import random
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from katib.api.base import Condition
from katib.api.experiment import ExperimentStatus
from katib.api.trial import TrialState
from katib.errors import StoreUnavailable
from katib.rpc.store_client import StoreClient
from katib.store import open_store
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import an_experiment, trial

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENCE = 60
TRIALS = 40
KILLS = 4


def on_a_cluster(version):
    experiment = an_experiment(namespace="team-a")
    experiment.metadata.uid, experiment.metadata.creation_timestamp = "u1", NOON
    condition = Condition(type="Running", reason="ExperimentRunning", message="")
    return experiment.model_copy(update={"status": ExperimentStatus(conditions=[condition], trials=version)})


def life(index):
    first = trial(index, created=NOON, name=f"t{index}")
    running = replace(first, state=TrialState.RUNNING, started=NOON, attempt=1)
    lost = running.again("the machine was lost")
    again = replace(lost, state=TrialState.RUNNING, started=NOON)
    return [first, running, lost, again, replace(again, state=TrialState.SUCCEEDED, finished=NOON)]


def told(call):
    """Make a call until it is answered."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def record(address, seed):
    """Record the lives of the trials in any order, as an operator."""
    steps = [(index, step) for index in range(TRIALS) for step in range(5)]
    random.Random(seed).shuffle(steps)
    with StoreClient(address, deadline=5) as client:
        for version, some in enumerate(batches(steps, 4), 1):
            experiment = on_a_cluster(version)
            told(partial(client.record_experiment, experiment, version))
            records = [life(index)[step] for index, step in some]
            jobs = {record.name: {"of": record.name} for record in records}
            told(partial(client.record_trials, experiment, records, jobs=jobs))
            event = partial(client.record_event, experiment, "Step", f"number {version}")
            told(partial(event, event_id="steps", count=version))


def batches(steps, size):
    return [steps[start : start + size] for start in range(0, len(steps), size)]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'katib.db'}"
    return request.getfixturevalue("postgresql").new_store()


def test_a_store_that_is_killed_while_two_operators_record(url):
    chance = random.Random(7)
    kills = 0
    with ThreadPoolExecutor(2) as threads:
        with ServedStore("--url", url) as server:
            address = server.address
            assert address, server.log
            # One of them took over, and the other one does not know yet.
            operators = [threads.submit(record, address, seed) for seed in (1, 2)]
            time.sleep(0.3)
            server.process.kill()
        while not all(operator.done() for operator in operators):
            with ServedStore("--url", url, "--address", address) as server:
                assert server.address == address, server.log
                if kills < KILLS:
                    time.sleep(chance.uniform(0.1, 0.6))
                    server.process.kill()
                    kills += 1
                else:
                    wait(operators)
                assert "Traceback" not in server.log
        for operator in operators:
            operator.result()
    with open_store(url) as store:
        records = store.trials("u1")
        assert records == [life(index)[-1] for index in range(TRIALS)]
        assert store.jobs("u1") == {f"t{index}": {"of": f"t{index}"} for index in range(TRIALS)}
        last = TRIALS * 5 // 4
        assert store.experiment("team-a", "search").status.trials == last
        assert [(event.message, event.count) for event in store.events("u1")] == [(f"number {last}", last)]
