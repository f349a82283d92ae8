"""The HTTP of ModelDB's API beside what its client does: bad input, tokens and namespaces, addresses of files, and all the other calls."""

import itertools
import json
import math
import random
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # these tests share a server

import modeldb_served

from katib.rest.modeldb.api import ModeldbApi

UNKNOWN = "f" * 32
RUN = "experiment-run/"
NUMBERS = {400: {3, 11}, 404: {5}, 409: {6, 9, 10}, 413: {11}, 501: {12}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'katib.db'}"
    with modeldb_served.whole(modeldb_served.ServedModeldb(url)) as server:
        yield server


@pytest.fixture
def run(server):
    return server.new_run()


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
    "@",
    "a@b",
    f"{UNKNOWN}@default",
    f"{UNKNOWN}@Nowhere!",
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
    {"key": "a", "value": None},
    {"key": "a", "value": 10**400},
    {"key": "a", "value": "1_0", "value_type": 1},
    {"key": "modeldb.parent", "value": [1e999]},
    {"key": {"key": {}}},
    [{"key": "a", "value": [1]}],
    [{"key": "metrics.a", "value": 1, "operator": 9}],
    [{"key": "metrics.`", "value": math.nan, "operator": "LT"}],
    [{"key": "hyperparameters.'", "value": "\\'", "operator": "CONTAIN"}],
    [{"key": "tags", "value": "\x00"}],
    [{"key": "id", "value": ["a@b"], "operator": 8}],
    [{"key": "date_created", "value": 2**70, "operator": 2}],
    [{"key": "name", "value": "%" * 2_000, "operator": 6}],
    {"attribute": {"key": "a", "value": 1}, "epoch_number": 2**63},
    {"attribute": {"key": "a", "value": 1}, "epoch_number": 1.5, "timestamp": "x"},
    {"git_snapshot": {"filepaths": [1]}},
    {"git_snapshot": {"is_dirty": "MAYBE"}},
    {"python": {"version": {"major": -1}}},
    {"part_number": "1", "etag": "x"},
    [{"type": 1, "external_id": UNKNOWN}],
    [{"type": 9, "external_id": "x"}],
]
FIELDS = [
    "id", "ids", "name", "description", "tags", "tag", "attributes", "attribute", "project_id", "experiment_id", "workspace_name",
    "metric", "metrics", "hyperparameter", "hyperparameters", "observation", "observations", "observation_key", "artifact", "artifacts",
    "dataset", "datasets", "key", "method", "part_number", "artifact_part", "environment", "code_version", "code_version_snapshot",
    "predicates", "sort_key", "ascending", "page_number", "page_limit", "ids_only", "experiment_run_ids", "experiment_run_id",
    "parent_id", "entity_id", "entityId", "message", "input", "output", "items", "dataset_id", "dataset_type", "metric_keys",
    "hyperparameter_keys", "observation_keys", "attribute_keys", "delete_all", "get_all", "start_time", "end_time", "overwrite",
    "readme_text", "top_k", "path_dataset_version_info", "raw_dataset_version_info", "version",
]  # fmt: skip
OPERATIONS = [operation for operation in ModeldbApi().operations() if operation.path.startswith("/api/")]


def no_json(word):
    pytest.fail(f"{word} is no JSON")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.name}")
