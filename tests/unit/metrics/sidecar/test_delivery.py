"""Delivery: what is sent again, what is left out, and when the store's word is its last."""

import contextlib
import socket
import threading
from datetime import UTC, datetime

import pytest

from katib.metrics.sample import Sample
from katib.metrics.sidecar import delivery as module
from katib.metrics.sidecar.delivery import Answer, Delivery, StoreClient
from katib.metrics.sidecar.settings import SidecarSettings
from katib.metrics.sidecar.spool import Spool

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeStore:
    """Remembers samples by their numbers, and answers what it is told to."""

    def __init__(self, *answers, stored=0):
        self.answers = list(answers)
        self.samples = dict.fromkeys(range(stored))
        self.calls = []

    def report(self, first, samples):
        self.calls.append((first, len(samples)))
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            return answer
        for number, (_, text, _, _) in enumerate(samples, first):
            self.samples.setdefault(number, text)
        return Answer(max(self.samples, default=-1) + 1)

    def close(self):
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.002)


@pytest.fixture
def spool(tmp_path):
    made = Spool(tmp_path / "spool")
    for batch in range(6):
        made.append([Sample("loss", str(batch * 1_000 + place)) for place in range(1_000)], {}, NOON)
    return made


def deliver(spool, store):
    delivery = Delivery(spool, store)
    delivery.start()
    try:
        while not delivery.is_idle and delivery.is_alive:
            pass
        return delivery
    finally:
        delivery.end()


def test_everything_arrives_in_large_reports(spool):
    store = FakeStore()
    deliver(spool, store)
    assert store.samples == {number: str(number) for number in range(6_000)}
    assert store.calls == [(0, 0), (0, 5_000), (5_000, 1_000)]


def test_what_the_store_has_is_not_sent_again(spool):
    store = FakeStore(stored=4_321)
    deliver(spool, store)
    assert store.calls == [(0, 0), (4_321, 1_679)]


def test_after_a_failure_the_same_is_sent_again(spool):
    away = Answer(None, "it is away")
    store = FakeStore(away, None, away, away, None, away)
    delivery = deliver(spool, store)
    assert store.samples == {number: str(number) for number in range(6_000)}
    assert (delivery.trouble, delivery.refused) == ("", "")


def test_a_store_that_wants_what_it_was_given_is_in_trouble(spool):
    store = FakeStore(None, Answer(17), None)
    deliver(spool, store)
    assert store.calls[1:3] == [(0, 5_000), (0, 5_000)]
    assert len(store.samples) == 6_000


def test_one_that_lost_everything_gets_the_rest(spool):
    store = FakeStore(Answer(5_000))
    deliver(spool, store)
    assert sorted(store.samples) == list(range(5_000, 6_000))


def test_refused_long_enough_nothing_more_is_sent(spool):
    store = FakeStore(*[Answer(None, "never", final=True)] * 100)
    delivery = deliver(spool, store)
    assert delivery.refused == "never"
    assert len(store.calls) == module._MOST_REFUSALS


def test_a_refusal_among_others_is_not_the_last_word(spool):
    never, later = Answer(None, "never", final=True), Answer(None, "later")
    store = FakeStore(*[never, never, later] * 30)
    assert deliver(spool, store).refused == ""


@pytest.mark.parametrize(
    ("status", "text", "answer"),
    [
        (200, b'{"next": 3}', Answer(3)),
        (200, b'{"next": -1}', Answer(None, "the answer was 200 and nothing that can be read")),
        (200, b"<html>", Answer(None, "the answer was 200 and nothing that can be read")),
        (404, b'{"message": "not yet"}', Answer(None, "not yet")),
        (429, b"[" * 10_000, Answer(None, "the answer was 429 and nothing that can be read")),
        (401, b'{"message": "who?"}', Answer(None, "who?", final=True)),
        (422, b'{"message": "no"}', Answer(None, "no", final=True)),
        (503, b'{"message": "away"}', Answer(None, "away")),
    ],
)
def test_answers(status, text, answer):
    assert module._answer(status, text) == answer


@contextlib.contextmanager
def store_that_says(*pieces, repeat=b"", reset=False):
    """A server that reads a request, says this, and goes away, with a reset or after saying something again and again."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while not done.is_set():
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        request = connection.recv(1 << 16)
                        while not request.endswith(b"[]}"):  # what is left unread would make its end a reset
                            request += connection.recv(1 << 16)
                        connection.sendall(b"".join(pieces))
                        while repeat and not done.wait(0.01):
                            connection.sendall(repeat)
                        if reset:
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            done.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(30)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"repeat": b"HTTP/1.1 100 Continue\r\n\r\n"}, "the connection ended without an answer"),
        ({"pieces": [_HEAD, b'{"next": 1']}, "the connection ended in the middle of the answer"),
        ({"pieces": [_HEAD], "repeat": b" "}, "the connection ended in the middle of the answer"),
        ({}, "the connection ended without an answer"),
        ({"reset": True}, "Connection reset by peer"),
        ({"pieces": [b"\x15\x03\x01\x00\x02\x02\x28"]}, "the answer is no HTTP"),
    ],
)
def test_what_is_no_answer_ends_and_is_said_as_what_it_was(said, sentence, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_ANSWER", 0.2)
    with store_that_says(*said.pop("pieces", ()), **said) as address:
        client = StoreClient(SidecarSettings("default", "trial", ("loss",), address), source="pod", token="")
        answer = client.report(0, [])
        client.close()
    assert answer == Answer(None, f"127.0.0.1 cannot be reached ({sentence})")


def test_a_silent_store_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = StoreClient(SidecarSettings("default", "trial", ("loss",), address), source="pod", token="")
        assert client.report(0, []).sentence == "127.0.0.1 cannot be reached (no answer for 0.1 s)"


def test_a_store_that_asks_for_time_gets_it(spool, monkeypatch):
    waited = []
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    with store_that_says(busy) as address:
        client = StoreClient(SidecarSettings("default", "trial", ("loss",), address), source="pod", token="")
        answer = client.report(0, [])
        client.close()
    assert (answer.after, answer.final) == (7.0, False)
    delivery = Delivery(spool, FakeStore(answer))
    monkeypatch.setattr(delivery._ending, "wait", waited.append)
    delivery.start()
    while not delivery.is_idle:
        pass
    delivery.end()
    assert waited == [7.0]
    assert delivery.stored == 6_000


def test_https_checks_the_certificate():
    settings = SidecarSettings("default", "trial", ("loss",), "https://127.0.0.1:9/below")
    client = StoreClient(settings, source="pod", token="")
    assert client._context.check_hostname
    assert client.report(0, []) == Answer(None, "127.0.0.1 cannot be reached (Connection refused)")
