"""Running and checking files: what the options of ``run`` change, and what is refused before anything starts."""

import os
import re
import subprocess

import pytest

from katib.algorithm import registry


def piped(katib, *arguments, text):
    """Run a command with a text on its standard input."""
    return subprocess.run(
        katib.command(*arguments),
        input=text,
        env=katib.environment,
        cwd=katib.folder,
        capture_output=True,
        text=True,
        check=False,
    )


def points(katib, name):
    return [trial["spec"]["parameterAssignments"] for trial in katib.get("trials", name)["items"]]


def test_without_a_terminal_every_finished_trial_is_one_line(katib):
    done = katib("run", katib.write(trials=4))
    first, note, *lines = done.stdout.split("\n\n")[0].splitlines()
    assert first == "experiment exp: 4 trials, 2 at a time"
    assert note.startswith("note: the image none is not used")
    assert len(lines) == 4
    for place, line in enumerate(lines, start=1):
        assert re.fullmatch(rf"exp-\w{{8}}  Succeeded  loss=\S+  x=\S+  \[{place}/4, best \S+\]", line)
    assert "best trial exp-" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_quiet_prints_only_the_result(katib):
    done = katib("run", katib.write(), "-q")
    assert "Succeeded  loss" not in done.stdout
    assert done.stdout.strip().startswith("experiment exp Succeeded")


def test_options_count_more_than_the_file(katib):
    path = katib.write(trials=4, parallel=4)
    katib("run", path, "--name", "small", "--max-trials", "2", "-n", "team", "--seed", "7")
    spec = katib.get("get", "exp", "small", "-n", "team")["spec"]
    assert (spec["maxTrialCount"], spec["parallelTrialCount"], spec["seed"]) == (2, 2, 7)
    assert len(points_of(katib, "small", "team")) == 2
    katib("run", path, "--parallel", "1")
    assert katib.get("get", "exp", "exp")["spec"]["parallelTrialCount"] == 1


def points_of(katib, name, namespace):
    return [trial["spec"]["parameterAssignments"] for trial in katib.get("trials", name, "-n", namespace)["items"]]


def test_seed_makes_runs_alike(katib):
    path = katib.write(trials=3)
    for name, seed in (("one", "11"), ("two", "11"), ("three", "12")):
        katib("run", path, "--name", name, "--seed", seed, "-q")
    assert points(katib, "one") == points(katib, "two") != points(katib, "three")


def test_environment_chooses_the_namespace_and_an_option_counts_more(katib):
    path = katib.write(trials=1, parallel=1)
    katib.environment["KATIB_NAMESPACE"] = "theirs"
    katib("run", path)
    assert katib.get("get", "exp", "exp")["metadata"]["namespace"] == "theirs"
    katib("run", path, "-n", "mine")
    everywhere = {item["metadata"]["namespace"] for item in katib.get("get", "-A")["items"]}
    elsewhere = katib("get", "-n", "nowhere").stderr
    assert "no experiments in namespace nowhere" in elsewhere
    assert all(namespace in elsewhere for namespace in everywhere)
    assert everywhere == {"theirs", "mine"}
    assert katib.get("validate", path)["metadata"]["namespace"] == "theirs"


def test_standard_input_is_a_file_called_dash(katib):
    text = katib.write(trials=1, parallel=1).read_text()
    assert piped(katib, "run", "-", text=text).returncode == 0
    assert "-: experiment exp is valid" in piped(katib, "validate", "-", text=text).stdout
    refused = piped(katib, "validate", "-", text="kind: Pod")
    assert refused.returncode == 2
    assert "'Pod'" in refused.stderr


def test_taken_name_says_what_may_be_done(katib):
    path = katib.write(trials=1, parallel=1)
    katib("run", path)
    told = katib("run", path, code=4).stderr
    assert "--replace" in told
    assert "--name" in told
    assert "resume" not in told  # it is over: there is nothing to go on with
    before = katib.get("get", "exp", "exp")["metadata"]["uid"]
    katib("run", path, "--replace")
    assert katib.get("get", "exp", "exp")["metadata"]["uid"] != before


def test_all_problems_of_all_files_are_told_and_nothing_is_started(katib):
    good = katib.write(name="good")
    text = good.read_text()
    wrong = katib.folder / "wrong.yaml"
    wrong.write_text(text.replace('max: "1"', 'max: "zero"').replace("minimize", "shrink"))
    broken = katib.folder / "broken.yaml"
    broken.write_text("a: [")
    twin = katib.folder / "twin.yaml"
    twin.write_text(text)
    for command in ("validate", "run"):
        done = katib(command, good, wrong, broken, katib.folder / "absent.yaml", code=2)
        lines = done.stderr.splitlines()
        assert len(lines) == 4
        assert all(line.startswith("error: ") for line in lines)
        for part in ("wrong.yaml: spec.objective.type", "wrong.yaml: spec.parameters[0]", "broken.yaml", "absent.yaml"):
            assert sum(part in line for line in lines) == 1, part
    assert "is the name of another experiment" in katib("run", good, twin, code=2).stderr
    assert not (katib.home / "experiments").exists()
    assert "good.yaml: experiment good is valid" in katib("validate", good).stdout


def test_init_writes_what_runs_as_it_is(katib):
    done = katib("init", "first.yaml", "--name", "mine")
    assert "katib run first.yaml" in done.stdout
    assert done.stderr == ""
    katib("validate", "first.yaml")
    katib("run", "first.yaml", "-q")
    assert len(katib.get("trials", "mine")["items"]) == 12
    before = (katib.folder / "first.yaml").read_text()
    assert "first.yaml exists already" in katib("init", "first.yaml", code=4).stderr
    assert (katib.folder / "first.yaml").read_text() == before
    assert katib("init", "--name", "mine").stdout == before


@pytest.mark.parametrize("name", registry.names())
def test_init_for_every_algorithm_is_valid_or_says_what_is_missing(katib, name):
    written = katib("init", "-a", name)
    checked = piped(katib, "validate", "-", text=written.stdout)
    assert f"algorithmName: {name}" in written.stdout
    assert (checked.returncode == 0) is (written.stderr == "")


def test_unknown_command_and_option_are_refused_with_a_guess(katib):
    assert "did you mean 'trials'?" in katib("trails", code=2).stderr
    assert "did you mean '--output'?" in katib("get", "--outptu", "json", code=2).stderr


@pytest.mark.parametrize("home", ["file", "file/below", "/proc/katib-home", "/sys/katib-home"])
@pytest.mark.parametrize("command", ["get", "run"])
def test_home_that_cannot_be_is_a_sentence(katib, tmp_path, home, command):
    (tmp_path / "file").write_text("")
    katib.environment["KATIB_HOME"] = os.path.join(tmp_path, home)  # noqa: PTH118 - an absolute second part wins
    done = katib(command, *([katib.write()] if command == "run" else []), code=10)
    assert katib.environment["KATIB_HOME"] in done.stderr
    assert done.stderr.count("\n") == 1


def test_store_of_something_else_is_a_sentence(katib):
    katib.home.mkdir()
    (katib.home / "katib.db").write_text("my shopping list, not a database" * 100)
    done = katib("get", code=10)
    assert "katib.db" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (katib.home / "katib.db").read_text().startswith("my shopping list")
