"""ModelDB's API as its Python client uses it, over HTTP, against real servers and databases."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # these tests share a server

import modeldb_served

from katib.testing.database_servers import PostgresqlServer

RECORDED = json.loads((Path(__file__).parents[1] / "fixtures" / "modeldb" / "client.json").read_text())["calls"]
RUN = "experiment-run/"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'katib.db'}"
        return
    if PostgresqlServer.missing():
        pytest.skip(PostgresqlServer.missing())
    with PostgresqlServer() as database:
        yield database.new_store()


@pytest.fixture
def server(url, tmp_path):
    with modeldb_served.whole(modeldb_served.ServedModeldb(url, "--artifacts", str(tmp_path / "artifacts"))) as server:
        yield server


def filled(value, known):
    if isinstance(value, str):
        return re.sub(r"\$(\w+)", lambda match: known[match[1]], value)
    if isinstance(value, list):
        return [filled(item, known) for item in value]
    return {name: filled(item, known) for name, item in value.items()} if isinstance(value, dict) else value


def assert_says(answer, expected, where):
    """Every field that is expected is there and says that; others may be there too."""
    if isinstance(expected, dict):
        assert isinstance(answer, dict), f"{where}: {answer}"
        for name, value in expected.items():
            assert name in answer, f"{where}: no {name} in {answer}"
            assert_says(answer[name], value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(answer) == len(expected), f"{where}: {answer}"
        for index, value in enumerate(expected):
            assert_says(answer[index], value, f"{where}[{index}]")
    else:
        assert answer == expected, where


def replayed(server, root=None):
    known = {}
    for call in RECORDED:
        for request in call["requests"]:
            path = filled(request["path"], known)
            if root is not None:
                path = path.replace("/api/v1/modeldb", root)
            content = {"data": request["content"].encode()} if "content" in request else {}
            body = {"json": filled(request["body"], known)} if "body" in request else {}
            answer = server.call(
                request["method"],
                path,
                status=request["status"],
                params=filled(request.get("query", {}), known),
                **content,
                **body,
            )
            if "gives" in request:
                assert answer.text == request["gives"], call["user"]
            assert_says(
                answer.json() if "answer" in request else None, filled(request.get("answer"), known), call["user"]
            )
            for name, place in request.get("keep", {}).items():
                value = answer.json()
                for step in place.split("."):
                    value = value[step]
                known[name] = value
            for name, header in request.get("keep_header", {}).items():
                known[name] = answer.headers[header]
    return known


def test_the_client_finds_what_it_asks_for(server):
    known = replayed(server)
    run = server.get(RUN + "getExperimentRunById", id=known["run"])["experiment_run"]
    # Reading the run as others see it: by MLflow's API, on the same server.
    seen = server.call("GET", "/api/2.0/mlflow/runs/get", params={"run_id": known["run"]}).json()["run"]
    assert seen["info"]["run_name"] == run["name"]
    assert {param["key"]: param["value"] for param in seen["data"]["params"]}["lr"] == "1e-09"
    assert {metric["key"]: metric["value"] for metric in seen["data"]["metrics"]}["accuracy"] == 0.8


def test_the_short_paths_are_the_same(tmp_path):
    url = f"sqlite:///{tmp_path / 'katib.db'}"
    with modeldb_served.whole(modeldb_served.ServedModeldb(url)) as server:
        replayed(server, root="/v1")


def test_pages_are_those_of_the_client(server):
    first = server.new_run("run-0", metrics=[{"key": "m", "value": 0}])
    project = first["project_id"]
    for number in range(1, 230):
        server.post(
            RUN + "createExperimentRun",
            experiment_id=first["experiment_id"],
            name=f"run-{number}",
            metrics=[{"key": "m", "value": number}],
        )
    asked = {"project_id": project, "sort_key": "metrics.m", "ascending": True}
    one = server.post(RUN + "findExperimentRuns", page_number=1, page_limit=1, **asked)
    assert (one["total_records"], len(one["experiment_runs"])) == ("230", 1)
    names = []
    for number in (1, 2, 3):
        page = server.post(RUN + "findExperimentRuns", page_number=number, page_limit=100, **asked)
        assert page["total_records"] == "230"
        names += [run["name"] for run in page["experiment_runs"]]
    assert names == [f"run-{number}" for number in range(230)]
    # A page that nobody has come near yet, one behind the end, and all at once.
    ids = server.post(RUN + "findExperimentRuns", page_number=8, page_limit=30, ids_only=True, **asked)
    assert len(ids["experiment_runs"]) == 20
    assert all(set(run) == {"id"} for run in ids["experiment_runs"])
    beyond = server.post(RUN + "findExperimentRuns", page_number=2**31 - 1, page_limit=2**31 - 1, **asked)
    assert (beyond["total_records"], beyond["experiment_runs"]) == ("230", [])
    every = server.get(RUN + "getExperimentRunsInExperiment", experiment_id=first["experiment_id"])
    assert len(every["experiment_runs"]) == 230
    newest = server.get(RUN + "getExperimentRunsInProject", project_id=project, page_number=1, page_limit=1)
    assert newest["experiment_runs"][0]["name"] == "run-229"


def test_many_clients_log_at_once(server):
    shared = server.new_run("shared")["id"]

    def log(client):
        own = server.post(RUN + "createExperimentRun", experiment_id=experiment, name=f"client-{client}")
        run_id = own["experiment_run"]["id"]
        for step in range(10):
            for target in (run_id, shared):
                attribute = {"key": f"loss-{client}", "value": step / 7}
                server.post(
                    RUN + "logObservation",
                    id=target,
                    observation={"attribute": attribute, "timestamp": 1_700_000_000_000 + step, "epoch_number": step},
                )
        answer = server.session.post(
            f"{server.base}/v1/experiment-run/logMetric",
            json={"id": shared, "metric": {"key": "winner", "value": client}},
            timeout=60,
        )
        return run_id, answer.status_code

    experiment = server.get(RUN + "getExperimentRunById", id=shared)["experiment_run"]["experiment_id"]
    with ThreadPoolExecutor(32) as threads:
        found = list(threads.map(log, range(32)))
    assert sorted(status for _, status in found) == [200] + [409] * 31
    for client, (run_id, status) in enumerate(found):
        for target in (run_id, shared):
            seen = server.get(RUN + "getObservations", id=target, observation_key=f"loss-{client}")["observations"]
            assert [(one["epoch_number"], one["attribute"]["value"]) for one in seen] == [
                (step, step / 7) for step in range(10)
            ]
        if status == 200:
            metrics = {one["key"]: one["value"] for one in server.get(RUN + "getMetrics", id=shared)["metrics"]}
            assert metrics["winner"] == client


def test_what_was_acknowledged_outlives_the_server(url, tmp_path):
    arguments = (url, "--artifacts", str(tmp_path / "artifacts"))
    with modeldb_served.ServedModeldb(*arguments) as server:
        run_id = server.new_run("r", metrics=[{"key": "m", "value": 1}])["id"]
        server.post(RUN + "logArtifact", id=run_id, artifact={"key": "f", "path": "x/f.bin", "artifact_type": "DATA"})
        part = {"id": run_id, "key": "f", "method": "PUT", "part_number": 1}
        etag = server.call("PUT", server.post(RUN + "getUrlForArtifact", **part)["url"], data=b"ab").headers["ETag"]
        server.post(RUN + "commitArtifactPart", id=run_id, key="f", artifact_part={"part_number": 1, "etag": etag})
        half = server.post(RUN + "getUrlForArtifact", **{**part, "part_number": 2})["url"]
        server.process.kill()
    with modeldb_served.whole(modeldb_served.ServedModeldb(*arguments)) as server:
        assert server.get(RUN + "getMetrics", id=run_id)["metrics"][0]["value"] == 1
        # The new server does not know the old one's seal, but lets everybody in here; the upload goes on where it was.
        again = server.base + half[half.index("/api/") :]
        etag = server.call("PUT", again, data=b"cd").headers["ETag"]
        server.post(RUN + "commitArtifactPart", id=run_id, key="f", artifact_part={"part_number": 2, "etag": etag})
        server.post(RUN + "commitMultipartArtifact", id=run_id, key="f")
        server.post(RUN + "commitMultipartArtifact", id=run_id, key="f")
        there = server.post(RUN + "getUrlForArtifact", id=run_id, key="f", method="GET")["url"]
        assert server.call("GET", there).content == b"abcd"
        record = server.get(RUN + "getArtifacts", id=run_id, key="f")["artifacts"][0]
        assert (record["path"], record["artifact_type"], record["upload_completed"]) == ("x/f.bin", "DATA", True)


@pytest.mark.skipif(bool(PostgresqlServer.missing()), reason="there is no PostgreSQL")
def test_two_servers_of_one_database_agree_on_who_was_first():
    with PostgresqlServer() as database:
        url = database.new_store()
        with (
            modeldb_served.whole(modeldb_served.ServedModeldb(url)) as one,
            modeldb_served.whole(modeldb_served.ServedModeldb(url)) as other,
        ):
            run_id = one.new_run("shared")["id"]

            def log(client):
                server, key = (one, other)[client % 2], f"k{client // 16}"
                message = {"key": key, "value": client}
                return key, client, [
                    server.session.post(
                        f"{server.base}/v1/{RUN}{call}", json={"id": run_id, field: message}, timeout=60
                    ).status_code
                    for call, field in (
                        ("logMetric", "metric"),
                        ("logHyperparameter", "hyperparameter"),
                        ("logAttribute", "attribute"),
                    )
                ]  # fmt: skip

            with ThreadPoolExecutor(16) as threads:
                found = list(threads.map(log, range(96)))
            run = other.get(RUN + "getExperimentRunById", id=run_id)["experiment_run"]
            for index, kind in enumerate(("metrics", "hyperparameters", "attributes")):
                first = [(key, client) for key, client, statuses in found if statuses[index] == 200]
                assert {statuses[index] for _, _, statuses in found} == {200, 409}
                assert sorted(first) == sorted((one["key"], one["value"]) for one in run[kind])
                assert len(first) == 6


def test_trials_that_we_drive_are_runs_to_look_at(katib):
    katib("run", katib.write(trials=3))
    with modeldb_served.whole(modeldb_served.ServedModeldb(f"sqlite:///{next(katib.home.rglob('*.db'))}")) as server:
        (project,) = server.get("project/getProjects")["projects"]
        (experiment,) = server.get("experiment/getExperimentsInProject", project_id=project["id"])["experiments"]
        assert experiment["name"] == "exp"
        asked = {"experiment_id": experiment["id"], "sort_key": "metrics.loss", "ascending": True}
        runs = server.post(RUN + "findExperimentRuns", page_number=1, page_limit=10, **asked)["experiment_runs"]
        values = [{one["key"]: one["value"] for one in run["metrics"]}["loss"] for run in runs]
        assert values == sorted(values)
        assert len(values) == 3
        for run in runs:
            (given,) = run["hyperparameters"]
            assert (given["key"], given["value_type"]) == ("x", "NUMBER")
            server.post(RUN + "addExperimentRunTags", id=run["id"], tags=["seen"])
            server.post(RUN + "updateExperimentRunName", id=run["id"], name="other", status=409)
        server.post(RUN + "createExperimentRun", experiment_id=experiment["id"], name="foreign", status=409)
