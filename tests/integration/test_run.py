"""One YAML, one command: experiments run to their end on this machine, and everything is recorded."""

import shutil
import time
from pathlib import Path

import pytest

from katib import KatibClient, search, tune
from katib.runners import supervisor
from katib.runners.process import ProcessRunner


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_best_trial_is_the_one_with_the_least_loss(katib):
    katib("run", katib.write(trials=8))
    trials = katib.get("trials", "exp")["items"]
    losses = {
        trial["metadata"]["name"]: float(trial["status"]["observation"]["metrics"][0]["latest"]) for trial in trials
    }
    assert len(losses) == 8
    best = katib.get("get", "experiment", "exp")["status"]["currentOptimalTrial"]
    assert best["bestTrialName"] == min(losses, key=losses.__getitem__)
    assert min(losses, key=losses.__getitem__) in katib("best", "exp").stdout


def test_same_seed_gives_the_same_points(katib):
    katib("run", katib.write(name="one"))
    katib("run", katib.write(name="two"))
    one, two = (
        [trial["spec"]["parameterAssignments"] for trial in katib.get("trials", name)["items"]]
        for name in ("one", "two")
    )
    assert one == two


def test_failed_trial_says_exit_code_and_last_lines_and_the_experiment_fails_at_its_limit(katib):
    script = "print('about to break'); sys.exit(3)"
    done = katib("run", katib.write(script=script, failures=1, parallel=1), code=1)
    experiment = katib.get("get", "experiment", "exp")
    assert katib.condition(experiment)["type"] == "Failed"
    name = katib.get("trials", "exp")["items"][0]["metadata"]["name"]
    for words in (("trial", name), (name,), (f"trial/{name}",), ("exp",)):
        told = katib("describe", *words).stdout
        assert "exit code 3" in told, words
        assert "about to break" in told, words
    assert "Traceback" not in done.stderr


def test_signal_is_named(katib):
    katib("run", katib.write(script="os.kill(os.getpid(), 9)", failures=0, parallel=1), code=1)
    name = katib.get("trials", "exp")["items"][0]["metadata"]["name"]
    assert "SIGKILL" in katib("describe", "trial", name).stdout


def test_missing_command_is_a_sentence(katib):
    done = katib(
        "run", katib.write(command='[no-such-program-anywhere, "${trialParameters.x}"]', failures=0, parallel=1), code=1
    )
    name = katib.get("trials", "exp")["items"][0]["metadata"]["name"]
    assert "no-such-program-anywhere" in katib("describe", "trial", name).stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_trial_without_metrics_is_unavailable_with_the_lines_that_were_seen(katib):
    katib("run", katib.write(script="print('nothing to see')", parallel=1, trials=2), code=None)
    trial = katib.get("trials", "exp")["items"][0]
    assert katib.condition(trial)["type"] == "MetricsUnavailable"
    assert "nothing to see" in katib.condition(trial)["message"]


def test_trial_that_has_ended_before_its_driver_looks_again_has_not_ended_before_it_began(tmp_path, monkeypatch):
    def start_and_look_away(runner, run, _start=ProcessRunner.start):
        _start(runner, run)
        until((run.folder / supervisor.RESULT_NAME).exists)

    def quick(x):
        return x

    monkeypatch.setattr(ProcessRunner, "start", start_and_look_away)
    with KatibClient(backend="local", home=tmp_path) as client:
        space = {"x": search.double(0, 1)}
        (trial,) = tune(quick, space, max_trial_count=1, progress="none", client=client).trials
    assert trial.created <= trial.started <= trial.finished


def test_goal_ends_the_experiment_early(katib):
    katib("run", katib.write(trials=200, parallel=1, objective=", goal: 0.3"))
    experiment = katib.get("get", "experiment", "exp")
    assert katib.condition(experiment)["reason"] == "ExperimentGoalReached"
    assert experiment["status"]["trials"] < 200


def test_trial_timeout_ends_a_trial_that_hangs(katib):
    script = "time.sleep(600) if float(sys.argv[1]) > 0.5 else print('loss=1')"
    katib("run", katib.write(script=script, trials=4, parallel=4, failures=4, extra="  trialTimeout: 1s"), code=None)
    trials = katib.get("trials", "exp")["items"]
    for trial in trials:
        slow = float(trial["spec"]["parameterAssignments"][0]["value"]) > 0.5
        assert katib.condition(trial)["type"] == ("Failed" if slow else "Succeeded")
        if slow:
            assert "1s" in katib.condition(trial)["message"]


