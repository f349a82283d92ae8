"""MLflow's stock client against the store server, as scripts and trials use it."""

import math
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # these tests share a server

import mlflow_served
from mlflow.data.numpy_dataset import from_numpy
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from katib.store import open_store
from katib.store.tracking.records import RunScope
from katib.testing.store_promises.specimens import recorded

pytestmark = pytest.mark.usefixtures("quick_client")


@pytest.fixture
def quick_client(monkeypatch):
    """A client that says at once what is wrong."""
    for name in ("MLFLOW_WORKSPACE", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    if request.param == "sqlite":
        url, more = f"sqlite:///{folder / 'katib.db'}", ()
    else:
        url = request.getfixturevalue(request.param).new_store()
        more = ("--artifacts", folder / "files")
    with mlflow_served.whole(mlflow_served.ServedHttp(url, *more)) as server:
        server.url = url
        yield server


@pytest.fixture
def client(server):
    return server.client()


@pytest.fixture
def experiment(client, request):
    return client.create_experiment(f"{request.node.name} {time.time_ns()}", tags={"team": "red"})


def code_of(error):
    return error.value.error_code


class TestExperiments:
    def test_is_found_by_id_and_by_name(self, client, experiment):
        found = client.get_experiment(experiment)
        assert client.get_experiment_by_name(found.name).experiment_id == experiment
        assert found.lifecycle_stage == "active"
        assert found.tags == {"team": "red"}
        assert found.workspace == "default"
        assert found.artifact_location == f"mlflow-artifacts:/{experiment}"
        assert 0 < found.creation_time <= found.last_update_time

    def test_default_one_is_there_as_0(self, client):
        assert client.get_experiment("0").name == "Default"
        assert client.get_experiment_by_name("Default").experiment_id == "0"
        assert client.get_run(client.create_run("0").info.run_id).info.experiment_id == "0"

    def test_name_is_taken_once(self, client, experiment):
        name = client.get_experiment(experiment).name
        with pytest.raises(MlflowException) as error:
            client.create_experiment(name)
        assert code_of(error) == "RESOURCE_ALREADY_EXISTS"
        other = client.create_experiment(f"{name} 2")
        with pytest.raises(MlflowException) as error:
            client.rename_experiment(other, name)
        assert code_of(error) == "RESOURCE_ALREADY_EXISTS"

    def test_unknown_ones_are_not_found(self, client):
        assert client.get_experiment_by_name("nobody") is None
        for experiment_id in ("f" * 32, "17", "'"):
            with pytest.raises(MlflowException) as error:
                client.get_experiment(experiment_id)
            assert code_of(error) == "RESOURCE_DOES_NOT_EXIST"

    def test_is_renamed_tagged_and_described(self, client, experiment):
        client.rename_experiment(experiment, f"new name {experiment}")
        client.set_experiment_tag(experiment, "stage", "late")
        client.set_experiment_tag(experiment, "mlflow.note.content", "what it is for")
        client.delete_experiment_tag(experiment, "team")
        found = client.get_experiment(experiment)
        assert found.name == f"new name {experiment}"
        assert found.tags == {"stage": "late", "mlflow.note.content": "what it is for"}
        with pytest.raises(MlflowException) as error:
            client.delete_experiment_tag(experiment, "team")
        assert code_of(error) == "RESOURCE_DOES_NOT_EXIST"

    def test_is_deleted_and_restored(self, client, experiment):
        run_id = client.create_run(experiment).info.run_id
        client.delete_experiment(experiment)
        assert client.get_experiment(experiment).lifecycle_stage == "deleted"
        assert experiment not in {found.experiment_id for found in client.search_experiments()}
        deleted = client.search_experiments(view_type=ViewType.DELETED_ONLY)
        assert experiment in {found.experiment_id for found in deleted}
        with pytest.raises(MlflowException) as error:
            client.create_run(experiment)
        assert code_of(error) == "INVALID_PARAMETER_VALUE"
        with pytest.raises(MlflowException) as error:
            client.log_metric(run_id, "loss", 1)
        assert code_of(error) == "INVALID_PARAMETER_VALUE"
        client.restore_experiment(experiment)
        assert client.get_experiment(experiment).lifecycle_stage == "active"
        client.log_metric(run_id, "loss", 1)

    def test_are_searched_in_pages(self, client):
        mark = f"page-{time.time_ns()}"
        made = [client.create_experiment(f"{mark}-{number}", tags={"mark": mark}) for number in range(7)]
        condition = f"tags.mark = '{mark}'"
        seen, token = [], None
        while True:
            page = client.search_experiments(
                filter_string=condition, max_results=3, order_by=["name DESC"], page_token=token
            )
            seen += [found.experiment_id for found in page]
            token = page.token
            if not token:
                break
        assert seen == made[::-1]


class TestRuns:
    def test_everything_that_is_logged_comes_back(self, client, experiment):
        run = client.create_run(experiment, start_time=1_700_000_000_123, tags={"a": "1"}, run_name="one")
        run_id = run.info.run_id
        assert run.info.status == "RUNNING"
        assert run.info.run_name == "one"
        assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{run_id}/artifacts"
        client.log_param(run_id, "lr", 0.1)
        client.log_metric(run_id, "loss", 2.5, timestamp=1_700_000_001_000, step=3)
        client.log_batch(
            run_id,
            metrics=[Metric("loss", 1.5, 1_700_000_002_000, 4), Metric("acc", 0.5, 1_700_000_002_000, -1)],
            params=[Param("opt", "adam"), Param("empty", "")],
            tags=[RunTag("b", "2")],
        )
        client.set_tag(run_id, "a", "3")
        client.set_terminated(run_id, "FINISHED", end_time=1_700_000_009_999)
        found = client.get_run(run_id)
        assert (found.info.status, found.info.start_time, found.info.end_time) == (
            "FINISHED",
            1_700_000_000_123,
            1_700_000_009_999,
        )
        assert found.data.params == {"lr": "0.1", "opt": "adam", "empty": ""}
        assert found.data.metrics == {"loss": 1.5, "acc": 0.5}
        assert found.data.tags.items() >= {"a": "3", "b": "2", "mlflow.runName": "one"}.items()

    @pytest.mark.parametrize(
        "value", [math.nan, math.inf, -math.inf, 1e-300, 2.0**63, -0.0, 1 / 3, 5e-324, 1.7976931348623157e308]
    )
    def test_numbers_are_exact(self, client, experiment, value):
        run_id = client.create_run(experiment).info.run_id
        client.log_metric(run_id, "x", value, step=2**40, timestamp=0)
        found = client.get_run(run_id).data.metrics["x"]
        point = client.get_metric_history(run_id, "x")[0]
        for number in (found, point.value):
            assert math.isnan(number) if math.isnan(value) else number == value
        assert point.step == 2**40
        assert point.timestamp == 0

    def test_history_is_whole_and_in_pages(self, client, server, experiment):
        run_id = client.create_run(experiment).info.run_id
        for start in range(0, 3_000, 1_000):
            client.log_batch(
                run_id, metrics=[Metric("m", float(step), 1_000 + step, step) for step in range(start, start + 1_000)]
            )
        assert [point.value for point in client.get_metric_history(run_id, "m")] == [float(n) for n in range(3_000)]
        assert client.get_metric_history(run_id, "other") == []
        steps, token = [], None
        while token is not None or not steps:
            more = {"page_token": token} if token else {}
            page = server.get("metrics/get-history", run_id=run_id, metric_key="m", max_results=700, **more).json()
            steps += [point["step"] for point in page["metrics"]]
            token = page.get("next_page_token")
        assert steps == list(range(3_000))
        interval = server.get(
            "metrics/get-history-bulk-interval",
            run_ids=[run_id, "f" * 32],
            metric_key="m",
            start_step=100,
            end_step=1_099,
            max_results=11,
        ).json()["metrics"]
        assert [point["step"] for point in interval] == [100 + round(k * 99.9) for k in range(11)]
        assert {point["run_id"] for point in interval} == {run_id}
        bulk = server.get("metrics/get-history-bulk", run_id=[run_id], metric_key="m", max_results=10).json()
        assert [point["step"] for point in bulk["metrics"]] == list(range(10))

    def test_a_batch_that_comes_again_changes_nothing(self, client, experiment):
        run_id = client.create_run(experiment).info.run_id
        batch = [Metric("m", 1.0, 5, 1), Metric("m", 1.0, 5, 1), Metric("m", 2.0, 6, 2)]
        for _ in range(3):
            client.log_batch(run_id, metrics=batch, params=[Param("p", "x")])
        assert [point.value for point in client.get_metric_history(run_id, "m")] == [1.0, 1.0, 2.0]

    def test_parameters_cannot_be_changed(self, client, experiment):
        run_id = client.create_run(experiment).info.run_id
        client.log_param(run_id, "lr", 1)
        client.log_param(run_id, "lr", 1)
        with pytest.raises(MlflowException) as error:
            client.log_param(run_id, "lr", 2)
        assert code_of(error) == "INVALID_PARAMETER_VALUE"
        with pytest.raises(MlflowException):
            client.log_batch(run_id, metrics=[Metric("m", 1.0, 1, 1)], params=[Param("lr", "3")])
        found = client.get_run(run_id).data
        assert (found.params, found.metrics) == ({"lr": "1"}, {})

    def test_tags_are_deleted(self, client, experiment):
        run_id = client.create_run(experiment, tags={"a": "1"}).info.run_id
        client.delete_tag(run_id, "a")
        assert "a" not in client.get_run(run_id).data.tags
        with pytest.raises(MlflowException) as error:
            client.delete_tag(run_id, "a")
        assert code_of(error) == "RESOURCE_DOES_NOT_EXIST"

    def test_name_is_a_tag_too(self, client, experiment):
        run_id = client.create_run(experiment).info.run_id
        made_up = client.get_run(run_id)
        assert made_up.info.run_name
        assert made_up.data.tags["mlflow.runName"] == made_up.info.run_name
        client.set_tag(run_id, "mlflow.runName", "by tag")
        assert client.get_run(run_id).info.run_name == "by tag"
        client.update_run(run_id, name="by name")
        assert client.get_run(run_id).data.tags["mlflow.runName"] == "by name"
        assert len(client.search_runs([experiment], "tags.mlflow.runName = 'by name'")) == 1
        assert len(client.search_runs([experiment], "run_name = 'by name'")) == 1

    def test_status_goes_both_ways(self, client, experiment):
        run_id = client.create_run(experiment).info.run_id
        for status in ("SCHEDULED", "FAILED", "KILLED", "RUNNING", "FINISHED"):
            client.update_run(run_id, status=status)
            assert client.get_run(run_id).info.status == status
            found = client.search_runs([experiment], f"status = '{status}'")
            assert [run.info.run_id for run in found] == [run_id]

    def test_is_deleted_and_restored(self, client, experiment):
        kept, gone = (client.create_run(experiment).info.run_id for _ in range(2))
        client.delete_run(gone)
        client.delete_run(gone)
        assert [run.info.run_id for run in client.search_runs([experiment])] == [kept]
        deleted = client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)
        assert [run.info.run_id for run in deleted] == [gone]
        assert len(client.search_runs([experiment], run_view_type=ViewType.ALL)) == 2
        for change in (
            lambda: client.log_metric(gone, "m", 1),
            lambda: client.log_param(gone, "p", 1),
            lambda: client.set_tag(gone, "t", 1),
            lambda: client.update_run(gone, status="FAILED"),
        ):
            with pytest.raises(MlflowException) as error:
                change()
            assert code_of(error) == "INVALID_PARAMETER_VALUE"
        client.restore_run(gone)
        client.log_metric(gone, "m", 1)

    def test_nested_runs_are_trials_of_their_parent(self, client, experiment):
        parent = client.create_run(experiment, run_name="search").info.run_id
        tags = {"mlflow.parentRunId": parent}
        children = {client.create_run(experiment, tags=tags).info.run_id for _ in range(3)}
        for child in children:
            assert client.get_run(child).data.tags["mlflow.parentRunId"] == parent
            assert client.get_parent_run(child).info.run_id == parent
        assert client.get_parent_run(parent) is None
        found = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
        assert {run.info.run_id for run in found} == children
        with pytest.raises(MlflowException) as error:
            client.create_run(experiment, tags={"mlflow.parentRunId": "f" * 32})
        assert code_of(error) == "RESOURCE_DOES_NOT_EXIST"

    def test_datasets_are_inputs(self, client, experiment):
        run_id = client.create_run(experiment).info.run_id
        data = from_numpy(np.arange(12.0).reshape(4, 3), name="numbers")
        tags = [InputTag("mlflow.data.context", "training"), InputTag("fold", "1")]
        for _ in range(2):
            client.log_inputs(run_id, datasets=[DatasetInput(data._to_mlflow_entity(), tags)])
        found = client.get_run(run_id).inputs.dataset_inputs
        assert len(found) == 1
        assert (found[0].dataset.name, found[0].dataset.digest) == ("numbers", data.digest)
        assert {tag.key: tag.value for tag in found[0].tags} == {"mlflow.data.context": "training", "fold": "1"}
        assert "features_shape" in found[0].dataset.profile
        assert "tensor-spec" in found[0].dataset.schema
        assert len(client.search_runs([experiment], "datasets.name = 'numbers' AND datasets.context = 'training'")) == 1


