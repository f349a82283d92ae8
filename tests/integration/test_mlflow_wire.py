"""The HTTP of MLflow's API without MLflow's client: bad input, limits, tokens, pages of other sites, slow callers, metrics."""

import hashlib
import itertools
import json
import math
import random
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).parent))  # these tests share a server

import mlflow_served

from katib.rest.mlflow.api import MlflowApi

UNKNOWN = "f" * 32
CODES = {
    400: {"INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS"},
    404: {"RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND"},
    413: {"INVALID_PARAMETER_VALUE", "OUT_OF_RANGE"},
    501: {"NOT_IMPLEMENTED"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'katib.db'}"
    arguments = ("-v", "--metrics-address", "127.0.0.1:0")
    with mlflow_served.whole(mlflow_served.ServedHttp(url, *arguments)) as server:
        server.metrics = server.process.stdout.readline().split()[-1]
        yield server


@pytest.fixture(scope="module")
def run_id(server):
    return server.new_run()


def refused(answer, status=400):
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert document["message"]
    return document["error_code"]


HOSTILE = [
    None,
    "",
    " ",
    "x" * 100_000,
    "\x00",
    "a\x00b",
    "\N{PILE OF POO}" * 500,
    "'; DROP TABLE trials; --",
    "../../etc/passwd",
    -1,
    0,
    2**63,
    -(2**63) - 1,
    10**400,
    1.5,
    1e308,
    math.nan,
    math.inf,
    "NaN",
    "9" * 5_000,
    True,
    [],
    [None],
    [[]],
    [{}],
    ["x"] * 20,
    {},
    {"key": "a"},
    {"key": {"key": {}}},
    [{"key": "a", "value": [1]}],
    [{"dataset": {"name": 1}}],
    [{"dataset": {"name": "a", "digest": "b", "source_type": "c", "source": "d", "profile": "[" * 5_000}}],
]
FIELDS = [
    "experiment_id", "experiment_name", "name", "new_name", "tags", "run_id", "run_uuid", "run_name", "user_id", "start_time",
    "end_time", "status", "key", "value", "timestamp", "step", "metrics", "params", "datasets", "models", "model_json",
    "experiment_ids", "filter", "order_by", "max_results", "page_token", "run_view_type", "view_type", "metric_key", "run_ids",
    "start_step", "end_step", "path", "num_parts", "upload_id", "parts", "artifact_location",
]  # fmt: skip
OPERATIONS = [operation for operation in MlflowApi().operations() if operation.path.startswith("/api/")]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.path}")
def test_no_input_is_a_fault_of_the_server(server, run_id, operation):
    chance = random.Random(operation.path)
    experiment_id = server.get("experiments/get", experiment_id="0").json()["experiment"]["experiment_id"]
    good = {
        "experiment_id": experiment_id,
        "experiment_ids": [experiment_id],
        "run_id": run_id,
        "run_ids": [run_id],
        "key": "k",
        "metric_key": "m",
        "value": 1,
        "timestamp": 1,
        "path": f"{experiment_id}/{run_id}/artifacts",
    }
    places = {"path": [f"{UNKNOWN}/{run_id}/artifacts/x", "..%2f..%2fx", "x", "%00", "a/b/artifacts/c/../d", "%ff"]}
    # The run stays, so that later calls reach what they are for.
    keeps = not operation.path.endswith(("runs/delete", "experiments/delete", "experiments/update"))
    for _ in range(30):
        fields = chance.sample(FIELDS, 4)
        document = {
            **(good if keeps and chance.random() < 0.8 else {}),
            **{name: chance.choice(HOSTILE) for name in fields},
        }
        path = operation.path.replace("{path:path}", chance.choice(places["path"]))
        path = path.replace("{upload}", chance.choice([UNKNOWN, "x", "..", "%2e%2e"]))
        path = path.replace("{number}", chance.choice(["1", "0", "x", "99999999999", "%00"])).replace("{name}", "a b")
        path = path.replace("{model_id}", chance.choice([f"m-{run_id}{UNKNOWN[:8]}", "m-x", "%00"])).replace(
            "{tag}", "t"
        )
        if operation.method == "GET":
            query = {name: str(value) if not isinstance(value, list) else value for name, value in document.items()}
            answer = server.session.get(
                server.base + path, params=query if len(str(query)) < 50_000 else {}, timeout=60
            )
        else:
            body = json.dumps(document).encode()
            answer = server.session.request(operation.method, server.base + path, data=body, timeout=60)
        assert answer.status_code in {200, 400, 404, 413}, f"{path} {str(document)[:500]}\n{answer.text}"
        if answer.status_code != 200:
            assert refused(answer, answer.status_code) in CODES[answer.status_code]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"1",
        b'"x"',
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"run_id": "\\ud800"}',
        b'{"run_id": "a", "run_id": "b"}',
        b'{"run_id": ' + b"9" * 10_000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_no_json_object_is_refused(server, body):
    assert refused(server.call("POST", "2.0/mlflow/runs/log-metric", data=body)) == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("history", ["none", '{"a": 1}', "[" * 4_000])
