"""The HTTP server in this process, with an API of the test's own: what it takes, what it refuses, how it ends."""

import asyncio
import contextlib
import json
import logging
import ssl
from concurrent.futures import ThreadPoolExecutor

import pytest

from katib.errors import Conflict, InvalidInput, NotFound, Overloaded, StoreUnavailable
from katib.rest import connections
from katib.rest.answers import PiecesResponse, answer
from katib.rest.http_server import HttpOptions, HttpServer, is_loopback
from katib.rest.needed_access import Access
from katib.rest.operations import Api, Operation, Patience
from katib.rpc.tracking_calls import TrackingCalls
from katib.rpc.transfers import Transfers
from katib.store import open_store

QUICK = Patience(body=0.5, piece=0.5, call=1.0)


class Example(Api):
    name = "example"
    prefixes = ("/example",)

    def __init__(self):
        self.reached = asyncio.Event()
        self.closed = asyncio.Event()

    def operations(self):
        return [
            Operation("POST", "/example/echo", "echo", self.echo, Access.WRITE, most=1_000),
            Operation("POST", "/example/count", "count", self.count, Access.WRITE, moves_files=True),
            Operation("GET", "/example/fail/{kind}", "fail", self.fail, Access.READ),
            Operation("GET", "/example/sleep", "sleep", self.sleep, Access.READ),
            Operation("GET", "/example/long", "long", self.sleep, Access.READ, moves_files=True),
            Operation("GET", "/example/endless", "endless", self.endless, Access.READ, moves_files=True),
            Operation("GET", "/example/where", "where", self.where, Access.READ),
        ]

    def namespace(self, headers):
        return headers.get("x-namespace")

    def body(self, fault):
        return {"oops": fault.message}

    async def echo(self, call):
        return answer(await call.document())

    async def count(self, call):
        return answer(sum([len(piece) async for piece in call.pieces()]))

    async def fail(self, call):
        kinds = {"missing": NotFound, "busy": Overloaded, "away": StoreUnavailable, "bug": ZeroDivisionError}
        raise kinds[call.path["kind"]]("said so")

    async def sleep(self, _):
        self.reached.set()
        await asyncio.sleep(30)

    async def endless(self, call):
        async def pieces():
            try:
                while True:
                    yield b"x" * 100_000
                    await asyncio.sleep(0)
            finally:
                self.closed.set()

        return PiecesResponse(pieces(), status=200, headers={}, patience=call.patience.piece)

    async def where(self, call):
        return answer([call.namespace, call.identity.name, call.base_url])


@contextlib.asynccontextmanager
async def served(tmp_path, api=None, **options):
    options = {"addresses": ["127.0.0.1:0"], "patience": QUICK, **options}
    with open_store(tmp_path / "katib.db") as store, ThreadPoolExecutor(2) as threads, Transfers() as transfers:
        async with (
            TrackingCalls(store, threads) as tracking,
            HttpServer(HttpOptions(**options), [api or Example()], tracking=tracking, transfers=transfers) as server,
        ):
            yield server


class Client:
    """One connection, spoken by hand."""

    def __init__(self, server, context=None):
        self.host, _, port = server.addresses[0].rpartition(":")
        self.port, self.context = int(port), context

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port, ssl=self.context)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def ask(self, method, path, body=b"", **headers):
        await self.send(method, path, body, **headers)
        return await self.answer()

    async def send(self, method, path, body=b"", **headers):
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = {"Host": f"{self.host}:{self.port}", "Content-Length": str(len(body)), **given}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await self.writer.drain()

    async def answer(self):
        async with asyncio.timeout(30):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {line.split(": ")[0].lower(): line.split(": ", 1)[1] for line in head[1:-2]}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
            return int(head[0].split()[1]), json.loads(body) if body else None, headers


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)


async def ask(server, *arguments, **headers):
    async with Client(server) as client:
        return await client.ask(*arguments, **headers)


async def test_answers_one_after_another_on_one_connection(tmp_path):
    async with served(tmp_path) as server, Client(server) as client:
        for number in range(3):
            assert (await client.ask("POST", "/example/echo", b'{"a": %d}' % number))[:2] == (200, {"a": number})


