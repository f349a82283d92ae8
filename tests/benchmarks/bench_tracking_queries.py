"""What it costs to find runs among 10,000 and 100,000, to count them, and to draw a long series: on each database, beside other projects.

Each figure is the 95th percentile over queries with other names, thresholds and places, as one caller of the store sees them.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select

from katib.store import open_store, upgrade_store
from katib.store.sql.connecting import database_at
from katib.store.sql.keys import digest_of
from katib.store.sql.schema import metrics, observations, summaries, trials
from katib.store.sql.tracking.charts import charts
from katib.store.sql.tracking.finding import count_runs, find_run_keys
from katib.store.sql.tracking.scope import Scope
from katib.store.sql.tracking_tables import parameter_names, parameters, projects, run_tags
from katib.store.tracking.records import RunScope
from katib.testing.database_servers import MariadbServer, PostgresqlServer

SIZES = {"10k": 10_000, "100k": 100_000, "200": 200}
OTHERS = 20
ROUNDS = 60
PAGE = 100
METRICS = ("loss", "accuracy", "f1", "seconds")
PARAMETERS = ("lr", "optimizer", "depth", "width", "seed")
OPTIMIZERS = ("adam", "sgd", "rmsprop", "adagrad")
SCOPE = Scope("bench", "bench")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK = 2_000
LONG = 100_000


def run_rows(rng, key, project, began):
    """Return a run with everything that is logged of it, as rows by table."""
    uid = uuid.UUID(int=rng.getrandbits(128)).hex
    values = {
        "loss": rng.expovariate(1.0),
        "accuracy": rng.random(),
        "f1": rng.random() if rng.random() > 0.05 else math.nan,
        "seconds": rng.uniform(10, 1000),
    }
    settings = {
        "lr": 10 ** rng.uniform(-5, -1),
        "optimizer": rng.choice(OPTIMIZERS),
        "depth": rng.randint(2, 12),
        "width": rng.choice([64, 128, 256, 512]),
        "seed": rng.randint(0, 10**6),
    }
    run = {
        "id": key, "uid": uid, "name": f"run-{key}", "state": "Succeeded", "created": began, "started": began,
        "finished": began + 60_000_000, "began": began, "reason": "TrialSucceeded", "message": "Trial has succeeded",
        "assignments": json.dumps({name: str(value) for name, value in settings.items()}), "imported": False, "attempt": 1,
        "labels": "{}", "change": key, "project_id": project, "owner": "somebody",
    }  # fmt: skip
    summarised = [
        {
            "trial_id": key, "project_id": project, "metric_id": number, "first_sequence": number, "count": 100, "first": "1.5", "first_value": 1.5,
            "first_kind": 0, "latest": repr(value), "min": repr(value), "max": repr(value),
            **{f"{reading}_value": None if math.isnan(value) else value for reading in ("latest", "min", "max")},
            **{f"{reading}_kind": 1 if math.isnan(value) else 0 for reading in ("latest", "min", "max")},
            "first_time": began, "latest_time": began, "first_step": 0, "latest_step": 99,
        }
        for number, value in enumerate(values.values(), 1)
    ]  # fmt: skip
    given = [
        {
            "trial_id": key,
            "parameter_id": number,
            "text": str(value),
            "number": float(value) if not isinstance(value, str) else None,
        }
        for number, value in enumerate(settings.values(), 1)
    ]
    return run, summarised, given, [{"trial_id": key, "name": "team", "text": rng.choice("abcdef")}]


def fill(database, sizes=SIZES):
    """Put a project of each size into the store, and others between."""
    rng = random.Random(6)
    sizes = list(sizes.items()) + [(f"other {number}", 500) for number in range(OTHERS)]
    with database.writing() as connection:
        connection.execute(
            insert(projects),
            [
                {"id": key, "uid": uid_of(name), "namespace": "bench", "name": name, "description": "", "owner": "", "created": 0,
                 "updated": 0}
                for key, (name, _) in enumerate(sizes, 1)
            ],
        )  # fmt: skip
        connection.execute(
            insert(metrics),
            [{"id": key, "name": name, "digest": digest_of(name)} for key, name in enumerate(METRICS, 1)],
        )
        connection.execute(
            insert(parameter_names),
            [{"id": key, "name": name, "digest": digest_of(name)} for key, name in enumerate(PARAMETERS, 1)],
        )
    of_project = [project for project, (_, size) in enumerate(sizes, 1) for _ in range(size)]
    rng.shuffle(of_project)  # projects grow beside each other
    for start in range(0, len(of_project), CHUNK):
        made = [
            run_rows(rng, key, project, 1_700_000_000_000_000 + key * 1_000_000)
            for key, project in enumerate(of_project[start : start + CHUNK], start + 1)
        ]
        with database.writing() as connection:
            connection.execute(insert(trials), [each[0] for each in made])
            for table, place in ((summaries, 1), (parameters, 2), (run_tags, 3)):
                connection.execute(insert(table), [row for each in made for row in each[place]])
    series = [
        {"trial_id": 1, "metric_id": 1, "sequence": number, "value": rng.random(), "kind": 0, "time": number * 1_000_000, "step": number}
        for number in range(LONG)
    ]  # fmt: skip
    with database.writing() as connection:
        connection.execute(insert(observations), series)


def uid_of(name):
    """Return the id of a project."""
    return digest_of(name)[:32]


def measure():
    """Return rows of (what, figure, unit, promise)."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "store.db"
        open_store(path).close()
        rows = _measure("SQLite", path, ())
    for kind, analyze in ((PostgresqlServer, ("VACUUM ANALYZE",)), (MariadbServer, ())):
        if kind.missing():
            print(kind.missing())
            continue
        with kind() as server:
            url = server.new_database()
            upgrade_store(url)
            rows += _measure(server.name, url, analyze, server)
    return rows