def test_a_model_is_not_logged_over_a_history_that_somebody_spoilt(server, run_id, history):
    model = {"run_id": run_id, "model_json": '{"artifact_path": "m"}'}
    tag = {"run_id": run_id, "key": "mlflow.log-model.history"}
    assert server.call("POST", "2.0/mlflow/runs/set-tag", json={**tag, "value": history}).ok
    assert refused(server.call("POST", "2.0/mlflow/runs/log-model", json=model)) == "INVALID_PARAMETER_VALUE"
    assert server.call("POST", "2.0/mlflow/runs/set-tag", json={**tag, "value": "[]"}).ok
    assert server.call("POST", "2.0/mlflow/runs/log-model", json=model).ok


def test_bare_nan_of_other_clients_is_taken(server, run_id):
    body = f'{{"run_id": "{run_id}", "key": "bare", "value": NaN, "timestamp": "5"}}'
    assert server.call("POST", "2.0/mlflow/runs/log-metric", data=body).ok
    (point,) = server.get("metrics/get-history", run_id=run_id, metric_key="bare").json()["metrics"]
    assert point == {"key": "bare", "value": "NaN", "timestamp": 5, "step": 0}


def test_ids_of_old_clients_are_taken(server, run_id):
    assert server.post("runs/set-tag", {"run_uuid": run_id, "key": "old", "value": "1"}).ok
    assert server.get("runs/get", run_uuid=run_id).ok


def test_limits_of_a_batch(server, run_id):
    def metrics(count):
        return [{"key": f"m{number}", "value": 1, "timestamp": 1} for number in range(count)]

    def pairs(count):
        return [{"key": f"k{number}", "value": "v"} for number in range(count)]

    for body in (
        {"metrics": metrics(1_001)},
        {"params": pairs(101)},
        {"tags": pairs(101)},
        {"metrics": metrics(950), "params": pairs(51)},
    ):
        answer = server.post("runs/log-batch", {"run_id": run_id, **body})
        assert refused(answer) == "INVALID_PARAMETER_VALUE"
        assert "at most" in answer.json()["message"]
    assert server.post("runs/log-batch", {"run_id": run_id, "metrics": metrics(900), "params": pairs(100)}).ok
    twice = [{"key": "same", "value": "1"}, {"key": "same", "value": "2"}]
    assert "Duplicate" in server.post("runs/log-batch", {"run_id": run_id, "params": twice}).json()["message"]
    answer = server.post("runs/log-batch", {"run_id": run_id, "tags": [{"key": "a", "value": "x" * (1 << 20)}]})
    assert answer.status_code == 413


def test_a_batch_is_stored_whole_or_not_at_all(server):
    run_id = server.new_run()
    body = {
        "run_id": run_id,
        "metrics": [{"key": "m", "value": 1, "timestamp": 1}, {"key": "", "value": 1, "timestamp": 1}],
        "params": [{"key": "p", "value": "v"}],
    }
    assert refused(server.post("runs/log-batch", body)) == "INVALID_PARAMETER_VALUE"
    data = server.get("runs/get", run_id=run_id).json()["run"]["data"]
    assert (data["metrics"], data["params"]) == ([], [])