def test_no_input_is_a_fault_of_the_server(server, operation):
    chance = random.Random(operation.path)
    run = server.new_run(project=f"of {operation.method} {operation.name}")
    version = server.post(
        "dataset-version/createDatasetVersion",
        dataset_id=server.post("dataset/createDataset", name=f"{operation.name} {operation.method}")["dataset"]["id"],
    )
    subject = operation.name.split("/")[0]
    ids = {"project": run["project_id"], "experiment": run["experiment_id"]}
    good = {
        "id": ids.get(subject, run["id"]),
        "project_id": run["project_id"],
        "experiment_id": run["experiment_id"],
        "experiment_run_id": run["id"],
        "entity_id": run["id"],
        "dataset_id": version["dataset_version"]["dataset_id"],
        "key": "k",
        "name": "n",
        "message": "m",
        "observation_key": "a",
        "method": "PUT",
    }
    # What is there stays, so that later calls reach what they are for.
    keeps = not operation.name.endswith(("deleteProject", "deleteExperiment", "deleteExperimentRun"))
    for _ in range(40):
        fields = chance.sample(FIELDS, 4)
        document = {
            **(good if keeps and chance.random() < 0.85 else {}),
            **{name: chance.choice(HOSTILE) for name in fields},
        }
        path = operation.path.replace("{run_id}", chance.choice([run["id"], UNKNOWN, "%00", "a@b"]))
        path = path.replace("{path:path}", chance.choice(["x", "..%2f..%2fx", "a/../b", "%00", "%ff", "a%2Fb"]))
        if operation.method == "GET" or chance.random() < 0.2:
            query = {name: str(value) if not isinstance(value, list) else value for name, value in document.items()}
            answer = server.session.request(
                operation.method,
                server.base + path,
                params=query if len(str(query)) < 50_000 else {},
                timeout=60,
            )
        else:
            body = json.dumps(document).encode()
            answer = server.session.request(operation.method, server.base + path, data=body, timeout=60)
        assert answer.status_code in {200, *NUMBERS}, f"{path} {str(document)[:500]}\n{answer.text}"
        if answer.status_code != 200:
            said = answer.json()
            assert said["message"], path
            assert said["code"] in NUMBERS[answer.status_code], f"{path} {str(document)[:500]}\n{answer.text}"
        elif operation.name != "artifacts/get":
            json.loads(answer.content, parse_constant=no_json)


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"\xff", b"[" * 100_000, b'{"id": "a", "id": "b"}'])
def test_what_is_no_object_is_refused(server, body):
    answer = server.call("POST", RUN + "logMetric", data=body, status=400)
    assert answer.json()["code"] == 3


def test_what_modeldb_has_and_is_not_here_says_so(server):
    for path in ("versioning/workspaces/w/repositories", "registry/x", "experiment-run/cloneExperimentRun"):
        assert server.call("POST", path, status=501, json={}).json()["code"] == 12


def test_names_may_be_camel_case_and_numbers_texts(server, run):
    server.call("POST", RUN + "logObservation", json={
        "id": run["id"], "observation": {"attribute": {"key": "m", "value": "2.5", "valueType": "NUMBER"}, "epochNumber": "3"},
    })  # fmt: skip
    seen = server.get(RUN + "getObservations", id=run["id"], observationKey="m")["observations"]
    assert [(one["epoch_number"], one["attribute"]["value"]) for one in seen] == [(3, 2.5)]


def test_metrics_and_observations_of_one_name_stand_beside_each_other(server, run):
    for step in range(3):
        attribute = {"key": "loss", "value": step}
        server.post(RUN + "logObservation", id=run["id"], observation={"attribute": attribute, "epoch_number": step})
    server.post(RUN + "logMetric", id=run["id"], metric={"key": "loss", "value": 9})
    server.post(RUN + "logMetric", id=run["id"], metric={"key": "loss", "value": 8}, status=409)
    assert server.get(RUN + "getMetrics", id=run["id"])["metrics"][0]["value"] == 9
    server.delete(RUN + "deleteMetrics", id=run["id"], metric_keys=["loss"])
    server.post(RUN + "logMetric", id=run["id"], metric={"key": "loss", "value": 8})
    seen = server.get(RUN + "getObservations", id=run["id"], observation_key="loss")["observations"]
    assert [one["attribute"]["value"] for one in seen] == [0, 1, 2]
    server.delete(RUN + "deleteObservations", id=run["id"], delete_all=True)
    assert server.get(RUN + "getObservations", id=run["id"], observation_key="loss")["observations"] == []
    assert server.get(RUN + "getMetrics", id=run["id"])["metrics"][0]["value"] == 8


