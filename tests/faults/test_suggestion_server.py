"""The suggestion server under harm: workers killed, plug-ins that misbehave in every way, callers that leave, too many at once."""

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc

from katib.rpc import v1beta1 as wire
from katib.rpc.services import stub
from katib.testing.served import ServedSuggestion, children_of

PLUGIN = '''
"""An algorithm that does what the setting ``does`` says, once it has written its process id to the file ``seen``."""

import os
import signal
import sys
import time

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings


class Rascal(Algorithm, name="rascal"):
    class Settings(AlgorithmSettings):
        does: str
        seen: str = ""

    def suggest(self, history, count):
        if self.settings.seen:
            with open(self.settings.seen, "a") as file:
                file.write(f"{os.getpid()}\\n")
        getattr(self, self.settings.does)()
        return [self.problem.space.sample(self.rng(history, place)) for place in range(count)]

    def nothing(self):
        pass

    def dies(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def exits(self):
        os._exit(3)

    def leaves(self):
        sys.exit("enough")

    def sleeps(self):
        time.sleep(300)

    def naps(self):
        time.sleep(1)

    def insists(self):
        while True:
            try:
                time.sleep(300)
            except BaseException:
                pass

    def is_deaf(self):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        time.sleep(300)

    def prints(self):
        print("x" * 1_000_000)
        os.write(1, b"y" * 1_000_000)
        sys.stdout.flush()
        sys.stdin.read()

    def raises(self):
        raise LookupError("no such thing as a free lunch \\ud800")

    def raises_more(self):
        raise BaseException("not even an Exception")

    def recurses(self):
        self.recurses()

    def hoards(self):
        raise MemoryError
'''


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """A folder as ``pip install`` would leave it, with one package that offers an algorithm."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "rascal.py").write_text(PLUGIN)
    info = folder / "rascal-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rascal\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[katib.algorithms]\nrascal = rascal:Rascal\n")
    return folder


@contextmanager
def serving(plugins, *arguments):
    path = os.pathsep.join(filter(None, [str(plugins), os.environ.get("PYTHONPATH")]))
    with ServedSuggestion(*arguments, environment={"PYTHONPATH": path}) as server:
        assert server.address, server.log
        with grpc.insecure_channel(server.address) as channel:
            server.channel = channel
            yield server


@pytest.fixture(scope="module")
def shared(plugins):
    """One server for all harm it is expected to survive."""
    with serving(plugins, "--workers", "2", "--timeout", "20s") as server:
        yield server
        assert server.process.poll() is None, server.log


@pytest.fixture
def server(shared):
    yield shared
    assert both_work(shared)


def request_for(does, seen=None, count=2, name="exp"):
    stated = [{"name": "does", "value": does}] + ([{"name": "seen", "value": str(seen)}] if seen else [])
    return json_format.ParseDict(
        {
            "experiment": {
                "name": name,
                "spec": {
                    "objective": {"type": "MINIMIZE", "objectiveMetricName": "loss"},
                    "algorithm": {"algorithmName": "rascal", "algorithmSettings": stated},
                    "parameterSpecs": {
                        "parameters": [
                            {"name": "x", "parameterType": "DOUBLE", "feasibleSpace": {"min": "0", "max": "1"}}
                        ]
                    },
                },
            },
            "currentRequestNumber": count,
            "totalRequestNumber": count,
        },
        wire.GetSuggestionsRequest(),
    )


def ask(server, request, timeout=60.0):
    return stub(server.channel, "Suggestion", "GetSuggestions")(request, timeout=timeout)


def start(server, request, timeout=60.0):
    return stub(server.channel, "Suggestion", "GetSuggestions").future(request, timeout=timeout)


def refused(server, request, timeout=60.0):
    with pytest.raises(grpc.RpcError) as caught:
        ask(server, request, timeout)
    return caught.value


def is_served(server):
    """Whether a new connection gets an answer."""
    with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            stub(channel, "Suggestion", "GetSuggestions")(request_for("nothing"), timeout=5)
        except grpc.RpcError as error:
            return error.code() is not grpc.StatusCode.UNAVAILABLE
        return True


def until(true, seconds=30.0):
    """Wait for a thing to become true, and return whether it did."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def pids(seen):
    return [int(line) for line in seen.read_text().split()] if seen.exists() else []


