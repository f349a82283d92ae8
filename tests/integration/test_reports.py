"""``POST /api/v1/reports`` as a sidecar calls it, and with what it should not."""

import http.client
import itertools
import json
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from katib.access.report_token import sign_report
from katib.rpc import v1beta1 as wire
from katib.rpc.services import MESSAGE_OPTIONS, stub
from katib.store import open_store
from katib.testing.served import ServedStore
from katib.testing.store_promises.specimens import an_experiment, trial

KEY = b"k" * 64
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Server:
    def __init__(self, folder):
        self.path = folder / "katib.db"
        self.uids = {}
        self.free = itertools.count()
        with open_store(self.path) as store:
            for namespace in ("default", "other"):
                self.uids[namespace] = store.create_experiment(an_experiment(namespace=namespace)).metadata.uid
                store.record_trials(self.uids[namespace], [trial(index) for index in range(60)])
        (folder / "keys").write_bytes(KEY)
        (folder / "tokens").write_text(
            "tokens:\n- {name: writer, token: writer-0123456789, namespaces: {default: write}}\n"
            "- {name: reader, token: reader-0123456789, namespaces: {default: read}}\n"
        )
        (folder / "tokens").chmod(0o600)
        self.options = ("--url", f"sqlite:///{self.path}", "--http-address", "127.0.0.1:0")
        self.options += ("--report-key-file", folder / "keys", "--token-file", folder / "tokens")

    def post(self, body, token="writer-0123456789", method="POST"):  # noqa: S107 - of this test
        connection = http.client.HTTPConnection(self.http, timeout=30)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(method, "/api/v1/reports", body if isinstance(body, bytes) else json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer

    def series(self, name, namespace="default"):
        with open_store(self.path) as store:
            return [(each.name, each.text, each.time, each.step) for each in store.series(self.uids[namespace], name)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("reports"))
    with ServedStore(*made.options) as served:
        assert served.first_line, served.log
        made.http = served.process.stdout.readline().split()[-1]
        made.address = served.address
        made.served = served
        yield made
        assert served.stop() == 0
        assert "Traceback" not in served.log


@pytest.fixture
def name(server):
    return f"search-{next(server.free):04d}"


def report(name, *texts, first=0, namespace="default", source="pod"):
    samples = [["loss", text, NOON.timestamp(), None] for text in texts]
    return {"namespace": namespace, "trial": name, "source": source, "first": first, "samples": samples}


def token_for(name, namespace="default"):
    return sign_report(KEY, namespace=namespace, trial=name, expires=datetime.now(UTC) + timedelta(hours=1))


def test_samples_are_stored_as_they_were_reported(server, name):
    rows = [["loss", "0.50", 1772366400.25, 3], ["λ", "nan", None, None], ["loss", "", 0, -1]]
    assert server.post({**report(name), "samples": rows}) == (200, {"next": 3, "stored": 3})
    assert server.series(name) == [
        ("loss", "0.50", NOON + timedelta(seconds=0.25), 3),
        ("λ", "nan", None, None),
        ("loss", "", datetime(1970, 1, 1, tzinfo=UTC), -1),
    ]


def test_numbers_tell_what_is_there_whatever_the_samples_say(server, name):
    assert server.post(report(name, "1", "1", "1")) == (200, {"next": 3, "stored": 3})
    assert server.post(report(name, "1", "1", "1")) == (200, {"next": 3, "stored": 0})
    assert server.post(report(name, "1", "1", first=2)) == (200, {"next": 4, "stored": 1})
    assert server.post(report(name)) == (200, {"next": 4, "stored": 0})
    assert server.post(report(name, first=99)) == (200, {"next": 4, "stored": 0})
    assert [row[1] for row in server.series(name)] == ["1"] * 4


def test_a_gap_is_what_the_store_has_lost(server, name):
    assert server.post(report(name, "8", "9", first=8)) == (200, {"next": 10, "stored": 2})
    assert server.post(report(name, "9", "10", first=9)) == (200, {"next": 11, "stored": 1})
    assert [row[1] for row in server.series(name)] == ["8", "9", "10"]


def test_every_source_has_its_own_numbers(server, name):
    for source in ("a", "b", "a"):
        server.post(report(name, "1", "2", source=source))
    assert [row[1] for row in server.series(name)] == ["1", "2"] * 2


def test_what_others_report_without_numbers_does_not_count(server, name):
    with grpc.insecure_channel(server.address, options=MESSAGE_OPTIONS) as channel:
        call = stub(channel, "DBManager", "ReportObservationLog")
        entry = {"time_stamp": "2026-03-01T12:00:00Z", "metric": {"name": "loss", "value": "7"}}
        asked = wire.ReportObservationLogRequest(trial_name=name, observation_log={"metric_logs": [entry]})
        metadata = [("authorization", "Bearer writer-0123456789"), ("x-katib-namespace", "default")]
        server.post(report(name, "1"))
        for _ in range(2):
            call(asked, timeout=30, metadata=metadata)
        assert server.post(report(name, "1", "2")) == (200, {"next": 2, "stored": 1})
    assert [row[1] for row in server.series(name)] == ["1", "7", "2"]


def test_of_equal_names_the_one_in_the_namespace_is_meant(server, name):
    assert server.post(report(name, "1", namespace="other"), token_for(name, "other"))[0] == 200
    assert (server.series(name), len(server.series(name, "other"))) == ([], 1)


def test_a_trial_that_nobody_has_is_told_to_come_later(server):
    status, answer = server.post(report("nobodys", "1"))
    assert (status, answer["code"]) == (404, "NOT_FOUND")
    assert answer["message"] == "no experiment in namespace 'default' has a trial 'nobodys' yet; report later"


class TestAccess:
    @pytest.mark.parametrize(
        ("token", "status"),
        [(None, 401), ("unknown-0123456789", 401), ("reader-0123456789", 403), ("writer-0123456789", 200)],
    )
    def test_who_may_write_may_report(self, server, name, token, status):
        assert server.post(report(name, "1"), token)[0] == status

    def test_a_trial_may_report_of_itself_only(self, server, name):
        token = token_for(name)
        assert server.post(report(name, "1"), token)[0] == 200
        status, answer = server.post(report("search-0059", "1"), token)
        assert (status, answer["message"]) == (
            403,
            f"'trial default/{name}' may not report of trial 'search-0059' in namespace 'default'",
        )
        assert server.post(report(name, "1", namespace="other"), token)[0] == 403

    @pytest.mark.parametrize(
        "path", ["/api/2.0/mlflow/experiments/search?max_results=5", "/api/v1/modeldb/project/getProjects"]
    )
    def test_its_token_opens_no_other_door(self, server, name, path):
        connection = http.client.HTTPConnection(server.http, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token_for(name)}"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        assert response.status == 403 or b"search" not in body

    def test_the_db_manager_knows_it_too(self, server, name):
        with grpc.insecure_channel(server.address, options=MESSAGE_OPTIONS) as channel:
            entry = {"time_stamp": "2026-03-01T12:00:00Z", "metric": {"name": "loss", "value": "7"}}
            call = stub(channel, "DBManager", "ReportObservationLog")
            metadata = [("authorization", f"Bearer {token_for(name)}")]
            for about in (name, "search-0059"):
                asked = wire.ReportObservationLogRequest(trial_name=about, observation_log={"metric_logs": [entry]})
                if about == name:
                    call(asked, timeout=30, metadata=metadata)
                    continue
                with pytest.raises(grpc.RpcError) as caught:
                    call(asked, timeout=30, metadata=metadata)
                assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            read = stub(channel, "DBManager", "GetObservationLog")
            with pytest.raises(grpc.RpcError) as caught:
                read(wire.GetObservationLogRequest(trial_name=name), timeout=30, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert [row[1] for row in server.series(name)] == ["7"]


class TestNonsense:
    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"namespace": "Not One"}, "namespace"),
            ({"namespace": None}, "namespace"),
            ({"trial": ""}, "trial"),
            ({"trial": "x" * 256}, "trial"),
            ({"source": 5}, "source"),
            ({"first": -1}, "first"),
            ({"first": 1.5}, "first"),
            ({"first": True}, "first"),
            ({"first": 2**63}, "first"),
            ({"samples": None}, "samples"),
            ({"samples": [None]}, "samples[0]"),
            ({"samples": [["loss", "1", None]]}, "samples[0]"),
            ({"samples": [["loss", "1", None, None], ["", "1", None, None]]}, "samples[1][0]"),
            ({"samples": [["loss", 1, None, None]]}, "samples[0][1]"),
            ({"samples": [["loss", "x" * 65_536, None, None]]}, "samples[0][1]"),
            ({"samples": [["loss", "1", "noon", None]]}, "samples[0][2]"),
            ({"samples": [["loss", "1", 1e300, None]]}, "samples[0][2]"),
            ({"samples": [["loss", "1", None, 2**63]]}, "samples[0][3]"),
        ],
    )
    def test_its_place_is_told(self, server, name, change, place):
        status, answer = server.post({**report(name, "1"), **change})
        assert (status, answer["code"]) == (422, "INVALID_ARGUMENT")
        assert answer["message"].startswith(f"{place}: ")
        assert server.series(name) == []

    @pytest.mark.parametrize("body", [b"", b"[]", b"no json", b"\xff", b"[" * 100_000])
    def test_a_body_that_is_no_report(self, server, body):
        assert server.post(body)[0] == 422

    def test_one_that_is_too_large(self, server):
        connection = http.client.HTTPConnection(server.http, timeout=30)
        connection.putrequest("POST", "/api/v1/reports")
        connection.putheader("Authorization", "Bearer writer-0123456789")
        connection.putheader("Content-Length", str((4 << 20) + 1))
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()

    def test_another_method(self, server):
        assert server.post(b"", method="GET")[0] == 405