@pytest.fixture(scope="module")
def many(server):
    client = server.client()
    experiment = client.create_experiment(f"many {time.time_ns()}")
    for number in range(25):
        run = client.create_run(experiment, start_time=1_000 + number, tags={"half": str(number % 2)})
        client.log_batch(
            run.info.run_id,
            metrics=[Metric("loss", 10.0 - number, 1, 0), Metric("loss", (number * 7 % 25) / 10, 2, 1)],
            params=[Param("lr", str(number / 100)), Param("n", str(number))],
        )
    return experiment


class TestSearch:
    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            ("metrics.loss < 0.5", 5),
            ("metrics.loss >= 0.5 and params.n != '3'", 20 - 1),
            ("tags.half = '1'", 12),
            ("params.n LIKE '1%'", 11),
            ("attributes.start_time >= 1020", 5),
            ("params.lr < 0.05 AND (tags.half = '0' OR metrics.loss > 2)", 3),
            ("min(metrics.loss) < 0", 14),
            ("", 25),
        ],
    )
    def test_filter(self, server, many, condition, expected):
        found = server.client().search_runs([many], condition)
        losses = list(range(25))
        assert len(found) == _count(condition, losses, expected)

    def test_order_and_pages_are_complete(self, server, many):
        client = server.client()
        seen, token = [], None
        while True:
            page = client.search_runs([many], order_by=["metrics.loss ASC"], max_results=4, page_token=token)
            seen += [run.data.metrics["loss"] for run in page]
            token = page.token
            if not token:
                break
        assert seen == [number / 10 for number in range(25)]

    def test_newest_come_first(self, server, many):
        starts = [run.info.start_time for run in server.client().search_runs([many])]
        assert starts == sorted(starts, reverse=True)

    def test_other_experiments_are_not_looked_in(self, server, many):
        client = server.client()
        other = client.create_experiment(f"other {time.time_ns()}")
        run_id = client.create_run(other).info.run_id
        assert [run.info.run_id for run in client.search_runs([other])] == [run_id]
        assert len(client.search_runs([other, many])) == 26
        assert client.search_runs(["f" * 32]) == []

    def test_faults_in_filters_are_shown(self, server, many):
        with pytest.raises(MlflowException, match="statu") as error:
            server.client().search_runs([many], "statu = 'FINISHED'")
        assert code_of(error) == "INVALID_PARAMETER_VALUE"