def both_work(server):
    """Whether two calls that take a while are answered at the same time: no worker is lost or still busy."""

    def of_two_workers():
        return len(server.workers) == 2

    assert until(of_two_workers), server.log
    calls = [start(server, request_for("nothing", name=f"after-{index}")) for index in range(4)]
    return all(len(call.result().parameter_assignments) == 2 for call in calls)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TestWorkersThatDie:
    def test_one_killed_in_the_middle_of_a_call_costs_nothing(self, server, tmp_path):
        seen = tmp_path / "seen"
        call = start(server, request_for("naps", seen))
        assert until(lambda: pids(seen))
        os.kill(pids(seen)[0], signal.SIGKILL)
        assert len(call.result().parameter_assignments) == 2
        assert len(set(pids(seen))) == 2

    def test_all_killed_while_idle_are_replaced(self, server):
        before = set(server.workers)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        calls = [start(server, request_for("nothing", name=f"e{index}")) for index in range(4)]
        assert [len(call.result().parameter_assignments) for call in calls] == [2] * 4
        assert not before & set(server.workers)

    @pytest.mark.parametrize(
        ("does", "how"), [("dies", "signal SIGKILL, perhaps for want of memory"), ("exits", "exit code 3")]
    )
    def test_a_plugin_that_kills_its_process_is_tried_twice_and_others_are_served(self, server, tmp_path, does, how):
        seen = tmp_path / "seen"
        call = start(server, request_for(does, seen))
        assert len(ask(server, request_for("nothing", name="another")).parameter_assignments) == 2
        assert call.code() is grpc.StatusCode.INTERNAL
        assert call.details() == (f"GetSuggestions ended two worker processes ({how}; {how}); it is not tried again")
        assert len(set(pids(seen))) == 2


class TestPluginsThatMisbehave:
    def test_raising_is_told_without_a_traceback(self, server):
        error = refused(server, request_for("raises"))
        assert error.code() is grpc.StatusCode.INTERNAL
        assert error.details() == "GetSuggestions failed: LookupError: no such thing as a free lunch ?"
        assert 'raise LookupError("no such thing' in server.log

    @pytest.mark.parametrize(
        ("does", "said"),
        [
            ("raises_more", "GetSuggestions failed: BaseException: not even an Exception"),
            ("leaves", "GetSuggestions failed: SystemExit: enough"),
        ],
    )
    def test_raising_what_is_no_exception(self, server, does, said):
        before = server.workers
        error = refused(server, request_for(does))
        assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, said)
        assert server.workers == before

    def test_endless_recursion(self, server):
        error = refused(server, request_for("recurses"))
        assert error.code() is grpc.StatusCode.INTERNAL
        assert error.details().startswith("GetSuggestions failed: RecursionError: ")

    def test_no_memory(self, server):
        assert refused(server, request_for("hoards")).code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    def test_printing_and_reading_do_no_harm(self, server):
        assert len(ask(server, request_for("prints")).parameter_assignments) == 2