def _measure(name, place, statements, server=None):
    database = database_at(place, patience=60)
    try:
        fill(database)
        if server is not None and statements:
            server.execute(*statements, database=str(place).rsplit("/", 1)[1])
        return [(f"{name}: {what}", figure, unit, promise) for what, figure, unit, promise in _figures(database)]
    finally:
        database.close()


def filters(rng, kind):
    """Yield filters on a metric and two parameters, from those that most pass to those that none does."""
    while True:
        metric, bound = rng.choice(
            [("loss", rng.expovariate(1.0)), ("accuracy", rng.random()), ("seconds", rng.uniform(10, 1000))]
        )
        if kind == "rare":
            bound = {"loss": 0.002, "accuracy": 0.002, "seconds": 12}[metric]
        lr = f"params.lr < {10 ** rng.uniform(-5, -1):g}"
        other = rng.choice(
            [f"params.optimizer = '{rng.choice(OPTIMIZERS)}'", f"params.depth >= {rng.randint(2, 13)}",
             f"params.seed < {rng.randint(0, 10**6)}"]
        )  # fmt: skip
        yield f"metrics.{metric} < {bound:g} AND {lr} AND {other}"


def orders(rng):
    """Yield orders by a metric."""
    while True:
        name = rng.choice(METRICS)
        yield rng.choice(
            [f"metrics.{name}", f"metrics.{name} DESC", f"min(metrics.{name})", f"max(metrics.{name}) DESC"]
        )


def _figures(database):
    found = []
    for size in ("10k", "100k"):
        project = RunScope(project_ids=[uid_of(size)])
        rng = random.Random(7)

        def page(text="", order="", cursor=None, project=project, limit=PAGE):
            return database.read(find_run_keys, SCOPE, text, order, project, limit=limit, cursor=cursor, now=NOW)

        def count(text="", project=project):
            return database.read(count_runs, SCOPE, text, project, now=NOW)

        deep = _deep(page, "")
        by_metric, deep_by_metric = orders(rng), _deep(page, "metrics.loss")
        common, rare = filters(rng, "common"), filters(rng, "rare")
        promised = {"10k": ("<= 30", "<= 50"), "100k": ("", "<= 150")}[size]
        for what, call, promise in (
            ("newest", lambda page=page: page(), ""),
            ("newest, from the middle", lambda page=page, deep=deep: page(cursor=deep), ""),
            ("by any metric", lambda page=page, by_metric=by_metric: page(order=next(by_metric)), promised[0]),
            ("by a metric, from the middle", lambda page=page, deep=deep_by_metric: page(order="metrics.loss", cursor=deep), ""),
            ("metric and 2 parameters", lambda page=page, common=common: page(next(common)), promised[1]),
            ("metric and 2 parameters, few pass", lambda page=page, rare=rare: page(next(rare)), promised[1]),
            ("metric and 2 parameters, by a metric",
             lambda page=page, common=common, by_metric=by_metric: page(next(common), next(by_metric)), ""),
            ("count all", lambda count=count: count(), ""),
            ("count metric and 2 parameters", lambda count=count, common=common: count(next(common)), ""),
        ):  # fmt: skip
            median, most = _percentiles(call)
            found.append((f"{size} runs, 100 of them, {what}, median", median * 1e3, "ms", ""))
            found.append((f"{size} runs, 100 of them, {what}, 95 %", most * 1e3, "ms", promise))
    with database.reading() as connection:
        run = connection.execute(select(trials.c.uid).where(trials.c.id == 1)).scalar_one()
    median, most = _percentiles(lambda: database.read(charts, SCOPE, [run], "loss", 320))
    found.append((f"a chart of 320 points out of {LONG}, median", median * 1e3, "ms", ""))
    found.append((f"a chart of 320 points out of {LONG}, 95 %", most * 1e3, "ms", "<= 100"))
    return found


def _deep(page, order):
    cursor = None
    for _ in itertools.repeat(None, 2):
        _, cursor = page("", order, cursor, limit=2_500)
    return cursor


def _percentiles(call):
    call()
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
