"""The store's own gRPC API over loopback, durable, and the same work of MLflow's client beside MLflow's own server, in one run.

The clients run in this process and take about as much of the machine as the server. MLflow is not installed with the project: name its
command in ``KATIB_BENCH_MLFLOW`` (``python -m venv V && V/bin/pip install 'mlflow>=3.17,<4' 'psycopg[binary]'``, then ``V/bin/mlflow``);
without it, its rows are left out. MLflow's server writes to SQLite as it does by default and to the same PostgreSQL as ours, with two
workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench_tracking_queries as queries
import grpc

from katib.rpc import store_v1 as wire
from katib.rpc.services import MESSAGE_OPTIONS
from katib.rpc.tracking_stub import StoreStub
from katib.store import open_store, upgrade_store
from katib.store.sql.connecting import database_at
from katib.testing.database_servers import PostgresqlServer
from katib.testing.served import ServedStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

Row = tuple[str, float, str, str]

CLIENTS = 16
SINGLES = 400
BATCH_CLIENTS = 4
BATCHES = 60
BATCH = 100
CREATORS = 8
CREATED = 60
SEARCHES = 60
THREADS = 4
MLFLOW_SECONDS = 10.0
PROMISES = {
    "SQLite": (">= 1000", "<= 60", ">= 10000", ">= 150", "<= 30", "<= 50"),
    "PostgreSQL": (">= 800", "<= 80", ">= 8000", ">= 120", "<= 40", "<= 50"),
}
METRICS = [f"metric-{number}" for number in range(11)]
MLFLOW = os.environ.get("KATIB_BENCH_MLFLOW", "")


async def together(
    address: str, number: int, work: Callable[[StoreStub, int, list[float]], Awaitable[None]]
) -> tuple[float, list[float]]:
    """Let clients work at once, each on a connection of its own; return how long it took in all, and each call."""
    seconds: list[float] = []

    async def client(index: int) -> None:
        options = (*MESSAGE_OPTIONS, ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            await work(StoreStub(channel), index, seconds)

    started = time.perf_counter()
    await asyncio.gather(*(client(index) for index in range(number)))
    return time.perf_counter() - started, sorted(seconds)


async def timed(seconds: list[float], call: Awaitable[Any]) -> Any:
    """Return what a call returns, and note how long it took."""
    started = time.perf_counter()
    result = await call
    seconds.append(time.perf_counter() - started)
    return result


def observations(first: int, count: int) -> list[wire.Observation]:
    """Return so many reports of one metric."""
    return [
        wire.Observation(metric="loss", text=repr(1 / (number + 1)), step=number)
        for number in range(first, first + count)
    ]


async def append(store: StoreStub, seconds: list[float], messages: int, size: int) -> None:
    """Append reports to a new run, each message after the one before was acknowledged."""
    run = await store.CreateRun(wire.CreateRunRequest(namespace="bench"))
    for number in range(messages):
        request = wire.AppendRequest(
            namespace="bench",
            run_id=run.id,
            first_sequence=number * size,
            observations=observations(number * size, size),
        )
        await timed(seconds, store.Append(request))


async def create(store: StoreStub, index: int, seconds: list[float]) -> None:
    """Record trials with parameters and final metrics, one call for each."""
    rng = random.Random(index)
    for _ in range(CREATED):
        request = wire.CreateRunRequest(
            namespace="bench",
            run_id=uuid.UUID(int=rng.getrandbits(128)).hex,
            parameters={f"p{number}": repr(rng.random()) for number in range(4)},
            observations=[wire.Observation(metric=name, text=repr(rng.random()), step=1) for name in METRICS],
        )
        await timed(seconds, store.CreateRun(request))


async def search(store: StoreStub, project: str, seconds: list[float], filtered: list[float]) -> None:
    """Ask for the first hundred by a metric, and for those that pass a filter."""
    rng = random.Random(1)
    scope = wire.RunScope(project_ids=[project])
    for number in range(SEARCHES):
        metric = queries.METRICS[number % 3]
        order = rng.choice(["ASC", "DESC"])
        request = wire.FindRunsRequest(namespace="bench", order_by=[f"metrics.{metric} {order}"], scope=scope)
        if len((await timed(seconds, store.FindRuns(request))).runs) != queries.PAGE:
            raise RuntimeError("too few")
        request = wire.FindRunsRequest(
            namespace="bench",
            filter=f"metrics.loss < {rng.uniform(0.2, 2)} AND params.lr < {10 ** rng.uniform(-3, -1)} AND params.depth > 4",
            order_by=["metrics.loss ASC"],
            scope=scope,
        )
        await timed(filtered, store.FindRuns(request))


def at(seconds: list[float], share: float) -> float:
    """Return a quantile of figures, in milliseconds."""
    return 1000 * sorted(seconds)[int(share * (len(seconds) - 1))]


def of_service(address: str, database: str, project: str) -> list[Row]:
    """Return the figures of our API."""
    promised = PROMISES[database]
    rows: list[Row] = []
    whole, seconds = asyncio.run(together(address, CLIENTS, lambda s, _, t: append(s, t, SINGLES, 1)))
    rows.append((f"{database}: appended points, {CLIENTS} clients", len(seconds) / whole, "/s", promised[0]))
    rows.append((f"{database}: the same, p99", at(seconds, 0.99), "ms", promised[1]))
    whole, seconds = asyncio.run(together(address, BATCH_CLIENTS, lambda s, _, t: append(s, t, BATCHES, BATCH)))
    rows.append(
        (
            f"{database}: points in batches of {BATCH}, {BATCH_CLIENTS} clients",
            BATCH * len(seconds) / whole,
            "points/s",
            promised[2],
        )
    )
    whole, seconds = asyncio.run(together(address, CREATORS, create))
    rows.append(
        (
            f"{database}: trials with 4 parameters, 11 metrics, {CREATORS} clients",
            len(seconds) / whole,
            "/s",
            promised[3],
        )
    )
    seconds, filtered = [], []
    asyncio.run(together(address, 1, lambda s, _, __: search(s, project, seconds, filtered)))
    rows.append((f"{database}: first 100 of 10,000 by a metric, whole runs, p95", at(seconds, 0.95), "ms", promised[4]))
    rows.append(
        (f"{database}: filter of a metric and 2 parameters, the same, p95", at(filtered, 0.95), "ms", promised[5])
    )
    return rows


def of_client(uri: str, who: str) -> list[Row]:
    """Return what MLflow's client does with a server: ours and its own are asked for the same."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment(f"bench-{uuid.uuid4().hex}")
    rows: list[Row] = []

    def singles(counts: list[int], until: float) -> None:
        run = client.create_run(experiment).info.run_id
        step = 0
        while time.perf_counter() < until:
            client.log_metric(run, "loss", 1 / (step + 1), step=step)
            step += 1
        counts.append(step)

    counts: list[int] = []
    until = time.perf_counter() + MLFLOW_SECONDS
    threads = [threading.Thread(target=singles, args=(counts, until)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows.append((f"{who}: log_metric, {THREADS} threads", sum(counts) / MLFLOW_SECONDS, "/s", ""))
    run, step, started = client.create_run(experiment).info.run_id, 0, time.perf_counter()
    while time.perf_counter() < started + MLFLOW_SECONDS:
        batch = [
            Metric("loss", random.random(), 1_700_000_000_000 + step + number, step + number) for number in range(BATCH)
        ]
        client.log_batch(run, metrics=batch)
        step += BATCH
    rows.append(
        (f"{who}: points in log_batch of {BATCH}, one client", step / (time.perf_counter() - started), "/s", "")
    )
    made, started = 0, time.perf_counter()
    while time.perf_counter() < started + MLFLOW_SECONDS:
        run = client.create_run(experiment).info.run_id
        now = int(time.time() * 1000)
        client.log_batch(
            run,
            metrics=[Metric(name, random.random(), now, 1) for name in METRICS],
            params=[Param(f"p{number}", repr(random.random())) for number in range(4)],
        )
        client.set_terminated(run)
        made += 1
    rows.append(
        (f"{who}: create_run, log_batch, set_terminated, one client", made / (time.perf_counter() - started), "/s", "")
    )
    seconds: list[float] = []
    for number in range(20):
        begun = time.perf_counter()
        client.search_runs([experiment], order_by=[f"metrics.`{METRICS[number % 11]}` DESC"], max_results=100)
        seconds.append(time.perf_counter() - begun)
    rows.append((f"{who}: search_runs by a metric among {made}, p50", at(seconds, 0.5), "ms", ""))
    return rows


@contextlib.contextmanager
def mlflow_server(store: str, folder: str) -> Iterator[str]:
    """Run MLflow's own server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [MLFLOW, "server", "--backend-store-uri", store, "--artifacts-destination", folder]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    environment = {**os.environ, "PATH": f"{Path(MLFLOW).parent}:{os.environ['PATH']}"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
    ) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, 15)


def figures(url: str, database: str, after_filling: Callable[[], None] = lambda: None) -> list[Row]:
    """Return the figures of our server on one database."""
    opened = database_at(url, patience=30)
    try:
        queries.fill(opened, {"10k": queries.SIZES["10k"]})
    finally:
        opened.close()
    after_filling()
    with open_store(url) as store:
        project = store.tracking("bench").project(queries.uid_of("10k")).id
    with ServedStore("--url", url, "--http-address", "127.0.0.1:0") as server:
        if not server.address:
            raise RuntimeError(server.log)
        rows = of_service(server.address, database, project)
        assert server.process.stdout is not None
        http = server.process.stdout.readline().removeprefix("http on ").strip()
        return rows + of_client(f"http://{http}", f"{database}, ours over HTTP")


def ready(server: PostgresqlServer, database: str) -> None:
    """Let numbers go on after those that were given, and let the planner know what is there."""
    tables = ("projects", "trials", "metrics", "parameter_names")
    numbers = [
        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # noqa: S608 - ours
        for table in tables
    ]
    server.execute(*numbers, "VACUUM ANALYZE", database=database)


def measure() -> list[Row]:
    """Return what was promised, and MLflow's figures beside."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        url = f"sqlite:///{folder}/katib.db"
        open_store(url).close()
        rows += figures(url, "SQLite")
        if MLFLOW:
            with mlflow_server(f"sqlite:///{folder}/mlflow.db", folder) as uri:
                rows += of_client(uri, "SQLite, MLflow's server")
    if not MLFLOW:
        print("MLflow's server is left out: name its command in KATIB_BENCH_MLFLOW")
    if PostgresqlServer.missing():
        print(PostgresqlServer.missing())
        return rows
    with PostgresqlServer(durable=True) as server, tempfile.TemporaryDirectory() as folder:
        url = server.new_database()
        upgrade_store(url)
        name = url.rsplit("/", 1)[1]
        rows += figures(url, "PostgreSQL", lambda: ready(server, name))
        if MLFLOW:
            with mlflow_server(server.new_database(), folder) as uri:
                rows += of_client(uri, "PostgreSQL, MLflow's server")
    return rows
