"""Purges with an archive that are killed, by the store and by the place: at every moment a run is in one of the two, whole."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from katib.store import open_store
from katib.store.archive import read_archive
from katib.store.artifacts import open_artifacts
from katib.store.retention import apply_retention
from katib.store.tracking.records import Lifecycle, Log, NewRun, Node, NodeKind, RetentionPolicy, RunScope

RUNS = 30

PURGE = """
import sys
from datetime import UTC, datetime, timedelta
from katib.store import open_store
from katib.store.archive import writer
from katib.store.artifacts import open_artifacts
from katib.store.retention import apply_retention
from katib.store.sql.tracking import purging
from katib.store.tracking.records import RetentionPolicy

purging._MOST_ARCHIVED_RUNS = 7
writer._ROWS = 1_000
policy = RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1))
with open_store(sys.argv[1]) as store:
    print("begins", flush=True)
    apply_retention(store, None, "team", policy, archive=open_artifacts(sys.argv[2]))
"""


@dataclass(frozen=True)
class Sample:
    name: str
    text: str
    step: int | None = None
    time: None = None


def filled(store):
    """Record an experiment and runs of their own, delete them, and return all their reports by run."""
    tracking = store.tracking("team")
    search = tracking.create_search("old")
    runs = [search.run_id]
    with tracking.transaction():
        for number in range(RUNS):
            samples = [Sample("loss", str(step), step) for step in range(12_000 if number == 5 else number * 10)]
            below = {"experiment_id": search.id} if number % 2 else {"project_id": search.project_id}
            runs.append(tracking.create_run(NewRun(**below, log=Log(samples=samples))).id)
    wanted = {run: tracking.series(run) for run in runs}
    tracking.delete(Node(NodeKind.EXPERIMENT, search.id))
    for run in runs:
        tracking.delete(Node(NodeKind.RUN, run))
    return wanted


def check(place, folder, wanted):
    """Check that every run is somewhere as a whole, and return how many are in the archive."""
    with open_store(place) as store:
        tracking = store.tracking("team")
        here = {run.id: run for run in tracking.find_runs(scope=RunScope(lifecycle=Lifecycle.ALL)).items}
        kept = {}
        for found in read_archive(folder):
            run = found.record["id"]
            assert run not in kept, "it is there twice"
            kept[run] = list(found.points())
            assert found.record["complete"]
        assert set(kept) | set(here) == set(wanted)
        for run, points in wanted.items():
            if run in kept:
                assert kept[run] == points
            else:
                assert tracking.series(run) == points
        return len(kept)


def killed_again_and_again(place, folder):
    seeded = random.Random(5)
    with open_store(place) as store:
        wanted = filled(store)
    cut = 0
    for _ in range(5):
        purge = subprocess.Popen(
            [sys.executable, "-c", PURGE, str(place), str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert purge.stdout.readline() == "begins\n"
        time.sleep(seeded.uniform(0.1, 1.0))
        os.kill(purge.pid, signal.SIGKILL)
        purge.communicate()
        cut += purge.returncode == -signal.SIGKILL
        check(place, folder, wanted)
    assert cut
    policy = RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1))
    with open_store(place) as store:
        apply_retention(store, None, "team", policy, archive=open_artifacts(folder))
        assert store.tracking("team").find_runs(scope=RunScope(lifecycle=Lifecycle.ALL)).items == ()
    assert check(place, folder, wanted) == len(wanted)


@pytest.mark.slow
def test_a_killed_purge_loses_nothing(tmp_path):
    killed_again_and_again(tmp_path / "store.db", tmp_path / "archive")


@pytest.mark.slow
def test_a_killed_purge_loses_nothing_on_a_server(server, tmp_path):
    url = server.new_store()
    killed_again_and_again(url, tmp_path / "archive")
    server.drop(url)


@pytest.mark.slow
def test_two_purges_at_once_archive_each_run_once(server, tmp_path):
    url, folder = server.new_store(), tmp_path / "archive"
    with open_store(url) as store:
        wanted = filled(store)
    purges = [subprocess.Popen([sys.executable, "-c", PURGE, url, str(folder)]) for _ in range(2)]
    assert [purge.wait() for purge in purges] == [0, 0]
    assert check(url, folder, wanted) == len(wanted)
    server.drop(url)
