"""What the store costs on each database: commits, points, lists beside a 10,000-trial experiment, many writers; all of it durable.

SQLite with synchronous=FULL, PostgreSQL with fsync, MariaDB with innodb_flush_log_at_trx_commit=1; the servers are on this machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from katib.api.experiment import Metric, Observation
from katib.api.trial import TrialState
from katib.store import open_store
from katib.testing.database_servers import MariadbServer, PostgresqlServer
from katib.testing.store_promises.specimens import full_status, recorded, reports, trial

TRIALS = 10_000
COMMITS = 300
BATCHES = 200
BATCH = 100
CLIENTS = 16
REPORTS = 100

OPEN_AND_LIST = """
import sys
from katib.store import open_store
with open_store(sys.argv[1]) as store:
    store.experiments()
"""


@contextmanager
def timed(seconds):
    """Append how long the block took."""
    started = time.perf_counter()
    yield
    seconds.append(time.perf_counter() - started)


def finished_trial(index):
    """Return a trial as it looks when it is over."""
    metrics = [Metric(name=name, latest="0.123456", min="0.1", max="0.9") for name in ("loss", "accuracy")]
    created = trial(index).created
    return trial(
        index,
        TrialState.SUCCEEDED,
        assignments=tuple((f"p{number}", repr(index / 7 + number)) for number in range(5)),
        started=created,
        finished=created,
        observation=Observation(metrics=metrics),
        reason="TrialSucceeded",
        message="Trial has succeeded",
        attempt=1,
    )


def measure():
    """Return rows of (what, figure, unit, promise)."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        rows = _measure("SQLite", Path(folder) / "store.db")
    for kind in (PostgresqlServer, MariadbServer):
        if kind.missing():
            print(kind.missing())
            continue
        with kind(durable=True) as server:
            rows += _measure(server.name, server.new_store())
    return rows


def _measure(name, place):
    return [(f"{name}: {what}", figure, unit, promise) for what, figure, unit, promise in _figures(place)]


def _figures(path):
    rows = []
    with open_store(path) as store:
        uid, batch = recorded(store), []
        records = [finished_trial(index) for index in range(TRIALS)]
        with timed(batch):
            store.record_trials(uid, records)
        rows.append((f"{TRIALS} trials recorded in one call", batch[0] * 1e6 / TRIALS, "us/trial", ""))

        commits = []
        for record in records[:COMMITS]:
            with timed(commits):
                store.record_trials(uid, [replace(record, attempt=2)])
        rows.append((f"one trial of {TRIALS} recorded, median", statistics.median(commits) * 1e3, "ms", "<= 5"))
        rows.append((f"one trial of {TRIALS} recorded, 99 %", statistics.quantiles(commits, n=100)[-1] * 1e3, "ms", ""))

        lives = []
        for record in records[:COMMITS]:
            with timed(lives):
                _live(store, uid, record)
        rows.append(("the three transactions of a trial's life, median", statistics.median(lives) * 1e3, "ms", "<= 10"))

        points, samples = [], reports(BATCHES * BATCH)
        with timed(points):
            for at in range(0, len(samples), BATCH):
                store.append_observations(uid, records[-1].name, samples[at : at + BATCH], first_sequence=at)
        rows.append((f"points in batches of {BATCH}, a commit each", len(samples) / points[0], "points/s", ">= 10000"))

        rows.append((f"trials() of {TRIALS}", _best(lambda: store.trials(uid)) * 1e3, "ms", "<= 300"))
        rows.append((f"experiments() beside {TRIALS} trials", _best(store.experiments) * 1e3, "ms", "<= 5"))
        cursor, _ = store.changes(uid, 0)
        store.record_trials(uid, records[:1])
        rows.append((f"changes(): 1 of {TRIALS}", _best(lambda: store.changes(uid, cursor)) * 1e3, "ms", "<= 5"))
        series = _best(lambda: store.series(uid, records[-1].name, limit=100, after_sequence=len(samples) // 2))
        rows.append((f"100 points out of {len(samples)}", series * 1e3, "ms", "<= 5"))
        rows += _many_writers(store)
    rows.append(("open an existing store", _best(lambda: open_store(path).close()) * 1e3, "ms", ""))
    command = [sys.executable, "-c", OPEN_AND_LIST, str(path)]
    started = _best(lambda: subprocess.run(command, check=True))
    rows.append(("Python start, open, experiments()", started * 1e3, "ms", "<= 500"))
    return rows


def _many_writers(store):
    """Return what clients get that report at the same time, each for a trial of its own."""
    uid, seconds = recorded(store, "shared", trials=CLIENTS), []

    def report(index, size, times):
        samples = reports(size * times)
        for at in range(0, len(samples), size):
            with timed(seconds):
                store.append_observations(uid, f"search-{index:04d}", samples[at : at + size], first_sequence=at)

    rows, whole = [], []
    with ThreadPoolExecutor(CLIENTS) as pool:
        with timed(whole):
            list(pool.map(lambda index: report(index, 1, REPORTS), range(CLIENTS)))
        rows.append((f"single points, {CLIENTS} clients", CLIENTS * REPORTS / whole[-1], "1/s", ">= 800"))
        worst = statistics.quantiles(seconds, n=100)[-1] * 1e3
        rows.append((f"single points, {CLIENTS} clients, 99 %", worst, "ms", "<= 80"))
        for index in range(CLIENTS):
            store.clear_observations(uid, f"search-{index:04d}")
        with timed(whole):
            list(pool.map(lambda index: report(index, BATCH, 30), range(4)))
        rows.append((f"batches of {BATCH}, 4 clients", 4 * 30 * BATCH / whole[-1], "points/s", ">= 8000"))
    return rows


def _live(store, uid, record):
    """Do what the local driver records of one trial."""
    with store.transaction():
        store.record_trials(uid, [replace(record, state=TrialState.CREATED)])
        store.save_job(uid, record.name, {"kind": "Job", "spec": {"template": {"spec": {"containers": []}}}})
        store.save_status(uid, full_status())
    with store.transaction():
        store.record_trials(uid, [replace(record, state=TrialState.RUNNING)])
        store.save_status(uid, full_status())
    with store.transaction():
        store.append_observations(uid, record.name, reports(1), first_sequence=0, checkpoint={"offset": 10})
        store.summaries(uid, record.name)
        store.record_trials(uid, [record])
        store.save_status(uid, full_status())


def _best(call, times=5):
    seconds = []
    for _ in range(times):
        with timed(seconds):
            call()
    return min(seconds)
