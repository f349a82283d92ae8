"""``katib delete``, ``restore`` and ``store purge``: nothing is lost by accident, and what is to go goes with its files."""

import json

from katib.store import open_store
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
    assert "deleted 3 trials" in katib("store", "purge", "--keep-best", "1").stdout
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
    assert "--deleted-for" in katib("store", "purge", code=2).stderr
    assert "1 month" in katib("store", "purge", "--deleted-for", "1 month", code=2).stderr
    both = ("--artifacts", "x", "--keep-artifacts")
    assert "one of the two" in katib("store", "purge", "--deleted-for", "1d", *both, code=2).stderr
    assert "nothing" in katib("store", "purge", "--deleted-for", "1d", "--project", "nothing", code=3).stderr
    assert "--deleted" in katib("get", "trials", "--deleted", code=2).stderr
