"""Calls that fail while a message is on its way, or when their caller has gone: who is there learns why, and nobody else is told."""

import asyncio
import contextlib

import grpc
import pytest

from katib.errors import NotFound
from katib.rpc.calls import answering, streaming
from katib.rpc.server_metrics import CallMetrics
from katib.rpc.tracking_changes import stopping

LARGE = bytes(2 << 20)
"""More than goes out before its reader reads."""


@contextlib.asynccontextmanager
async def called(method):
    """Serve a method, and call it."""

    async def requests(_, send, __):
        return await method(send)

    handler = grpc.unary_stream_rpc_method_handler(
        streaming("Fail", requests, metrics=CallMetrics(method.__name__.strip("_")))
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("katib.test.Failing", {"Fail": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel.unary_stream("/katib.test.Failing/Fail")
    await server.stop(None)


async def _left_on_its_way(send):
    sending = asyncio.create_task(send(LARGE))
    await asyncio.sleep(0)
    sending.cancel()
    raise NotFound("run 'gone' does not exist")


async def _sent_after_one_that_was_left(send):
    for _ in range(2):
        sending = asyncio.create_task(send(LARGE))
        await asyncio.sleep(0)
        sending.cancel()
    await send(LARGE)
    raise NotFound("run 'gone' does not exist")


@pytest.mark.parametrize(("method", "count"), [(_left_on_its_way, 1), (_sent_after_one_that_was_left, 2)])
def test_the_message_comes_and_then_the_reason(method, count, caplog):
    async def run():
        async with called(method) as call:
            stream = call(b"")
            await asyncio.sleep(0.2)
            got = [len(await stream.read()) for _ in range(count)]
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await stream.read()
            return got, failed.value

    got, failed = asyncio.run(run())
    assert got == [len(LARGE)] * count
    assert (failed.code(), failed.details()) == (grpc.StatusCode.NOT_FOUND, "run 'gone' does not exist")
    assert [record.message for record in caplog.records if record.name.startswith(("katib", "grpc"))] == []


def test_a_caller_who_leaves_with_a_message_on_its_way_is_no_fault(caplog):
    async def run():
        async with called(_left_on_its_way) as call:
            for seconds in (0.0, 0.01, 0.06, 0.2):
                stream = call(b"")
                await asyncio.sleep(seconds)
                stream.cancel()
            late = call(b"", timeout=0.3)
            await asyncio.sleep(0.5)
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await late.read()
            return failed.value.code()

    assert asyncio.run(run()) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert [record.message for record in caplog.records if record.name.startswith(("katib", "grpc"))] == []


class Gone:
    """What gRPC tells of a caller who goes while the failure of their call is on its way."""

    def time_remaining(self):
        return None

    def invocation_metadata(self):
        return ()

    async def write(self, _):
        raise AssertionError

    async def abort(self, *_):
        raise RuntimeError("Failed 'execute_batch': SendStatusFromServerOperation")


def test_a_caller_who_leaves_before_they_are_told_is_no_fault(caplog):
    metrics = CallMetrics("gone")

    async def fail(*_):
        raise NotFound("run 'gone' does not exist")

    for call in (
        answering("Fail", fail, metrics=metrics, longest_call=60),
        streaming("Fail", fail, metrics=metrics),
    ):
        # Which gRPC says nothing about, while it logs any other end with its traceback.
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(call(b"", Gone()))
    assert [record.message for record in caplog.records] == []
    assert metrics.registry.get_sample_value("katib_gone_calls_total", {"method": "Fail", "code": "NOT_FOUND"}) == 2


async def _stops(_):
    raise stopping()


def test_streams_that_end_with_the_server_are_no_news_for_its_log(caplog):
    async def run():
        async with called(_stops) as call:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await call(b"").read()
            return failed.value.code()

    assert asyncio.run(run()) is grpc.StatusCode.UNAVAILABLE
    assert [record.message for record in caplog.records if record.name.startswith(("katib", "grpc"))] == []
