"""Purges that are killed, and files whose place is away: the next call does the rest, and nothing else is lost."""

import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from katib.errors import StoreUnavailable
from katib.store import open_store
from katib.store.artifacts import open_artifacts
from katib.store.retention import apply_retention, remove_files
from katib.store.sql.connecting import database_at
from katib.store.sql.schema import observations, summaries, trials
from katib.store.sql.tracking_tables import lineage
from katib.store.tracking.records import (
    ArtifactState,
    Lifecycle,
    Log,
    NewRun,
    Node,
    NodeKind,
    RetentionPolicy,
    RunScope,
)

POINTS = 400
RUNS = 40

PURGE = """
import sys
from datetime import UTC, datetime, timedelta
from katib.store import open_store
from katib.store.artifacts import open_artifacts
from katib.store.retention import apply_retention
from katib.store.tracking.records import RetentionPolicy

policy = RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1))
with open_store(sys.argv[1]) as store:
    print("begins", flush=True)
    apply_retention(store, open_artifacts(sys.argv[2]), "team", policy)
"""


@dataclass(frozen=True)
class Sample:
    name: str
    text: str
    step: int | None = None
    time: None = None


def everything():
    return RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1))


def filled(store, artifacts):
    """Record runs with files, half of them deleted, and return the ids of both halves as (project, run)."""
    tracking = store.tracking("team")
    project = tracking.default_project().id
    search = tracking.create_search("old")
    kept, gone = [], [(project, search.run_id)]
    with tracking.transaction():
        for number in range(RUNS):
            samples = [Sample("loss", str(step), step) for step in range(POINTS if number else 12_000)]
            below = {"experiment_id": search.id} if number % 2 == 0 else {"project_id": project}
            run = tracking.create_run(NewRun(**below, log=Log(samples=samples, parameters={"n": str(number)})))
            tracking.put_artifact(run.id, "model.pt", state=ArtifactState.STORED)
            (kept if number % 2 else gone).append((project, run.id))
    for place, run in [*kept, *gone]:
        artifacts.put(f"{place}/{run}/artifacts/model.pt", b"weights")
    tracking.delete(Node(NodeKind.EXPERIMENT, search.id))
    return kept, gone


def counts(place):
    """Return how many rows of each kind there are."""
    database = database_at(place, patience=30)
    try:
        return {
            table.name: database.read(
                lambda c, table=table: c.execute(select(func.count()).select_from(table)).scalar()
            )
            for table in (trials, observations, summaries, lineage)
        }
    finally:
        database.close()


def killed_again_and_again(place, folder):
    artifacts, seeded = open_artifacts(folder), random.Random(11)
    with open_store(place) as store:
        kept, gone = filled(store, artifacts)
    cut = 0
    for _ in range(6):
        purge = subprocess.Popen(
            [sys.executable, "-c", PURGE, str(place), str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert purge.stdout.readline() == "begins\n"
        time.sleep(seeded.uniform(0.01, 0.4))
        purge.kill()
        purge.communicate()
        cut += purge.returncode == -signal.SIGKILL
        with open_store(place) as store:
            tracking = store.tracking("team")
            there = {run.id for run in tracking.find_runs(scope=RunScope(lifecycle=Lifecycle.ALL), parts=()).items}
            noted = set(tracking.files_to_remove())
            for _, run in kept:
                found = tracking.run(run)
                assert (found.metrics[0].count, found.parameters[0].name) == (POINTS, "n")
            for project, run in gone:
                # A file goes only after its run, and is noted until then.
                if run in there:
                    assert artifacts.exists(f"{project}/{run}/artifacts/model.pt")
                elif artifacts.exists(f"{project}/{run}/artifacts/model.pt"):
                    assert (project, run) in noted
    assert cut
    with open_store(place) as store:
        done = apply_retention(store, artifacts, "team", everything())
        assert not done.waiting
        tracking = store.tracking("team")
        assert {run.id for run in tracking.find_runs(scope=RunScope(lifecycle=Lifecycle.ALL)).items} == {
            run for _, run in kept
        }
    for project, run in [*kept, *gone]:
        assert artifacts.exists(f"{project}/{run}/artifacts/model.pt") is ((project, run) in kept)
    assert counts(place) == {
        "trials": len(kept),
        "observations": POINTS * len(kept),
        "summaries": len(kept),
        "lineage": len(kept),
    }


@pytest.mark.slow
def test_a_killed_purge_is_finished_by_the_next(tmp_path):
    killed_again_and_again(tmp_path / "store.db", tmp_path / "files")


@pytest.mark.slow
def test_a_killed_purge_is_finished_by_the_next_on_a_server(server, tmp_path):
    url = server.new_store()
    killed_again_and_again(url, tmp_path / "files")
    server.drop(url)


def test_files_whose_place_is_away_are_removed_later(tmp_path):
    class Away:
        def delete_all(self, _):
            raise StoreUnavailable("the bucket does not answer")

    artifacts = open_artifacts(tmp_path / "files")
    with open_store(tmp_path / "store.db") as store:
        tracking = store.tracking("team")
        run = tracking.create_run(NewRun())
        artifacts.put(f"{run.project_id}/{run.id}/artifacts/a", b"1")
        tracking.delete(Node(NodeKind.RUN, run.id))
        with pytest.raises(StoreUnavailable, match="bucket"):
            apply_retention(store, Away(), "team", everything())
        assert tracking.runs([run.id]) == []
        assert apply_retention(store, None, "team", everything()).waiting
        assert remove_files(tracking, artifacts) == 1
        assert artifacts.list(recursive=True).entries == ()
        assert not apply_retention(store, None, "team", everything()).waiting


def test_a_run_that_is_restored_while_a_purge_goes_on_stays(tmp_path):
    with open_store(tmp_path / "store.db") as store:
        tracking = store.tracking("team")
        with tracking.transaction():
            first, *others = [tracking.create_run(NewRun()).id for _ in range(300)]
            for run in (first, *others):
                tracking.delete(Node(NodeKind.RUN, run))

        def restoring(_):
            if tracking.run(first).deleted is not None:
                tracking.restore(Node(NodeKind.RUN, first))

        assert tracking.purge(everything(), progress=restoring).runs == len(others)
        assert tracking.run(first).deleted is None


def test_a_hard_deletion_notes_files_and_leaves_no_lineage(tmp_path):
    path = tmp_path / "store.db"
    with open_store(path) as store:
        tracking = store.tracking("team")
        search = tracking.create_search("old")
        child = tracking.create_run(NewRun(experiment_id=search.id))
        inner = tracking.create_run(NewRun(parent_id=child.id))
        tracking.put_artifact(inner.id, "model.pt", state=ArtifactState.STORED)
        store.delete_experiment(search.id)
        noted = {run for _, run in tracking.files_to_remove()}
        assert noted == {search.run_id, child.id, inner.id}
        entry = tracking.audit(node=Node(NodeKind.EXPERIMENT, search.id))[-1]
        assert (entry.action, entry.details) == ("purge", {"runs": 3})
    assert set(counts(path).values()) == {0}
