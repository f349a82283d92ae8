"""Archives: nothing of a run is lost on the way into Parquet and back, and what is no whole archive is none."""

import json
import math
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from katib.errors import Denied, NotFound, StoreUnavailable, Unsupported
from katib.store import open_store
from katib.store.archive import read_archive, writer
from katib.store.archive.layout import namespace_folder
from katib.store.artifacts import open_artifacts
from katib.store.retention import apply_retention
from katib.store.tracking.records import (
    ArtifactState,
    Facts,
    Log,
    NewRun,
    Node,
    NodeKind,
    RetentionPolicy,
)

TIME = datetime(2026, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)
TEXTS = [
    *("0.1", "0.10", "1", "1.0", "-0.0", "nan", "NaN", "inf", "-inf", "+Infinity", "1e-300", "5e-324", "unavailable"),
    *("9223372036854775808", "1_000", " 3", "", "0x10", "1.7976931348623157e308", "é\x00"),
]


@dataclass(frozen=True)
class Sample:
    name: str
    text: str
    step: int | None = None
    time: datetime | None = None


def everything():
    return RetentionPolicy(deleted_before=datetime.now(UTC) + timedelta(seconds=1))


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "katib.db") as store:
        yield store


@pytest.fixture
def place(tmp_path):
    return open_artifacts(tmp_path / "archive")


def purge(store, place, namespace="team"):
    return apply_retention(store, None, namespace, everything(), archive=place).purged


def equal(ours, theirs):
    """Whether two series are the same, NaN and the sign of zero included."""
    return repr(list(ours)) == repr(list(theirs))


def test_every_report_comes_back_as_it_was(store, place):
    tracking = store.tracking("team")
    samples = [Sample("odd", text, number, TIME + timedelta(microseconds=number)) for number, text in enumerate(TEXTS)]
    samples += [Sample("plain", "0.5"), Sample("λ\n", "1", -(2**63), datetime(1, 1, 1, tzinfo=UTC))]
    samples += [Sample("plain", "0.25", 2**63 - 1, datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))]
    run = tracking.create_run(NewRun(name="r", log=Log(samples=[sample for sample in samples if sample.text])))
    wanted = [point for name in sorted({s.name for s in samples}) for point in tracking.series(run.id, name)]
    tracking.delete(Node(NodeKind.RUN, run.id))
    assert purge(store, place).archived == 1
    (found,) = read_archive(place)
    assert equal(found.points(), wanted)
    assert found.record["complete"]