def _count(condition, numbers, expected):
    """The figure of the table above, from a second source where Python can say it."""
    loss = {number: (number * 7 % 25) / 10 for number in numbers}
    passing = {
        "metrics.loss < 0.5": [n for n in numbers if loss[n] < 0.5],
        "metrics.loss >= 0.5 and params.n != '3'": [n for n in numbers if loss[n] >= 0.5 and n != 3],
        "params.lr < 0.05 AND (tags.half = '0' OR metrics.loss > 2)": [
            n for n in numbers if n < 5 and (n % 2 == 0 or loss[n] > 2)
        ],
        "min(metrics.loss) < 0": [n for n in numbers if min(10.0 - n, loss[n]) < 0],
    }
    return len(passing[condition]) if condition in passing else expected


class TestArtifacts:
    def test_files_are_stored_listed_and_read(self, client, experiment, tmp_path):
        run_id = client.create_run(experiment).info.run_id
        content = os.urandom(3_000_000)
        (tmp_path / "model.bin").write_bytes(content)
        client.log_artifact(run_id, str(tmp_path / "model.bin"), "models/ü b")
        client.log_text(run_id, "hello", "notes.txt")
        client.log_dict(run_id, {"a": [1]}, "config/a.json")
        listed = {(entry.path, entry.is_dir, entry.file_size) for entry in client.list_artifacts(run_id)}
        assert listed == {("models", True, None), ("notes.txt", False, 5), ("config", True, None)}
        assert [entry.path for entry in client.list_artifacts(run_id, "models/ü b")] == ["models/ü b/model.bin"]
        assert client.list_artifacts(run_id, "notes.txt") == []
        assert client.list_artifacts(run_id, "nothing") == []
        got = client.download_artifacts(run_id, "models/ü b/model.bin", str(tmp_path / "got"))
        assert Path(got).read_bytes() == content
        whole = client.download_artifacts(run_id, "", str(tmp_path))
        assert (Path(whole) / "notes.txt").read_text() == "hello"

    def test_a_file_is_replaced(self, client, experiment, tmp_path):
        run_id = client.create_run(experiment).info.run_id
        client.log_text(run_id, "one", "a.txt")
        client.log_text(run_id, "three", "a.txt")
        assert [entry.file_size for entry in client.list_artifacts(run_id)] == [5]
        assert Path(client.download_artifacts(run_id, "a.txt", str(tmp_path))).read_text() == "three"

    def test_parts_become_a_file(self, client, experiment, tmp_path, monkeypatch):
        monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
        monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1000000")
        monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 << 20))
        run_id = client.create_run(experiment).info.run_id
        content = os.urandom(12 << 20)
        (tmp_path / "large.bin").write_bytes(content)
        client.log_artifact(run_id, str(tmp_path / "large.bin"), "in")
        (entry,) = client.list_artifacts(run_id, "in")
        assert (entry.path, entry.file_size) == ("in/large.bin", len(content))
        assert Path(client.download_artifacts(run_id, "in/large.bin", str(tmp_path / "got"))).read_bytes() == content

    def test_the_record_knows_size_and_content(self, server, client, experiment):
        run_id = client.create_run(experiment).info.run_id
        client.log_text(run_id, "hello", "a.txt")
        answer = server.call("GET", f"2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/a.txt")
        assert answer.headers["etag"] == '"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("attachment")

    def test_files_and_folders_are_deleted(self, server, client, experiment):
        run_id = client.create_run(experiment).info.run_id
        for path in ("a.txt", "in/b.txt", "in/c.txt", "inner.txt"):
            client.log_text(run_id, path, path)
        root = f"2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts"
        assert server.call("DELETE", f"{root}/in").status_code == 200
        assert server.call("DELETE", f"{root}/a.txt").status_code == 200
        assert server.call("DELETE", f"{root}/a.txt").status_code == 200
        assert [entry.path for entry in client.list_artifacts(run_id)] == ["inner.txt"]
        assert server.call("GET", f"{root}/in/b.txt").status_code == 404