def test_a_set_is_stored_as_a_whole_or_not_at_all(server, run):
    server.post(RUN + "logMetric", id=run["id"], metric={"key": "a", "value": 1})
    server.post(
        RUN + "logMetrics", id=run["id"], status=409, metrics=[{"key": "b", "value": 1}, {"key": "a", "value": 2}]
    )
    server.post(RUN + "logHyperparameters", id=run["id"], status=400, hyperparameters=[{"key": "x", "value": 1}, {}])
    found = server.get(RUN + "getExperimentRunById", id=run["id"])["experiment_run"]
    assert [(metric["key"], metric["value"]) for metric in found["metrics"]] == [("a", 1)]
    assert found["hyperparameters"] == []


def test_a_hyperparameter_keeps_its_type_until_it_is_deleted(server, run):
    values = {"a": "1e3", "b": 1e3, "c": None, "d": {"x": [1, None]}, "e": "nan", "f": "", "g": 2**60, "h": False}
    given = [{"key": key, "value": value} for key, value in values.items()]
    server.post(RUN + "logHyperparameters", id=run["id"], hyperparameters=given)
    seen = server.get(RUN + "getHyperparameters", id=run["id"])["hyperparameters"]
    assert {one["key"]: one["value"] for one in seen} == values
    assert server.get(RUN + "getAttributes", id=run["id"], get_all=True)["attributes"] == []
    server.delete(RUN + "deleteHyperparameters", id=run["id"], hyperparameter_keys=["a", "d"])
    server.post(RUN + "logHyperparameter", id=run["id"], hyperparameter={"key": "a", "value": 1000})
    seen = server.get(RUN + "getHyperparameters", id=run["id"])["hyperparameters"]
    assert {one["key"]: one["value_type"] for one in seen}["a"] == "NUMBER"


def test_projects_and_experiments_are_described_found_and_deleted(server):
    project = server.post("project/createProject", name="described", readme_text="read me")["project"]
    server.post("project/createProject", name="described", status=409)
    assert server.get("project/getProjectReadme", id=project["id"])["readme_text"] == "read me"
    server.post("project/updateProjectDescription", id=project["id"], description="about cats")
    server.post("project/updateProjectName", id=project["id"], name="renamed")
    server.post("project/addProjectTags", id=project["id"], tags=["x", "y"])
    server.post("project/addProjectAttributes", id=project["id"], attributes=[{"key": "budget", "value": 5}])
    found = server.post("project/findProjects", predicates=[{"key": "attributes.budget", "value": 4, "operator": "GT"}])
    assert [one["id"] for one in found["projects"]] == [project["id"]]
    assert found["projects"][0]["description"] == "about cats"
    assert found["projects"][0]["readme_text"] == "read me"
    names = [server.post("experiment/createExperiment", project_id=project["id"], name=name) for name in ("b", "a")]
    asked = {"project_id": project["id"], "sort_key": "name", "ascending": "true"}
    listed = server.get("experiment/getExperimentsInProject", **asked)
    assert ([one["name"] for one in listed["experiments"]], listed["total_records"]) == (["a", "b"], "2")
    first = names[0]["experiment"]["id"]
    server.post("experiment/updateExperimentDescription", id=first, description="first")
    assert server.get("experiment/getExperimentById", id=first)["experiment"]["description"] == "first"
    server.post("experiment/addExperimentTags", id=first, tags=["t"])
    assert server.get("experiment/getExperimentTags", id=first)["tags"] == ["t"]
    run = server.post(RUN + "createExperimentRun", experiment_id=first, end_time="1700000000000")["experiment_run"]
    assert run["end_time"] == "1700000000000"
    summary = server.get("project/getSummary", entityId=project["id"])
    assert (summary["total_experiment"], summary["total_experiment_runs"]) == ("2", "1")
    server.delete("experiment/deleteExperiments", ids=[first])
    server.get("experiment/getExperimentById", id=first, status=404)
    server.get(RUN + "getExperimentRunById", id=run["id"], status=404)
    server.delete("project/deleteProject", id=project["id"])
    server.delete("project/deleteProject", id=project["id"])
    server.get("project/getProjectById", id=project["id"], status=404)


