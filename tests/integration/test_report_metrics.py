"""``report_metrics`` of a trial without a file: to a DB manager, which may be away."""

import contextlib
import os
import socket
import subprocess
import sys
from concurrent import futures
from datetime import UTC, datetime

import grpc
import pytest

import katib
from katib.client import remote_reports
from katib.errors import InvalidInput, StoreUnavailable
from katib.metrics.reporter import Report
from katib.rpc import v1beta1 as wire
from katib.rpc.services import stub
from katib.testing.served import ServedStore
from tests.integration.authority import Authority


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
    with pytest.warns(RuntimeWarning, match="^1 value of a metric is not reported"):
        katib.report_metrics({"x" * 300: 1}, store)
    with pytest.raises(InvalidInput, match="255"):
        katib.report_metrics({"x" * 300: 1}, store, must_arrive=True)
    with pytest.warns(RuntimeWarning, match="HOST:PORT"):
        katib.report_metrics({"loss": 1}, "ftp://store:1")
    katib.report_metrics({"loss": 1}, store)
    assert log(store, trial) == [("loss", "1")]


@contextlib.contextmanager
def manager(port=0, *, credentials=None, faults=()):
    """A DB manager that fails as it is told, one call after the other, refuses values named ``bad``, and has the others."""
    got, left = [], list(faults)

    def report(request, context):
        rows = [(row.metric.name, row.metric.value) for row in request.observation_log.metric_logs]
        if left:
            context.abort(left.pop(0), "as told")
        if any(name == "bad" for name, _ in rows):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a bad name")
        got.extend(rows)
        return wire.ReportObservationLogReply()

    method = grpc.unary_unary_rpc_method_handler(
        report, wire.ReportObservationLogRequest.FromString, wire.ReportObservationLogReply.SerializeToString
    )
    with futures.ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("api.v1.beta1.DBManager", {"ReportObservationLog": method})]
        )
        address = f"127.0.0.1:{port}"
        port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
        server.start()
        try:
            yield port, got
        finally:
            server.stop(None).wait()


def test_what_is_refused_costs_nothing_of_what_waits(trial):
    faults = [grpc.StatusCode.UNAVAILABLE]
    with manager(faults=faults) as (port, got):
        address = f"127.0.0.1:{port}"
        with pytest.warns(RuntimeWarning, match="metrics wait to be reported with the next ones.*as told"):
            katib.report_metrics({"loss": 1, "accuracy": 2}, address, timeout=0.1)
        values = (("loss", "3"), ("bad", "4"), ("bad", "5"), ("loss", "6"))
        several = [Report({name: value}, datetime.now(UTC)) for name, value in values]
        with pytest.warns(RuntimeWarning, match="^2 values of metrics are not reported: .*a bad name"):
            remote_reports.send(address, trial, several)
        assert got == [("loss", "1"), ("accuracy", "2"), ("loss", "3"), ("loss", "6")]


@pytest.mark.usefixtures("trial")
@pytest.mark.parametrize("fault", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
def test_a_call_that_breaks_in_the_middle_is_made_again(fault):
    with manager(faults=[fault]) as (port, got):
        katib.report_metrics({"loss": 1}, f"127.0.0.1:{port}")
        assert got == [("loss", "1")]


@pytest.mark.usefixtures("trial")
def test_a_server_that_comes_back_with_another_certificate_is_not_told_and_the_warning_says_why(monkeypatch, tmp_path):
    ours, theirs = Authority("ours"), Authority("theirs")
    (tmp_path / "ca").write_bytes(ours.pem)
    monkeypatch.setenv("KATIB_ROOT_CA", str(tmp_path / "ca"))
    own, other = (
        grpc.ssl_server_credentials([(key, certificate)])
        for certificate, key in (each.issue("server") for each in (ours, theirs))
    )
    with manager(credentials=own) as (port, got):
        katib.report_metrics({"loss": 1}, f"https://127.0.0.1:{port}")
        assert got == [("loss", "1")]
    with (
        manager(port, credentials=other) as (_, got),
        pytest.warns(RuntimeWarning, match="its certificate is not signed by the given authorities"),
    ):
        katib.report_metrics({"loss": 2}, f"https://127.0.0.1:{port}", timeout=0.3)
    assert got == []
    with pytest.raises(StoreUnavailable, match=r"it cannot be reached \(Connection refused"):
        katib.report_metrics({"loss": 3}, f"https://127.0.0.1:{port}", timeout=0.1, must_arrive=True)
    with manager(port, credentials=own) as (_, got):
        katib.report_metrics({"loss": 4}, f"https://127.0.0.1:{port}", must_arrive=True)
    assert got == [("loss", "2"), ("loss", "3"), ("loss", "4")]


@pytest.mark.usefixtures("trial")
def test_the_end_of_a_program_waits_for_no_thread_that_reports(tmp_path):
    program = (
        "import threading, katib\n"
        "from katib.client import remote_reports\n"
        "begun, call = threading.Event(), remote_reports._call\n"
        "remote_reports._call = lambda *told: (begun.set(), call(*told))\n"
        "threading.Thread(target=katib.report_metrics, args=[{'loss': 1}], kwargs={'timeout': 600}, daemon=True).start()\n"
        "assert begun.wait(30)\n"
    )
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "silent"))
        silent.listen()
        environment = {**os.environ, "KATIB_DB_MANAGER_ADDRESS": f"unix:{tmp_path / 'silent'}"}
        ended = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    assert "1 value of a metric is perhaps not reported: the DB manager at unix:" in ended.stderr


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
