"""The suggestion server over gRPC on loopback: each algorithm cold and warm, beside handlers that do nothing, and under load.

"cold" is the first call about an experiment with so many trials, to a server that never heard of it; "warm" the median of further
calls, each with one trial more. The floors are handlers of the same requests in the same run: one that only lets protobuf parse
them, one that also reads every value. The machine is shared: only ratios within one run mean anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import mixed_space
from bench_suggestion_time import optunas
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib.algorithm import registry
from katib.rpc import v1beta1 as wire
from katib.rpc.request_message import experiment_message, trial_message
from katib.rpc.services import MESSAGE_OPTIONS, handlers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Row = tuple[str, float, str, str]

SIZES = (10, 100, 1_000, 3_000)
WARM = 9
METHOD = "/api.v1.beta1.Suggestion/GetSuggestions"
EXPERIMENTS = 1_000
SLOW_CALLS = 12
PROBES = 200
SETTINGS = {"pbt": {"suggestion_trial_dir": "/data", "n_population": "20", "truncation_threshold": "0.2"}}
"""What algorithms cannot do without."""


class Requests:
    """The calls about one experiment as its trials become more."""

    def __init__(
        self, algorithm: str, most: int, *, name: str = "mixed", settings: dict[str, str] | None = None
    ) -> None:
        experiment = mixed_space.experiment_spec(algorithm, settings)
        self._experiment = experiment_message(experiment)
        self._experiment.name = name
        past = mixed_space.history(most, 1, experiment)
        self._trials = [trial_message(trial, ["loss"], labels=False) for trial in past]

    def about(self, trials: int, count: int = 1) -> bytes:
        """Return the request for so many points after so many trials."""
        request = wire.GetSuggestionsRequest(
            experiment=self._experiment,
            trials=self._trials[:trials],
            current_request_number=count,
            total_request_number=trials + count,
        )
        return request.SerializeToString()


@contextlib.contextmanager
def server(*options: str) -> Iterator[tuple[str, int]]:
    """Run ``katib serve suggestion`` and yield its address and process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "katib.cli.main", "serve", "suggestion", "--address", "127.0.0.1:0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"server on (\S+)", process.stdout.readline())
        if found is None:
            raise RuntimeError("the server did not start")
        yield found[1].rstrip(","), process.pid
    finally:
        process.terminate()
        process.wait()


def resident(pid: int) -> float:
    """Return the memory of a process and its children in MiB, counting shared pages once (proportional set size)."""
    total = 0
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    for each in [str(pid), *children]:
        text = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
    return total / 1024


@contextlib.asynccontextmanager
async def calls(address: str) -> AsyncIterator[Any]:
    """Yield a function that sends a request's bytes and returns the reply's."""
    async with grpc.aio.insecure_channel(address, options=MESSAGE_OPTIONS) as channel:
        yield channel.unary_unary(METHOD)


async def timed(call: Any, request: bytes, points: int = 1) -> float:
    """Return the seconds of one call that gives so many points."""
    started = time.perf_counter()
    reply = await call(request, timeout=600)
    seconds = time.perf_counter() - started
    got = len(wire.GetSuggestionsReply.FromString(reply).parameter_assignments)
    if got != points:
        raise RuntimeError(f"{got} points instead of {points}")
    return seconds


@contextlib.asynccontextmanager
async def floor(*, reads: bool) -> AsyncIterator[str]:
    """Run a handler in this process that parses the request, and perhaps reads every value of it."""

    async def answer(data: bytes, _: Any) -> bytes:
        request = wire.GetSuggestionsRequest.FromString(data)
        if reads:
            for trial in request.trials:
                for item in trial.spec.parameter_assignments.assignments:
                    float_or_text(item.value)
                for metric in trial.status.observation.metrics:
                    float(metric.value)
        return wire.GetSuggestionsReply(parameter_assignments=[{}]).SerializeToString()  # type: ignore[list-item]

    running = grpc.aio.server(options=MESSAGE_OPTIONS)
    service = {"GetSuggestions": answer, "ValidateAlgorithmSettings": answer}
    running.add_generic_rpc_handlers((handlers("Suggestion", service),))
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await running.stop(0)


def float_or_text(text: str) -> float | str:
    """Return the number a value is, if it is one."""
    try:
        return float(text)
    except ValueError:
        return text


async def _floors() -> dict[str, float]:
    request = Requests("random", 1_000).about(1_000)
    found = {}
    for name, reads in (("parsed", False), ("every value read", True)):
        async with floor(reads=reads) as address, calls(address) as call:
            found[name] = statistics.median([await timed(call, request) for _ in range(3 * WARM)])
    return found


async def _algorithm(name: str, address: str, sizes: tuple[int, ...]) -> dict[int, tuple[float, float, float]]:
    """Return cold, warm and eight points of one call, by number of past trials."""
    found = {}
    for size in sizes:
        requests = Requests(name, size + WARM, name=f"{name}-{size}", settings=SETTINGS.get(name))
        async with calls(address) as call:
            cold = await timed(call, requests.about(size))
            warm = [await timed(call, requests.about(size + more)) for more in range(1, WARM + 1)]
            eight = await timed(call, requests.about(size + WARM, 8), 8)
        found[size] = (cold, statistics.median(warm), eight)
    return found


