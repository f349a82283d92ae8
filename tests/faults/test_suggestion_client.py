"""The client of a suggestion server beside servers that mean harm: each call ends within its deadline, in an error that says what to do."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.errors import (
    AlgorithmError,
    DeadlineExceeded,
    Denied,
    Interrupted,
    InvalidInput,
    InvalidSettings,
    Overloaded,
    Retry,
    Unauthenticated,
    Unsupported,
)
from katib.rpc import v1beta1 as wire
from katib.rpc.services import full_name
from katib.rpc.suggestion_client import EncodedHistory, SuggestionClient

EXPERIMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "search", "namespace": "here", "uid": "u-1"},
    "spec": {
        "objective": {"type": "minimize", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parameters": [
            {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
            {"name": "c", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
        ],
        "seed": 3,
    },
}
GOOD = {"x": "0.25", "c": "a"}
SOON = 2.0
"""The deadline of calls that do not end by themselves, in seconds."""


def experiment(**more):
    return with_defaults(parse_experiment({**EXPERIMENT, "spec": {**EXPERIMENT["spec"], **more}}))


def reply(*points, name="", labels=None, algorithm=None):
    message = wire.GetSuggestionsReply(algorithm=algorithm)
    for point in points:
        added = message.parameter_assignments.add(trial_name=name, labels=labels or {})
        for key, value in point.items() if isinstance(point, dict) else point:
            added.assignments.add(name=key, value=value)
    return message.SerializeToString()


class Rascal:
    """A server of all three services whose every method does what it was told last."""

    def __init__(self):
        self.does = lambda *_: b""
        self.requests = []
        self._server = grpc.server(
            ThreadPoolExecutor(8),
            options=[
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_metadata_size", 4 << 20),
            ],
        )
        self._server.add_generic_rpc_handlers([self])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{self.port}"
        self.released = threading.Event()

    def service(self, _details):
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, request, context):
        self.requests.append(request)
        answer = self.does(request, context)
        return answer if isinstance(answer, bytes) else b""

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self._server.stop(None).wait()


class Line:
    """A way to a server that can be cut, or left open with nothing coming through."""

    def __init__(self, port):
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.chunk, self.pause = 65536, 0.0
        self._lock = threading.Lock()
        self._ends = []
        self._silent = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                carriers = [
                    threading.Thread(target=self._carry, args=(near, far, False)),
                    threading.Thread(target=self._carry, args=(far, near, True)),
                ]
                with self._lock:
                    self._ends += [near, far]
                    self._threads += carriers
                for carrier in carriers:
                    carrier.start()

    def _carry(self, source, sink, slow):
        with contextlib.suppress(OSError):
            while data := source.recv(self.chunk if slow else 65536):
                if slow and self.pause:
                    time.sleep(self.pause)
                if source not in self._silent:
                    sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @property
    def connections(self):
        """How many there have been."""
        return len(self._threads) // 2

    def silence(self):
        """Let nothing more through on the connections there are, without closing them."""
        with self._lock:
            self._silent.update(self._ends)

    def cut(self):
        """Reset every connection."""
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                end.shutdown(socket.SHUT_RD)  # whoever reads has to let go of it
            end.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def rascal():
    with Rascal() as server:
        yield server


@pytest.fixture
def client(rascal):
    with contextlib.closing(SuggestionClient(rascal.address)) as client:
        yield client


@pytest.fixture
def line(rascal):
    line = Line(rascal.port)
    yield line
    line.close()


def asked(client, *, count=2, deadline=20.0, history=None, **more):
    return client.suggest(experiment(**more), history or EncodedHistory(), count=count, issued=0, deadline=deadline)


def refused(client, kind, **more):
    with pytest.raises(kind) as caught:
        asked(client, **more)
    assert str(caught.value)
    assert len(str(caught.value)) < 3_000
    return caught.value


def status(code, details="because", metadata=()):
    def answer(_request, context):
        context.set_trailing_metadata(metadata)
        context.abort(code, details)

    return answer


class TestServersThatDoNotAnswer:
    def test_one_that_is_not_there(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with contextlib.closing(SuggestionClient(f"127.0.0.1:{port}")) as client:
            error = refused(client, Overloaded)
        assert error.retry is Retry.LATER
        assert f"the suggestion server at 127.0.0.1:{port} cannot be reached" in str(error)

    def test_one_whose_name_nobody_knows(self):
        with contextlib.closing(SuggestionClient("nowhere.invalid:6789")) as client:
            refused(client, Overloaded)

    def test_one_that_accepts_and_says_nothing(self):
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            contextlib.closing(SuggestionClient(f"127.0.0.1:{listener.getsockname()[1]}")) as client,
        ):
            error = refused(client, DeadlineExceeded, deadline=SOON)
        assert error.retry is Retry.LATER

    def test_one_that_speaks_another_language(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def greet():
                with contextlib.suppress(OSError):
                    while True:
                        near, _ = listener.accept()
                        near.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                        near.close()

            threading.Thread(target=greet, daemon=True).start()
            with contextlib.closing(SuggestionClient(f"127.0.0.1:{listener.getsockname()[1]}")) as client:
                refused(client, Overloaded, deadline=SOON)

    def test_one_that_is_slow(self, rascal, client):
        rascal.does = lambda *_: rascal.released.wait(60)
        refused(client, DeadlineExceeded, deadline=SOON)
        rascal.does = lambda *_: reply(GOOD)
        assert len(asked(client).points) == 1

    def test_no_time_at_all(self, rascal, client):
        refused(client, DeadlineExceeded, deadline=0.0)
        assert rascal.requests == []

    def test_an_answer_that_drips(self, rascal, line):
        rascal.does = lambda *_: reply({"x": "0.25", "c": "a"}, labels={"pad": "x" * 4_000})
        line.chunk, line.pause = 1, 0.05
        with contextlib.closing(SuggestionClient(line.address)) as client:
            refused(client, DeadlineExceeded, deadline=SOON)

    def test_a_connection_that_is_reset_in_the_middle(self, rascal, line):
        def cut(*_):
            line.cut()
            rascal.released.wait(5)

        rascal.does = cut
        with contextlib.closing(SuggestionClient(line.address)) as client:
            refused(client, Overloaded)
            rascal.does = lambda *_: reply(GOOD)
            assert len(asked(client).points) == 1

    def test_a_connection_on_which_nothing_comes_through_any_more_is_not_used_again(self, rascal, line):
        rascal.does = lambda *_: reply(GOOD)
        with contextlib.closing(SuggestionClient(line.address)) as client:
            assert len(asked(client).points) == 1
            line.silence()
            refused(client, DeadlineExceeded, deadline=SOON)
            assert len(asked(client).points) == 1
        assert line.connections == 2


class TestAnswersThatAreNone:
    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (b"\xff\xff\xff\xff", "bytes that are no message"),
            (b"\x0a\x7f\x00", "an end that is missing"),
            (b"\x0b", "bytes that are no message"),
            (b"\x0a\x06\x0a\x04\x0a\x02\xff\xfe", "is no message"),  # a name that is not UTF-8
            (reply(GOOD, GOOD, GOOD), "more points than the 2"),
            (reply({**GOOD, "y": "1"}), "'y' is none of the parameters"),
            (reply({"x": "0.5"}), "'c' has no value"),
            (reply({}), "'x' has no value"),
            (reply({**GOOD, "x": "1.5"}), "not in the space"),
            (reply({**GOOD, "x": "nan"}), "not in the space"),
            (reply({**GOOD, "x": ""}), "not in the space"),
            (reply({**GOOD, "x": "9" * 100_000}), "not in the space"),
            (reply({**GOOD, "c": "z"}), "not in the space"),
            (reply([("x", "0.5"), ("x", "0.6"), ("c", "a")]), "a parameter has two values"),
            (reply(GOOD, GOOD, name="twin"), "a name that two trials would have: 'twin'"),
            (reply(GOOD, name="known"), "a name that two trials would have: 'known'"),
            (reply(GOOD, name="../../etc"), "a name that no trial can have"),
            (reply(GOOD, name="n" * 300), "a name that no trial can have"),
            (reply(GOOD, labels={"katib.kubeflow.org/experiment": "other"}), "a label that says whose"),
            (reply(GOOD, labels={f"l{n}": "" for n in range(100)}), "more than 64 labels"),
            (reply(GOOD, labels={"l": "x" * (5 << 20)}), "a part of"),
            (
                reply(
                    algorithm=wire.AlgorithmSpec(
                        algorithm_settings=[wire.AlgorithmSetting(name=f"s{n}") for n in range(2_000)]
                    )
                ),
                "more than 1000 fields",
            ),
            (b"\x1a\x00" * 2_000, "fields"),
        ],
        ids=lambda value: "" if isinstance(value, bytes) else value[:40],
    )
    def test_each_is_an_error_that_says_what_it_is(self, rascal, client, answer, says):
        history = EncodedHistory()
        history.record(
            TrialRecord(0, "known", TrialState.RUNNING, tuple(GOOD.items()), datetime(2026, 3, 1, tzinfo=UTC))
        )
        rascal.does = lambda *_: answer
        error = refused(client, AlgorithmError, history=history)
        assert says in str(error)
        assert f"the answer of the suggestion server at {rascal.address}" in str(error)

    def test_one_that_is_too_large_does_not_arrive(self, rascal, client):
        rascal.does = lambda *_: b"\x0a" + bytes(66 << 20)
        assert "too large" in str(refused(client, AlgorithmError, deadline=60))

    @pytest.mark.parametrize(("size", "fits"), [(1 << 20, True), (100 << 20, False)])
    def test_one_that_unfolds_is_as_large_as_it_unfolds(self, rascal, client, size, fits):
        answer = reply(GOOD, labels={"pad": "x" * size}) if fits else bytes(size)

        def squeezed(_request, context):
            context.set_compression(grpc.Compression.Gzip)
            return answer

        rascal.does = squeezed
        if fits:
            assert len(asked(client).points) == 1
        else:
            assert "larger than max" in str(refused(client, AlgorithmError, deadline=60))

    @pytest.mark.parametrize(
        "answer",
        [b"\x0a\x00" * (30 << 20), b"\x1a\x00" * (30 << 20), b"\x0a\xfc\xff\xff\x01" + b"\x0a\x00" * (2 << 20)],
        ids=["points", "rules", "assignments"],
    )
    def test_one_of_millions_of_nothings_takes_little_memory(self, rascal, client, answer):
        rascal.does = lambda *_: answer
        Path("/proc/self/clear_refs").write_text("5")
        before = _memory("VmRSS")
        refused(client, AlgorithmError, deadline=60)
        # The answer itself, in the server and here, as pieces and in one, and not thirty times as much.
        assert _memory("VmHWM") - before < 8 * len(answer) + (64 << 20)

    def test_rules_that_compare_nothing(self, rascal, client):
        for rule in (
            wire.EarlyStoppingRule(name="loss", value="1"),
            wire.EarlyStoppingRule(name="loss", value="much", comparison=wire.LESS),
            wire.EarlyStoppingRule(name="", value="1", comparison=wire.LESS),
            wire.EarlyStoppingRule(name="loss", value="1", comparison=wire.LESS, start_step=-4),
        ):
            answer = wire.GetEarlyStoppingRulesReply(early_stopping_rules=[rule]).SerializeToString()
            rascal.does = lambda *_, answer=answer: answer
            with pytest.raises(AlgorithmError, match="has a rule"):
                client.rules(experiment(), EncodedHistory(), store_address="db:6789", deadline=20)


def _memory(what):
    """A figure of this process's memory, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) << 10