def test_every_field_comes_back(store, place):
    tracking = store.tracking("team", actor="ann")
    facts = Facts({"team": "a", "b": ""}, {"cost": 1.5, "deep": [1, None, {"λ": True}]})
    log = Log(samples=[Sample("loss", "0.50", 1), Sample("loss", "nan", 2, TIME)], parameters={"lr": "1e-3", "n": "02"})
    search = tracking.create_search("digits", objective="loss", objective_type="minimize", algorithm="tpe")
    run = tracking.create_run(
        NewRun(name="t-1", experiment_id=search.id, started=TIME, log=Log(log.samples, log.parameters, facts))
    )
    tracking.update_run(run.id, description="what", code={"revision": "abc"}, environment={"image": "i"})
    version = tracking.add_dataset_version(run.project_id, "digits", "sha256:1")
    tracking.use_dataset(run.id, version.id, role="training")
    tracking.put_artifact(run.id, "model.pt", state=ArtifactState.STORED, size=7)
    tracking.add_comment(run.id, "look")
    tracking.delete(Node(NodeKind.EXPERIMENT, search.id))
    was = tracking.run(run.id)
    purge(store, place)
    found = {each.record["id"]: each.record for each in read_archive(place)}
    record = found[run.id]
    for name in ("name", "project_id", "project", "experiment_id", "experiment", "parent_id", "root_of", "index"):
        assert record[name] == getattr(was, name)
    for name in ("description", "owner", "created", "began", "started", "ended", "deleted", "namespace"):
        assert record[name] == getattr(was, name)
    assert (record["state"], record["parameters"], record["tags"]) == (
        was.state.value,
        {"lr": "1e-3", "n": "02"},
        {"team": "a", "b": ""},
    )
    assert json.loads(record["properties"]) == facts.properties
    assert json.loads(record["code"]) == {"revision": "abc"}
    assert json.loads(record["comments"])[0]["text"] == "look"
    assert json.loads(record["artifacts"])[0]["path"] == "model.pt"
    assert json.loads(record["datasets"])[0]["role"] == "training"
    (metric,) = record["metrics"]
    assert math.isnan(metric.pop("latest"))
    assert metric == {
        "name": "loss",
        "count": 2,
        "latest_text": "nan",
        "latest_time": TIME,
        "latest_step": 2,
        "first_text": "0.50",
        "first_step": 1,
        "min": 0.5,
        "min_text": "0.50",
        "max": 0.5,
        "max_text": "0.50",
    }
    root = json.loads(found[search.run_id]["search"])
    assert (root["algorithm"], root["objective_type"], found[search.run_id]["metrics"]) == ("tpe", "minimize", [])


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_long_and_short_runs_are_one_after_another(store, place, monkeypatch, rows):
    monkeypatch.setattr(writer, "_ROWS", rows)
    monkeypatch.setattr(writer, "_PAGE", 5)
    tracking = store.tracking("team")
    wanted = {}
    for number, count in enumerate((0, 3, 20, 1, 9)):
        samples = [Sample(f"m{step % 2}", str(step), step) for step in range(count)]
        run = tracking.create_run(NewRun(log=Log(samples=samples)))
        wanted[run.id] = [point for name in ("m0", "m1") for point in tracking.series(run.id, name)]
        tracking.delete(Node(NodeKind.RUN, run.id))
        assert len(wanted[run.id]) == count, number
    assert purge(store, place).archived == 5
    assert {found.record["id"]: list(found.points()) for found in read_archive(place)} == wanted
    # In any order, and not only once.
    for found in read_archive(place):
        assert list(found.points()) == list(found.points()) == wanted[found.record["id"]]


def test_only_what_was_asked_for_is_read(store, place):
    runs = {}
    for namespace in ("a", "b", "Ä/../ .x" + "y" * 200, ".katib", "default"):
        for project in ("one", "two"):
            tracking = store.tracking(namespace)
            made = tracking.create_project(project)
            run = tracking.create_run(NewRun(project_id=made.id))
            tracking.delete(Node(NodeKind.RUN, run.id))
            runs[run.id] = (namespace, made.id)
        assert purge(store, place, namespace).archived == 2
    assert {found.record["id"] for found in read_archive(place)} == set(runs)
    for namespace, project in runs.values():
        for asked in (
            {"namespace": namespace},
            {"namespace": namespace, "project_id": project},
            {"project_id": project},
        ):
            found = {each.record["id"] for each in read_archive(place, **asked)}
            assert found == {
                run
                for run, (own, of) in runs.items()
                if own == asked.get("namespace", own) and of == asked.get("project_id", of)
            }
    assert namespace_folder("default") == "default"
    assert list(read_archive(place, namespace="nobody")) == []


def test_other_programs_read_it(store, place, tmp_path):
    tracking = store.tracking("team")
    for number in range(3):
        run = tracking.create_run(NewRun(name=f"r{number}", log=Log(samples=[Sample("loss", str(number), 1)])))
        tracking.delete(Node(NodeKind.RUN, run.id))
        purge(store, place)
    project = tracking.default_project().id
    frame = pd.read_parquet(tmp_path / "archive" / "team" / project / "points")
    assert sorted(zip(frame["name"], frame["metric"], frame["value"], strict=True)) == [
        ("r0", "loss", 0.0),
        ("r1", "loss", 1.0),
        ("r2", "loss", 2.0),
    ]
    runs = pd.read_parquet(tmp_path / "archive" / "team" / project / "runs")
    assert set(frame["batch"]) == set(runs["batch"])


