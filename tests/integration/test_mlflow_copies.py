"""Runs are copied from and to a server that speaks MLflow's REST, here our own, and every copy can be broken off and taken up again."""

import datetime as dt
import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # these tests share a server

import mlflow_served
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

from katib.api.trial import TrialState
from katib.cli.main import main
from katib.errors import StoreUnavailable
from katib.rest.mlflow_copy import MlflowServer, export_runs, import_runs
from katib.store import open_store
from katib.store.artifacts import open_artifacts
from katib.store.tracking.records import Facts, Lifecycle, Log, Node, NodeKind, RunPart, RunScope
from katib.testing.store_promises.specimens import Report
from katib.testing.store_promises.tracking_base import a_project, a_run

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
CONTENT = bytes(range(256)) * 5_000


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote")
    url = f"sqlite:///{folder / 'katib.db'}"
    with mlflow_served.whole(mlflow_served.ServedHttp(url)) as server:
        server.url = url
        yield server


@pytest.fixture(scope="module")
def world(remote, tmp_path_factory):
    """An experiment with a search of two trials, a run that goes on, and a deleted one, in the workspace ``default``."""
    client = remote.client()
    folder = tmp_path_factory.mktemp("files")
    (folder / "sub").mkdir()
    (folder / "model ü%.bin").write_bytes(CONTENT)
    (folder / "sub" / "empty").write_bytes(b"")
    experiment = client.create_experiment("vision", tags={"team": "a", "mlflow.note.content": "about eyes"})
    parent = client.create_run(experiment, run_name="search", start_time=2_000).info.run_id
    for number in range(2):
        # Begun before its parent: that one has to be copied first all the same.
        tags = {"mlflow.parentRunId": parent, "mlflow.source.git.commit": "abc", "text": "line\n'quoted' ü"}
        run_id = client.create_run(experiment, start_time=1_000 + number, tags=tags, run_name="trial").info.run_id
        values = [("loss", 1 / (3 + step), step) for step in range(20)]
        values += [("odd", float("nan"), 0), ("odd", float("inf"), 1), ("odd", 1e-300, -2), ("odd", 2.0**63, 3)]
        metrics = [Metric(name, value, 10_000 + step, step) for name, value, step in values]
        client.log_batch(run_id, metrics=metrics, params=[Param("lr", f"1e-{number}"), Param("opt", "adam" * 50)])
        dataset = Dataset("mnist", "d1", "local", '{"uri": "file"}', schema="{}", profile='{"num_rows": 7}')
        client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        client.log_artifacts(run_id, str(folder))
        client.set_terminated(run_id, ("FINISHED", "FAILED")[number], 50_000)
    client.set_terminated(parent, end_time=60_000)
    client.log_metric(client.create_run(experiment, start_time=3_000, run_name="going on").info.run_id, "m", 1)
    gone = client.create_run(experiment, start_time=4_000, run_name="gone").info.run_id
    client.set_terminated(gone)
    client.delete_run(gone)
    return experiment


@pytest.fixture
def store(tmp_path):
    with open_store(f"sqlite:///{tmp_path / 'ours.db'}") as store:
        yield store


@pytest.fixture
def files(tmp_path):
    return open_artifacts(tmp_path / "files")


def runs_of(tracking, name="vision", *, ids=True, lifecycle=Lifecycle.ACTIVE):
    """Everything that a project's runs have that a copy keeps, in a form that compares."""
    project = tracking.project_named(name)
    scope = RunScope(project_ids=[project.id], lifecycle=lifecycle)
    found = {run.id: run for run in tracking.find_runs(scope=scope).items}
    names = {run.id: run.id if ids else f"{run.name} {run.began}" for run in found.values()}
    return {
        names[run.id]: {
            "name": run.name,
            "parent": names.get(run.parent_id),
            "state": run.state,
            "times": (run.began, run.ended),
            "owner": run.owner,
            "deleted": run.deleted is not None,
            "description": run.description,
            "parameters": {each.name: each.text for each in run.parameters},
            "tags": {
                key: text
                for key, text in run.facts.tags.items()
                if not key.startswith(("katib.", "mlflow.user")) and (ids or key != "mlflow.parentRunId")
            },
            "series": sorted(repr((o.name, o.text, o.time, o.step)) for o in tracking.series(run.id)),
            "datasets": sorted(
                repr((use.version.name, use.version.digest, use.version.uri, use.version.profile, use.role))
                for use in run.datasets
            ),
            "files": sorted((file.path, file.size, file.sha256) for file in run.artifacts),
            "code": run.code if ids else None,
        }
        for run in found.values()
    }


