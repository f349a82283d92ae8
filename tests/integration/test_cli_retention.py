"""``katib delete``, ``restore`` and ``store purge``: nothing is lost by accident, and what is to go goes with its files."""

import json

from katib.store import open_store
from katib.store.archive import read_archive
from katib.store.artifacts import open_artifacts
from katib.store.tracking.records import NewRun, Node, NodeKind


def uid_of(katib, name="exp"):
    return katib.get("get", "experiment", name)["metadata"]["uid"]


def test_what_was_deleted_comes_back_with_its_trials_and_their_logs(katib):
    katib("run", katib.write())
    before = katib("trials", "exp", "-o", "json").stdout
    uid = uid_of(katib)
    trial = json.loads(before)["items"][0]["metadata"]["name"]
    told = katib("delete", "exp")
    assert "katib restore exp" in told.stderr
    assert katib.get("get", "experiments")["items"] == []
    assert "exp" in katib("describe", "exp", code=3).stderr
    assert katib("export", "exp", code=3).stdout == ""
    assert uid in katib("get", "--deleted").stdout
    assert "exp" in katib("delete", "exp", code=3).stderr
    katib("restore", "exp")
    assert katib("trials", "exp", "-o", "json").stdout == before
    assert "loss=" in katib("logs", trial).stdout
    assert katib("get", "--deleted").stdout == ""
    assert "no deleted experiment" in katib("restore", "exp", code=3).stderr


def test_the_name_of_a_deleted_experiment_is_free_and_uids_tell_them_apart(katib):
    uids = []
    for _ in range(2):
        katib("run", katib.write(trials=1, parallel=1))
        uids.append(uid_of(katib))
        katib("delete", "exp")
    told = katib("restore", "exp", code=4).stderr
    assert all(uid in told for uid in uids)
    katib("restore", uids[0])
    assert uid_of(katib) == uids[0]
    assert "exp" in katib("restore", uids[1], code=4).stderr
    assert len(list((katib.home / "experiments").iterdir())) == 2
    katib("delete", uids[1], "--purge")
    assert [path.name for path in (katib.home / "experiments").iterdir()] == [uids[0]]


def test_purge_removes_what_was_deleted_long_enough_ago_with_its_files(katib):
    katib("run", katib.write(name="kept", trials=1, parallel=1))
    kept = uid_of(katib, "kept")
    katib("run", katib.write())
    katib("delete", "exp")
    katib("store", "purge", "--deleted-for", "1h")
    assert "exp" in katib("get", "--deleted").stdout
    would = katib("store", "purge", "--deleted-for", "1ms", "--dry-run").stdout
    assert "would remove 0 projects, 1 experiment," in would
    assert "exp" in katib("get", "--deleted").stdout
    done = katib("store", "purge", "--deleted-for", "1ms").stdout
    assert done == would.replace("would remove", "removed")
    assert katib("get", "--deleted").stdout == ""
    assert [path.name for path in (katib.home / "experiments").iterdir()] == [kept]


def test_purge_keeps_the_best_trials(katib):
    katib("run", katib.write(trials=4))
    best = min(
        float(item["status"]["observation"]["metrics"][0]["latest"]) for item in katib.get("trials", "exp")["items"]
    )
    would = katib("store", "purge", "--keep-best", "1", "--dry-run").stdout
    assert would.endswith("would remove 0 projects, 0 experiments, 0 runs, 0 points; delete 3 trials\n")
    assert "; deleted 3 trials" in katib("store", "purge", "--keep-best", "1").stdout
    rows = [json.loads(line) for line in katib("export", "exp", "-o", "jsonl").stdout.splitlines()]
    assert [row["metrics.loss.latest"] for row in rows] == [best]


def test_purge_removes_files_only_where_it_is_told_where_they_are(katib):
    url = f"sqlite:///{katib.folder}/other.db"
    place = katib.folder / "files"
    artifacts = open_artifacts(place)
    with open_store(url) as store:
        tracking = store.tracking("team")
        run, other = tracking.create_run(NewRun(name="a")), tracking.create_run(NewRun(name="b"))
        for one in (run, other):
            artifacts.put(f"{one.project_id}/{one.id}/artifacts/model.pt", b"weights")
        tracking.delete(Node(NodeKind.RUN, run.id))
    purge = ("store", "purge", "--url", url, "-n", "team", "--deleted-for", "1ms")
    assert "--artifacts" in katib(*purge).stderr
    assert artifacts.exists(f"{run.project_id}/{run.id}/artifacts/model.pt")
    assert "1 file" in katib(*purge, "--artifacts", place).stdout
    assert not artifacts.exists(f"{run.project_id}/{run.id}/artifacts/model.pt")
    assert artifacts.exists(f"{other.project_id}/{other.id}/artifacts/model.pt")
    assert katib(*purge).stderr == ""