async def test_failures_are_told_in_the_words_of_the_api(tmp_path, caplog):
    async with served(tmp_path) as server:
        assert (await ask(server, "GET", "/example/fail/missing"))[:2] == (404, {"oops": "said so"})
        status, _, headers = await ask(server, "GET", "/example/fail/busy")
        assert (status, headers["retry-after"]) == (429, "1")
        status, _, headers = await ask(server, "GET", "/example/fail/away")
        assert (status, headers["retry-after"]) == (503, "1")
        assert (await ask(server, "GET", "/example/nothing"))[0] == 404
        assert (await ask(server, "GET", "/example/echo"))[0] == 405
        assert (await ask(server, "GET", "/other"))[1] == {
            "code": "NOT_FOUND",
            "message": "there is nothing at GET /other",
        }
        assert not [record for record in caplog.records if record.exc_info]
        status, document, _ = await ask(server, "GET", "/example/fail/bug")
        assert (status, document) == (500, {"oops": "the server failed: ZeroDivisionError: said so"})
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


async def test_bodies_are_bounded(tmp_path):
    async with served(tmp_path) as server:
        status, _, headers = await ask(server, "POST", "/example/echo", b"{}" + b" " * 2_000)
        assert (status, headers["connection"]) == (413, "close")
        chunks = b"".join(b"3e8\r\n" + b" " * 1_000 + b"\r\n" for _ in range(3)) + b"0\r\n\r\n"
        async with Client(server) as client:
            client.writer.write(b"POST /example/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.writer.write(chunks)
            assert (await client.answer())[0] == 413
        assert (await ask(server, "POST", "/example/count", b"x" * 3_000_000))[:2] == (200, 3_000_000)


async def test_slow_callers_are_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.3)
    async with served(tmp_path) as server:
        for path in ("/example/echo", "/example/count"):
            async with Client(server) as client:
                await client.send("POST", path, b"", Content_Length="10")
                assert (await client.answer())[0] == 504
        assert (await ask(server, "GET", "/example/sleep"))[0] == 504
        for part in (b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"):
            async with Client(server) as client:
                client.writer.write(part)
                async with asyncio.timeout(20):
                    assert await client.reader.read() == b""


async def test_readers_that_go_or_sleep_are_let_go(tmp_path, caplog):
    api = Example()
    async with served(tmp_path, api) as server:
        async with Client(server) as client:
            await client.send("GET", "/example/endless")
            await client.reader.readexactly(1_000_000)
        async with asyncio.timeout(20):
            await api.closed.wait()
        assert not caplog.records
        api.closed.clear()
        async with Client(server) as client:
            await client.send("GET", "/example/endless")
            async with asyncio.timeout(20):
                await api.closed.wait()
        assert "an answer was not sent to its end: TimeoutError" in caplog.text


async def test_connections_are_bounded(tmp_path):
    async with served(tmp_path, most_connections=3) as server, Client(server), Client(server), Client(server) as third:
        await third.send("GET", "/healthz")
        head = await third.reader.readuntil(b"\r\n")
        assert b"503" in head


async def test_pages_of_other_sites_and_names_are_refused(tmp_path):
    async with served(tmp_path) as server:
        own = server.addresses[0]
        for headers in (
            {"Origin": "http://evil"},
            {"Origin": "null"},
            {"Host": "evil.example:80"},
            {"Host": "evil@[::1"},
        ):
            assert (await ask(server, "GET", "/example/where", **headers))[0] == 403
        for headers in ({"Origin": f"http://{own}"}, {"Host": "localhost:99"}, {"Host": "[::1]:5000"}):
            assert (await ask(server, "GET", "/example/where", **headers))[0] == 200


async def test_calls_know_where_they_are(tmp_path):
    async with served(tmp_path) as server:
        base = f"http://{server.addresses[0]}"
        assert (await ask(server, "GET", "/example/where"))[1] == ["default", "anonymous", base]
        headers = {"X_Namespace": "team-a", "X_Forwarded_Proto": "https"}
        assert (await ask(server, "GET", "/example/where", **headers))[1][0] == "team-a"
        assert (await ask(server, "GET", "/example/where", **headers))[1][2] == base.replace("http:", "https:")
        assert (await ask(server, "GET", "/example/where", X_Namespace="No Name"))[0] == 422


async def test_running_calls_get_their_time_and_then_an_answer(tmp_path, caplog):
    api = Example()
    async with served(tmp_path, api, grace=0.3) as server, Client(server) as client:
        await client.send("GET", "/example/long")
        await api.reached.wait()
        stopping = asyncio.create_task(server.stop())
        status, document, _ = await client.answer()
        await stopping
        assert (status, document) == (503, {"oops": "the server is stopping; ask again"})
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(client.host, client.port)
        await server.stop()
    assert not [record for record in caplog.records if record.exc_info]


async def test_readiness_is_that_of_the_store(tmp_path):
    fault = ["postgresql://secret@host is away"]
    with open_store(tmp_path / "katib.db") as store, ThreadPoolExecutor(1) as threads, Transfers() as transfers:
        async with TrackingCalls(store, threads) as tracking:
            options = HttpOptions(["127.0.0.1:0"])
            async with HttpServer(
                options, [], tracking=tracking, transfers=transfers, fault=lambda: fault[0]
            ) as server:
                status, document, _ = await ask(server, "GET", "/readyz")
                assert (status, "secret" in str(document)) == (503, False)
                assert (await ask(server, "GET", "/healthz"))[0] == 200
                fault[0] = ""
                assert (await ask(server, "GET", "/readyz"))[0] == 200


@pytest.mark.parametrize(
    "address",
    ["localhost", ":80", "127.0.0.1:99999", "::1:80", "unix:/tmp/x", "0.0.0.0:0", "192.0.2.1:80", "example.org:0"],
)
async def test_addresses_that_cannot_be_are_refused(tmp_path, address):
    with pytest.raises(InvalidInput, match="--http-address"):
        async with served(tmp_path, addresses=[address]):
            pass


async def test_an_address_is_used_once(tmp_path):
    async with served(tmp_path) as server:
        with pytest.raises(Conflict, match="cannot listen"):
            async with served(tmp_path, addresses=list(server.addresses)):
                pass


async def test_several_addresses(tmp_path):
    async with served(tmp_path, addresses=["127.0.0.1:0", "[::1]:0"]) as server:
        for address in server.addresses:
            host, _, port = address.rpartition(":")
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            writer.write(f"GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()
            await writer.wait_closed()


def test_loopback_is_what_others_cannot_reach():
    assert is_loopback(["127.0.0.1:1", "[::1]:0", "localhost:5"])
    assert not is_loopback(["127.0.0.1:1", "0.0.0.0:1"])


class TestTls:
    async def test_clients_are_answered_and_asked_for_certificates(self, tmp_path, authority):
        tls = authority.server_files(tmp_path / "tls", client_ca=True)
        async with served(tmp_path, tls=tls) as server:
            known = authority.client_context(tmp_path / "client", certificate=True)
            async with Client(server, known) as client:
                status, document, _ = await client.ask("GET", "/example/where")
                assert (status, document[2][:8]) == (200, "https://")
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                async with Client(server, authority.client_context(tmp_path / "none")) as client:
                    await client.ask("GET", "/healthz")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await ask(server, "GET", "/healthz")

    async def test_a_renewed_certificate_is_used(self, tmp_path, authority, caplog, monkeypatch):
        monkeypatch.setattr("katib.rest.certificates._LOOK_SECONDS", 0.05)
        caplog.set_level(logging.ERROR)
        tls = authority.server_files(tmp_path / "tls")
        async with served(tmp_path, tls=tls) as server:

            async def serial():
                async with Client(server, authority.client_context(tmp_path / "none")) as client:
                    return client.writer.get_extra_info("peercert")["serialNumber"]

            first = await serial()
            tls.key.write_text("broken")
            await until(lambda: "the last good files stay in use" in caplog.text)
            assert await serial() == first
            authority.server_files(tmp_path / "tls")
            async with asyncio.timeout(20):
                while await serial() == first:  # noqa: ASYNC110 - the server says nothing
                    await asyncio.sleep(0.05)

    async def test_files_that_are_none_are_refused(self, tmp_path, authority):
        tls = authority.server_files(tmp_path / "tls")
        tls.certificate.write_text("broken")
        with pytest.raises(InvalidInput, match="--tls-cert"):
            async with served(tmp_path, tls=tls):
                pass