def test_parents_comments_and_lineage(server, run):
    child = server.new_run(parent_id=run["id"])
    other = server.new_run()
    server.post(RUN + "setParentExperimentRunId", experiment_run_id=other["id"], parent_id=child["id"])
    server.post(RUN + "setParentExperimentRunId", experiment_run_id=run["id"], parent_id=other["id"], status=409)
    children = server.get(RUN + "getChildrenExperimentRuns", experiment_run_id=run["id"])
    assert [one["id"] for one in children["experiment_runs"]] == [child["id"]]
    assert children["experiment_runs"][0]["parent_id"] == run["id"]
    assert children["experiment_runs"][0]["experiment_id"] == run["experiment_id"]

    comment = server.post("comment/addExperimentRunComment", entity_id=run["id"], message="good")["comment"]
    server.post("comment/updateExperimentRunComment", id=comment["id"], entity_id=run["id"], message="better")
    said = server.get("comment/getExperimentRunComments", entity_id=run["id"])["comments"]
    assert [one["message"] for one in said] == ["better"]
    server.call("DELETE", "comment/deleteExperimentRunComment", params={"id": comment["id"], "entity_id": run["id"]})
    assert server.get("comment/getExperimentRunComments", entity_id=run["id"])["comments"] == []

    dataset = server.post("dataset/createDataset", name="cats", dataset_type="PATH", tags=["t"])["dataset"]
    assert server.get("dataset/getDatasetByName", name="cats")["dataset_by_user"]["id"] == dataset["id"]
    info = {"location_type": "S3_FILE_SYSTEM", "size": "10", "base_path": "s3://cats", "dataset_part_infos": []}
    body = {"dataset_id": dataset["id"], "dataset_type": 1, "path_dataset_version_info": info}
    version = server.post("dataset-version/createDatasetVersion", **body)["dataset_version"]
    assert server.post("dataset-version/createDatasetVersion", **body)["dataset_version"]["id"] == version["id"]
    last = server.get("dataset-version/getLatestDatasetVersionByDatasetId", dataset_id=dataset["id"])
    assert last["dataset_version"]["path_dataset_version_info"] == info
    use = {"key": "train", "artifact_type": "DATA", "linked_artifact_id": version["id"]}
    server.post(RUN + "logDataset", id=run["id"], dataset=use)
    server.post(RUN + "logDataset", id=run["id"], dataset=use, status=409)
    server.post(RUN + "logDataset", id=run["id"], dataset={"key": "test", "path": "/data/test"})
    used = server.get(RUN + "getDatasets", id=run["id"])["datasets"]
    assert {one["key"] for one in used} == {"train", "test"}
    assert version["id"] in {one["linked_artifact_id"] for one in used}

    entries = {
        "input": [{"type": "DATASET_VERSION", "external_id": version["id"]}],
        "output": [{"type": 1, "external_id": child["id"]}],
    }
    server.post("lineage/addLineage", **entries)
    server.post("lineage/addLineage", input=entries["output"], output=entries["input"], status=409)
    found = server.post("lineage/findAllInputsOutputs", items=[entries["output"][0], entries["input"][0]])
    assert found["inputs"][0]["items"] == [{"type": "DATASET_VERSION", "external_id": version["id"]}]
    assert {one["external_id"] for one in found["outputs"][1]["items"]} == {run["id"], child["id"]}
    server.post("lineage/deleteLineage", **entries)
    assert server.post("lineage/findAllInputs", items=entries["output"])["inputs"] == [{"items": []}]