def test_max_runtime_ends_the_experiment_with_what_it_has(katib):
    katib(
        "run", katib.write(script="time.sleep(0.2); print('loss=1')", trials=500, extra="  maxRuntime: 2s"), code=None
    )
    experiment = katib.get("get", "experiment", "exp")
    assert katib.condition(experiment)["type"] in {"Succeeded", "Failed"}
    assert "2s" in katib.condition(experiment)["message"]
    assert 0 < experiment["status"]["trials"] < 500


def test_metrics_are_in_the_store_while_the_trial_runs(katib):
    script = "print('loss=0.5', flush=True); time.sleep(600)"
    katib.start("run", katib.write(script=script, parallel=1, trials=1))
    for _ in range(100):
        done = katib("export", "exp", "--format", "csv", code=None)
        if "0.5" in done.stdout:
            break
    else:
        pytest.fail(f"no metric of a running trial was seen: {done.stdout}{done.stderr}")
    assert katib.condition(katib.get("trials", "exp")["items"][0])["type"] == "Running"
    katib("stop", "exp")
    katib("wait", "exp", code=None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("maxTrialCount: 4", "maxTrialCont: 4"), "maxTrialCount"),
        (('min: "0"', 'min: "2"'), "spec.parameters[0].feasibleSpace"),
        (("algorithmName: random", "algorithmName: randon"), "random"),
        (("kind: Job", "kind: TFJob"), "successCondition"),
        (
            ("parallelTrialCount", "metricsCollectorSpec: {collector: {kind: PrometheusMetric}}\n  parallelTrialCount"),
            "spec.metricsCollectorSpec.collector.kind",
        ),
        (("reference: x", "reference: y"), "y"),
        (("name: exp", "name: Exp_1"), "metadata.name"),
    ],
)
def test_bad_file_is_refused_and_nothing_is_recorded(katib, change, said):
    path = katib.write()
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change, 1))
    done = katib("run", path, code=2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert katib.get("get", "experiments")["items"] == []
    assert not (katib.home / "experiments").exists()


def test_all_problems_are_told_at_once(katib):
    path = katib.write()
    text = path.read_text().replace('min: "0"', 'min: "a"').replace("type: minimize", "type: smallest")
    path.write_text(text.replace("algorithmName: random", "algorithmName: nothing-like-it"))
    told = katib("run", path, code=2).stderr
    assert "spec.objective.type" in told
    assert "spec.parameters[0].feasibleSpace.min" in told


def test_name_that_is_taken_is_a_conflict_and_replace_takes_it_over(katib):
    path = katib.write()
    katib("run", path)
    first = katib.get("get", "experiment", "exp")["metadata"]["uid"]
    assert "exp" in katib("run", path, code=4).stderr
    katib("run", path, "--replace")
    assert katib.get("get", "experiment", "exp")["metadata"]["uid"] != first
    assert len(list((katib.home / "experiments").iterdir())) == 1


def test_delete_for_good_leaves_nothing(katib):
    katib("run", katib.write())
    katib("delete", "exp", "--purge")  # no terminal, no question
    assert katib.get("get", "experiments")["items"] == []
    assert list((katib.home / "experiments").iterdir()) == []
    assert "exp" in katib("describe", "exp", code=3).stderr


def test_unwritable_home_is_a_sentence(katib):
    katib.home.write_text("a file where the folder should be")
    done = katib("run", katib.write(), code=None)
    assert done.returncode in {8, 10}
    assert str(katib.home) in done.stderr
    assert "Traceback" not in done.stderr


def test_home_that_is_removed_while_an_experiment_runs_ends_it_with_a_sentence(katib):
    path = katib.write(script="print(os.getpid(), file=open('started', 'w'), flush=True); time.sleep(600)", parallel=1)
    run = katib.start("run", path)
    started = katib.folder / "started"
    until(lambda: started.exists() and started.read_text().strip())
    shutil.rmtree(katib.home)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 8
    assert "was removed while experiment 'exp' ran" in said
    assert "resume" not in said  # of what is gone
    assert "Traceback" not in said
    until(lambda: not Path(f"/proc/{started.read_text().strip()}").exists())


def test_experiment_whose_folder_was_removed_goes_on_with_its_store(katib):
    path = katib.write(script="time.sleep(1); print('loss=1')", parallel=1, trials=3)
    run = katib.start("run", path)
    until(lambda: any(katib.home.glob("experiments/*/trials/*/output.log")))
    shutil.rmtree(katib.home / "experiments")
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 8
    assert "katib resume exp goes on with it" in said
    katib("resume", "exp")
    trials = katib.get("trials", "exp")["items"]
    assert [katib.condition(trial)["type"] for trial in trials] == ["Succeeded"] * 3