SCRIPT = """
    import mlflow
    mlflow.set_experiment("a search")
    with mlflow.start_run(run_name="parent") as parent:
        for number in range(3):
            with mlflow.start_run(nested=True):
                mlflow.log_params({"lr": number / 10, "opt": "adam"})
                for step in range(4):
                    mlflow.log_metrics({"loss": 1 / (step + 1), "acc": step / 4}, step=step)
                mlflow.log_text("weights", "model/weights.txt")
                mlflow.set_tags({"team": "red", "mlflow.source.git.commit": "abc"})
    try:
        with mlflow.start_run(run_name="broken"):
            raise ValueError("on purpose")
    except ValueError:
        pass
    found = mlflow.search_runs(experiment_names=["a search"], output_format="list", order_by=["start_time ASC"])
    print(*(run.info.status for run in found))
    print(mlflow.artifacts.load_text(found[1].info.artifact_uri + "/model/weights.txt"))
"""


def test_a_script_that_knows_only_the_address(server):
    environment = {**os.environ, "MLFLOW_TRACKING_URI": server.base, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "FINISHED FINISHED FINISHED FINISHED FAILED" in lines
    assert "weights" in lines


AUTOLOGGED = """
    import mlflow, numpy
    from sklearn.linear_model import Ridge
    mlflow.sklearn.autolog(log_datasets=False)
    x = numpy.arange(20.0).reshape(10, 2)
    with mlflow.start_run() as run:
        fitted = Ridge(alpha=0.5).fit(x, x[:, 0])
        more = {"serialization_format": "cloudpickle", "pip_requirements": ["scikit-learn"]}
        info = mlflow.sklearn.log_model(fitted, name="mine", params={"depth": 3}, **more)
    found = mlflow.get_run(run.info.run_id)
    print("params", found.data.params["alpha"], "metrics", sorted(found.data.metrics)[:1], found.info.status)
    for uri in (info.model_uri, f"runs:/{run.info.run_id}/model", f"runs:/{run.info.run_id}/mine"):
        print(uri.split("/")[-1][:4], mlflow.sklearn.load_model(uri).predict(x[:1]).shape)
    model = mlflow.get_logged_model(info.model_id)
    print(model.status, model.params, model.source_run_id == run.info.run_id)
"""


@pytest.mark.slow
@pytest.mark.parametrize("server", ["sqlite"], indirect=True)  # what the client asks is the same for all
def test_autologging_and_models(server):
    environment = {**os.environ, "MLFLOW_TRACKING_URI": server.base, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AUTOLOGGED)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "params 0.5 metrics ['training_mean_absolute_error'] FINISHED" in lines, done.stderr
    # By its id, the one of autologging by its name, and the other by its name.
    assert {line.split()[0][:2] for line in lines if line.endswith("(1,)")} == {"m-", "mo", "mi"}, done.stdout
    assert lines[-1].startswith("READY {'depth': '3'"), done.stdout
    assert lines[-1].endswith("True"), done.stdout
    assert "unexpected error" not in done.stderr


def test_a_process_goes_on_with_the_run_it_is_told(server, client, experiment):
    run_id = client.create_run(experiment).info.run_id
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": server.base,
        "MLFLOW_RUN_ID": run_id,
        "PYTHONWARNINGS": "ignore",
    }
    script = "import mlflow; mlflow.start_run(); mlflow.log_metric('loss', 0.5); mlflow.end_run()"
    subprocess.run([sys.executable, "-c", script], env=environment, timeout=120, check=True, capture_output=True)
    found = client.get_run(run_id)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"loss": 0.5})


