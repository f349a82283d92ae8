"""An MLflow server is not trusted: whatever it answers, one sentence is said, and nothing half is kept."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from katib.errors import Denied, InvalidInput, KatibError, NotFound, RemoteFault, StoreUnavailable, Unauthenticated
from katib.rest.mlflow_copy import MlflowServer, import_runs
from katib.rest.mlflow_copy.server import Credentials
from katib.store import open_store
from katib.store.artifacts import open_artifacts

LIST, SEARCH, RUNS, HISTORY, FILES = (
    f"/api/2.0/mlflow/{path}"
    for path in (
        "experiments/get-by-name",
        "experiments/search",
        "runs/search",
        "metrics/get-history",
        "artifacts/list",
    )
)
EXPERIMENT = {"experiment_id": "1", "name": "vision", "lifecycle_stage": "active"}


def a_run(number, **more):
    info = {"run_id": f"{number:032x}", "experiment_id": "1", "status": "FINISHED", "run_name": f"r{number}"}
    times = {"start_time": 1, "end_time": 2}
    return {"info": {**info, **times, **more}, "data": {"metrics": [{"key": "loss", "value": 1}]}}


class Fake:
    """A server that answers from a table: path -> what is sent, or a function of the query and the body."""

    def __init__(self):
        self.answers = {
            SEARCH: {"experiments": [EXPERIMENT]},
            RUNS: {"runs": [a_run(1), a_run(2)]},
            HISTORY: {"metrics": [{"key": "loss", "value": 1.5, "timestamp": 5, "step": 0}]},
            FILES: {"root_uri": "mlflow-artifacts:/1/x", "files": []},
        }
        self.asked = []
        self.headers = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet for an answer

            def do_GET(self):
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fake.asked.append(parts.path)
                fake.headers = dict(self.headers)
                answer = fake.answers.get(parts.path, (404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "what?"}))
                if callable(answer):
                    answer = answer(parse_qs(parts.query), json.loads(body or b"{}"))
                status, content = answer if isinstance(answer, tuple) else (200, answer)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if status == 302:
                    self.send_header("Location", "http://elsewhere/")
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET  # noqa: N815 - what http.server calls

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def fake():
    made = Fake()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def server(fake):
    with MlflowServer(fake.url) as server:
        yield server


@pytest.fixture
def tracking(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'store.db'}") as store:
        yield store.tracking("team-a")


@pytest.fixture
def copying(fake, server, tracking, tmp_path):
    return fake, server, tracking, tmp_path


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (b"<html>hello", RemoteFault, "no JSON"),
        (b"[" * 100_000, RemoteFault, "no JSON"),
        ([1], RemoteFault, "no message"),
        ((500, b"oops"), RemoteFault, "500"),
        ((302, b""), InvalidInput, "elsewhere"),
        ((401, {"error_code": "UNAUTHENTICATED", "message": "who?"}), Unauthenticated, "who"),
        ((403, {}), Denied, "403"),
        ((404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}), NotFound, "none"),
        ((400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "x" * 5_000}), InvalidInput, "…"),
    ],
)
def test_an_answer_that_is_none_is_a_sentence(fake, server, answer, error, text):
    fake.answers[LIST] = answer
    with pytest.raises(error, match=text) as raised:
        server.get("mlflow/experiments/get-by-name", experiment_name="x")
    assert len(str(raised.value)) < 1_000


def test_a_busy_server_is_asked_again(fake, server):
    answers = iter([(503, b""), (429, b""), {"experiment": EXPERIMENT}])
    fake.answers[LIST] = lambda *_: next(answers)
    assert server.get("mlflow/experiments/get-by-name")["experiment"] == EXPERIMENT


def test_a_server_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr("katib.rest.mlflow_copy.server._FIRST_PAUSE", 0.0)
    with MlflowServer("http://127.0.0.1:9") as server, pytest.raises(StoreUnavailable, match="does not answer"):
        server.get("mlflow/experiments/search")


@pytest.mark.parametrize(
    "url", ["", "mlflow", "ftp://host", "http://", "http://host:port", "http://host/?x=1", "http://[x"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(InvalidInput):
        MlflowServer(url)


def test_who_calls_is_told_to_the_server_and_to_nobody_else(fake):
    said = Credentials.of_environment({"MLFLOW_TRACKING_TOKEN": "secret-token"})
    with MlflowServer(fake.url, credentials=said, workspace="team") as server:
        server.post("mlflow/experiments/search", {})
    assert fake.headers["Authorization"] == "Bearer secret-token"
    assert fake.headers["X-MLFLOW-WORKSPACE"] == "team"
    with MlflowServer(fake.url.replace("http://", "http://ann:p%40ss@"), credentials=said) as server:
        server.post("mlflow/experiments/search", {})
        assert server.name == fake.url
    assert fake.headers["Authorization"] == "Basic YW5uOnBAc3M="


def test_one_broken_run_stops_no_other(fake, server, tracking):
    runs = [a_run(1), a_run(2), a_run(3, status="DANCING"), {"info": None}, a_run(5, run_id="../../etc"), a_run(6)]
    fake.answers[RUNS] = {"runs": runs}
    sound = fake.answers[HISTORY]
    fake.answers[HISTORY] = lambda query, _: (500, b"") if query["run_id"] == [f"{2:032x}"] else sound
    copied = import_runs(server, tracking)
    assert (copied.runs, copied.failed) == (2, 4)
    told = " ".join(f"{failure.what}: {failure.why}" for failure in copied.failures)
    for word in ("500", "DANCING", "info", "etc"):
        assert word in told
    assert {run.name for run in tracking.find_runs().items} == {"r1", "r6"}
    fake.answers[HISTORY] = sound
    assert import_runs(server, tracking).runs == 1


def test_a_server_that_lets_nobody_in_is_asked_once(fake, server, tracking):
    fake.answers[RUNS] = (401, b"")
    with pytest.raises(Unauthenticated):
        import_runs(server, tracking)
    assert fake.asked.count(RUNS) == 1


def test_pages_that_have_no_end_do_end(fake, server, tracking):
    fake.answers[RUNS] = {"runs": [a_run(1)], "next_page_token": "again"}
    copied = import_runs(server, tracking)
    assert (copied.runs, copied.failed) == (1, 1)
    assert "again and again" in copied.failures[0].why


def test_parents_in_a_ring_are_copied_without(fake, server, tracking):
    runs = [a_run(1), a_run(2), a_run(3)]
    for run, parent in zip(runs, (2, 1, 9), strict=True):
        run["data"]["tags"] = [{"key": "mlflow.parentRunId", "value": f"{parent:032x}"}]
    fake.answers[RUNS] = {"runs": runs}
    fake.answers["/api/2.0/mlflow/runs/get"] = lambda query, _: (
        {"run": runs[int(query["run_id"][0], 16) - 1]} if int(query["run_id"][0], 16) < 3 else (404, {})
    )
    copied = import_runs(server, tracking)
    assert (copied.runs, copied.failed) == (3, 0), copied.failures
    assert tracking.run(f"{3:032x}").parent_id is None
    assert tracking.run(f"{3:032x}").facts.tags["mlflow.parentRunId"] == f"{9:032x}"


@pytest.mark.parametrize(
    ("listed", "content", "text"),
    [
        ([{"path": "../../evil", "is_dir": False, "file_size": 1}], b"x", "evil"),
        ([{"path": "/etc/passwd", "is_dir": False, "file_size": 1}], b"x", "passwd"),
        ([{"path": "a", "is_dir": False, "file_size": 10}], b"short", "5 of 10 bytes"),
        ([{"path": "a", "is_dir": False, "file_size": 2}], b"longer", "more than 2"),
        ([{"path": "a", "is_dir": True}], b"", "in the folder 'a'"),
        ([{"path": "a", "is_dir": False, "file_size": -1}], b"", "file_size"),
    ],
)
def test_files_that_are_not_what_was_said_are_not_kept(copying, listed, content, text):
    fake, server, tracking, tmp_path = copying
    fake.answers[RUNS] = {"runs": [a_run(1)]}
    fake.answers[FILES] = {"root_uri": "mlflow-artifacts:/1/x", "files": listed}
    fake.answers["/api/2.0/mlflow-artifacts/artifacts/1/x/a"] = content
    place = tmp_path / "files"
    copied = import_runs(server, tracking, artifacts=open_artifacts(place))
    assert (copied.runs, copied.files, copied.failed) == (0, 0, 1)
    assert text in copied.failures[0].why
    assert tracking.artifacts(f"{1:032x}") == []
    assert not [path for path in place.rglob("*") if path.is_file() and path.name in {"a", "evil", "passwd"}]
    fake.answers[FILES] = {"root_uri": "mlflow-artifacts:/1/x", "files": []}
    assert import_runs(server, tracking, artifacts=open_artifacts(place)).runs == 1


def test_folders_without_end_are_left(fake, server, tracking, tmp_path):
    fake.answers[RUNS] = {"runs": [a_run(1)]}
    fake.answers[FILES] = lambda query, _: {
        "root_uri": "mlflow-artifacts:/1/x",
        "files": [{"path": "/".join([*query.get("path", []), "d"]), "is_dir": True}],
    }
    copied = import_runs(server, tracking, artifacts=open_artifacts(tmp_path / "files"))
    assert copied.failed == 1


@pytest.mark.parametrize("value", ["Infinity", "NaN", None, "word", {}, True])
def test_values_are_numbers(fake, server, tracking, value):
    fake.answers[RUNS] = {"runs": [a_run(1)]}
    fake.answers[HISTORY] = {"metrics": [{"key": "loss", "value": value, "timestamp": "5", "step": "7"}]}
    with contextlib.suppress(KatibError):
        copied = import_runs(server, tracking)
    assert copied.failed == (value not in ("Infinity", "NaN"))
    if not copied.failed:
        (point,) = tracking.series(f"{1:032x}")
        assert (point.text, point.step) == (repr(float(value)), 7)
