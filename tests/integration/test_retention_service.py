"""Retention by real servers: policies over gRPC, purges that archive, and one server of several that carries policies out."""

import datetime as dt
import os
import signal
import time

import grpc
import pytest
from tracking_client import connected, points, refused

from katib.store import open_store
from katib.store.archive import read_archive
from katib.store.artifacts import open_artifacts
from katib.store.retention import apply_retention
from katib.store.tracking.records import NewRun, Node, NodeKind, ProjectRetention, RetentionPolicy
from katib.testing.s3_server import S3Server
from katib.testing.served import ServedStore

INVALID = grpc.StatusCode.INVALID_ARGUMENT
MOMENT = {"nanos": 1000}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    return (
        f"sqlite:///{tmp_path / 'katib.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgresql").new_store()
    )


def a_deleted_run(client, project):
    run = client.CreateRun(project_id=project, observations=points(0, 3))
    client.Delete(node={"kind": "NODE_KIND_RUN", "id": run.id})
    return run.id


def waited_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_gone(client, run):
    return not client.FindRuns(scope={"run_ids": [run], "lifecycle": "LIFECYCLE_ALL"}).runs


def test_a_policy_over_the_wire(url):
    with ServedStore("--url", url) as server, connected(server, "team") as client:
        project = client.CreateProject(name="vision")
        assert not project.HasField("retention")
        policy = {"deleted_for": {"seconds": 3600, "nanos": 1000}, "keep_best": 3, "archive": True}
        changed = client.UpdateProject(project_id=project.id, retention=policy)
        assert changed.retention.deleted_for.ToTimedelta() == dt.timedelta(hours=1, microseconds=1)
        assert (changed.retention.keep_best, changed.retention.archive, changed.retention.keep_artifacts) == (
            3,
            True,
            False,
        )
        assert client.UpdateProject(project_id=project.id, description="new").retention == changed.retention
        assert client.FindProjects().projects[0].retention == changed.retention
        for odd in ({"keep_best": 0}, {"deleted_for": {"seconds": -1}}, {"deleted_for": {"seconds": 2**62}}):
            with refused(INVALID):
                client.UpdateProject(project_id=project.id, retention=odd)
        with refused(grpc.StatusCode.ALREADY_EXISTS):
            client.Purge(deleted_before=dt.datetime.now(dt.UTC))
        assert not client.UpdateProject(project_id=project.id, retention={}).HasField("retention")
        assert server.stop() == 0


def test_a_server_with_an_archive_writes_before_it_purges(url, tmp_path):
    archive = tmp_path / "archive"
    with (
        ServedStore("--url", url, "--archive", archive, "--artifacts", tmp_path / "files") as server,
        connected(server, "team") as client,
    ):
        run = a_deleted_run(client, client.GetDefaultProject().id)
        done = client.Purge(deleted_before=dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
        assert (done.runs, done.observations, done.archived) == (1, 3, 1)
        (found,) = read_archive(archive)
        assert found.record["id"] == run
        assert [point.step for point in found.points()] == [0, 1, 2]
        assert server.stop() == 0
        assert "Traceback" not in server.log


def test_policies_are_carried_out_beside_the_server(url, tmp_path):
    archive = tmp_path / "archive"
    arguments = ("--url", url, "--archive", archive, "--artifacts", tmp_path / "files", "--retention-every", "1s")
    with ServedStore(*arguments) as server, connected(server, "team") as client:
        projects = {name: client.CreateProject(name=name).id for name in ("plain", "quick", "kept")}
        client.UpdateProject(project_id=projects["quick"], retention={"deleted_for": MOMENT})
        client.UpdateProject(project_id=projects["kept"], retention={"deleted_for": MOMENT, "archive": True})
        for _ in range(2):
            runs = {name: a_deleted_run(client, project) for name, project in projects.items()}
            waited_for(lambda runs=runs: is_gone(client, runs["quick"]) and is_gone(client, runs["kept"]))
            assert not is_gone(client, runs["plain"])
        waited_for(lambda: len(list(read_archive(archive))) == 2)
        assert {found.record["project"] for found in read_archive(archive)} == {"kept"}
        actors = {entry.actor for entry in client.ListAuditEntries(page_size=1000).entries if entry.action == "purge"}
        assert actors == {"retention"}
        assert server.stop() == 0
        assert "'quick' of namespace 'team': 1 runs removed" in server.log
        assert "Traceback" not in server.log


def test_of_two_servers_one_works_and_a_killed_one_is_followed(postgresql):
    url = postgresql.new_store()
    arguments = ("--url", url, "--retention-every", "1s")
    with open_store(url) as store:
        tracking = store.tracking("team")
        project = tracking.default_project()
        tracking.update_project(project.id, retention=ProjectRetention(dt.timedelta(microseconds=1)))

        def purged():
            run = tracking.create_run(NewRun(project_id=project.id)).id
            tracking.delete(Node(NodeKind.RUN, run))
            waited_for(lambda: not tracking.runs([run]))

        def who_works():
            return [server for server in servers if "runs removed" in server.log]

        with ServedStore(*arguments) as one, ServedStore(*arguments) as other:
            servers = [one, other]
            for _ in range(4):
                purged()
            waited_for(who_works)
            (working,) = who_works()
            os.kill(working.process.pid, signal.SIGKILL)
            working.process.wait()
            purged()
            servers.remove(working)
            waited_for(lambda: who_works() == servers)
            assert servers[0].stop() == 0
    postgresql.drop(url)


def test_an_archive_in_a_bucket(tmp_path):
    if S3Server.missing():
        pytest.skip(S3Server.missing())
    with S3Server() as server, open_store(tmp_path / "katib.db") as store:
        place = open_artifacts(server.url(server.new_bucket()), patience=10)
        tracking = store.tracking("team")
        runs = [tracking.create_run(NewRun()).id for _ in range(3)]
        for run in runs:
            tracking.delete(Node(NodeKind.RUN, run))
        policy = RetentionPolicy(deleted_before=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1))
        away = open_artifacts(server.url("no-such-bucket"), patience=1)
        with pytest.raises(Exception, match="not purged"):
            apply_retention(store, None, "team", policy, archive=away)
        assert len(tracking.runs(runs)) == 3
        assert apply_retention(store, None, "team", policy, archive=place).purged.archived == 3
        assert {found.record["id"] for found in read_archive(place)} == set(runs)