def test_workspaces_do_not_see_each_other(server, monkeypatch):
    client = server.client()
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
    experiment = client.create_experiment("same name")
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "secret", "a.txt")
    assert client.get_experiment(experiment).workspace == "team-a"
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-b")
    assert client.create_experiment("same name") != experiment
    assert client.search_runs([experiment]) == []
    path = f"2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/a.txt"
    for call in (
        lambda: client.get_experiment(experiment),
        lambda: client.get_run(run_id),
        lambda: client.log_metric(run_id, "m", 1),
        lambda: client.set_tag(run_id, "m", 1),
        lambda: client.delete_run(run_id),
        lambda: client.restore_run(run_id),
        lambda: client.delete_experiment(experiment),
        lambda: client.get_metric_history(run_id, "m"),
        lambda: client.create_run(experiment),
    ):
        with pytest.raises(MlflowException) as error:
            call()
        assert code_of(error) == "RESOURCE_DOES_NOT_EXIST"
    for method in ("GET", "PUT", "DELETE"):
        answer = server.call(
            method, path, headers={"X-MLFLOW-WORKSPACE": "team-b"}, data=b"" if method == "PUT" else None
        )
        assert answer.status_code == 404
    assert server.call("GET", path, headers={"X-MLFLOW-WORKSPACE": "team-a"}).text == "secret"