@pytest.fixture
def remote_tracking(remote):
    with open_store(remote.url) as store:
        yield store.tracking("default")


class Breaking(MlflowServer):
    """A server that goes away before, or after, so many calls."""

    def __init__(self, url, calls, *, after=False, **more):
        super().__init__(url, **more)
        self.left, self.after = calls, after

    def _ask(self, *arguments, **more):
        self.left -= 1
        if self.left < 0 and not self.after:
            raise StoreUnavailable("gone")
        answer = super()._ask(*arguments, **more)
        if self.left < 0:
            self._drop()
            raise StoreUnavailable("gone after the call")
        return answer


class TestImport:
    def test_a_server_is_copied_as_it_is(self, remote, world, remote_tracking, store, files):
        tracking = store.tracking("team-a", actor="ann")
        with MlflowServer(remote.base) as server:
            copied = import_runs(server, tracking, artifacts=files)
        assert (copied.runs, copied.points, copied.files, copied.failed) == (4, 49, 4, 0), copied.failures
        assert runs_of(tracking) == runs_of(remote_tracking)
        assert tracking.project_named("vision").facts.tags["team"] == "a"
        assert tracking.project_named("vision").description == "about eyes"
        trial = next(run for run in tracking.find_runs("run_name = 'trial'").items)
        assert trial.experiment == "search"
        place = next(file.uri for file in trial.artifacts if file.size).removeprefix("mlflow-artifacts:/")
        assert files.open(place).read_all() == CONTENT
        assert world

    def test_again_it_copies_what_is_missing_or_changed(self, remote, world, store, files):
        tracking = store.tracking("team-a")
        client = remote.client()
        experiment = client.create_experiment(f"again {uuid.uuid4().hex}")
        name = client.get_experiment(experiment).name
        one, two = (client.create_run(experiment).info.run_id for _ in range(2))
        for run_id in (one, two):
            client.log_metric(run_id, "loss", 1.0, timestamp=1, step=0)
            client.set_terminated(run_id)
        with MlflowServer(remote.base) as server:
            assert import_runs(server, tracking, experiments=[name]).runs == 2
            before = runs_of(tracking, name)
            again = import_runs(server, tracking, experiments=[name])
            assert (again.runs, again.unchanged) == (0, 2)
            assert runs_of(tracking, name) == before
            client.log_metric(one, "loss", 2.0, timestamp=2, step=1)
            client.set_tag(one, "t", "new")
            client.log_text(two, "text", "late.txt")
            client.create_run(experiment)
            more = import_runs(server, tracking, experiments=[name])
            assert (more.runs, more.unchanged) == (2, 1)
            assert [point.text for point in tracking.series(one)] == ["1.0", "2.0"]
            assert tracking.run(one).facts.tags["t"] == "new"
            # Now files are wanted: whoever was copied without them is looked at again.
            assert import_runs(server, tracking, experiments=[name], artifacts=files).files == 1
        assert world

    def test_deleted_runs_come_when_they_are_asked_for(self, remote, world, remote_tracking, store):
        tracking = store.tracking("team-a")
        with MlflowServer(remote.base) as server:
            assert import_runs(server, tracking, experiments=["vision"], deleted=True).runs == 5
            assert import_runs(server, tracking, experiments=["vision"], deleted=True).unchanged == 4
        found = runs_of(tracking, lifecycle=Lifecycle.ALL)
        there = runs_of(remote_tracking, lifecycle=Lifecycle.ALL)
        assert found == {key: {**run, "files": []} for key, run in there.items()}
        assert world

    def test_what_somebody_deleted_here_stays_deleted(self, remote, world, store):
        tracking = store.tracking("team-a")
        with MlflowServer(remote.base) as server:
            import_runs(server, tracking, experiments=["vision"])
            run = tracking.find_runs("run_name = 'going on'").items[0]
            tracking.delete(Node(NodeKind.RUN, run.id))
            copied = import_runs(server, tracking, experiments=["vision"])
        assert (copied.left, copied.failed) == (1, 0)
        assert tracking.run(run.id).deleted is not None
        assert world

    def test_a_run_that_cannot_be_copied_stops_nobody(self, remote, world, store):
        trial = remote.client().search_runs([world], "attributes.run_name = 'trial'")[0].info.run_id
        a_run(store.tracking("team-b"), id=trial)
        with MlflowServer(remote.base) as server:
            copied = import_runs(server, store.tracking("team-a"), experiments=["vision"])
        assert (copied.runs, copied.failed) == (3, 1)
        assert trial in copied.failures[0].what
        assert "in use" in copied.failures[0].why

    def test_broken_off_anywhere_it_is_taken_up_again(self, remote, world, remote_tracking, tmp_path):
        whole = runs_of(remote_tracking)
        for calls in range(100):
            place = open_artifacts(tmp_path / f"files {calls}")
            with open_store(f"sqlite:///{tmp_path / f'{calls}.db'}") as store:
                tracking = store.tracking("team-a")
                with Breaking(remote.base, calls) as server:
                    try:
                        import_runs(server, tracking, artifacts=place, experiments=["vision"])
                    except StoreUnavailable:
                        pass
                    else:
                        break
                with MlflowServer(remote.base) as server:
                    assert import_runs(server, tracking, artifacts=place, experiments=["vision"]).failed == 0
                assert runs_of(tracking) == whole
        assert calls > 15
        assert world

    def test_the_command(self, remote, world, tmp_path, capsys, monkeypatch):
        monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
        url = f"sqlite:///{tmp_path / 'store.db'}"
        arguments = ["-n", "team-a", "store", "import-mlflow", "--from", remote.base, "--url", url]
        assert main([*arguments, "--experiment", "vision"]) == 0
        assert "4 runs of 1 experiment copied into" in capsys.readouterr().out
        assert len(list((tmp_path / "artifacts").rglob("model*"))) == 2
        assert main([*arguments, "--experiment", "nobody's"]) == 3
        assert "nobody's" in capsys.readouterr().err
        assert main([*arguments, "--artifacts", "x", "--no-artifacts"]) == 2
        away = [*arguments[:5], "http://127.0.0.1:9", *arguments[6:]]
        assert main(away) == 10
        assert "does not answer" in capsys.readouterr().err
        assert main([*arguments[:5], "ftp://x", *arguments[6:]]) == 2
        assert world


