"""What the reading commands print for programs, for people and into closed pipes; one experiment, run once."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from katib.cli.main import main


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared") / "home"


@pytest.fixture
def ran(katib, prepared):
    """The command line on a home with the finished experiment ``exp`` of four trials."""
    if not prepared.exists():
        katib("run", katib.write())
        shutil.copytree(katib.home, prepared)
    else:
        shutil.copytree(prepared, katib.home)
    return katib


@pytest.fixture
def answer(ran, capsys):
    """Run a reading command in this process, where there are too many to start one for each, and return what it prints."""

    def answer(*arguments):
        assert main(["--home", str(ran.home), *map(str, arguments)]) == 0
        return capsys.readouterr().out

    return answer


def names(katib):
    return [item["metadata"]["name"] for item in katib.get("trials", "exp")["items"]]


def shapes(first):
    return [
        (("get",), None),
        (("get", "experiments"), None),
        (("get", "exp"), None),  # the kind, not the name
        (("get", "exp", "exp"), "Experiment"),
        (("get", "exp/exp"), "Experiment"),
        (("get", "-A", "experiments", "exp"), "Experiment"),
        (("get", "trials"), None),
        (("get", "trial", first), "Trial"),
        (("get", "suggestions"), None),
        (("get", "suggestion", "exp"), "Suggestion"),
        (("describe", "exp"), "Experiment"),
        (("describe", "trial", first), "Trial"),
        (("trials", "exp"), None),
        (("trials", "exp", "--limit", "1"), None),
        (("best", "exp"), "Trial"),
    ]


def test_json_and_yaml_have_kubectls_shape(ran, answer):
    first = names(ran)[0]
    for command, kind in shapes(first):
        document = json.loads(answer(*command, "-o", "json"))
        assert yaml.safe_load(answer(*command, "-o", "yaml")) == document, command
        if kind is None:
            assert (document["apiVersion"], document["kind"]) == ("v1", "List"), command
        else:
            assert document["kind"] == kind, command
        for item in document["items"] if kind is None else [document]:
            assert item["apiVersion"] == "kubeflow.org/v1beta1", command
            assert {"metadata", "spec", "status"} <= set(item), command
        listed = answer(*command, "-o", "name").split()
        items = document["items"] if kind is None else [document]
        assert listed == [f"{item['kind'].lower()}.kubeflow.org/{item['metadata']['name']}" for item in items], command


def test_what_is_printed_as_a_name_can_be_typed(ran, answer):
    trial = answer("get", "trials", "-o", "name").split()[0]
    assert answer("get", trial, "-o", "name").strip() == trial
    assert answer("describe", trial).splitlines()[0].split()[1] == trial.split("/")[1]
    assert ran("logs", trial).stdout.startswith("loss=")
    assert answer("best", answer("get", "-o", "name").strip(), "-o", "name").startswith("trial.kubeflow.org/exp-")


def test_several_names_are_a_list(ran, answer):
    first, second = names(ran)[:2]
    for command in (("get", "trials", first, second), ("describe", "trial", first, second)):
        document = json.loads(answer(*command, "-o", "json"))
        assert [item["metadata"]["name"] for item in document["items"]] == [first, second]


def test_list_without_anything_is_an_empty_list(katib):
    assert katib.get("get", "trials") == {"apiVersion": "v1", "kind": "List", "items": []}
    done = katib("get")
    assert done.stdout == ""
    assert "katib run FILE" in done.stderr


def test_experiment_lists_its_trials_in_its_status(ran):
    status = ran.get("get", "exp", "exp")["status"]
    assert sorted(status["succeededTrialList"]) == sorted(names(ran))
    assert status["trialsSucceeded"] == 4


def test_trials_can_be_chosen_and_sorted(ran, answer):
    trials = json.loads(answer("trials", "exp", "--sort", "objective", "-o", "json"))["items"]
    losses = [float(trial["status"]["observation"]["metrics"][0]["latest"]) for trial in trials]
    assert losses == sorted(losses)
    best = json.loads(answer("best", "exp", "-o", "json"))["metadata"]["name"]
    assert answer("trials", "exp", "--sort", "objective", "--limit", "1", "-o", "name").strip().endswith(best)
    assert json.loads(answer("trials", "exp", "--state", "failed", "-o", "json"))["items"] == []
    assert "no trial of experiment exp is Failed" in ran("trials", "exp", "--state", "failed").stderr
    assert len(answer("trials", "exp", "--state", "Succeeded", "--state", "killed", "-o", "name").split()) == 4


def test_tables_have_a_row_for_each(ran, answer):
    assert [line.split()[0] for line in answer("get").splitlines()] == ["NAME", "exp"]
    assert [line.split()[0] for line in answer("get", "trials").splitlines()] == ["NAME", *names(ran)]
    assert answer("get", "-A").split()[:2] == ["NAMESPACE", "NAME"]
    assert "BEST-TRIAL" in answer("get", "-o", "wide").splitlines()[0]


def test_namespaces_are_apart(ran):
    ran("run", ran.write(name="other"), "-n", "team", "--max-trials", "1")
    assert [item["metadata"]["name"] for item in ran.get("get")["items"]] == ["exp"]
    assert [item["metadata"]["name"] for item in ran.get("get", "-n", "team")["items"]] == ["other"]
    everywhere = {item["metadata"]["namespace"] for item in ran.get("get", "-A")["items"]}
    assert everywhere == {"default", "team"}
    assert "(-n team)" in ran("best", "other", code=3).stderr
    assert ran("-n", "team", "best", "other").stdout.startswith("best trial other-")


def test_export_writes_what_the_trials_are(ran, answer):
    rows = list(csv.DictReader(ran("export", "exp").stdout.splitlines()))
    assert [row["trial"] for row in rows] == names(ran)
    for row in rows:
        assert row["metrics.loss"] == row["parameters.x"]
    assert json.loads(answer("export", "exp", "-o", "json"))[0]["state"] == "Succeeded"
    series = list(csv.DictReader(answer("export", "exp", "--series").splitlines()))
    assert [row["value"] for row in series] == [row["metrics.loss"] for row in rows]


def test_export_file_appears_whole_or_not_at_all(ran):
    target = ran.folder / "trials.csv"
    ran("export", "exp", "--file", target)
    assert target.read_text() == ran("export", "exp").stdout
    before = sorted(ran.folder.iterdir())
    assert "cannot write" in ran("export", "exp", "--file", ran.folder / "no" / "x.csv", code=2).stderr
    assert "cannot write" in ran("export", "exp", "--file", ran.folder, code=2).stderr
    assert sorted(ran.folder.iterdir()) == before


@pytest.mark.parametrize(
    "command",
    [
        ("--help",),
        ("get",),
        ("get", "-o", "json"),
        ("trials", "exp", "-o", "yaml"),
        ("export", "exp"),
        ("export", "exp", "-o", "parquet"),
        ("export", "exp", "--points"),
        ("init",),
        ("completion", "bash"),
    ],
)
def test_pipe_that_is_closed_is_no_fault(ran, command):
    reader, writer = os.pipe()
    os.close(reader)
    for environment in (ran.environment, {**ran.environment, "PYTHONUNBUFFERED": "1"}):
        done = subprocess.run(
            ran.command(*command), stdout=writer, stderr=subprocess.PIPE, env=environment, cwd=ran.folder, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), command
    os.close(writer)


def test_head_of_a_long_answer_is_silent(ran):
    line = "set -o pipefail; " + " ".join(ran.command("trials", "exp", "-o", "json")) + " | head -1"
    done = subprocess.run(
        ["bash", "-c", line], env=ran.environment, cwd=ran.folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


@pytest.mark.parametrize(
    ("script", "code", "state"), [("print('loss=1')", 0, "Succeeded"), ("sys.exit(1)", 1, "Failed")]
)
def test_run_goes_on_without_its_reader_and_its_exit_code_stays(katib, script, code, state):
    reader, writer = os.pipe()
    os.close(reader)
    path = katib.write(script=script, failures=0 if code else 2)
    done = subprocess.run(
        katib.command("run", path),
        stdout=writer,
        stderr=subprocess.PIPE,
        env=katib.environment,
        cwd=katib.folder,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, b"")
    assert katib.condition(katib.get("get", "experiment", "exp"))["type"] == state


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_answer_that_cannot_be_written_is_a_sentence(ran, unbuffered):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            ran.command("get"),
            stdout=full,
            stderr=subprocess.PIPE,
            env={**ran.environment, "PYTHONUNBUFFERED": unbuffered},
            cwd=ran.folder,
            text=True,
            check=False,
        )
    assert done.returncode == 8
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_fault(katib, closed):
    path = katib.write(trials=2)
    for command, code in ((("run", path), 0), (("get", "exp"), 0), (("best", "nothing"), 3)):
        line = " ".join(katib.command(*command))
        done = subprocess.run(
            ["sh", "-c", f"exec {line} {closed}"],
            env=katib.environment,
            cwd=katib.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
    assert katib.condition(katib.get("get", "experiment", "exp"))["type"] == "Succeeded"


def test_terminal_of_another_encoding_gets_escapes(ran):
    path = ran.write(name="words")
    path.write_text(
        path.read_text().replace("objectiveMetricName: loss", "objectiveMetricName: loss, additionalMetricNames: [λ]")
    )
    for encoding in ("ascii", "utf-8"):
        done = subprocess.run(
            ran.command("validate", path, "-o", "yaml"),
            env={**ran.environment, "PYTHONIOENCODING": encoding},
            cwd=ran.folder,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert ("λ".encode() in done.stdout) is (encoding == "utf-8")
