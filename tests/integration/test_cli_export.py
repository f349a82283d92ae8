"""``katib export`` of any runs: forms, and which runs."""

import csv
import json
import subprocess

import pytest
from pyarrow import feather, parquet

from katib.store import open_store
from katib.store.tracking.records import Log, NewRun


@pytest.fixture
def exported(katib):
    """Run an experiment, and have a run of another project beside it."""
    katib("run", katib.write())
    with open_store(katib.home / "katib.db") as store:
        tracking = store.tracking("default")
        project = tracking.create_project("other")
        tracking.create_run(NewRun(project_id=project.id, name="alone", log=Log(parameters={"lr": "0.1", "x": "7"})))
    return katib


@pytest.mark.parametrize(("form", "read"), [("parquet", parquet.read_table), ("arrow", feather.read_table)])
def test_binary_forms_hold_what_json_lines_hold(exported, form, read):
    target = exported.folder / f"runs.{form}"
    exported("export", "exp", "-o", form, "--file", target)
    rows = read(target).select(["name", "params.x", "metrics.loss.latest"]).to_pylist()
    lines = [json.loads(line) for line in exported("export", "exp", "-o", "jsonl").stdout.splitlines()]
    assert [{name: line[name] for name in row} for row, line in zip(rows, lines, strict=True)] == rows
    piped = exported.folder / "piped"
    with piped.open("wb") as file:
        subprocess.run(exported.command("export", "exp", "-o", form), stdout=file, env=exported.environment, check=True)
    assert read(piped).equals(read(target))


@pytest.mark.parametrize(
    ("target", "told"), [("", "name the file"), (".", "it is a folder"), ("there", "it is a folder")]
)
@pytest.mark.parametrize("form", ["csv", "arrow"])
def test_a_folder_is_no_file_to_write(exported, target, told, form):
    (exported.folder / "there").mkdir()
    before = sorted(exported.folder.iterdir())
    assert told in exported("export", "exp", "-o", form, "--file", target, code=2).stderr
    assert sorted(exported.folder.iterdir()) == before


def test_projects_and_filters_choose_and_hold_together(exported):
    def names(*arguments):
        return {row["name"] for row in csv.DictReader(exported("export", *arguments).stdout.splitlines())}

    assert names("--project", "other") == {"alone"}
    assert names("--filter", "params.lr = '0.1'") == {"alone"}
    everything = names("--filter", "")
    assert {"alone", "exp"} < everything
    trials = names("exp", "--filter", "params.x < 2")
    assert trials == everything - {"alone", "exp"}
    assert names("exp", "--project", "other") == set()
    assert "no project" in exported("export", "--project", "none", code=3).stderr
    assert exported("export", "--filter", "params.", code=2).stderr.startswith("error: ")
    assert "--filter" in exported("export", code=2).stderr
    assert "--points" in exported("export", "exp", "--series", "-o", "parquet", code=2).stderr


def test_points_are_one_row_each(exported):
    rows = list(csv.DictReader(exported("export", "exp", "--points").stdout.splitlines()))
    trials = list(csv.DictReader(exported("export", "exp").stdout.splitlines()))
    assert sorted(float(row["value"]) for row in rows) == sorted(float(row["metrics.loss"]) for row in trials)
