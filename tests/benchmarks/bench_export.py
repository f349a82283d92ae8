"""What it costs to write 10,000 runs as one table, and 300,000 reports, from each database."""

from __future__ import annotations

import os
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import bench_tracking_queries as queries
from sqlalchemy import insert

from katib.store import open_store
from katib.store.export import Form, Selection, write, write_text
from katib.store.sql.connecting import database_at
from katib.store.sql.keys import digest_of
from katib.store.sql.schema import metrics, summaries, trials
from katib.store.sql.tracking_tables import parameter_names, parameters, run_tags
from katib.store.tracking.records import NewRun
from katib.testing.database_servers import MariadbServer, PostgresqlServer

RUNS = int(os.environ.get("KATIB_BENCH_RUNS", "10000"))
POINTS = 300_000
PIECE = 10_000


class Sample(NamedTuple):
    """A report."""

    name: str
    text: str
    step: int
    time: None = None


def fill_runs(place):
    """Put runs into a new store."""
    rng = random.Random(3)
    with open_store(place) as store:
        store.tracking("bench").create_project("all")
    database = database_at(place, patience=60)
    try:
        with database.writing() as connection:
            for table, names in ((metrics, queries.METRICS), (parameter_names, queries.PARAMETERS)):
                connection.execute(
                    insert(table),
                    [{"id": key, "name": name, "digest": digest_of(name)} for key, name in enumerate(names, 1)],
                )
            for start in range(0, RUNS, queries.CHUNK):
                made = [queries.run_rows(rng, start + n, 1, 10**15 + start + n) for n in range(1, queries.CHUNK + 1)]
                connection.execute(insert(trials), [each[0] for each in made])
                for table, number in ((summaries, 1), (parameters, 2), (run_tags, 3)):
                    connection.execute(insert(table), [row for each in made for row in each[number]])
    finally:
        database.close()


def fill_series(place):
    """Put a run with a long series into a new store."""
    rng = random.Random(4)
    with open_store(place) as store:
        tracking = store.tracking("bench")
        run = tracking.create_run(NewRun(name="long"))
        for start in range(0, POINTS, PIECE):
            samples = [Sample("loss", repr(rng.random()), start + step) for step in range(PIECE)]
            tracking.append(run.id, samples, first_sequence=start)


def figures(name, places, folder):
    """Return rows of (what, figure, unit, promise)."""
    fill_runs(places[0])
    fill_series(places[1])
    rows = []
    with open_store(places[0]) as store:
        for form in (Form.PARQUET, Form.ARROW, Form.JSONL, Form.CSV):
            seconds = min(_seconds(store.tracking("bench"), form, folder / "runs") for _ in range(3))
            rows.append((f"{name}: {RUNS:,} runs wide as {form}", seconds, "s", "<= 2" * (form is Form.PARQUET)))
    with open_store(places[1]) as store:
        seconds = _seconds(store.tracking("bench"), Form.PARQUET, folder / "points", points=True)
        rows.append((f"{name}: reports as parquet", POINTS / seconds, "/s", ""))
    return rows


def _seconds(tracking, form, path, *, points=False):
    began = time.perf_counter()
    if form.is_binary:
        with path.open("wb") as file:
            write(tracking, Selection(), form, file, points=points)
    else:
        with path.open("w") as file:
            write_text(tracking, Selection(), form, file, points=points)
    return time.perf_counter() - began


def measure():
    """Return rows of (what, figure, unit, promise)."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        rows = figures("SQLite", [folder / "runs.db", folder / "series.db"], folder)
        for kind in (PostgresqlServer, MariadbServer):
            if kind.missing():
                print(kind.missing())
                continue
            with kind() as server:
                rows += figures(server.name, [server.new_store(), server.new_store()], folder)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append(("memory at most, of all of it", memory, "MiB", ""))
    return rows
