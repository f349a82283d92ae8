"""The experiments' API over loopback: a thousand who watch one experiment, and trials asked for and told of one after the other.

The server is a process of its own, as are its clients, which take as much of the machine as it does. Its memory is the most it has ever
had, with everything it has loaded. A round is timed from before the call that changes the experiment until the last watcher has read
the change; a trial from asking for it until its result is durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_stub import ExperimentsStub
from katib.rpc.services import MESSAGE_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = tuple[str, float, str, str]

WATCHERS = 1_000
CONNECTIONS = 50
ROUNDS = 12
SILENT = 200
CHANGES = 60
CLIENTS = 16
TRIALS = 1_200
ALONE = 200
OWN = (*MESSAGE_OPTIONS, ("grpc.use_local_subchannel_pool", 1))


def serve(folder: str) -> None:
    """Be the server, until the other side closes standard input."""
    from katib.local.experiments import LocalExperiments
    from katib.local.home import Home
    from katib.rpc.experiments_server import ExperimentsServer, ExperimentsServerOptions
    from katib.rpc.grpc_server import Listening
    from katib.store import open_store

    async def run() -> None:
        home = Home(Path(folder))
        with open_store(home.store_path) as store, LocalExperiments(home, store) as experiments:
            options = ExperimentsServerOptions(Listening(("127.0.0.1:0",), grace=0))
            async with ExperimentsServer(options, experiments) as server:
                print(server.addresses[0], flush=True)
                await asyncio.to_thread(sys.stdin.read)

    asyncio.run(run())


@contextlib.contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Yield where a server answers, and the id of its process."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, __file__, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.communicate(timeout=60)


def most_memory(pid: int) -> float:
    """Return the most memory that a process has ever had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def processor_time(pid: int) -> float:
    """Return how much processor time a process has used, in milliseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000 / os.sysconf("SC_CLK_TCK")


def search(name: str, trials: int, parallel: int) -> wire.CreateExperimentRequest:
    """Return what makes an experiment whose trials are run here."""
    return wire.CreateExperimentRequest(
        namespace="bench",
        search=wire.Search(
            name=name,
            parameters=[
                wire.Parameter(name=f"p{number}", double_space=wire.DoubleSpace(min=0, max=1)) for number in range(4)
            ],
            objectives=[wire.Objective(metric="loss", direction=wire.Objective.MINIMIZE)],
            max_trial_count=trials,
            parallel_trial_count=parallel,
            seed=1,
        ),
    )


class Watchers:
    """Those who watch one experiment, and how many have read what."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.wanted = 0
        self.missing = 0

    async def watch(self, stub: ExperimentsStub, synced: asyncio.Semaphore, *, reads: bool) -> None:
        """Read until the end, or only the beginning."""
        call = stub.WatchExperiments(wire.WatchExperimentsRequest(namespace="bench", name="watched"))
        async for message in call:
            if message.HasField("synced"):
                synced.release()
                if not reads:
                    await asyncio.sleep(3_600)
            elif message.HasField("experiment") and message.experiment.max_trial_count == self.wanted:
                self.missing -= 1
                if self.missing == 0:
                    self.told.set()

    async def change(self, stub: ExperimentsStub, count: int, readers: int) -> float:
        """Change the experiment, and return after how long all have read it."""
        self.wanted, self.missing = count, readers
        self.told.clear()
        started = time.perf_counter()
        request = wire.EditBudgetRequest(namespace="bench", name="watched", max_trial_count=count)
        await stub.EditBudget(request)
        await asyncio.wait_for(self.told.wait(), 120)
        return time.perf_counter() - started