def test_paths_and_methods_that_are_none(server):
    assert refused(server.get("runs/nothing"), 404) == "ENDPOINT_NOT_FOUND"
    assert refused(server.call("POST", "2.0/mlflow/registered-models/create"), 404) == "ENDPOINT_NOT_FOUND"
    assert refused(server.get("runs/create"), 405) == "ENDPOINT_NOT_FOUND"
    answer = server.session.get(f"{server.base}/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert server.session.options(f"{server.base}/api/2.0/mlflow/runs/create").status_code == 405


def test_both_roots_answer(server, run_id):
    for root in ("api", "ajax-api"):
        answer = server.session.get(f"{server.base}/{root}/2.0/mlflow/runs/get", params={"run_id": run_id})
        assert answer.json()["run"]["info"]["run_id"] == run_id


def test_server_says_what_it_can(server):
    assert server.call("GET", "3.0/mlflow/server-info").json()["workspaces_enabled"] is True
    assert server.call("POST", "3.0/mlflow/logged-models/search", json={}).json() == {"models": []}
    assert server.session.get(f"{server.base}/healthz").json() == {"status": "ok"}
    assert server.session.get(f"{server.base}/readyz").json() == {"status": "ok"}
    assert server.session.get(f"{server.base}/health").text == '"OK"'
    assert server.call("GET", "3.0/mlflow/workspaces/team-a").json() == {"workspace": {"name": "team-a"}}


def test_a_workspace_has_a_name_of_kubernetes(server):
    for name in ("Team A", "-x", "x" * 64, ""):
        headers = {"X-MLFLOW-WORKSPACE": name}
        answer = server.call("GET", "2.0/mlflow/experiments/get?experiment_id=0", headers=headers)
        assert refused(answer) == "INVALID_PARAMETER_VALUE"


def test_pages_of_other_sites_get_nothing(server):
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        answer = server.call("POST", "2.0/mlflow/runs/create", json={}, headers=headers)
        assert refused(answer, 403) == "PERMISSION_DENIED"
        assert "access-control-allow-origin" not in answer.headers
    own = {"Origin": server.base}
    assert server.call("POST", "2.0/mlflow/runs/create", json={}, headers=own).ok


def test_files_of_paths_that_leave_are_refused(server, run_id):
    project = server.get("runs/get", run_id=run_id).json()["run"]["info"]["artifact_uri"].split("/")[1]
    root = f"/api/2.0/mlflow-artifacts/artifacts/{project}/{run_id}/artifacts"
    for path in ("..%2f..%2fx", "a/%2e%2e/b", "%00", "a//b", "a%5cb", "x" * 300):
        with socket.create_connection(server.http.split(":")) as connection:
            head = (
                f"PUT {root}/{path} HTTP/1.1\r\nHost: {server.http}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
            )
            connection.sendall(head.encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.split()[1] in {b"400", b"404"}, answer
    assert server.get("artifacts/list", run_id=run_id).json()["files"] == []


def test_an_upload_that_breaks_off_leaves_nothing(server):
    run_id = server.new_run()
    project = server.get("runs/get", run_id=run_id).json()["run"]["info"]["artifact_uri"].split("/")[1]
    path = f"/api/2.0/mlflow-artifacts/artifacts/{project}/{run_id}/artifacts/big.bin"
    with socket.create_connection(server.http.split(":")) as connection:
        connection.sendall(f"PUT {path} HTTP/1.1\r\nHost: {server.http}\r\nContent-Length: 9000000\r\n\r\n".encode())
        connection.sendall(b"x" * 3_000_000)
    assert server.session.get(server.base + path).status_code == 404
    assert server.get("artifacts/list", run_id=run_id).json()["files"] == []
    assert server.session.put(server.base + path, data=b"whole").ok
    assert server.session.get(server.base + path).content == b"whole"


def test_large_files_take_little_memory(server):
    run_id = server.new_run()
    project = server.get("runs/get", run_id=run_id).json()["run"]["info"]["artifact_uri"].split("/")[1]
    url = f"{server.base}/api/2.0/mlflow-artifacts/artifacts/{project}/{run_id}/artifacts/big.bin"
    piece = random.Random(1).randbytes(1 << 20)
    before = _memory(server.process.pid)
    assert server.session.put(url, data=itertools.repeat(piece, 200)).ok
    seen = hashlib.sha256()
    with server.session.get(url, stream=True) as answer:
        time.sleep(1)  # a slow reader: what it does not take is not held
        assert _memory(server.process.pid) - before < 60 << 20
        for part in answer.iter_content(1 << 20):
            seen.update(part)
    expected = hashlib.sha256()
    for _ in range(200):
        expected.update(piece)
    assert seen.hexdigest() == expected.hexdigest()
    assert server.get("artifacts/list", run_id=run_id).json()["files"] == [
        {"path": "big.bin", "is_dir": False, "file_size": 200 << 20}
    ]


def _memory(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def test_garbage_is_no_request(server):
    for garbage in (b"\x16\x03\x01\x02\x00" * 20, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"A" * 200_000):
        with socket.create_connection(server.http.split(":")) as connection:
            connection.settimeout(10)
            try:
                connection.sendall(garbage)
                assert connection.recv(65536).startswith((b"HTTP/1.1 400", b""))
            except ConnectionError:
                pass
    assert server.session.get(f"{server.base}/healthz").ok


def test_calls_are_logged_and_counted(server, run_id):
    server.get("runs/get", run_id=run_id)
    server.get("runs/get", run_id=UNKNOWN)
    text = server.session.get(f"http://127.0.0.1:{server.metrics}/metrics").text
    for status in ("200", "404"):
        assert f'katib_store_http_requests_total{{api="mlflow",operation="runs/get",status="{status}"}}' in text
    assert "mlflow runs/get: 200" in server.log
    assert f"mlflow runs/get: 404 Run with id={UNKNOWN} not found" in server.log


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    tokens = folder / "tokens.yaml"
    tokens.touch(mode=0o600)
    tokens.write_text(
        """\
tokens:
- {name: writer, token: token-of-the-writer, namespaces: {team-a: write}}
- {name: reader, token: token-of-the-reader, namespaces: {team-a: read, team-b: read}}
"""
    )
    url = f"sqlite:///{folder / 'katib.db'}"
    with mlflow_served.whole(mlflow_served.ServedHttp(url, "--token-file", tokens)) as server:
        yield server


class TestTokens:
    def test_none_or_an_unknown_one_is_401(self, guarded):
        for headers in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": "Digest x"}):
            answer = guarded.call("GET", "2.0/mlflow/experiments/search", headers=headers)
            assert refused(answer, 401) == "UNAUTHENTICATED"
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "nobody" not in answer.text

    def test_server_says_what_it_can_to_everybody(self, guarded):
        assert guarded.call("GET", "3.0/mlflow/server-info").ok

    def test_stock_client_sends_it(self, guarded, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token-of-the-writer")
        client = guarded.client()
        run_id = client.create_run("0").info.run_id
        client.log_text(run_id, "hello", "a.txt")
        found = client.get_run(run_id)
        assert found.info.user_id
        assert client.get_experiment("0").workspace == "team-a"
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token-of-the-reader")
        monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
        assert client.get_run(run_id).info.run_id == run_id
        with pytest.raises(Exception, match="'reader' may not write in namespace 'team-a'"):
            client.log_metric(run_id, "m", 1)

    def test_as_password_too(self, guarded):
        answer = guarded.call("GET", "2.0/mlflow/experiments/search", auth=("anybody", "token-of-the-writer"))
        assert answer.ok

    def test_other_namespaces_are_denied(self, guarded):
        headers = {"Authorization": "Bearer token-of-the-writer", "X-MLFLOW-WORKSPACE": "team-b"}
        assert (
            refused(guarded.call("GET", "2.0/mlflow/experiments/search", headers=headers), 403) == "PERMISSION_DENIED"
        )

    def test_workspaces_are_those_that_may_be_seen(self, guarded):
        headers = {"Authorization": "Bearer token-of-the-reader", "X-MLFLOW-WORKSPACE": "team-b"}
        answer = guarded.call("GET", "3.0/mlflow/workspaces", headers=headers)
        assert answer.json() == {"workspaces": [{"name": "team-a"}, {"name": "team-b"}]}

    def test_every_operation_asks_for_one(self, guarded):
        public = {"server-info", "health"}
        for operation in MlflowApi().operations():
            path = operation.path
            for place in ("{path:path}", "{upload}", "{number}", "{name}", "{model_id}", "{tag}"):
                path = path.replace(place, "1")
            answer = guarded.session.request(operation.method, guarded.base + path)
            assert (answer.status_code == 401) == (operation.name not in public), path


def test_writers_of_one_path_leave_one_file_and_its_record(server):
    run_id = server.new_run()
    project = server.get("runs/get", run_id=run_id).json()["run"]["info"]["artifact_uri"].split("/")[1]
    url = f"{server.base}/api/2.0/mlflow-artifacts/artifacts/{project}/{run_id}/artifacts/same.bin"
    contents = [bytes([number]) * (100_000 + number) for number in range(8)]

    def put(content):
        return requests.put(url, data=content, timeout=60).status_code

    for _ in range(5):
        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(put, contents)) == {200}
        stored = server.session.get(url).content
        assert stored in contents
        (record,) = server.get("artifacts/list", run_id=run_id).json()["files"]
        assert record["file_size"] == len(stored)
