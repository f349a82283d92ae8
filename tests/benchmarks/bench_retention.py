"""What a purge of 400,000 reports costs, how long it keeps those waiting who write meanwhile, and whether its room is used again.

``KATIB_BENCH_PURGED`` is another number of reports (not fewer than the 200,000 of the long run).
"""

from __future__ import annotations

import os
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
POINTS = 1_000
SHORT = (int(os.environ.get("KATIB_BENCH_PURGED", "400000")) - LONG) // POINTS
PIECE = 10_000
PAUSE = 0.01
SIZES = {
    # What autovacuum does within a minute.
    PostgresqlServer: ("VACUUM observations", "SELECT pg_total_relation_size('observations')"),
    MariadbServer: (
        "SELECT file_size FROM information_schema.innodb_sys_tablespaces WHERE name = concat(database(), '/observations')",
    ),
}


class Sample(NamedTuple):
    """A report."""

    name: str
    text: str
    step: int
    time: None = None


def fill(tracking, name):
    """Record a project with one long run and many short ones, and return its id."""
    project = tracking.create_project(name)
    with tracking.transaction():
        run = tracking.create_run(NewRun(project_id=project.id))
        for start in range(0, LONG, PIECE):
            samples = [Sample("loss", str(start + step), start + step) for step in range(PIECE)]
            tracking.append(run.id, samples, first_sequence=start)
        for _ in range(SHORT):
            run = tracking.create_run(NewRun(project_id=project.id))
            tracking.append(run.id, [Sample("loss", str(step), step) for step in range(POINTS)], first_sequence=0)
    return project.id


def figures(name, place, size):
    """Return rows of (what, figure, unit, promise); ``size`` returns the bytes that the points and their indexes take."""
    with open_store(place) as store, open_store(place) as other:
        tracking, writing = store.tracking("team"), other.tracking("team")
        old = fill(tracking, "old")
        run = tracking.create_run(NewRun()).id
        before = size()
        began = time.perf_counter()
        tracking.delete(Node(NodeKind.PROJECT, old))
        deleting = time.perf_counter() - began
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
        purged_size = size()
        fill(tracking, "new")
        again = size()
    assert purged.points == LONG + SHORT * POINTS
    cuts = statistics.quantiles(waited, n=100)
    return [
        (f"{name}: delete a project of {SHORT + 1} runs", deleting * 1_000, "ms", ""),
        (f"{name}: purge, reports", purged.points / seconds, "/s", ""),
        (f"{name}: writer alone, slowest of 200", max(alone) * 1_000, "ms", ""),
        (f"{name}: writer beside the purge, 99th percentile", cuts[98] * 1_000, "ms", "<= 100"),
        (f"{name}: writer beside the purge, slowest of {len(waited)}", max(waited) * 1_000, "ms", "<= 100"),
        (f"{name}: size before the purge", before / 2**20, "MiB", ""),
        (f"{name}: size after it", purged_size / 2**20, "MiB", ""),
        (f"{name}: size with as much again, of that before", 100 * again / before, "%", "<= 110"),
    ]


def _written(tracking, run, number):
    began = time.perf_counter()
    tracking.log(run, Log(samples=[Sample("loss", str(number), number)]))
    return time.perf_counter() - began


def measure():
    """Return rows of (what, figure, unit, promise)."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "store.db"
        rows = figures("SQLite", path, lambda: path.stat().st_size)
    for kind, statements in SIZES.items():
        if kind.missing():
            print(kind.missing())
            continue
        with kind(durable=True) as server:
            url = server.new_database()
            upgrade_store(url)
            rows += figures(server.name, url, lambda: size_on(server, url, statements))  # noqa: B023 - called in this round
    return rows


def size_on(server, url, statements):
    """Return what the points take on a server, once the rows that are gone are seen to be so."""
    return int(server.execute(*statements, database=url.rsplit("/", 1)[1])[0][0])