class TestFailures:
    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (grpc.StatusCode.UNAVAILABLE, Overloaded),
            (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
            (grpc.StatusCode.CANCELLED, Overloaded),
            (grpc.StatusCode.ABORTED, Overloaded),
            (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
            (grpc.StatusCode.INVALID_ARGUMENT, InvalidSettings),
            (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
            (grpc.StatusCode.PERMISSION_DENIED, Denied),
            (grpc.StatusCode.UNIMPLEMENTED, Unsupported),
            (grpc.StatusCode.UNKNOWN, AlgorithmError),
            (grpc.StatusCode.INTERNAL, AlgorithmError),
            (grpc.StatusCode.DATA_LOSS, AlgorithmError),
            (grpc.StatusCode.NOT_FOUND, AlgorithmError),
        ],
        ids=lambda value: getattr(value, "name", ""),
    )
    def test_each_code_is_an_error_with_the_servers_sentence(self, rascal, client, code, kind):
        rascal.does = status(code, "the sentence of the server")
        error = refused(client, kind)
        assert kind is DeadlineExceeded or "the sentence of the server" in str(error)

    @pytest.mark.parametrize("details", ["", "\x00\x01", "ä" * 2_000, "%" * 4_000, "ü\n\tx"])
    def test_whatever_it_says(self, rascal, client, details):
        rascal.does = status(grpc.StatusCode.UNKNOWN, details)
        refused(client, AlgorithmError)

    @pytest.mark.parametrize("size", [20_000, 2 << 20])
    def test_too_much_beside_an_answer(self, rascal, client, size):
        rascal.does = status(grpc.StatusCode.UNKNOWN, "x", [("pad", "x" * size)])
        with pytest.raises((AlgorithmError, Overloaded)):
            asked(client)

    @pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\x1a\x04\x0a\x02ab", bytes(100)])
    def test_details_that_are_none(self, rascal, client, data):
        rascal.does = status(grpc.StatusCode.INVALID_ARGUMENT, "no", [("grpc-status-details-bin", data)])
        assert refused(client, InvalidSettings).problems[0].message == "no"

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (grpc.StatusCode.INVALID_ARGUMENT, InvalidSettings),
            (grpc.StatusCode.UNKNOWN, InvalidSettings),
            (grpc.StatusCode.UNAVAILABLE, Overloaded),
            (grpc.StatusCode.INTERNAL, AlgorithmError),
            (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        ],
        ids=lambda value: getattr(value, "name", ""),
    )
    def test_validation(self, rascal, client, code, kind):
        rascal.does = status(code)
        with pytest.raises(kind):
            client.validate(experiment())
        with pytest.raises(kind):
            client.validate_stopper(experiment(earlyStopping={"algorithmName": "medianstop"}))

    def test_a_server_without_validation_finds_everything_valid(self, rascal, client):
        rascal.does = status(grpc.StatusCode.UNIMPLEMENTED)
        client.validate(experiment())
        client.validate_stopper(experiment(earlyStopping={"algorithmName": "medianstop"}))

    def test_a_server_that_does_not_read_what_katib_cannot_say_is_not_believed(self, rascal, client):
        rascal.does = lambda *_: reply(GOOD)
        more = {"objectives": [{"type": "maximize", "objectiveMetricName": "size"}]}
        assert "spec.objectives" in str(refused(client, Unsupported, **more))
        rascal.does = lambda *_: b""
        with pytest.raises(Unsupported, match="katib serve suggestion"):
            client.validate(experiment(**more))
        with contextlib.closing(SuggestionClient(rascal.address, extended=False)) as plain:
            asked_before = len(rascal.requests)
            refused(plain, Unsupported, **more)
            assert len(rascal.requests) == asked_before

    def test_a_history_that_no_request_can_hold(self, rascal, client):
        history = EncodedHistory()
        values = (("x", "0.5"), ("c", "c" * (9 << 20)))
        for index in range(8):
            history.record(
                TrialRecord(index, f"t{index}", TrialState.RUNNING, values, datetime(2026, 3, 1, tzinfo=UTC))
            )
        assert "at most 64 MiB" in str(refused(client, Unsupported, history=history))
        assert rascal.requests == []


