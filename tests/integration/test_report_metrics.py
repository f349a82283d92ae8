"""``report_metrics`` of a trial without a file: to a DB manager, which may be away."""

import os
import socket
import subprocess
import sys

import grpc
import pytest

import katib
from katib.client import remote_reports
from katib.errors import InvalidInput, StoreUnavailable
from katib.rpc import v1beta1 as wire
from katib.rpc.services import stub
from katib.testing.served import ServedStore


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with ServedStore("--url", f"sqlite:///{tmp_path_factory.mktemp('store') / 'katib.db'}") as server:
        yield server.address


@pytest.fixture
def trial(monkeypatch, request):
    name = f"{request.node.name[:40].replace('_', '-')}-1"
    for variable in ("METRICS_FILE", "NAMESPACE", "DB_MANAGER_ADDRESS"):
        monkeypatch.delenv(f"KATIB_{variable}", raising=False)
    monkeypatch.setenv("KATIB_TRIAL_NAME", name)
    yield name
    for server in remote_reports._SERVERS.values():  # what still waits is not for the end of the tests
        server.channel.close()
    remote_reports._SERVERS.clear()


def log(address, trial):
    with grpc.insecure_channel(address) as channel:
        request = wire.GetObservationLogRequest(trial_name=trial)
        reply = stub(channel, "DBManager", "GetObservationLog")(request, timeout=30)
    return [(row.metric.name, row.metric.value) for row in reply.observation_log.metric_logs]


@pytest.fixture
def later_address(tmp_path):
    """An address at which nobody is yet."""
    return f"unix:{tmp_path / 'store.sock'}"


def test_reports_as_with_katibs_sdk(store, trial):
    katib.report_metrics({"loss": 0.5, "accuracy": "0.9"}, db_manager_address=store, timeout=30)
    katib.report_metrics({"loss": 0.25}, store)
    assert log(store, trial) == [("loss", "0.5"), ("accuracy", "0.9"), ("loss", "0.25")]


def test_address_may_be_in_the_environment_and_many_reports_in_one_message(store, trial, monkeypatch):
    monkeypatch.setenv("KATIB_DB_MANAGER_ADDRESS", store)
    with katib.reporting(every=60):
        for step in range(12_000):
            katib.report_metrics({"loss": step}, step=step)
    assert log(store, trial) == [("loss", str(step)) for step in range(12_000)]


def test_server_that_is_away_is_waited_for_then_said_and_its_reports_are_kept(later_address, trial, tmp_path):
    with pytest.warns(RuntimeWarning, match=r"metrics wait to be reported.*DB manager at unix:"):
        katib.report_metrics({"loss": 1}, later_address, timeout=0.2)
    katib.report_metrics({"loss": 2}, later_address, timeout=0.2)  # said once
    with pytest.raises(StoreUnavailable, match="DB manager at unix:"):
        katib.report_metrics({"loss": 3}, later_address, timeout=0.2, must_arrive=True)
    with ServedStore("--url", f"sqlite:///{tmp_path / 'katib.db'}", "--address", later_address):
        katib.report_metrics({"loss": 4}, later_address, timeout=60, must_arrive=True)
        assert log(later_address, trial) == [("loss", str(n)) for n in (1, 2, 3, 4)]


@pytest.mark.usefixtures("trial")
def test_server_that_never_answers_costs_no_more_than_the_timeout(tmp_path):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        with pytest.warns(RuntimeWarning, match="metrics wait to be reported"):
            katib.report_metrics({"loss": 1}, f"unix:{tmp_path / 'silent'}", timeout=0.2)


def test_what_is_refused_is_said_and_does_not_end_the_training(store, trial):
    with pytest.warns(RuntimeWarning, match="1 values of metrics are not reported"):
        katib.report_metrics({"x" * 300: 1}, store)
    with pytest.raises(InvalidInput, match="255"):
        katib.report_metrics({"x" * 300: 1}, store, must_arrive=True)
    with pytest.warns(RuntimeWarning, match="HOST:PORT"):
        katib.report_metrics({"loss": 1}, "ftp://store:1")
    katib.report_metrics({"loss": 1}, store)
    assert log(store, trial) == [("loss", "1")]


def test_program_brings_what_waits_when_it_ends(trial, tmp_path, later_address):
    program = (
        "import sys, subprocess, katib\n"
        "katib.report_metrics({'loss': 1}, timeout=0.2)\n"
        "print('away', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    environment = {**os.environ, "KATIB_DB_MANAGER_ADDRESS": later_address}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "away\n"
        with ServedStore("--url", f"sqlite:///{tmp_path / 'katib.db'}", "--address", later_address):
            _, said = process.communicate("\n", timeout=60)
            assert process.returncode == 0
            assert "metrics wait to be reported" in said
            assert log(later_address, trial) == [("loss", "1")]
