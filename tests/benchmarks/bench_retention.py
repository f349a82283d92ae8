"""What a purge of 400,000 reports costs, and how long it keeps those waiting who write meanwhile."""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from katib.store import open_store, upgrade_store
from katib.store.tracking.records import Log, NewRun, Node, NodeKind, RetentionPolicy
from katib.testing.database_servers import MariadbServer, PostgresqlServer

LONG = 200_000
SHORT = 200
POINTS = 1_000
PIECE = 10_000
PAUSE = 0.01


class Sample(NamedTuple):
    """A report."""

    name: str
    text: str
    step: int
    time: None = None


def fill(tracking):
    """Record a project with one long run and many short ones, delete it, and return a run that stays."""
    project = tracking.create_project("old")
    with tracking.transaction():
        run = tracking.create_run(NewRun(project_id=project.id))
        for start in range(0, LONG, PIECE):
            samples = [Sample("loss", str(start + step), start + step) for step in range(PIECE)]
            tracking.append(run.id, samples, first_sequence=start)
        for _ in range(SHORT):
            run = tracking.create_run(NewRun(project_id=project.id))
            tracking.append(run.id, [Sample("loss", str(step), step) for step in range(POINTS)], first_sequence=0)
    began = time.perf_counter()
    tracking.delete(Node(NodeKind.PROJECT, project.id))
    return tracking.create_run(NewRun()).id, time.perf_counter() - began


def figures(name, place):
    """Return rows of (what, figure, unit, promise)."""
    with open_store(place) as store, open_store(place) as other:
        tracking, writing = store.tracking("team"), other.tracking("team")
        run, deleting = fill(tracking)
        alone = [_written(writing, run, number) for number in range(200)]
        done, waited = threading.Event(), []

        def write():
            while not done.is_set():
                waited.append(_written(writing, run, 1_000 + len(waited)))
                time.sleep(PAUSE)

        writer = threading.Thread(target=write)
        writer.start()
        began = time.perf_counter()
        purged = tracking.purge(RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1)))
        seconds = time.perf_counter() - began
        done.set()
        writer.join()
    assert purged.points == LONG + SHORT * POINTS
    cuts = statistics.quantiles(waited, n=100)
    return [
        (f"{name}: delete a project of {SHORT + 1} runs", deleting * 1_000, "ms", ""),
        (f"{name}: purge, reports", purged.points / seconds, "/s", ""),
        (f"{name}: writer alone, slowest of 200", max(alone) * 1_000, "ms", ""),
        (f"{name}: writer beside the purge, 99th percentile", cuts[98] * 1_000, "ms", "<= 100"),
        (f"{name}: writer beside the purge, slowest of {len(waited)}", max(waited) * 1_000, "ms", "<= 100"),
    ]


def _written(tracking, run, number):
    began = time.perf_counter()
    tracking.log(run, Log(samples=[Sample("loss", str(number), number)]))
    return time.perf_counter() - began


def measure():
    """Return rows of (what, figure, unit, promise)."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        rows = figures("SQLite", Path(folder) / "store.db")
    for kind in (PostgresqlServer, MariadbServer):
        if kind.missing():
            print(kind.missing())
            continue
        with kind() as server:
            url = server.new_database()
            upgrade_store(url)
            rows += figures(server.name, url)
    return rows