class TestTheEndOfAClient:
    def test_a_call_that_runs_is_ended(self, rascal, client):
        begun = threading.Event()

        def wait(*_):
            begun.set()
            rascal.released.wait(60)

        rascal.does = wait
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(asked, client, deadline=60)
            assert begun.wait(20)
            client.close()
            with pytest.raises(Interrupted):
                call.result(20)

    def test_later_calls_fail(self, client):
        client.close()
        client.close()
        refused(client, Interrupted)

    def test_many_threads_share_one_while_connections_come_and_go(self, rascal, line):
        rascal.does = lambda *_: reply(GOOD)
        ends = []
        with contextlib.closing(SuggestionClient(line.address)) as client, ThreadPoolExecutor(8) as pool:

            def ask(number):
                if number % 20 == 19:
                    line.cut()
                try:
                    return len(asked(client).points)
                except (Overloaded, DeadlineExceeded):
                    return 0

            ends = list(pool.map(ask, range(200)))
            assert set(ends) <= {0, 1}
            line.cut()
            assert 1 in [ask(0) for _ in range(3)]
        assert sum(ends) > 100


class TestTokens:
    def test_none_is_sent_in_the_clear(self, tmp_path):
        with pytest.raises(InvalidInput, match="encrypted only"):
            SuggestionClient("127.0.0.1:1", token_file=tmp_path / "token")

    def test_roots_that_are_none(self, tmp_path):
        (tmp_path / "ca.pem").write_text("no certificate")
        for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
            with pytest.raises(InvalidInput, match="no certificates"):
                SuggestionClient("127.0.0.1:1", root_ca=path)


def test_names_of_methods_are_katibs():
    assert full_name("Suggestion") == "api.v1.beta1.Suggestion"
