"""Servers on one SQLite file as real processes: killed, paused, and on machines whose locks do not reach each other.

A machine is a process that is told another boot and whose locks nobody sees, as on a volume that several machines mount.
"""

import json
import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest

from katib.errors import Conflict
from katib.rpc import store_v1 as wire
from katib.rpc.tracking_stub import StoreStub
from katib.store import open_store
from katib.testing.served import Served, ServedStore

PATIENCE = 60
ANOTHER_MACHINE = """
import json, sys
from katib.store import file_lease
machine, times = json.loads(sys.argv.pop(1))
file_lease._boot = lambda: machine
file_lease._lock = lambda descriptor: True
file_lease.socket.gethostname = lambda: machine
made = file_lease.LeaseTimes(renewed_every=0.3, settling=0.6, **times)
file_lease.LeaseTimes = lambda: made
from katib.cli.main import main
sys.exit(main())
"""


class ServedElsewhere(ServedStore):
    """``katib serve store`` on a machine of a name."""

    def __init__(self, machine, path, **times):
        super().__init__("--url", f"sqlite:///{path}")
        self.program = ("-c", ANOTHER_MACHINE, json.dumps([machine, times]))


def lease_of(path):
    return json.loads(path.with_name(f"{path.name}.lease").read_bytes())


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def make_project(server, name, timeout=PATIENCE):
    with grpc.insecure_channel(server.address) as channel:
        return StoreStub(channel).CreateProject(wire.CreateProjectRequest(namespace="team", name=name), timeout=timeout)


def asked(server, name):
    """Return the code of the answer to a change."""
    try:
        make_project(server, name)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def names(path):
    with open_store(path) as store:
        return sorted(project.name for project in store.tracking("team").find_projects().items)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "katib.db"


def test_a_second_server_of_the_machine_is_refused_and_commands_are_not(path):
    with ServedStore("--url", f"sqlite:///{path}", "--http-address", "127.0.0.1:0") as first:
        assert first.address, first.log
        wait_until(lambda: first.address in lease_of(path)["address"])
        with ServedStore("--url", str(path)) as second:
            assert second.process.wait(PATIENCE) == Conflict.exit_code
            assert second.first_line == ""
            (sentence,) = second.log.splitlines()
            assert f"served by process {first.process.pid} of" in sentence
            assert first.address in sentence
        make_project(first, "one")
        assert names(path) == ["one"]  # what a command does
        shown = subprocess.run(
            [sys.executable, "-m", "katib.cli.main", "store", "check", "--url", f"sqlite:///{path}"],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert first.stop() == 0
    assert not path.with_name("katib.db.lease").exists()


def test_a_server_that_was_killed_leaves_nothing_that_blocks(path):
    for number in range(3):
        with ServedStore("--url", f"sqlite:///{path}") as server:
            assert server.address, server.log
            make_project(server, f"p{number}")
            server.process.kill()
            server.process.wait(PATIENCE)
            assert server.log == ""
    assert path.with_name("katib.db.lease").exists()
    assert names(path) == ["p0", "p1", "p2"]


def test_a_paused_server_of_the_machine_keeps_its_file(path):
    with ServedStore("--url", f"sqlite:///{path}") as first:
        first.process.send_signal(signal.SIGSTOP)
        with ServedStore("--url", f"sqlite:///{path}") as second:
            assert second.process.wait(PATIENCE) == Conflict.exit_code
        first.process.send_signal(signal.SIGCONT)
        make_project(first, "one")
    assert names(path) == ["one"]


def test_another_machine_is_refused_while_the_first_serves(path):
    with ServedElsewhere("first", path) as first:
        assert first.address, first.log
        with ServedElsewhere("second", path, watched_for=60) as second:
            assert second.process.wait(PATIENCE) == Conflict.exit_code
            waiting, refused = second.log.splitlines()
            assert f"was served by process {first.process.pid} of first" in waiting
            assert f"is served by process {first.process.pid} of first" in refused
        make_project(first, "one")
        assert first.process.poll() is None
    assert names(path) == ["one"]


def test_another_machine_takes_over_from_one_that_was_killed(path):
    with ServedElsewhere("first", path) as first:
        make_project(first, "one")
        first.process.kill()
        first.process.wait(PATIENCE)
    with ServedElsewhere("second", path, watched_for=2) as second:
        assert second.address, second.log
        (waiting,) = second.log.splitlines()
        assert "of first" in waiting
        assert lease_of(path)["host"] == "second"
        make_project(second, "two")
    assert names(path) == ["one", "two"]


def test_a_server_that_was_paused_while_another_took_over_stores_nothing_and_ends(path):
    with ServedElsewhere("first", path, trusted_for=1) as first:
        wait_until(lambda: asked(first, "one") is grpc.StatusCode.OK)
        first.process.send_signal(signal.SIGSTOP)
        with ServedElsewhere("second", path, watched_for=2) as second:
            assert second.address, second.log
            codes = []

            asking = [threading.Thread(target=lambda: codes.append(asked(first, "late"))) for _ in range(4)]
            for each in asking:
                each.start()
            time.sleep(0.2)  # the calls are there when it wakes up
            first.process.send_signal(signal.SIGCONT)
            for each in asking:
                each.join()
            assert first.process.wait(PATIENCE) == Conflict.exit_code
            assert set(codes) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
            assert "has lost the store" in first.log
            assert f"process {second.process.pid} of second" in first.log
            assert "Traceback" not in first.log
            make_project(second, "two")
            assert lease_of(path)["host"] == "second"
    assert names(path) == ["one", "two"]


def test_a_server_that_was_paused_goes_on_when_nobody_took_over(path):
    with ServedElsewhere("first", path, trusted_for=1) as first:
        first.process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        first.process.send_signal(signal.SIGCONT)

        wait_until(lambda: asked(first, "one") is grpc.StatusCode.OK)
        assert first.process.poll() is None
    assert names(path) == ["one"]


def test_four_that_start_at_once_are_one(path):
    servers = [ServedStore("--url", f"sqlite:///{path}") for _ in range(4)]
    threads = [threading.Thread(target=Served.__enter__, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        serving = [server for server in servers if server.address]
        assert len(serving) == 1
        refused = [server for server in servers if server not in serving]
        assert {server.process.wait(PATIENCE) for server in refused} == {Conflict.exit_code}
    finally:
        for server in servers:
            server.__exit__()