class TestExport:
    def exported(self, remote, store, **more):
        workspace = f"w-{uuid.uuid4().hex[:8]}"
        with MlflowServer(remote.base, workspace=workspace) as server:
            return workspace, export_runs(server, store.tracking("team-a"), **more)

    @pytest.fixture
    def ours(self, remote, world, store, files):
        tracking = store.tracking("team-a", actor="ann")
        with MlflowServer(remote.base) as server:
            import_runs(server, tracking, artifacts=files, deleted=True, experiments=["vision"])
        assert world
        return tracking

    def test_what_came_from_a_server_goes_to_another_one_unchanged(self, remote, ours, store, files):
        # That server is the same one, which has these ids in another workspace: it gives new ones.
        workspace, copied = self.exported(remote, store, artifacts=files, deleted=True)
        assert (copied.runs, copied.points, copied.failed) == (5, 49, 0), copied.failures
        with open_store(remote.url) as there:
            tracking = there.tracking(workspace)
            found = runs_of(tracking, ids=False, lifecycle=Lifecycle.ALL)
            assert found == runs_of(ours, ids=False, lifecycle=Lifecycle.ALL)
            before = {run.id for run in tracking.find_runs(scope=RunScope(lifecycle=Lifecycle.ALL)).items}
            with MlflowServer(remote.base, workspace=workspace) as server:
                again = export_runs(server, ours, artifacts=files, deleted=True)
                without = export_runs(server, ours, deleted=True)
            # One is running yet.
            assert [(each.runs, each.unchanged, each.files) for each in (again, without)] == [(1, 4, 0), (1, 4, 0)]
            assert {run.id for run in tracking.find_runs(scope=RunScope(lifecycle=Lifecycle.ALL)).items} == before
            assert runs_of(tracking, ids=False, lifecycle=Lifecycle.ALL) == found

    def test_back_where_they_came_from_they_get_no_twins(self, remote, ours, remote_tracking, files):
        before = runs_of(remote_tracking)
        with MlflowServer(remote.base) as server:
            copied = export_runs(server, ours, artifacts=files)
        assert copied.failed == 0
        assert runs_of(remote_tracking).keys() == before.keys()

    def test_a_copy_is_not_imported_beside_its_original(self, remote, ours, store):
        workspace, _ = self.exported(remote, store)
        with MlflowServer(remote.base, workspace=workspace) as server:
            copied = import_runs(server, ours)
        assert (copied.runs, copied.left) == (0, 4)

    @pytest.mark.parametrize("after", [False, True])
    def test_broken_off_anywhere_nothing_is_there_twice(self, remote, store, files, after):
        ours = store.tracking("team-a", actor="ann")
        project = a_project(ours)
        parent = a_run(ours, project_id=project, name="parent", state=TrialState.SUCCEEDED, ended=NOON)
        samples = [Report("loss", repr(1 / (n + 1)), step=n) for n in range(3)]
        log = Log(samples=samples, parameters={"lr": "1"}, facts=Facts({"k": "v"}))
        child = a_run(ours, parent_id=parent, name="child", state=TrialState.SUCCEEDED, ended=NOON, log=log)
        ours.update_run(child, description="a note")
        whole = None
        with open_store(remote.url) as there:
            for calls in range(60):
                workspace = f"w-{uuid.uuid4().hex[:8]}"
                over = False
                with Breaking(remote.base, calls, after=after, workspace=workspace) as server:
                    try:
                        export_runs(server, ours, artifacts=files)
                        over = True
                    except StoreUnavailable:
                        pass
                with MlflowServer(remote.base, workspace=workspace) as server:
                    assert export_runs(server, ours, artifacts=files).failed == 0
                found = runs_of(there.tracking(workspace), ids=False)
                whole = whole or found
                assert found == whole
                if over:
                    break
        assert {run["name"] for run in whole.values()} == {"parent", "child"}
        assert len(whole) == 2
        assert calls > 8

    def test_words_are_left_out_and_told(self, remote, store, tmp_path, capsys):
        tracking = store.tracking("team-a", actor="ann")
        samples = [Report("loss", "unavailable"), Report("loss", "0.5")]
        a_run(tracking, log=Log(samples=samples, parameters={f"p{n}": str(n) for n in range(150)}), name="words")
        workspace = f"w-{uuid.uuid4().hex[:8]}"
        arguments = ["-n", "team-a", "store", "export-mlflow", "--to", remote.base, "--to-workspace", workspace]
        assert main([*arguments, "--no-artifacts", "--url", f"sqlite:///{tmp_path / 'ours.db'}"]) == 0
        told = capsys.readouterr()
        assert "1 run of 1 experiment copied to" in told.out
        assert "1 report without a number" in told.err
        with open_store(remote.url) as there:
            run = there.tracking(workspace).find_runs("run_name = 'words'", parts=[RunPart.PARAMETERS]).items[0]
            assert len(run.parameters) == 150
            assert [point.text for point in there.tracking(workspace).series(run.id)] == ["0.5"]