def test_an_address_allows_one_thing_only(server, run):
    server.post(RUN + "logArtifact", id=run["id"], artifact={"key": "a b/ü%2F.bin", "path": "x"})
    put = server.post(RUN + "getUrlForArtifact", id=run["id"], key="a b/ü%2F.bin", method="PUT")["url"]
    server.call("PUT", put, data=(piece for piece in [b"one ", b"two"]))
    get = server.post(RUN + "getUrlForArtifact", id=run["id"], key="a b/ü%2F.bin", method="GET")["url"]
    answer = server.call("GET", get)
    assert answer.content == b"one two"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    server.post(RUN + "getUrlForArtifact", id=run["id"], key="absent", method="GET", status=404)
    server.delete(RUN + "deleteArtifact", id=run["id"], key="a b/ü%2F.bin")
    server.call("GET", get, status=404)


TOKENS = """\
tokens:
- {name: alice, token: token-of-alice-000001, namespaces: {team-a: write, team-b: write, team-c: read}}
- {name: bob, token: token-of-bob-000001, namespaces: {team-b: write}}
- {name: eve, token: token-of-eve-000001, namespaces: {team-c: write}}
"""


def key(name):
    return {"Grpc-Metadata-email": f"{name}@example.com", "Grpc-Metadata-developer_key": f"token-of-{name}-000001"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    tokens = folder / "tokens.yaml"
    tokens.touch(mode=0o600)
    tokens.write_text(TOKENS)
    url = f"sqlite:///{folder / 'katib.db'}"
    with modeldb_served.whole(modeldb_served.ServedModeldb(url, "--token-file", str(tokens))) as server:
        yield server


def test_a_workspace_is_named_once_and_its_ids_say_it_afterwards(guarded):
    alice, bob, eve = key("alice"), key("bob"), key("eve")
    guarded.get("project/verifyConnection", status=401)
    assert guarded.get("project/verifyConnection", headers=alice) == {"status": True}
    refused = guarded.post("project/createProject", name="p", headers=alice, status=403)
    assert refused["code"] == 7
    assert "workspace" in refused["message"]
    run = guarded.new_run("r", workspace="team-b", headers=alice, metrics=[{"key": "m", "value": 1}])
    assert all(run[name].endswith("@team-b") for name in ("id", "project_id", "experiment_id"))
    found = guarded.post(
        RUN + "findExperimentRuns", project_id=run["project_id"], headers=alice, page_number=1, page_limit=9
    )
    assert [one["id"] for one in found["experiment_runs"]] == [run["id"]]
    # To bob it is the only namespace there is, so its ids are ids.
    own = run["id"].removesuffix("@team-b")
    for name in (run["id"], own):
        seen = guarded.get(RUN + "getExperimentRunById", id=name, headers=bob)["experiment_run"]
        assert (seen["id"], seen["metrics"][0]["value"]) == (own, 1)
    by_id = [{"key": "id", "value": run["id"]}]
    found = guarded.post(RUN + "findExperimentRuns", workspace_name="team-b", predicates=by_id, headers=alice)
    assert [one["id"] for one in found["experiment_runs"]] == [run["id"]]
    guarded.get(RUN + "getExperimentRunById", id=run["id"], headers=eve, status=403)
    guarded.get(RUN + "getExperimentRunById", id=own, headers=eve, status=404)
    guarded.get(RUN + "getExperimentRunById", id=own, headers={**alice, "X-Katib-Namespace": "team-b"})
    guarded.post(
        RUN + "findExperimentRuns", workspace_name="team-a", project_id=run["project_id"], headers=alice, status=400
    )
    # Reading is not writing.
    foreign = guarded.new_run("r", headers=eve)["id"] + "@team-c"
    guarded.get(RUN + "getExperimentRunById", id=foreign, headers=alice)
    guarded.post(RUN + "logMetric", id=foreign, metric={"key": "m", "value": 1}, headers=alice, status=403)
    entries = {"input": [{"type": 1, "external_id": run["id"]}], "output": [{"type": 1, "external_id": foreign}]}
    guarded.post("lineage/addLineage", headers=alice, status=400, **entries)


def test_an_address_needs_no_token_and_nothing_else_does(guarded):
    alice, eve = key("alice"), key("eve")
    run = guarded.new_run(workspace="team-a", headers=alice)
    asked = {"id": run["id"], "key": "f"}
    put = guarded.post(RUN + "getUrlForArtifact", method="PUT", headers=alice, **asked)["url"]
    guarded.call("PUT", put, data=b"content")
    get = guarded.post(RUN + "getUrlForArtifact", method="GET", headers=alice, **asked)["url"]
    assert guarded.call("GET", get).content == b"content"
    # Neither the other method, nor another file, run, namespace, caller, time or part.
    guarded.call("GET", put, status=401)
    guarded.call("PUT", get, data=b"x", status=401)
    parts = urlsplit(put)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    other = guarded.new_run(workspace="team-a", headers=alice)["id"].split("@")[0]
    changed = [
        put.replace("/f?", "/g?"),
        put.replace(run["id"].split("@")[0], other),
        *(
            parts._replace(query=urlencode({**query, name: value})).geturl()
            for name, value in {
                "namespace": "team-b",
                "caller": "bob",
                "until": "99999999999",
                "part_number": 1,
                "seal": "0",
            }.items()
        ),
    ]
    for address in changed:
        guarded.call("PUT", address, data=b"x", status=401)
        guarded.call("PUT", address, data=b"x", status=401, headers=eve)
    assert guarded.call("GET", get).content == b"content"
    # With a token, an address of another server is as good.
    guarded.call("GET", parts._replace(query=urlencode({"namespace": "team-a"})).geturl(), headers=alice)
    reader = guarded.post(
        RUN + "getUrlForArtifact",
        method="PUT",
        id=guarded.new_run(headers=eve)["id"] + "@team-c",
        key="f",
        headers=alice,
        status=403,
    )
    assert reader["code"] == 7


def value_of(record, name):
    prefix, _, key = name.partition(".")
    return record.get(prefix, {}).get(key)


COMPARE = {
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
    "LT": lambda a, b: a < b,
    "LTE": lambda a, b: a <= b,
}


def passes(record, predicate):
    """What ModelDB's predicates mean, with doubles where it had decimals."""
    operator, value = predicate["operator"], predicate["value"]
    if predicate["key"] == "tags":
        there = [tag in record["tags"] for tag in (value if isinstance(value, list) else [value])]
        return any(there) if operator in {"EQ", "IN"} else not any(there)
    found = record["name"] if predicate["key"] == "name" else value_of(record, predicate["key"])
    if operator in {"CONTAIN", "NOT_CONTAIN"}:
        text = None if found is None else found if isinstance(found, str) else json.dumps(found)
        return text is not None and (value in text) == (operator == "CONTAIN")
    if operator in {"IN", "NOT_IN"}:
        comparable = found is not None and (isinstance(value[0], str) or not isinstance(found, str))
        if isinstance(value[0], str) and found is not None and not isinstance(found, str):
            found = json.dumps(found)
        return comparable and (found in value) == (operator == "IN")
    if found is None or (isinstance(found, str) and not isinstance(value, str)):
        return False
    if isinstance(value, str) and not isinstance(found, str):
        found = json.dumps(found)
    return COMPARE[operator](found, value)


def test_predicates_find_what_they_mean(server):
    chance = random.Random(11)
    numbers = [0, 1, -1, 1e-09, 5e-10, 2.5, 1e12, 3e38, 1e-300, 9.0, 10.0]
    words = ["adam", "sgd", "a'b", 'say "hi"', "10%", "ADAM", "50_1"]
    records = []
    for number in range(60):
        record = {"name": f"run {chance.choice(words)} {number}", "tags": chance.sample(words, 2)}
        for kind in ("metrics", "hyperparameters", "attributes"):
            record[kind] = {
                key: chance.choice(numbers if kind == "metrics" or chance.random() < 0.6 else words)
                for key in chance.sample(["x", "y", "a b", "`q'"], 3)
            }
        records.append(record)
        body = {
            kind: [{"key": key, "value": value} for key, value in record[kind].items()]
            for kind in ("metrics", "hyperparameters", "attributes")
        }
        made = server.new_run(record["name"], project="predicates", tags=record["tags"], **body)
    found_some = 0
    operators = ["EQ", "NE", "GT", "GTE", "LT", "LTE", "CONTAIN", "NOT_CONTAIN", "IN", "NOT_IN"]
    for _ in range(250):
        predicates = []
        for _ in range(chance.choice([1, 1, 2, 3])):
            kind = chance.choice(["metrics", "hyperparameters", "attributes", "tags", "name"])
            key = kind if kind in {"tags", "name"} else f"{kind}.{chance.choice(['x', 'y', 'a b', '`q' + chr(39)])}"
            values = words if kind in {"tags", "name"} or (kind != "metrics" and chance.random() < 0.4) else numbers
            allowed = (
                [*operators[:6], "IN", "NOT_IN"]
                if values is numbers
                else ["EQ", "NE", "CONTAIN", "NOT_CONTAIN", "IN", "NOT_IN"]
            )
            if kind == "tags":
                allowed = ["EQ", "NE", "IN", "NOT_IN"]
            operator = chance.choice(allowed)
            value = chance.sample(values, 3) if operator in {"IN", "NOT_IN"} else chance.choice(values)
            predicates.append({"key": key, "operator": operator, "value": value})
        sent = [
            {**one, "operator": chance.choice([one["operator"], operators.index(one["operator"])])}
            for one in predicates
        ]
        found = server.post(
            RUN + "findExperimentRuns", project_id=made["project_id"], predicates=sent, page_number=1, page_limit=100
        )
        wanted = {record["name"] for record in records if all(passes(record, one) for one in predicates)}
        assert {one["name"] for one in found["experiment_runs"]} == wanted, predicates
        assert found["total_records"] == str(len(wanted))
        found_some += 0 < len(wanted) < len(records)
    assert found_some > 80
    # In the order of a metric, and of a hyperparameter that is a number in some runs and a word in others.
    for name, ascending in itertools.product(("metrics.x", "hyperparameters.y"), (True, False)):
        page = server.post(
            RUN + "findExperimentRuns",
            experiment_run_ids=[],
            project_id=made["project_id"],
            sort_key=name,
            ascending=ascending,
            page_number=1,
            page_limit=100,
        )
        by_name = {record["name"]: record for record in records}
        listed = [value_of(by_name[one["name"]], name) for one in page["experiment_runs"]]
        there = [value for value in listed if isinstance(value, int | float)]
        assert there == sorted(there, reverse=not ascending)
        assert listed[: len(there)] == there
        texts = [value for value in listed if isinstance(value, str)]
        assert listed[len(there) : len(there) + len(texts)] == texts == sorted(texts, reverse=not ascending)


def test_nan_is_nan(server):
    for name, value in (("nan", "NaN"), ("inf", "Infinity"), ("one", 1)):
        made = server.new_run(name, project="nan", metrics=[{"key": "m", "value": value, "value_type": "NUMBER"}])

    def names(operator, value):
        predicates = [{"key": "metrics.m", "operator": operator, "value": value, "value_type": 1}]
        found = server.post(RUN + "findExperimentRuns", project_id=made["project_id"], predicates=predicates)
        return {one["name"] for one in found["experiment_runs"]}

    assert names("EQ", "NaN") == {"nan"}
    assert names("NE", "NaN") == {"inf", "one"}
    assert names("GT", "NaN") == set()
    assert names("GT", 0) == {"inf", "one"}
    assert names("EQ", "Infinity") == {"inf"}
    assert names("NE", 1) == {"nan", "inf"}
