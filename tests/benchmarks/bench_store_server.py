"""The store server over gRPC on loopback: reports of many clients, each acknowledged when it is durable, and one trial's log.

The databases are durable (synchronous=FULL, fsync). The clients run in this process and take about as much of the machine as the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from katib.metrics.sample import Sample
from katib.rpc import v1beta1 as wire
from katib.rpc.services import MESSAGE_OPTIONS, stub
from katib.rpc.wire_time import time_text
from katib.store import open_store
from katib.testing.database_servers import MariadbServer, PostgresqlServer
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = tuple[str, float, str, str]

CLIENTS = 16
SINGLES = 500
BATCH_CLIENTS = 4
BATCHES = 60
BATCH = 100
MILLION = 1_000_000
POINTS = 1_000
START = datetime(2026, 1, 1, tzinfo=UTC)
REPORT = "ReportObservationLog"
PROMISES = {
    "SQLite": (">= 1000", "<= 60", ">= 10000"),
    "PostgreSQL": (">= 800", "<= 80", ">= 8000"),
    "MariaDB": ("", "", ""),
}
"""Reports of one point a second, their p99 in ms, and points a second in batches."""


@contextlib.contextmanager
def served(url: str) -> Iterator[str]:
    """Serve a store with an experiment, and yield the address."""
    with open_store(url) as store:
        recorded(store, trials=CLIENTS)
    with ServedStore("--url", url) as server:
        if not server.address:
            raise RuntimeError(server.log)
        yield server.address


def report(trial: int, first: int, count: int, name: str = "search-{:04d}") -> wire.ReportObservationLogRequest:
    """Return so many points of a trial, none like another one."""
    entries = [
        wire.MetricLog(
            time_stamp=time_text(START + timedelta(milliseconds=number)),
            metric=wire.Metric(name="loss", value=repr(1 / (number + 1))),
        )
        for number in range(first, first + count)
    ]
    return wire.ReportObservationLogRequest(
        trial_name=name.format(trial), observation_log=wire.ObservationLog(metric_logs=entries)
    )


async def client(address: str, requests: list[wire.ReportObservationLogRequest], seconds: list[float]) -> None:
    """Send reports, each after the one before was acknowledged, on a connection of their own."""
    options = (*MESSAGE_OPTIONS, ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        call = stub(channel, "DBManager", REPORT)
        for request in requests:
            started = time.perf_counter()
            await call(request, timeout=60)
            seconds.append(time.perf_counter() - started)


async def clients(
    address: str, number: int, requests: Callable[[int], list[wire.ReportObservationLogRequest]]
) -> tuple[float, list[float]]:
    """Return how long it took in all, and each call."""
    made = [requests(each) for each in range(number)]
    seconds: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(client(address, each, seconds) for each in made))
    return time.perf_counter() - started, sorted(seconds)


async def logs(address: str, trials: list[int], **more: str) -> list[float]:
    """Return the seconds of reading a trial's log."""
    async with grpc.aio.insecure_channel(address, options=MESSAGE_OPTIONS) as channel:
        call = stub(channel, "DBManager", "GetObservationLog")
        seconds = []
        for trial in trials:
            started = time.perf_counter()
            reply = await call(wire.GetObservationLogRequest(trial_name=f"search-{trial:04d}", **more), timeout=60)
            seconds.append(time.perf_counter() - started)
            if not reply.observation_log.metric_logs:
                raise RuntimeError("no log")
    return sorted(seconds)


def at(seconds: list[float], share: float) -> float:
    """Return a quantile of sorted figures, in milliseconds."""
    return 1000 * seconds[int(share * (len(seconds) - 1))]


def fill(path: Path) -> None:
    """Put a million points of a thousand trials into a store."""
    with open_store(path) as store:
        uid = recorded(store, trials=MILLION // POINTS)
        samples = [Sample("loss", repr(1 / (n + 1)), START + timedelta(seconds=n)) for n in range(POINTS)]
        for trial in range(0, MILLION // POINTS, 50):
            with store.transaction():
                for each in range(trial, trial + 50):
                    store.append_observations(uid, f"search-{each:04d}", samples, first_sequence=0)


def reports(address: str, database: str) -> list[Row]:
    """Return how fast reports of the trials of an experiment, and of strangers, become durable."""

    def singles(trial: int) -> list[Any]:
        return [report(trial, number, 1) for number in range(SINGLES)]

    promised = PROMISES[database]
    rows: list[Row] = []
    whole, seconds = asyncio.run(clients(address, CLIENTS, singles))
    rows.append((f"{database}: reports of one point, {CLIENTS} clients", len(seconds) / whole, "/s", promised[0]))
    rows.append((f"{database}: the same, p50", at(seconds, 0.5), "ms", ""))
    rows.append((f"{database}: the same, p99", at(seconds, 0.99), "ms", promised[1]))
    whole, seconds = asyncio.run(clients(address, CLIENTS, singles))
    rows.append((f"{database}: the same reports again, which change nothing", len(seconds) / whole, "/s", ""))
    whole, seconds = asyncio.run(
        clients(address, CLIENTS, lambda n: [report(n, number, 1, "job-{}") for number in range(SINGLES)])
    )
    rows.append((f"{database}: the same of trials that no experiment has", len(seconds) / whole, "/s", ""))
    whole, seconds = asyncio.run(clients(address, 1, lambda _: [report(0, SINGLES + n, 1) for n in range(200)]))
    rows.append((f"{database}: reports of one point, one client, p50", at(seconds, 0.5), "ms", ""))
    whole, seconds = asyncio.run(
        clients(
            address,
            BATCH_CLIENTS,
            lambda n: [report(n, 10_000 + BATCH * number, BATCH) for number in range(BATCHES)],
        )
    )
    points = BATCH * len(seconds) / whole
    rows.append((f"{database}: points in reports of {BATCH}, {BATCH_CLIENTS} clients", points, "points/s", promised[2]))
    rows.append((f"{database}: the same, p99 of a report", at(seconds, 0.99), "ms", ""))
    return rows


def measure() -> list[Row]:
    """Return what was promised, and its neighbours."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, served(f"sqlite:///{folder}/katib.db") as address:
        rows += reports(address, "SQLite")
    for kind in (PostgresqlServer, MariadbServer):
        if kind.missing():
            print(kind.missing())
            continue
        with kind(durable=True) as server, served(server.new_store()) as address:
            rows += reports(address, kind.name)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        fill(Path(folder) / "katib.db")
        with ServedStore("--url", f"sqlite:///{folder}/katib.db") as server:
            asyncio.run(logs(server.address, [0]))
            trials = list(range(3, MILLION // POINTS, 37))
            seconds = asyncio.run(logs(server.address, trials))
            rows.append((f"one trial's log of {POINTS} out of {MILLION:,} points, p50", at(seconds, 0.5), "ms", "<= 5"))
            late = time_text(START + timedelta(seconds=POINTS - 10))
            seconds = asyncio.run(logs(server.address, trials, start_time=late))
            rows.append(("the same, its last 10 points", at(seconds, 0.5), "ms", ""))
    return rows