async def _over_parsed(name: str, address: str) -> float:
    """Return how many times as long a warm call takes as a handler that only parses, both asked in turns."""
    requests = Requests(name, 1_000 + 3 * WARM, name=f"{name}-in-turns")
    ours, parsed = [], []
    async with floor(reads=False) as beside, calls(address) as call, calls(beside) as call_beside:
        await timed(call, requests.about(1_000))
        for more in range(1, 3 * WARM + 1):
            request = requests.about(1_000 + more)
            parsed.append(await timed(call_beside, request))
            ours.append(await timed(call, request))
    return statistics.median(ours) / statistics.median(parsed)


async def _health(address: str) -> list[float]:
    """Return the seconds of health checks while slow calls run."""
    requests = [Requests("bayesianoptimization", 400, name=f"slow-{n}").about(400, 8) for n in range(SLOW_CALLS)]
    async with grpc.aio.insecure_channel(address, options=MESSAGE_OPTIONS) as channel:
        call = channel.unary_unary(METHOD)
        check = health_pb2_grpc.HealthStub(channel).Check
        slow = [asyncio.ensure_future(call(request, timeout=600)) for request in requests]
        seconds = []
        while not all(each.done() for each in slow) and len(seconds) < PROBES:
            started = time.perf_counter()
            await check(health_pb2.HealthCheckRequest(service="manager.v1beta1.Suggestion"))
            seconds.append(time.perf_counter() - started)
            await asyncio.sleep(0.02)
        await asyncio.gather(*slow)
    return seconds


async def _many(address: str) -> None:
    """Ask about a thousand experiments, ten at a time, each with a hundred trials, and once again."""
    algorithms = ("random", "tpe", "cmaes", "sobol")
    samples = {name: Requests(name, 100).about(100) for name in algorithms}
    places = asyncio.Semaphore(10)
    async with calls(address) as call:

        async def ask(number: int) -> None:
            request = wire.GetSuggestionsRequest.FromString(samples[algorithms[number % len(algorithms)]])
            request.experiment.name = f"experiment-{number}"
            for trial in request.trials:
                trial.name = f"{request.experiment.name}-{trial.name}"
            async with places:
                await timed(call, request.SerializeToString())

        for _ in range(2):
            await asyncio.gather(*map(ask, range(EXPERIMENTS)))


def measure() -> list[Row]:
    """Print every algorithm and size; rows are what was promised."""
    floors = asyncio.run(_floors())
    rows: list[Row] = [
        (f"a handler with the request {name}, 1,000 trials, p50", 1000 * each, "ms", "")
        for name, each in floors.items()
    ]
    print(
        "through gRPC, ms, cold / warm / eight points, after "
        + ", ".join(f"{n:,}" for n in SIZES)
        + " trials; MiB at the end"
    )
    figures, ratios = {}, {}
    for name in registry.names():
        if registry.get(name).assigns:
            continue  # networks have no parameters
        with server("--workers", "1") as (address, pid):
            figures[name] = asyncio.run(_algorithm(name, address, SIZES))
            memory = resident(pid)
            if name in ("random", "grid", "sobol"):
                ratios[name] = asyncio.run(_over_parsed(name, address))
        cells = "".join(
            f"{1e3 * cold:9.1f} /{1e3 * warm:7.1f} /{1e3 * eight:7.1f}" for cold, warm, eight in figures[name].values()
        )
        print(f"{name:<22}{cells}{memory:8.0f}", flush=True)
    print()
    for name, found in figures.items():
        cold, warm, eight = found[1_000]
        rows.append((f"{name}, 1,000 trials: cold", 1000 * cold, "ms", "<= 1,000"))
        rows.append((f"{name}, 1,000 trials: eight points", 1000 * eight, "ms", ""))
        if name in ratios:
            rows.append((f"{name}, 1,000 trials: warm over parsed, in turns", ratios[name], "", "<= 2"))
        if name in ("hyperband", "asha", "pbt"):
            rows.append((f"{name}, 1,000 trials: warm", 1000 * warm, "ms", "<= 20"))
    for name, multivariate in (("tpe", False), ("multivariate-tpe", True)):
        fresh, warm = optunas(1_000, multivariate=multivariate)
        rows.append(
            (f"{name}, 1,000 trials: cold over optuna in process, fresh", figures[name][1_000][0] / fresh, "", "<= 1.5")
        )
        rows.append(
            (f"{name}, 1,000 trials: warm over optuna in process", figures[name][1_000][1] / warm, "", "<= 1.5")
        )
    with server() as (address, pid):
        seconds = sorted(asyncio.run(_health(address)))
    worst = seconds[int(0.99 * (len(seconds) - 1))]
    rows.append((f"health check under {SLOW_CALLS} slow calls, p99 of {len(seconds)}", 1000 * worst, "ms", "<= 100"))
    with server() as (address, pid):
        asyncio.run(_many(address))
        rows.append(
            (f"{EXPERIMENTS:,} experiments of 100 trials, server and workers", resident(pid), "MiB", "<= 1,024")
        )
    return rows
