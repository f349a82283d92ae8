"""The store server as a real process, asked as Katib's controller, collectors and SDK ask it."""

import sqlite3
import time
import urllib.request
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from katib.rpc import v1beta1 as wire
from katib.rpc.services import MESSAGE_OPTIONS, stub
from katib.store import open_store
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import an_experiment, recorded, trial

NOON = "2026-03-01T12:00:00Z"
UNSET = "0001-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def server(folder):
    url = f"sqlite:///{folder / 'katib.db'}"
    with ServedStore("--url", url, "--metrics-address", "127.0.0.1:0") as server:
        assert server.first_line == f"store server on {server.address} (plaintext), {url}\n", server.log
        server.metrics = server.process.stdout.readline().strip()
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address, options=MESSAGE_OPTIONS) as channel:
        yield channel


@pytest.fixture(params=["postgresql", "mariadb"])
def database(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def database_url(database):
    return database.new_store()


def report(channel, trial, *rows, timeout=30, **more):
    entries = [{"time_stamp": time, "metric": {"name": name, "value": value}} for time, name, value in rows]
    request = wire.ReportObservationLogRequest(trial_name=trial, observation_log={"metric_logs": entries})
    return stub(channel, "DBManager", "ReportObservationLog")(request, timeout=timeout, **more)


def log(channel, trial, metadata=None, **fields):
    request = wire.GetObservationLogRequest(trial_name=trial, **fields)
    reply = stub(channel, "DBManager", "GetObservationLog")(request, timeout=30, metadata=metadata)
    return [(row.time_stamp, row.metric.name, row.metric.value) for row in reply.observation_log.metric_logs]


def delete(channel, trial):
    request = wire.DeleteObservationLogRequest(trial_name=trial)
    return stub(channel, "DBManager", "DeleteObservationLog")(request, timeout=30)


class TestHealth:
    @pytest.mark.parametrize("name", ["", "grpc.health.v1.Health", "api.v1.beta1.DBManager"])
    def test_names_that_serve(self, channel, name):
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING

    @pytest.mark.parametrize("name", ["manager.v1beta1.Suggestion", "api.v1.beta1.Suggestion", "x"])
    def test_names_there_are_not(self, channel, name):
        with pytest.raises(grpc.RpcError) as caught:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_tells_the_service_and_its_messages(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    services = set(database.get_services())
    assert {"api.v1.beta1.DBManager", "grpc.health.v1.Health"} <= services
    assert "api.v1.beta1.Suggestion" not in services
    expected = descriptor_pb2.FileDescriptorProto()
    wire.DESCRIPTOR.CopyToProto(expected)
    assert database.FindFileContainingSymbol("api.v1.beta1.ReportObservationLogRequest") == expected


class TestCalls:
    def test_what_a_collector_reports_comes_back(self, channel):
        rows = [
            ("2026-03-01T12:00:00.500000001Z", "loss", "0.50"),
            ("", "loss", "never stored"),
            ("2026-03-01T13:00:00+01:00", "loss", "1e-300"),
            (UNSET, "accuracy", "NaN"),
            (NOON, "accuracy", "unavailable"),
        ]
        assert report(channel, "collected", *rows) == wire.ReportObservationLogReply()
        whole = [
            (UNSET, "accuracy", "NaN"),
            (NOON, "loss", "1e-300"),
            (NOON, "accuracy", "unavailable"),
            ("2026-03-01T12:00:00.5Z", "loss", "0.50"),
        ]
        assert log(channel, "collected") == whole
        report(channel, "collected", *rows)
        assert log(channel, "collected") == whole
        assert log(channel, "collected", metric_name="loss") == [whole[1], whole[3]]
        assert log(channel, "collected", start_time=NOON, end_time=NOON) == whole[1:3]
        assert log(channel, "collected", end_time=UNSET) == whole[:1]
        assert delete(channel, "collected") == wire.DeleteObservationLogReply()
        assert log(channel, "collected") == []

    def test_a_trial_nobody_knows_is_no_fault(self, channel):
        assert log(channel, "nobody") == []
        assert delete(channel, "nobody") == wire.DeleteObservationLogReply()
        assert report(channel, "nobody") == wire.ReportObservationLogReply()

    def test_faults_are_told_with_their_places_and_nothing_is_stored(self, channel):
        with pytest.raises(grpc.RpcError) as caught:
            report(channel, "faulty", (NOON, "loss", "1"), ("noon", "loss", "1"))
        status = rpc_status.from_call(caught.value)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        bad = error_details_pb2.BadRequest()
        assert status.details[0].Unpack(bad)
        assert [violation.field for violation in bad.field_violations] == ["observation_log.metric_logs[1].time_stamp"]
        assert log(channel, "faulty") == []

    @pytest.mark.parametrize("method", ["ReportObservationLog", "GetObservationLog", "DeleteObservationLog"])
    @pytest.mark.parametrize(("request_bytes", "path"), [(b"", "trial_name"), (b"\xff", "the request is no")])
    def test_requests_that_are_none(self, channel, method, request_bytes, path):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/api.v1.beta1.DBManager/{method}")(request_bytes, timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details().startswith(path)

    def test_times_that_are_none(self, channel):
        with pytest.raises(grpc.RpcError) as caught:
            log(channel, "t", start_time="yesterday")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details().startswith("start_time: must be a time such as")

    def test_a_large_log_in_one_report(self, channel):
        rows = [(f"2026-03-01T12:{n // 60 % 60:02}:{n % 60:02}.{n:06}Z", "loss", repr(n / 7)) for n in range(20_000)]
        report(channel, "large", *rows, timeout=60)
        assert sorted(value for _, _, value in log(channel, "large")) == sorted(value for _, _, value in rows)
        report(channel, "large", *rows, timeout=60)
        assert len(log(channel, "large")) == 20_000


class TestTrialsOfExperiments:
    def test_what_is_reported_of_a_known_trial_is_in_the_store(self, folder, channel):
        with open_store(folder / "katib.db") as store:
            uid = recorded(store, "known", trials=1)
            report(channel, "search-0000", (NOON, "loss", "0.25"), (UNSET, "loss", "0.5"))
            assert [found.text for found in store.series(uid, "search-0000")] == ["0.25", "0.5"]
            assert store.summaries(uid, "search-0000")["loss"].latest == "0.25"
            store.delete_experiment(uid)
        assert log(channel, "search-0000") == []

    def test_a_name_in_two_namespaces_is_told_in_the_log(self, folder, server, channel):
        with open_store(folder / "katib.db") as store:
            for namespace in ("first", "second"):
                uid = store.create_experiment(an_experiment("two", namespace)).metadata.uid
                store.record_trials(uid, [trial(7)])
        report(channel, "search-0007", (NOON, "loss", "2"))
        report(channel, "search-0007", (NOON, "loss", "1"), metadata=[("x-katib-namespace", "first")])
        report(channel, "search-0007", (NOON, "loss", "2"))
        assert log(channel, "search-0007", metadata=[("x-katib-namespace", "first")]) == [(NOON, "loss", "1")]
        assert log(channel, "search-0007", metadata=[("x-katib-namespace", "second")]) == [(NOON, "loss", "2")]
        assert (
            server.log.count("trial search-0007: there are several of the name, in the namespaces first, second") == 1
        )
        with pytest.raises(grpc.RpcError) as caught:
            log(channel, "search-0007", metadata=[("x-katib-namespace", "first"), ("x-katib-namespace", "second")])
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT

    def test_a_trial_that_reports_by_itself_is_measured_by_local_mode(self, katib):
        """A whole experiment whose trials do what Katib's SDK does."""
        katib.home.mkdir()
        with ServedStore("--home", katib.home) as server:
            assert server.address, server.log
            script = f"""
                import grpc
                from datetime import datetime, UTC
                from katib.rpc import v1beta1 as wire
                from katib.rpc.services import stub
                moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                entry = dict(time_stamp=moment, metric=dict(name="loss", value=sys.argv[1]))
                request = wire.ReportObservationLogRequest(
                    trial_name=os.environ["KATIB_TRIAL_NAME"], observation_log=dict(metric_logs=[entry])
                )
                with grpc.insecure_channel("{server.address}") as channel:
                    stub(channel, "DBManager", "ReportObservationLog")(request, timeout=30)
            """
            katib(
                "run", katib.write(script=script, trials=3, extra="  metricsCollectorSpec: {collector: {kind: Push}}")
            )
            trials = katib.get("trials", "exp")["items"]
            for each in trials:
                (assignment,) = each["spec"]["parameterAssignments"]
                (metric,) = each["status"]["observation"]["metrics"]
                assert (metric["name"], metric["latest"]) == ("loss", assignment["value"])
            assert len(trials) == 3
            with grpc.insecure_channel(server.address) as channel:
                ((_, name, _),) = log(channel, trials[0]["metadata"]["name"])
            assert name == "loss"
            assert server.stop() == 0


def test_what_happened_is_told_to_prometheus(server, channel):
    report(channel, "counted", (NOON, "loss", "1"))
    report(channel, "counted", (NOON, "loss", "1"))
    port = server.metrics.rpartition(" ")[2]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
        lines = reply.read().decode().splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(figures['katib_store_calls_total{code="OK",method="ReportObservationLog"}']) >= 2
    assert float(figures['katib_store_rows_total{outcome="repeated"}']) >= 1
    assert float(figures["katib_store_commits_total"]) >= 2
    assert figures["katib_store_waiting_reports"] == "0.0"


class TestCommand:
    def test_an_address_that_others_reach_wants_tls(self, katib):
        done = katib("serve", "store", "--address", "0.0.0.0:0", code=2)
        assert "--token-file" in done.stderr
        done = katib("serve", "store", "--address", "0.0.0.0:0", "--insecure-anonymous", code=2)
        assert "--insecure-plaintext" in done.stderr
        insecure = ("--insecure-plaintext", "--insecure-anonymous")
        with ServedStore("--home", katib.home, "--address", "0.0.0.0:0", *insecure) as server:
            assert server.address.startswith("0.0.0.0:"), server.log

    @pytest.mark.parametrize("option", ["--address", "--http-address"])
    def test_what_is_no_address_is_said_first(self, katib, option):
        done = katib("serve", "store", option, "foo", code=2)
        assert done.stderr.startswith(f"error: {option}: must be HOST:PORT, such as 127.0.0.1:")
        assert "--token-file" not in done.stderr

    def test_a_password_is_shown_nowhere(self, katib):
        katib.environment["KATIB_STORE_URL"] = "postgresql+psycopg://me:secret@127.0.0.1:1/none"
        done = katib("serve", "store", code=10)
        assert "secret" not in done.stdout + done.stderr
        assert "127.0.0.1:1" in done.stderr

    @pytest.mark.parametrize(("url", "code"), [("oracle://x/y", 6), ("postgresql+psycopg://x", 2)])
    def test_urls_of_no_store(self, katib, url, code):
        katib("serve", "store", "--url", url, code=code)


class TestServers:
    """PostgreSQL and MariaDB, as far as they are here."""

    def test_what_is_reported_is_in_the_database(self, database_url):
        with ServedStore("--url", database_url) as server, grpc.insecure_channel(server.address) as channel:
            rows = [(NOON, "loss", "NaN"), (UNSET, "loss", "1e-300"), (NOON, "loss", "NaN")]
            for _ in range(2):
                report(channel, "t", *rows)
            assert log(channel, "t") == [rows[1], rows[0], rows[2]]
            delete(channel, "t")
            assert log(channel, "t") == []
            assert server.stop() == 0


def katib_table(path, rows):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(
            "CREATE TABLE observation_logs (trial_name VARCHAR(255) NOT NULL, id INTEGER PRIMARY KEY, time DATETIME, "
            "metric_name VARCHAR(255) NOT NULL, value TEXT NOT NULL)"
        )
        connection.executemany(
            "INSERT INTO observation_logs (trial_name, time, metric_name, value) VALUES (?, ?, ?, ?)", rows
        )
    connection.close()


class TestImport:
    ROWS = (
        ("b", "2026-03-01 12:00:01.5", "loss", "2"),
        ("a", "2026-03-01 12:00:00", "loss", "1"),
        ("a", "0001-01-01 00:00:00", "acc", "unavailable"),
        ("B", "2026-03-01 12:00:00", "loss", "3"),
        ("a", "2026-03-01 12:00:00", "loss", "1"),
        ("b", "0000-00-00 00:00:00", "loss", "0"),
    )

    def test_katibs_table_is_copied_once(self, katib, tmp_path):
        katib_table(tmp_path / "katib-mysql.db", self.ROWS)
        source = f"sqlite:///{tmp_path / 'katib-mysql.db'}"
        first = katib("store", "import", "--from", source)
        place = katib.home / "katib.db"
        assert first.stdout == f"3 trials copied into {place}: 6 rows stored, 0 were there before\n"
        again = katib("store", "import", "--from", source)
        assert again.stdout == f"3 trials copied into {place}: 0 rows stored, 6 were there before\n"
        moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
        with open_store(place) as store:
            assert [(row.metric, row.text, row.time) for row in store.log("a")] == [
                ("acc", "unavailable", None),
                ("loss", "1", moment),
                ("loss", "1", moment),
            ]
            assert [row.text for row in store.log("b")] == ["0", "2"]
            assert [row.text for row in store.log("B")] == ["3"]

    def test_an_import_that_was_killed_is_completed_by_the_next(self, katib, tmp_path):
        rows = [(f"t{n % 400:03}", "2026-03-01 12:00:00", "loss", str(n % 7)) for n in range(60_000)]
        katib_table(tmp_path / "katib-mysql.db", rows)
        source = f"sqlite:///{tmp_path / 'katib-mysql.db'}"
        with open_store(tmp_path / "target.db") as store:
            importing = katib.start("store", "import", "--from", source, "--url", f"sqlite:///{tmp_path / 'target.db'}")
            while importing.poll() is None and not store.log("t000"):
                time.sleep(0.01)
            importing.kill()
            importing.wait()
            done = katib("store", "import", "--from", source, "--url", f"sqlite:///{tmp_path / 'target.db'}")
            assert "400 trials copied" in done.stdout
            for number in (0, 1, 199, 399):
                wanted = sorted(value for name, _, _, value in rows if name == f"t{number:03}")
                assert sorted(row.text for row in store.log(f"t{number:03}")) == wanted

    def test_of_no_database_of_katib(self, katib, tmp_path):
        open_store(tmp_path / "other.db").close()
        done = katib("store", "import", "--from", f"sqlite:///{tmp_path / 'other.db'}", code=3)
        assert "has no table 'observation_logs'" in done.stderr
        katib("store", "import", "--from", f"sqlite:///{tmp_path / 'absent.db'}", code=10)
        assert not (tmp_path / "absent.db").exists()

    def test_from_a_server(self, katib, database, database_url):
        serial = "SERIAL" if database_url.startswith("postgresql") else "INT AUTO_INCREMENT"
        name = database_url.rpartition("/")[2].partition("?")[0]
        kind = "TIMESTAMP(6)" if serial == "SERIAL" else "DATETIME(6)"
        values = ", ".join(
            f"('t{n % 300}', '2026-03-01 12:00:{n % 60:02}.{n:06}', 'loss', '{n}')" for n in range(12_000)
        )
        database.execute(
            f"CREATE TABLE observation_logs (trial_name VARCHAR(255) NOT NULL, id {serial} PRIMARY KEY, "
            f"time {kind}, metric_name VARCHAR(255) NOT NULL, value TEXT NOT NULL)",
            f"INSERT INTO observation_logs (trial_name, time, metric_name, value) VALUES {values}",  # noqa: S608 - of this test
            database=name,
        )
        done = katib("store", "import", "--from", database_url)
        assert "300 trials copied" in done.stdout
        assert "12,000 rows stored, 0 were" in done.stdout
        with open_store(katib.home / "katib.db") as store:
            assert len(store.log("t7")) == 40