async def watching(address: str, pid: int) -> list[Row]:
    """Measure a thousand watchers, and then some that do not read."""
    rows: list[Row] = []
    async with contextlib.AsyncExitStack() as stack:
        stubs = [
            ExperimentsStub(await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OWN)))
            for _ in range(CONNECTIONS)
        ]
        await stubs[0].CreateExperiment(search("watched", 1_000, 4))
        idle = most_memory(pid)
        watchers, synced = Watchers(), asyncio.Semaphore(0)
        tasks = [
            asyncio.create_task(watchers.watch(stubs[number % CONNECTIONS], synced, reads=True))
            for number in range(WATCHERS)
        ]
        for _ in tasks:
            await synced.acquire()
        seconds = [await watchers.change(stubs[0], 2_000 + number, WATCHERS) for number in range(ROUNDS)]
        rows.append((f"{WATCHERS} watchers: the last is told, slowest of {ROUNDS} changes", max(seconds), "s", "<= 1"))
        rows.append((f"{WATCHERS} watchers: the server's memory", most_memory(pid), "MiB", "<= 300"))
        rows.append(("  of which it has without any", idle, "MiB", ""))
        silent = [
            asyncio.create_task(watchers.watch(stubs[number % CONNECTIONS], synced, reads=False))
            for number in range(SILENT)
        ]
        for _ in silent:
            await synced.acquire()
        for number in range(CHANGES):
            await watchers.change(stubs[0], 3_000 + number, WATCHERS)
        what = f"{WATCHERS} watchers and {SILENT} that read nothing, after {CHANGES} changes: memory"
        rows.append((what, most_memory(pid), "MiB", "<= 300"))
        for task in (*tasks, *silent):
            task.cancel()
        await asyncio.gather(*tasks, *silent, return_exceptions=True)
    return rows


async def run_trials(stub: ExperimentsStub, name: str, client: str, seconds: list[float], most: int) -> None:
    """Run trials, one after the other, until there are no more."""
    place: dict[str, Any] = {"namespace": "bench", "experiment": name, "client_id": client}
    for number in range(most):
        started = time.perf_counter()
        request = wire.SuggestTrialsRequest(**place)
        request.wait.seconds = 10
        suggested = await stub.SuggestTrials(request)
        if suggested.over:
            return
        for trial in suggested.trials:
            done = wire.CompleteTrialRequest(
                **place,
                trial=trial.name,
                request_id=f"{client}-{number}",
                outcome=wire.CompleteTrialRequest.COMPLETED,
                measurements=[wire.Measurement(metric="loss", number=trial.assignments[0].number)],
            )
            await stub.CompleteTrial(done)
        seconds.append(time.perf_counter() - started)


async def asking(address: str, pid: int) -> list[Row]:
    """Measure ask and tell, alone and by several at a time."""
    async with contextlib.AsyncExitStack() as stack:
        stubs = [
            ExperimentsStub(await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OWN)))
            for _ in range(CLIENTS)
        ]
        await stubs[0].CreateExperiment(search("alone", ALONE, 1))
        alone: list[float] = []
        used = [processor_time(pid)]
        await run_trials(stubs[0], "alone", "only", alone, ALONE)
        alone.sort()
        used.append(processor_time(pid))
        await stubs[0].CreateExperiment(search("together", TRIALS, CLIENTS))
        together: list[float] = []
        started = time.perf_counter()
        await asyncio.gather(
            *(run_trials(stub, "together", f"c{number}", together, TRIALS) for number, stub in enumerate(stubs))
        )
        rate = len(together) / (time.perf_counter() - started)
        used.append(processor_time(pid))
    return [
        ("ask and tell, 1 client: ask for a trial and complete it: p50", 1000 * alone[len(alone) // 2], "ms", "<= 8"),
        ("ask and tell, 1 client: p95", 1000 * alone[len(alone) * 95 // 100], "ms", ""),
        (f"ask and tell, {CLIENTS} clients", rate, "trials/s", ">= 300"),
        ("  processor time of the server for a trial, 1 client", (used[1] - used[0]) / len(alone), "ms", ""),
        (f"  the same, {CLIENTS} clients", (used[2] - used[1]) / len(together), "ms", ""),
    ]


def measure() -> list[Row]:
    """Return the figures."""
    rows: list[Row] = []
    with served() as (address, pid):
        rows += asyncio.run(watching(address, pid))
    with served() as (address, pid):
        rows += asyncio.run(asking(address, pid))
    return rows


if __name__ == "__main__":
    serve(sys.argv[1])