class TestExperimentsThatWeDrive:
    """What ``katib run`` made is there for MLflow's clients; what they say of it is stored, but not what they say of its state."""

    @pytest.fixture
    def trials(self, server):
        with open_store(server.url) as store:
            uid = recorded(store, f"driven-{time.time_ns()}", trials=2)
            tracking = store.tracking("default")
            found = tracking.search(uid)
            runs = tracking.find_runs(scope=RunScope(experiment_ids=[uid]))
        return found, runs.items

    def test_are_a_parent_and_its_nested_runs(self, server, trials):
        search, runs = trials
        client = server.client()
        parent = client.get_run(search.run_id)
        assert parent.info.run_name == search.name
        condition = f"tags.mlflow.parentRunId = '{search.run_id}' AND status != 'FAILED'"
        found = client.search_runs([parent.info.experiment_id], condition)
        assert {run.info.run_id for run in found} == {run.id for run in runs}
        assert all(run.data.tags["mlflow.parentRunId"] == search.run_id for run in found)
        assert all(run.data.params for run in found)

    def test_a_trial_logs_to_itself_and_keeps_its_state(self, server, trials):
        search, runs = trials
        client, run_id = server.client(), runs[0].id
        before = client.get_run(run_id).info.status
        client.log_metric(run_id, "from-mlflow", 0.25, step=1)
        client.log_param(run_id, "extra", "yes")
        client.set_tag(run_id, "team", "red")
        client.log_text(run_id, "hello", "a.txt")
        for status in ("FINISHED", "FAILED"):
            client.set_terminated(run_id, status)
        client.set_terminated(search.run_id)
        found = client.get_run(run_id)
        assert found.info.status == before
        assert found.data.metrics["from-mlflow"] == 0.25
        assert found.data.params["extra"] == "yes"
        with open_store(server.url) as store:
            stored = store.tracking(search.namespace).run(run_id)
        assert [artifact.path for artifact in stored.artifacts] == ["a.txt"]
        assert stored.artifacts[0].size == 5