def test_points_without_their_runs_count_for_nothing(store, place, tmp_path):
    tracking = store.tracking("team")
    run = tracking.create_run(NewRun(log=Log(samples=[Sample("loss", "1")])))
    tracking.delete(Node(NodeKind.RUN, run.id))
    purge(store, place)
    (of_runs,) = (tmp_path / "archive").rglob("runs/*.parquet")
    of_runs.unlink()
    assert list(read_archive(place)) == []


def test_a_damaged_file_is_told(store, place, tmp_path):
    tracking = store.tracking("team")
    run = tracking.create_run(NewRun(log=Log(samples=[Sample("loss", "1")])))
    tracking.delete(Node(NodeKind.RUN, run.id))
    purge(store, place)
    (of_points,) = (tmp_path / "archive").rglob("points/*.parquet")
    whole = of_points.read_bytes()
    of_points.write_bytes(whole[:-9])
    (found,) = read_archive(place)
    with pytest.raises(StoreUnavailable, match=r"points/.*damaged"):
        list(found.points())
    of_points.unlink()
    (found,) = read_archive(place)
    with pytest.raises(NotFound, match="points/"):
        list(found.points())
    (of_runs,) = (tmp_path / "archive").rglob("runs/*.parquet")
    parquet.write_table(pa.table({"x": [1]}), of_runs)
    with pytest.raises(StoreUnavailable, match="other columns"):
        list(read_archive(place))


@pytest.mark.parametrize("kind", [StoreUnavailable, Denied])
@pytest.mark.parametrize("which", ["points", "runs"])
def test_a_place_that_fails_keeps_everything_in_the_store(store, place, monkeypatch, kind, which):
    tracking = store.tracking("team")
    runs = [tracking.create_run(NewRun(log=Log(samples=[Sample("loss", str(n))]))).id for n in range(3)]
    for run in runs:
        tracking.delete(Node(NodeKind.RUN, run))
    put, broken = place.put, [True]

    def fails(path, content, **options):
        if broken[0] and f"/{which}/" in path:
            for _ in content:  # it is full at the end
                pass
            raise kind("no space is left")
        return put(path, content, **options)

    monkeypatch.setattr(place, "put", fails)
    for _ in range(2):
        with pytest.raises(kind, match=r"no space is left.*not purged"):
            purge(store, place)
        assert [tracking.series(run)[0].text for run in runs] == ["0", "1", "2"]
        assert list(read_archive(place)) == []
    broken[0] = False
    assert purge(store, place).runs == 3
    assert sorted(found.record["id"] for found in read_archive(place)) == sorted(runs)


def test_whoever_is_overtaken_does_not_spoil_the_archive(store, place, tmp_path, monkeypatch):
    tracking = store.tracking("team")
    runs = [tracking.create_run(NewRun(log=Log(samples=[Sample("loss", str(n))] * 3))).id for n in range(4)]
    for run in runs:
        tracking.delete(Node(NodeKind.RUN, run))
    original, other = writer.Archive._read_together, []

    def overtaken(self, some):
        """Another purge finishes the batch while this one has read half of it."""
        rows = list(original(self, some))
        yield rows[0]
        if not other:
            other.append(True)
            with open_store(tmp_path / "katib.db") as second:
                other.append(purge(second, open_artifacts(tmp_path / "archive")))
        yield rows[1]

    monkeypatch.setattr(writer.Archive, "_read_together", overtaken)
    first = purge(store, place)
    monkeypatch.setattr(writer.Archive, "_read_together", original)
    assert (first.archived + other[1].archived, first.runs + other[1].runs) == (4, 4)
    found = list(read_archive(place))
    assert sorted(each.record["id"] for each in found) == sorted(runs)


def test_without_the_extra_one_sentence_says_what_is_missing(store, place, monkeypatch):
    run = store.tracking("team").create_run(NewRun())
    store.tracking("team").delete(Node(NodeKind.RUN, run.id))
    for name in [
        name for name in sys.modules if name.startswith(("pyarrow", "katib.store.archive", "katib.store.export"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Unsupported, match=r"pip install 'katib\[export\]'"):
        purge(store, place)
    assert store.tracking("team").run(run.id).deleted is not None
