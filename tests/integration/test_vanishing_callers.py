"""Callers that go away, over gRPC and over HTTP: nothing is kept or given out for them, and nobody else waits because of them."""

import asyncio
import contextlib
import functools
import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import grpc
import pytest

from katib.experiments.protocol import Changes
from katib.rest.experiments.api import ExperimentsApi
from katib.rest.http_server import HttpOptions, HttpServer
from katib.rpc import experiments_v1 as wire
from katib.rpc.callers import Callers
from katib.rpc.experiments_client import RemoteExperiments
from katib.rpc.experiments_server import ExperimentsServer, ExperimentsServerOptions
from katib.rpc.experiments_service import ExperimentsService
from katib.rpc.experiments_stub import ExperimentsStub
from katib.rpc.grpc_server import Listening
from katib.rpc.server_metrics import CallMetrics
from katib.rpc.tracking_calls import TrackingCalls
from katib.rpc.transfers import Transfers
from katib.store import open_store

LOGS = "/api/v1/experiments/search/trials/search-0/logs?follow=true"
WATCH = "/api/v1/watch/experiments"
ASK = wire.SuggestTrialsRequest(experiment="search", client_id="a", wait={"seconds": 50})


class Waiting:
    """Experiments without trials and without news, of which everybody waits for something."""

    def __init__(self):
        self.asked = []
        self.readers = set()
        self.broken = threading.Event()
        self.workers = self

    def suggest(self, *_, **__):
        self.asked.append(Future())
        return self.asked[-1]

    def changes(self, *_):
        return Changes("1", (), (), ())

    def logs(self, *_, **__):
        me = object()
        self.readers.add(me)
        try:
            while not self.broken.wait(0.01):
                yield b""
            raise OSError(5, "Input/output error")
        finally:
            self.readers.discard(me)


def in_a_loop(test):
    """Run a test that is a coroutine."""

    @functools.wraps(test)
    def run(*arguments, **named):
        asyncio.run(test(*arguments, **named))

    return run


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def over_grpc(experiments):
    options = ExperimentsServerOptions(Listening(("127.0.0.1:0",), grace=0))
    async with ExperimentsServer(options, experiments) as server:
        yield server.addresses[0]


@contextlib.asynccontextmanager
async def over_http(experiments, tmp_path, **bounds):
    with (
        open_store(tmp_path / "katib.db") as store,
        ThreadPoolExecutor(1) as threads,
        Transfers() as transfers,
        ExperimentsService(
            experiments, Callers(), metrics=CallMetrics("experiments"), longest_call=60, **bounds
        ) as service,
    ):
        async with (
            TrackingCalls(store, threads) as tracking,
            HttpServer(
                HttpOptions(["127.0.0.1:0"], grace=0),
                [ExperimentsApi(lambda: service)],
                tracking=tracking,
                transfers=transfers,
            ) as server,
        ):
            yield server.addresses[0]


async def requested(address, method, path, body=b""):
    """Send a request, and return the connection."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return reader, writer


async def code_of(address, method, path):
    """Return the status of an answer whose rest nobody waits for."""
    reader, writer = await requested(address, method, path)
    async with asyncio.timeout(30):
        line = await reader.readuntil(b"\r\n")
    writer.close()
    await writer.wait_closed()
    return int(line.split()[1])


@pytest.mark.parametrize("how", ["cancelled", "late", "closed"])
@in_a_loop
async def test_no_trial_is_for_who_waits_no_more_over_grpc(how, caplog):
    experiments = Waiting()
    async with over_grpc(experiments) as address:
        async with grpc.aio.insecure_channel(address) as channel:
            call = ExperimentsStub(channel).SuggestTrials(ASK, timeout=0.5 if how == "late" else None)
            await until(lambda: experiments.asked)
            if how == "cancelled":
                call.cancel()
            elif how == "late":
                await until(call.done)
            if how != "closed":
                await until(experiments.asked[0].cancelled)
        await until(experiments.asked[0].cancelled)
    assert [record.message for record in caplog.records if record.name.startswith(("katib", "grpc"))] == []


@in_a_loop
async def test_no_trial_is_for_a_client_that_waits_no_more():
    """Its future is cancelled, and with that the call."""
    experiments = Waiting()
    async with over_grpc(experiments) as address:
        with RemoteExperiments(address, patience=0) as remote:
            waiting = remote.workers.suggest("default", "search", "a", wait=50)
            await until(lambda: experiments.asked)
            assert waiting.cancel()
            await until(experiments.asked[0].cancelled)


@in_a_loop
async def test_no_trial_is_for_who_waits_no_more_over_http(tmp_path, caplog):
    experiments = Waiting()
    body = json.dumps({"client_id": "a", "wait": "50s"}).encode()
    async with over_http(experiments, tmp_path) as address:
        _, writer = await requested(address, "POST", "/api/v1/experiments/search/suggest", body)
        await until(lambda: experiments.asked)
        writer.close()
        await writer.wait_closed()
        await until(experiments.asked[0].cancelled)
    assert [record.message for record in caplog.records if record.levelname != "INFO"] == []


@in_a_loop
async def test_a_silent_log_is_left_with_its_last_reader(tmp_path, caplog):
    experiments = Waiting()
    async with over_http(experiments, tmp_path, most_logs=2) as address:
        for method in ("GET", "HEAD", "GET", "HEAD"):
            assert await code_of(address, method, LOGS) == 200
            await until(lambda: not experiments.readers)
    assert [record.message for record in caplog.records if record.name.startswith("asyncio")] == []


@in_a_loop
async def test_a_watch_is_left_with_its_last_reader(tmp_path):
    async with over_http(Waiting(), tmp_path, most_watches=1) as address:
        for method in ("GET", "HEAD", "GET", "HEAD"):
            codes = []
            # The one before may still be there for a moment.
            while not codes or codes[-1] == 429:
                codes.append(await code_of(address, method, WATCH))
                assert len(codes) < 1_000
            assert codes[-1] == 200


@in_a_loop
async def test_who_reads_what_breaks_is_not_left_waiting(tmp_path):
    experiments = Waiting()
    async with over_http(experiments, tmp_path) as address:
        reader, writer = await requested(address, "GET", LOGS)
        async with asyncio.timeout(30):
            assert b"200" in await reader.readuntil(b"\r\n\r\n")
            experiments.broken.set()
            rest = await reader.read()
        assert not rest.endswith(b"0\r\n\r\n"), "a body that was cut off is not to look whole"
        writer.close()
        await writer.wait_closed()