class TestCallersThatLeave:
    @pytest.mark.parametrize("does", ["sleeps", "insists", "is_deaf"])
    def test_a_deadline_ends_the_call_and_frees_the_worker(self, server, tmp_path, does):
        seen = tmp_path / "seen"
        calls = [start(server, request_for(does, seen, name=f"e{index}"), timeout=1.5) for index in range(2)]
        assert [call.code() for call in calls] == [grpc.StatusCode.DEADLINE_EXCEEDED] * 2
        assert both_work(server)
        assert all(alive(pid) is (does == "sleeps") for pid in pids(seen))

    @pytest.mark.parametrize("does", ["sleeps", "insists"])
    def test_a_cancelled_call_frees_the_worker(self, server, tmp_path, does):
        seen = tmp_path / "seen"
        calls = [start(server, request_for(does, seen, name=f"e{index}")) for index in range(2)]
        assert until(lambda: len(pids(seen)) == 2)
        for call in calls:
            call.cancel()
        assert both_work(server)
        assert all(alive(pid) is (does == "sleeps") for pid in pids(seen))

    def test_a_caller_that_leaves_while_waiting_takes_no_worker(self, server, tmp_path):
        seen, never = tmp_path / "seen", tmp_path / "never"
        busy = [start(server, request_for("sleeps", seen, name=f"e{index}")) for index in range(2)]
        assert until(lambda: len(pids(seen)) == 2)
        waiting = [start(server, request_for("nothing", never, name=f"w{index}")) for index in range(6)]
        time.sleep(0.3)
        for call in waiting + busy:  # on one connection they arrive in this order
            call.cancel()
        assert both_work(server)
        assert pids(never) == []

    def test_without_a_deadline_the_servers_own_holds(self, plugins):
        with serving(plugins, "--workers", "1", "--timeout", "1s") as server, pytest.raises(grpc.RpcError) as caught:
            ask(server, request_for("sleeps"), timeout=None)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert caught.value.details() == "the caller's time ran out after 1.0 s"

    def test_a_connection_that_breaks_frees_the_worker(self, server, tmp_path):
        seen = tmp_path / "seen"
        with grpc.insecure_channel(server.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = stub(channel, "Suggestion", "GetSuggestions").future(request_for("sleeps", seen), timeout=60)
            assert until(lambda: pids(seen))
        assert call.code() is grpc.StatusCode.CANCELLED
        assert both_work(server)


class TestTooMany:
    def test_a_full_queue_refuses_at_once_and_health_is_answered_all_the_while(self, plugins, tmp_path):
        seen = tmp_path / "seen"
        with serving(plugins, "--workers", "2", "--queue", "10") as server:
            health = health_pb2_grpc.HealthStub(server.channel)
            calls = [start(server, request_for("sleeps", seen, name=f"e{index}")) for index in range(12)]
            assert until(lambda: len(pids(seen)) == 2)
            error = refused(server, request_for("nothing", name="late"))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert error.details() == "10 calls wait for 2 workers already; ask again later"
            for _ in range(20):
                request = health_pb2.HealthCheckRequest(service="manager.v1beta1.Suggestion")
                assert health.Check(request, timeout=5).status == health_pb2.HealthCheckResponse.SERVING
            assert not any(call.done() for call in calls)
            for call in calls:
                call.cancel()
            assert both_work(server)


class TestTheEnd:
    def test_a_running_call_gets_its_answer_and_new_ones_are_refused(self, plugins, tmp_path):
        seen = tmp_path / "seen"
        with serving(plugins) as server:
            workers = server.workers
            call = start(server, request_for("naps", seen))
            assert until(lambda: pids(seen))
            server.process.send_signal(signal.SIGTERM)
            assert "stopping" in server.process.stdout.readline()
            assert until(lambda: not is_served(server))
            assert len(call.result().parameter_assignments) == 2
            assert server.process.wait(20) == 0
            assert not any(map(alive, workers))
            assert "Traceback" not in server.log

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_ends_it_at_once(self, plugins, tmp_path, number):
        seen = tmp_path / "seen"
        with serving(plugins) as server:
            workers = server.workers
            call = start(server, request_for("sleeps", seen))
            assert until(lambda: pids(seen))
            server.process.send_signal(number)
            assert "stopping" in server.process.stdout.readline()
            server.process.send_signal(number)
            assert server.process.wait(20) == 0
            assert call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
            assert not any(map(alive, workers))
            assert "Traceback" not in server.log

    def test_a_call_that_outlasts_the_grace_is_ended(self, plugins, tmp_path):
        seen = tmp_path / "seen"
        with serving(plugins, "--grace", "1s") as server:
            workers = server.workers
            call = start(server, request_for("insists", seen))
            assert until(lambda: pids(seen))
            assert server.stop() == 0
            assert call.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
            assert not any(map(alive, workers))

    def test_workers_vanish_with_a_server_that_is_killed(self, plugins, tmp_path):
        seen = tmp_path / "seen"
        with serving(plugins) as server:
            workers = server.workers
            assert len(workers) >= 2
            call = start(server, request_for("insists", seen))
            assert until(lambda: pids(seen))
            server.process.kill()
            server.process.wait(20)
            assert call.code() is grpc.StatusCode.UNAVAILABLE
            assert until(lambda: not any(map(alive, workers)))

    def test_a_terminal_that_is_closed_leaves_nothing(self, plugins):
        """Ctrl-C goes to the whole group: the workers leave it to the server to end them."""
        with serving(plugins) as server:
            workers = server.workers
            for pid in workers:
                os.kill(pid, signal.SIGINT)
                os.kill(pid, signal.SIGTERM)
            assert len(ask(server, request_for("nothing")).parameter_assignments) == 2
            assert server.workers == workers
            assert server.stop() == 0
            assert children_of(os.getpid()) == [] or not any(map(alive, workers))


class TestTheStart:
    def test_a_port_in_use_ends_with_exit_code_4(self, shared):
        with ServedSuggestion("--address", shared.address) as second:
            assert second.process.wait(30) == 4
            assert f"cannot listen on {shared.address}" in second.log
            assert "Traceback" not in second.log

    def test_workers_that_do_not_start_are_an_error_and_no_wait(self, tmp_path):
        (tmp_path / "sitecustomize.py").write_text(
            "import os, sys\nif 'katib.rpc.worker' in sys.orig_argv:\n    os._exit(5)\n"
        )
        with ServedSuggestion(environment={"PYTHONPATH": str(tmp_path)}) as server:
            assert server.first_line == ""
            assert server.process.wait(30) == 8
            assert "a worker process does not start: exit code 5" in server.log
            assert "Traceback" not in server.log
