"""Many points through the service, and one series out of very many: does it stay as quick and as small as it began?

``KATIB_BENCH_SOAK`` is how many points are sent to each database (1,000,000), ``KATIB_BENCH_ROWS`` how many PostgreSQL is given directly
before one series is read through the service (10,000,000).
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from katib.rpc import store_v1 as wire
from katib.rpc.services import MESSAGE_OPTIONS
from katib.rpc.tracking_stub import StoreStub
from katib.store import open_store
from katib.store.tracking.records import NewRun
from katib.testing.database_servers import PostgresqlServer
from katib.testing.served import ServedStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Row = tuple[str, float, str, str]

POINTS = int(os.environ.get("KATIB_BENCH_SOAK", "1000000"))
ROWS = int(os.environ.get("KATIB_BENCH_ROWS", "10000000"))
CLIENTS = 4
MESSAGE = 1_000
LONG = 10_000
"""Points of one run."""


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has held."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM")


async def stream(address: str, points: int, done: list[float]) -> None:
    """Append points to runs one after another in one stream, and note when each message was durable."""
    async with grpc.aio.insecure_channel(address, options=MESSAGE_OPTIONS) as channel:
        store = StoreStub(channel)

        async def messages() -> AsyncIterator[Any]:
            for start in range(0, points, MESSAGE):
                if start % LONG == 0:
                    run = await store.CreateRun(wire.CreateRunRequest(namespace="soak"))
                yield wire.AppendRequest(
                    namespace="soak",
                    run_id=run.id,
                    first_sequence=start % LONG,
                    observations=[
                        wire.Observation(metric="loss", text=repr(1 / (number + 1)), step=number)
                        for number in range(start % LONG, start % LONG + MESSAGE)
                    ],
                )

        async for _ in store.AppendObservations(messages()):
            done.append(time.perf_counter())  # noqa: PERF401 - others append to it meanwhile


def soak(address: str, pid: int, database: str) -> list[Row]:
    """Return how quick the first and the second half of the points were, and how large the server became."""
    done: list[float] = []

    async def all_streams() -> None:
        await asyncio.gather(*(stream(address, POINTS // CLIENTS, done) for _ in range(CLIENTS)))

    started = time.perf_counter()
    asyncio.run(all_streams())
    done.sort()
    half = len(done) // 2
    return [
        (
            f"{database}: {POINTS:,} points in {CLIENTS} streams, first half",
            half * MESSAGE / (done[half - 1] - started),
            "points/s",
            "",
        ),
        (f"{database}: the same, second half", half * MESSAGE / (done[-1] - done[-1 - half]), "points/s", ""),
        (f"{database}: the same, most memory of the server", peak_mib(pid), "MiB", "<= 400"),
    ]


def fill(server: PostgresqlServer, database: str, runs: list[int]) -> None:
    """Give runs so many points in all, as the store writes them."""
    each = ROWS // len(runs)
    server.execute(
        "INSERT INTO metrics (name, digest) VALUES ('filled', 'filled')",
        "INSERT INTO observations (trial_id, metric_id, sequence, value, kind, time, step) "  # noqa: S608 - numbers of ours
        "SELECT t.id, m.id, s, 1.0 / (s + 1), 0, 1700000000000000 + s::bigint * 1000000, s "
        f"FROM trials t, metrics m, generate_series(0, {each - 1}) s WHERE m.name = 'filled' AND t.project_id IS NOT NULL",
        "VACUUM ANALYZE",
        database=database,
    )


async def one_series(address: str, runs: list[str]) -> list[float]:
    """Return the seconds it takes to read the first thousand points of a run, each of another one."""
    seconds = []
    async with grpc.aio.insecure_channel(address, options=MESSAGE_OPTIONS) as channel:
        store = StoreStub(channel)
        for run in runs:
            request = wire.ListObservationsRequest(namespace="soak", run_id=run, metric="filled", page_size=1000)
            started = time.perf_counter()
            found = await store.ListObservations(request)
            seconds.append(time.perf_counter() - started)
            if len(found.observations) != min(1000, ROWS // 1000):
                raise RuntimeError("no series")
    return sorted(seconds)


def measure() -> list[Row]:
    """Return the figures of both databases."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        url = f"sqlite:///{folder}/katib.db"
        open_store(url).close()
        with ServedStore("--url", url) as served:
            rows += soak(served.address, served.process.pid, "SQLite")
    if PostgresqlServer.missing():
        print(PostgresqlServer.missing())
        return rows
    with PostgresqlServer(durable=True) as server:
        url = server.new_store()
        with ServedStore("--url", url) as served:
            rows += soak(served.address, served.process.pid, "PostgreSQL")
        url = server.new_store()
        with open_store(url) as store:
            tracking = store.tracking("soak")
            runs = store.together([lambda: tracking.create_run(NewRun(), parts=()) for _ in range(1000)])
        started = time.perf_counter()
        fill(server, url.rsplit("/", 1)[1], [run.serial for run in runs])
        # As the store has one for every series.
        summaries = (
            "INSERT INTO summaries (trial_id, metric_id, first_sequence, first, latest, latest_kind, min, min_kind, max, max_kind, count) "
            "SELECT t.id, m.id, 0, '1.0', '0.1', 0, '0.1', 0, '1.0', 0, 1 FROM trials t, metrics m WHERE m.name = 'filled'"
        )
        server.execute(summaries, database=url.rsplit("/", 1)[1])
        print(f"filled {ROWS:,} rows in {time.perf_counter() - started:.0f} s")
        with ServedStore("--url", url) as served:
            asyncio.run(one_series(served.address, [runs[0].id]))
            seconds = asyncio.run(one_series(served.address, [run.id for run in runs[5::13]]))
            rows.append(
                (
                    f"PostgreSQL: 1,000 points of a run out of {ROWS:,} points, p50",
                    1000 * seconds[len(seconds) // 2],
                    "ms",
                    "<= 10",
                )
            )
            rows.append(
                ("PostgreSQL: the same, most memory of the server", peak_mib(served.process.pid), "MiB", "<= 400")
            )
    return rows
