"""A run may be stopped, interrupted or killed at any moment; what it had recorded goes on, none lost, none repeated."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from katib.store import open_store

# Each execution of a trial leaves one line, so that a trial that ran twice is seen.
COUNTING = """
    with open("ran.log", "a") as file:
        file.write(sys.argv[1] + "\\n")
    time.sleep(0.15)
    print("loss=" + sys.argv[1])
"""
LONG = """
    with open("ran.log", "a") as file:
        file.write(sys.argv[1] + "\\n")
    print("loss=0.5", flush=True)
    time.sleep(600)
"""


def executions(folder: Path) -> list[str]:
    path = folder / "ran.log"
    return path.read_text().split() if path.exists() else []


def wait_until(condition, *, seconds=30.0, what="it"):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen in {seconds} s"
        time.sleep(0.02)


def processes_of(folder: Path) -> list[int]:
    """The trial processes that run in this folder now."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                if b"trial.py" in arguments and (entry / "cwd").resolve() == folder.resolve():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize("seed", range(3))
def test_killed_driver_resumes_with_every_trial_run_once(katib, seed):
    """SIGKILL at random moments; the trials that were running go on and are taken over."""
    path = katib.write(script=COUNTING, trials=16, parallel=3)
    moment = random.Random(seed)
    driver = katib.start("run", path)
    wait_until(lambda: len(executions(katib.folder)) >= 2, what="the first trials")
    for _ in range(3):
        time.sleep(moment.uniform(0, 0.4))
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        driver = katib.start("resume", "exp")
        time.sleep(0.5)  # somewhere between its start and its first turns
    assert driver.wait(timeout=60) == 0, driver.stdout.read()
    experiment = katib.get("get", "experiment", "exp")
    assert katib.condition(experiment)["type"] == "Succeeded"
    assert experiment["status"]["trialsSucceeded"] == 16
    trials = katib.get("trials", "exp")["items"]
    values = [trial["spec"]["parameterAssignments"][0]["value"] for trial in trials]
    assert sorted(executions(katib.folder)) == sorted(values)
    assert len(set(values)) == 16


def test_resumed_run_makes_the_points_the_unbroken_run_would_have_made(katib):
    unbroken = katib.write(name="unbroken", script=COUNTING, trials=8, parallel=1)
    broken = katib.write(name="broken", script=COUNTING, trials=8, parallel=1)
    katib("run", unbroken)
    (katib.folder / "ran.log").unlink()
    driver = katib.start("run", broken)
    wait_until(lambda: len(executions(katib.folder)) >= 3)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    katib("resume", "broken")
    points = {
        name: [trial["spec"]["parameterAssignments"] for trial in katib.get("trials", name)["items"]]
        for name in ("unbroken", "broken")
    }
    assert points["unbroken"] == points["broken"]


def test_interrupt_stops_cleanly_and_resume_finishes(katib):
    path = katib.write(script=COUNTING, trials=12, parallel=2)
    driver = katib.start("run", path)
    wait_until(lambda: len(executions(katib.folder)) >= 4)
    driver.send_signal(signal.SIGINT)
    output, _ = driver.communicate(timeout=30)
    assert driver.returncode == 130, output
    assert "katib resume exp" in output
    assert processes_of(katib.folder) == []
    assert katib.condition(katib.get("get", "experiment", "exp"))["type"] == "Stopped"
    katib("resume", "exp")
    experiment = katib.get("get", "experiment", "exp")
    assert experiment["status"]["trialsSucceeded"] == 12
    assert experiment["status"]["trials"] == 12


def test_second_interrupt_kills_at_once(katib):
    stubborn = """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with open("ran.log", "a") as file:
            file.write(sys.argv[1] + "\\n")
        time.sleep(600)
    """
    path = katib.write(script=stubborn, trials=2, parallel=2)
    path.write_text(path.read_text().replace("terminationGracePeriodSeconds: 2", "terminationGracePeriodSeconds: 300"))
    driver = katib.start("run", path)
    wait_until(lambda: len(executions(katib.folder)) == 2)
    driver.send_signal(signal.SIGINT)
    time.sleep(1)
    assert driver.poll() is None
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=30)
    assert processes_of(katib.folder) == []