def test_wrong_options_are_told(katib):
    assert "--deleted-for" in katib("store", "purge").stderr
    assert "1 month" in katib("store", "purge", "--deleted-for", "1 month", code=2).stderr
    both = ("--artifacts", "x", "--keep-artifacts")
    assert "one of the two" in katib("store", "purge", "--deleted-for", "1d", *both, code=2).stderr
    both = ("--archive", "x", "--no-archive")
    assert "one of the two" in katib("store", "purge", "--deleted-for", "1d", *both, code=2).stderr
    assert "nothing" in katib("store", "purge", "--deleted-for", "1d", "--project", "nothing", code=3).stderr
    assert "nothing" in katib("store", "retention", "nothing", "--archive", code=3).stderr
    assert "1 month" in katib("store", "retention", "--deleted-for", "1 month", code=2).stderr
    assert "too often" in katib("serve", "store", "--retention-every", "1ms", code=2).stderr
    assert "--deleted" in katib("get", "trials", "--deleted", code=2).stderr


def test_a_policy_is_set_shown_and_cleared(katib):
    assert "no project" in katib("store", "retention").stderr
    done = katib.get("store", "retention", "--deleted-for", "30d", "--archive")
    policy = {"project": "Default", "namespace": "default", "deletedForSeconds": 2_592_000.0, "keepBest": None}
    policy |= {"archive": True, "keepArtifacts": False, "id": done["id"]}
    assert done == policy
    done = katib.get("store", "retention", "Default", "--keep-best", "3", "--no-archive", "--keep-artifacts")
    assert done == policy | {"keepBest": 3, "archive": False, "keepArtifacts": True}
    assert katib.get("store", "retention") == [done]
    assert katib("store", "retention", "-o", "name").stdout == "Default\n"
    assert [line.split() for line in katib("store", "retention").stdout.splitlines()] == [
        ["PROJECT", "DELETED-FOR", "KEEP-BEST", "ARCHIVE", "FILES"],
        ["Default", "30d", "3", "no", "stay"],
    ]
    assert katib.get("store", "retention", "--clear", "--keep-best", "2")["deletedForSeconds"] is None
    katib("store", "retention", "Default", "--clear")
    assert katib.get("store", "retention") == []
    assert katib.get("store", "retention", "-n", "other") == []


def test_a_purge_without_options_goes_by_the_policies(katib):
    url = f"sqlite:///{katib.folder}/other.db"
    archive = katib.folder / "archive"
    with open_store(url) as store:
        tracking = store.tracking("team")
        runs = {}
        for name in ("plain", "quick", "kept"):
            project = tracking.create_project(name)
            run = tracking.create_run(NewRun(project_id=project.id, name=name))
            tracking.delete(Node(NodeKind.RUN, run.id))
            runs[name] = run.id
    of_it = ("--url", url, "-n", "team")
    katib("store", "retention", "quick", "--deleted-for", "1ms", *of_it)
    katib("store", "retention", "kept", "--deleted-for", "1ms", "--archive", *of_it)
    assert "'kept'" in katib("store", "purge", *of_it, code=4).stderr
    assert "2 runs" in katib("store", "purge", *of_it, "--dry-run").stdout
    assert "removed 0 projects, 0 experiments, 2 runs" in katib("store", "purge", *of_it, "--archive", archive).stdout
    with open_store(url) as store:
        assert [run.name for run in store.tracking("team").runs(list(runs.values()))] == ["plain"]
    assert {found.record["id"] for found in read_archive(archive)} == {runs["quick"], runs["kept"]}
    done = katib("store", "purge", *of_it, "--deleted-for", "1ms", "--archive", archive)
    assert "1 run, 0 points, 1 run archived" in done.stdout


def test_an_experiment_of_local_mode_is_archived_with_its_trials(katib):
    katib("run", katib.write())
    uid = uid_of(katib)
    katib("delete", "exp")
    archive = katib.folder / "archive"
    told = katib("store", "purge", "--deleted-for", "1ms", "--archive", archive)
    assert "5 runs archived" in told.stdout
    assert not (katib.home / "experiments" / uid).exists()
    found = list(read_archive(archive, namespace="default"))
    (root,) = [each.record for each in found if each.record["root_of"] == uid]
    assert json.loads(root["search"])["spec"]["objective"]["objectiveMetricName"] == "loss"
    trials = [each for each in found if each.record["experiment_id"] == uid]
    assert [len(list(each.points())) for each in trials] == [1] * 4
    assert all(float(each.record["parameters"]["x"]) == next(each.points()).value for each in trials)


def test_a_place_that_cannot_be_an_archive_keeps_the_rows(katib):
    katib("run", katib.write(trials=1, parallel=1))
    katib("delete", "exp")
    (katib.folder / "file").write_text("")
    told = katib("store", "purge", "--deleted-for", "1ms", "--archive", katib.folder / "file" / "archive", code=None)
    assert told.returncode
    assert "Traceback" not in told.stderr
    assert "exp" in katib("get", "--deleted").stdout
    katib("restore", "exp")
    assert katib.get("get", "experiment", "exp")["metadata"]["name"] == "exp"