def test_stop_from_another_process(katib):
    driver = katib.start("run", katib.write(script=LONG, trials=4, parallel=2))
    wait_until(lambda: len(executions(katib.folder)) == 2)
    katib("stop", "exp")
    driver.communicate(timeout=30)
    assert katib.condition(katib.get("get", "experiment", "exp"))["type"] == "Stopped"
    assert processes_of(katib.folder) == []


@pytest.mark.parametrize(
    ("runtime", "code", "told"), [("kubernetes", 6, "leave --runtime out"), ("docker", 8, "no daemon")]
)
def test_a_runtime_that_cannot_run_it_leaves_a_stopped_experiment_as_it_was(katib, runtime, code, told):
    docker = katib.folder / "docker"
    docker.write_text("#!/bin/sh\necho no daemon >&2\nexit 1\n")
    docker.chmod(0o755)
    katib.environment["PATH"] = f"{katib.folder}{os.pathsep}{katib.environment['PATH']}"
    driver = katib.start("run", katib.write(script=LONG, trials=2, parallel=1))
    wait_until(lambda: executions(katib.folder), what="a trial")
    driver.send_signal(signal.SIGINT)
    driver.wait()
    stopped = katib.get("get", "experiment", "exp")
    assert told in katib("resume", "exp", "--runtime", runtime, code=code).stderr
    assert katib.get("get", "experiment", "exp") == stopped
    assert "Stopped" in katib("get", "exp").stdout


def test_stop_ends_what_a_killed_driver_left_running(katib):
    driver = katib.start("run", katib.write(script=LONG, trials=4, parallel=2))
    wait_until(lambda: len(executions(katib.folder)) == 2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert len(processes_of(katib.folder)) == 2
    katib("stop", "exp")
    assert processes_of(katib.folder) == []
    assert katib.condition(katib.get("get", "experiment", "exp"))["type"] == "Stopped"


def test_two_runs_of_one_experiment_are_a_conflict(katib):
    katib.start("run", katib.write(script=LONG, trials=1, parallel=1))
    wait_until(lambda: executions(katib.folder))
    assert "katib stop exp" in katib("resume", "exp", code=4).stderr
    assert "katib stop exp" in katib("delete", "exp", "--yes", code=4).stderr
    katib("stop", "exp", "--now")
    katib("wait", "exp", code=None)


def test_trial_lost_with_its_machine_is_run_again_under_the_same_index(katib):
    """Driver and trial both vanish, as in a power cut: nothing says how the trial ended."""
    driver = katib.start("run", katib.write(script=LONG, trials=1, parallel=1))
    wait_until(lambda: len(executions(katib.folder)) == 1)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    kill_everything_below(katib)
    (katib.folder / "trial.py").write_text("print('loss=0.25')\n")
    katib("resume", "exp")
    trials = katib.get("trials", "exp")["items"]
    assert len(trials) == 1
    assert katib.condition(trials[0])["type"] == "Succeeded"
    # What the lost attempt had reported counts no more.
    metric = trials[0]["status"]["observation"]["metrics"][0]
    assert (metric["latest"], metric["min"], metric["max"]) == ("0.25", "0.25", "0.25")
    assert "TrialLost" in katib("describe", "exp").stdout


def kill_everything_below(katib) -> None:
    """SIGKILL every process that belongs to this home's trials, the ones that watch over them included, all at once."""
    marked = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"KATIB_HOME={katib.home}".encode() in environment:
            marked.append(int(entry.name))
    for process in marked:
        os.kill(process, signal.SIGSTOP)
    for process in marked:
        os.kill(process, signal.SIGKILL)


FAILS_TWICE = """
    with open("ran.log", "a") as file:
        file.write("x\\n")
    attempt = open("ran.log").read().count("x")
    while attempt > 1 and not os.path.exists(f"go-{attempt}"):
        time.sleep(0.05)
    if attempt < 3:
        sys.exit(3)
    print("loss=0.5")
"""
RETRIES = [
    ("attempt 1 of 7 ended with exit code 3; the next one begins in 1 s", 1),
    ("attempt 2 of 7 ended with exit code 3; the next one begins in 2 s", 1),
]


def failing_twice(katib) -> Path:
    """Write an experiment whose trial fails twice, and ends its second and third attempt when it may."""
    path = katib.write(script=FAILS_TWICE, trials=1, parallel=1)
    path.write_text(path.read_text().replace("backoffLimit: 0", "backoffLimit: 6"))
    return path


def retries(katib) -> list[tuple[str, int]]:
    """What the events say of attempts that failed, and how often."""
    if not (katib.home / "katib.db").exists():
        return []
    with open_store(katib.home / "katib.db") as store:
        return [
            (event.message, event.count)
            for summary in store.experiments()
            for event in store.events(summary.uid)
            if event.reason == "TrialRetried"
        ]


def said_while_running(katib) -> str:
    """The message of the condition of the one trial, as the API and the page have it."""
    condition = katib.condition(katib.get("trials", "exp")["items"][0])
    assert (condition["type"], condition["reason"]) == ("Running", "TrialRunning")
    return condition["message"]


def test_trial_that_is_tried_again_says_so_while_it_runs(katib):
    (katib.folder / "go-2").touch()
    driver = katib.start("run", "-v", failing_twice(katib))
    wait_until(lambda: len(executions(katib.folder)) == 3, what="the third attempt")
    wait_until(lambda: len(retries(katib)) == 2, what="the second event")
    assert said_while_running(katib).startswith(
        "Trial is running: attempt 2 of 7 ended with exit code 3; the next one begins at 20"
    )
    name = katib.get("trials", "exp")["items"][0]["metadata"]["name"]
    for words in (("exp",), ("trial", name)):
        assert RETRIES[0][0] in katib("describe", *words).stdout
    assert "Trial is running: attempt 2 of 7" in katib("describe", "trial", name).stdout
    (katib.folder / "go-3").touch()
    printed, _ = driver.communicate(timeout=60)
    assert driver.returncode == 0, printed
    lines = [line for line in printed.splitlines() if "  Retried  " in line]
    # How long it still is until the next one depends on when the line is printed.
    assert [line.partition(";")[0] for line in lines] == [
        f"{name}  Retried  attempt {number} of 7 ended with exit code 3" for number in (1, 2)
    ]
    assert retries(katib) == RETRIES
    assert katib.condition(katib.get("trials", "exp")["items"][0])["message"].startswith("Trial has succeeded")


def test_each_attempt_that_failed_is_told_once_whoever_drove_the_experiment_then(katib):
    driver = katib.start("run", failing_twice(katib))
    wait_until(lambda: retries(katib) == RETRIES[:1], what="the first event")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    (katib.folder / "go-2").touch()
    wait_until(lambda: len(executions(katib.folder)) == 3, what="the third attempt, without a driver")
    assert retries(katib) == RETRIES[:1]
    for _ in range(2):
        driver = katib.start("resume", "exp")
        wait_until(lambda: len(retries(katib)) == 2, what="the second event")
        wait_until(lambda: "attempt 2 of 7" in said_while_running(katib), what="the message of the new driver")
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    (katib.folder / "go-3").touch()
    katib("resume", "exp")
    assert retries(katib) == RETRIES
    assert len(executions(katib.folder)) == 3


def test_finished_experiment_goes_on_with_a_larger_budget_when_its_policy_allows(katib):
    path = katib.write(trials=3, extra="  resumePolicy: LongRunning")
    katib("run", path)
    katib("resume", "exp", "--max-trials", "5")
    experiment = katib.get("get", "experiment", "exp")
    assert experiment["spec"]["maxTrialCount"] == 5
    assert experiment["status"]["trialsSucceeded"] == 5


def test_finished_experiment_that_never_resumes_says_so(katib):
    katib("run", katib.write(trials=2))
    assert "resumePolicy" in katib("resume", "exp", "--max-trials", "5", code=2).stderr


def test_samples_of_a_trial_that_outlived_its_driver_are_stored_once(katib):
    script = """
        for step in range(40):
            while step == 13 and not os.path.exists("go"):
                time.sleep(0.05)
            print(f"loss={step}", flush=True)
    """
    driver = katib.start("run", katib.write(script=script, trials=1, parallel=1))
    wait_until(lambda: ",12\n" in katib("export", "exp", "--series", code=None).stdout, what="the first samples")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    (katib.folder / "go").touch()
    katib("resume", "exp")
    name = katib.get("trials", "exp")["items"][0]["metadata"]["name"]
    series = stored_series(katib, name)
    assert series == [str(step) for step in range(40)]


def stored_series(katib, trial: str) -> list[str]:
    from katib.store import open_store

    with open_store(katib.home / "katib.db") as store:
        uid = store.experiment("default", "exp").metadata.uid
        return [observed.text for observed in store.series(uid, trial, "loss")]
