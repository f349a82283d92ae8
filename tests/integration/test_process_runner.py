"""Trials as real processes: what they are given, how they end, and that nothing of them is left."""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from katib.errors import RunnerError, Unsupported
from katib.runners import process
from katib.runners.process import ProcessRunner, TrialRun
from katib.runners.trial_files import OUTPUT_NAME


def job(script: str, *, spec: dict | None = None, pod: dict | None = None, **container) -> dict:
    """A Job whose container runs a Python script; ``spec``, ``pod`` and ``container`` add fields."""
    main = {"name": "main", "image": "none", "command": [sys.executable, "-u", "-c", script], **container}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "trial-1", "namespace": "ml", "labels": {"team": "a"}},
        "spec": {
            "backoffLimit": 0,
            **(spec or {}),
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 1,
                    "containers": [main],
                    **(pod or {}),
                }
            },
        },
    }


def trial(tmp_path: Path, document: dict, **fields) -> TrialRun:
    return TrialRun(name="trial-1", folder=tmp_path / "trial-1", job=document, **fields)


def ended(runner: ProcessRunner, seconds: float = 20):
    """Wait for the one trial that runs and return its report."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        select.select([runner.fileno()], [], [], 0.5)
        reports = runner.poll()
        if reports:
            assert len(reports) == 1
            return reports[0]
    raise AssertionError("the trial did not end")


def run(tmp_path: Path, document: dict, **fields):
    """Run a trial to its end; its report and what it printed."""
    with ProcessRunner() as runner:
        one = trial(tmp_path, document, **fields)
        runner.start(one)
        report = ended(runner)
    output = one.folder / OUTPUT_NAME
    return report, output.read_text() if output.exists() else ""


def processes_with(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if (
                    mark.encode() in (entry / "cmdline").read_bytes()
                    and b"Z (zombie)" not in (entry / "status").read_bytes()
                ):
                    found.append(int(entry.name))
    return found


def has_ended(process: int) -> bool:
    """Whether a process is gone, or only waits for being reaped."""
    try:
        return b"Z (zombie)" in Path(f"/proc/{process}/status").read_bytes()
    except OSError:
        return True


def until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_success_is_a_complete_job(tmp_path):
    report, output = run(tmp_path, job("import sys; print('out'); print('err', file=sys.stderr)"))
    assert report.exit.succeeded
    assert report.job["status"]["succeeded"] == 1
    assert (
        report.job["status"]["conditions"][0] | {"type": "Complete", "status": "True"}
        == report.job["status"]["conditions"][0]
    )
    assert report.job["metadata"]["name"] == "trial-1"
    assert output == "out\nerr\n"
    assert report.exit.started <= report.exit.finished


def test_environment_arguments_and_fields(tmp_path):
    script = "import os, sys; print(sys.argv[1:], os.environ['A'], os.environ['B'], os.environ['LABEL'], os.environ['NAME'], os.environ['GIVEN'], os.getcwd())"
    env = [
        {"name": "A", "value": "one"},
        {"name": "B", "value": "$(A)-$$(A)-$(C)"},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    document = job(script, args=["$(B)", "$(HOME)", "a b", "'\"\n"], env=env, workingDir=str(tmp_path))
    report, output = run(tmp_path, document, env={"GIVEN": "by the driver"})
    assert report.exit.succeeded, output
    # Only what the container defines is expanded, as on a cluster; what is unknown stays.
    assert (
        output
        == f"{['one-$(A)-$(C)', '$(HOME)', 'a b', chr(39) + chr(34) + chr(10)]} one one-$(A)-$(C) a trial-1 by the driver {tmp_path}\n"
    )


def test_paths_of_the_container_lie_in_the_trials_folder(tmp_path):
    script = "import sys; open(sys.argv[1].split('=')[1], 'w').write('x')"
    files = tmp_path / "files"
    report, output = run(
        tmp_path,
        job(script, args=["--path=/var/log/katib/metrics.log"]),
        paths={"/var/log/katib/metrics.log": files / "var/log/katib/metrics.log"},
        folders={"/var/log/katib": files / "var/log/katib"},
    )
    assert report.exit.succeeded, output
    assert (files / "var/log/katib/metrics.log").read_text() == "x"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import sys; print('why'); sys.exit(3)", ["exit code 3", "why"]),
        ("import os; os.kill(os.getpid(), 9)", ["SIGKILL (9)", "memory"]),
        ("import os; os.kill(os.getpid(), 11)", ["SIGSEGV (11)"]),
        ("raise ValueError('first\\nsecond')", ["exit code 1", "ValueError: first", "second"]),
    ],
)
def test_failure_says_why(tmp_path, script, said):
    report, _ = run(tmp_path, job(script))
    assert not report.exit.succeeded
    condition = report.job["status"]["conditions"][0]
    assert (condition["type"], condition["reason"]) == ("Failed", "BackoffLimitExceeded")
    for words in said:
        assert words in report.exit.sentence()


@pytest.mark.parametrize(
    ("container", "said"),
    [
        ({"command": ["no-such-program-anywhere"]}, "the program 'no-such-program-anywhere' was not found"),
        ({"command": [__file__]}, "may not be executed"),
        ({"command": ["/etc"]}, "may not be executed"),
        ({"workingDir": "/no/such/folder"}, "working directory /no/such/folder cannot be entered"),
        ({"command": ["true", "x" * 200_000]}, "too long"),
        ({"command": ["true", "a\0b"]}, "null"),
    ],
)
def test_command_that_cannot_start_is_a_sentence(tmp_path, container, said):
    report, _ = run(tmp_path, job("", **container))
    assert report.exit.cause == "StartError"
    assert said in report.exit.sentence()


def test_failed_attempts_are_repeated_up_to_the_backoff_limit(tmp_path):
    script = f"""
import pathlib, sys
count = pathlib.Path({str(tmp_path / "count")!r})
tries = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(tries))
print("attempt", tries)
sys.exit(0 if tries == 2 else 5)
"""
    report, output = run(tmp_path, job(script, spec={"backoffLimit": 1}))
    assert report.exit.succeeded
    assert report.exit.attempts == 2
    assert output == "attempt 1\nattempt 2\n"


def test_backoff_limit_counts_the_attempts(tmp_path):
    report, output = run(tmp_path, job("print('again'); raise SystemExit(5)", spec={"backoffLimit": 1}))
    assert report.exit.reason == "BackoffLimitExceeded"
    assert report.job["status"]["failed"] == 2
    assert output == "again\nagain\n"
    assert "the last of 2 attempts" in report.exit.sentence()


FAILING = "print('x'); raise SystemExit(3)"


def failed_attempts(runner: ProcessRunner, seconds: float = 20):
    """Wait until the runner hears of attempts that failed, as a driver waits."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        select.select([runner.fileno()], [], [], 0.5)
        assert runner.poll() == []
        if found := runner.failed_attempts():
            return found
    raise AssertionError("no attempt failed")


def sentences(failed) -> list[str]:
    return [f"{name}: {attempt.sentence()}" for name, attempt in failed]


def test_failed_attempt_is_told_while_the_next_one_is_waited_for(tmp_path):
    with ProcessRunner() as runner:
        runner.start(trial(tmp_path, job(FAILING, spec={"backoffLimit": 50})))
        told = "trial-1: attempt 1 of 51 ended with exit code 3; the next one begins in 1 s"
        assert sentences(failed_attempts(runner))[0] == told
        assert runner.failed_attempts() == []
        runner.stop("trial-1")
        assert ended(runner).exit.reason == "Stopped"
    assert [path.name for path in tmp_path.iterdir()] == ["trial-1"]  # the pipe is gone


def test_runner_that_takes_over_is_told_of_the_attempts_from_the_first_on(tmp_path):
    one = trial(tmp_path, job(FAILING, spec={"backoffLimit": 50}))
    with ProcessRunner() as runner:
        runner.start(one)
    until((one.folder / "failed-attempts.json").exists)
    with ProcessRunner() as runner:
        assert runner.adopt(one)
        numbers = []
        while len(numbers) < 2:
            numbers += [attempt.number for _, attempt in failed_attempts(runner)]
        assert numbers[:2] == [1, 2]
        runner.stop("trial-1")
        ended(runner)


def test_attempts_that_could_not_be_told_are_told_at_the_end(tmp_path):
    (tmp_path / ".failed-attempts").write_text("no pipe")
    with ProcessRunner() as runner:
        runner.start(trial(tmp_path, job(FAILING, spec={"backoffLimit": 1})))
        assert ended(runner).exit.attempts == 2
        told = "trial-1: attempt 1 of 2 ended with exit code 3; the next one begins in 1 s"
        assert sentences(runner.failed_attempts()) == [told]


def test_trial_that_is_not_tried_again_costs_no_look_at_its_attempts(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setattr(process, "read_failed_attempts", lambda *_, **__: looks.append(1) or [])
    report, _ = run(tmp_path, job("pass", spec={"backoffLimit": 6}))
    assert report.exit.succeeded
    report, _ = run(tmp_path, job(FAILING))
    assert report.exit.code == 3
    assert looks == []


def test_deadline_of_the_job_ends_it(tmp_path):
    report, _ = run(tmp_path, job("import time; time.sleep(600)", spec={"activeDeadlineSeconds": 1, "backoffLimit": 6}))
    assert report.exit.reason == "DeadlineExceeded"
    assert report.job["status"]["conditions"][0]["reason"] == "DeadlineExceeded"
    assert "activeDeadlineSeconds (1)" in report.exit.sentence()


def test_deadline_of_the_pod_ends_an_attempt(tmp_path):
    report, _ = run(tmp_path, job("import time; time.sleep(600)", pod={"activeDeadlineSeconds": 1}))
    assert report.exit.reason == "BackoffLimitExceeded"
    assert "its pod's activeDeadlineSeconds (1)" in report.exit.sentence()


def test_init_containers_run_first_and_a_failing_one_ends_the_attempt(tmp_path):
    first = {"name": "prepare", "image": "none", "command": [sys.executable, "-c", "print('prepared')"]}
    report, output = run(tmp_path, job("print('trained')", pod={"initContainers": [first]}))
    assert report.exit.succeeded
    assert output == "prepared\ntrained\n"
    broken = {"name": "prepare", "image": "none", "command": [sys.executable, "-c", "raise SystemExit(4)"]}
    report, output = run(tmp_path / "two", job("print('trained')", pod={"initContainers": [broken]}))
    assert report.exit.step == "prepare"
    assert "exit code 4" in report.exit.sentence()
    assert output == ""


@pytest.mark.parametrize(
    "script",
    [
        "import os, time\nif os.fork() == 0:\n    time.sleep(600)",
        # A daemon: two forks and a session of its own, its streams closed.
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.closerange(0, 3)\n        time.sleep(600)\n    os._exit(0)\nos.wait()",
        "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600) # %s'])",
    ],
    ids=["child", "daemon", "deaf child"],
)
def test_children_do_not_outlive_their_trial(tmp_path, script):
    mark = f"leftover-{uuid.uuid4()}"
    document = job(script.replace("%s", mark) + f"\n# {mark}")
    report, output = run(tmp_path, document)
    assert report.exit.succeeded, output
    assert processes_with(mark) == []


def test_fork_bomb_ends_with_its_trial(tmp_path):
    mark = f"bomb-{uuid.uuid4()}"
    script = f"""
import os, time # {mark}
end = time.monotonic() + 60
for _ in range(6):
    os.fork()
while time.monotonic() < end:
    if os.fork() == 0:
        time.sleep(0.05)
        os._exit(0)
    time.sleep(0.01)
"""
    document = job(script)
    with ProcessRunner() as runner:
        runner.start(trial(tmp_path, document))
        until(lambda: len(processes_with(mark)) > 40)
        runner.stop("trial-1", at_once=True)
        assert ended(runner).exit.reason == "Stopped"
        assert processes_with(mark) == []


def test_stop_gives_the_grace_and_then_kills(tmp_path):
    script = "import signal, time\nsignal.signal(signal.SIGTERM, lambda *_: print('told', flush=True))\nprint('ready', flush=True)\nwhile True: time.sleep(1)"
    with ProcessRunner() as runner:
        one = trial(tmp_path, job(script))
        runner.start(one)
        until(lambda: (one.folder / OUTPUT_NAME).exists() and "ready" in (one.folder / OUTPUT_NAME).read_text())
        began = time.monotonic()
        runner.stop("trial-1")
        report = ended(runner)
        assert time.monotonic() - began > 0.9  # the grace of one second
        assert report.exit.reason == "Stopped"
        assert (one.folder / OUTPUT_NAME).read_text() == "ready\ntold\n"


def test_stop_during_the_pause_between_attempts_ends_at_once(tmp_path):
    with ProcessRunner() as runner:
        one = trial(tmp_path, job("print('x'); raise SystemExit(1)", spec={"backoffLimit": 50}))
        runner.start(one)
        until(lambda: (one.folder / OUTPUT_NAME).exists() and (one.folder / OUTPUT_NAME).read_text().count("x") == 2)
        runner.stop("trial-1")
        assert ended(runner).exit.reason == "Stopped"


def test_starting_twice_starts_once(tmp_path):
    script = f"open({str(tmp_path / 'ran')!r}, 'a').write('x'); import time; time.sleep(0.5)"
    one = trial(tmp_path, job(script))
    with ProcessRunner() as runner, ProcessRunner() as second:
        runner.start(one)
        runner.start(one)
        second.start(one)
        assert ended(runner).exit.succeeded
        assert ended(second).exit.succeeded
    assert (tmp_path / "ran").read_text() == "x"


def test_trial_goes_on_without_its_runner_and_is_adopted(tmp_path):
    one = trial(tmp_path, job("import time; print('a', flush=True); time.sleep(1); print('b')"))
    with ProcessRunner() as runner:
        runner.start(one)
    with ProcessRunner() as runner:
        assert runner.adopt(one)
        assert ended(runner).exit.succeeded
    assert (one.folder / OUTPUT_NAME).read_text() == "a\nb\n"


def test_trial_that_ended_without_its_runner_is_reported_when_adopted(tmp_path):
    one = trial(tmp_path, job("raise SystemExit(7)"))
    with ProcessRunner() as runner:
        runner.start(one)
    until((one.folder / "result.json").exists)
    with ProcessRunner() as runner:
        assert runner.adopt(one)
        assert "exit code 7" in ended(runner).exit.sentence()


def test_nothing_to_adopt(tmp_path):
    with ProcessRunner() as runner:
        assert not runner.adopt(trial(tmp_path, job("pass")))
        assert runner.poll() == []


def supervisor_of(one: TrialRun) -> int:
    path = one.folder / "supervisor.lock"
    until(lambda: path.exists() and path.read_text().strip().isdigit())
    return int(path.read_text())


def test_killed_supervisor_takes_its_trial_along_and_is_a_failure_with_a_reason(tmp_path):
    mark = f"orphan-{uuid.uuid4()}"
    script = f"import os, time # {mark}\nif os.fork() == 0:\n    os.setsid()\ntime.sleep(600)"
    one = trial(tmp_path, job(script))
    with ProcessRunner() as runner:
        runner.start(one)
        until(lambda: len(processes_with(mark)) == 2)
        os.kill(supervisor_of(one), signal.SIGKILL)
        report = ended(runner)
    assert "supervisor was killed" in report.exit.sentence()
    assert processes_with(mark) == []


def test_folder_that_is_removed_while_its_trial_runs_is_the_reason(tmp_path):
    mark = uuid.uuid4().hex
    one = trial(tmp_path, job(f"import time; time.sleep(600)  # {mark}"))
    with ProcessRunner() as runner:
        runner.start(one)
        until(lambda: processes_with(mark))
        shutil.rmtree(one.folder)
        runner.stop("trial-1")
        report = ended(runner)
    assert report.exit.sentence() == f"its folder {one.folder} was removed while it ran"
    assert processes_with(mark) == []


def test_lost_trial_is_not_adopted_and_starts_afresh(tmp_path):
    mark = f"lost-{uuid.uuid4()}"
    script = (
        f"import os, time # {mark}\nprint('once', flush=True)\nif os.fork() == 0:\n    os.setsid()\ntime.sleep(600)"
    )
    one = trial(tmp_path, job(script))
    with ProcessRunner() as runner:
        runner.start(one)
        until(lambda: len(processes_with(mark)) == 2)
    supervisor = supervisor_of(one)
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: has_ended(supervisor))
    with ProcessRunner() as runner:
        assert not runner.adopt(one)
        assert processes_with(mark) == []
        runner.start(trial(tmp_path, job("print('again')")))
        assert ended(runner).exit.succeeded
    assert (one.folder / OUTPUT_NAME).read_text() == "again\n"


def test_starter_that_was_killed_is_replaced(tmp_path):
    with ProcessRunner() as runner:
        runner.start(trial(tmp_path, job("pass")))
        ended(runner)
        os.kill(process._STARTER._starter._process.pid, signal.SIGKILL)
        runner.start(TrialRun(name="trial-2", folder=tmp_path / "trial-2", job=job("print('fine')")))
        assert ended(runner).exit.succeeded


def test_many_runners_share_one_starter_which_ends_with_the_last(tmp_path):
    with ProcessRunner() as one, ProcessRunner() as other:
        one.start(trial(tmp_path / "one", job("pass")))
        starter = process._STARTER._starter._process
        other.start(trial(tmp_path / "other", job("pass")))
        assert process._STARTER._starter._process is starter
        one.close()
        assert ended(other).exit.succeeded
        assert starter.poll() is None
    assert starter.poll() is not None
    assert process._STARTER._starter is None


def test_trials_have_the_environment_of_their_start(tmp_path, monkeypatch):
    script = "import os; print(os.environ['SINCE'])"
    with ProcessRunner() as runner:
        for since in ("then", "now"):
            monkeypatch.setenv("SINCE", since)
            runner.start(TrialRun(name=since, folder=tmp_path / since, job=job(script)))
            assert ended(runner).exit.succeeded
            assert (tmp_path / since / OUTPUT_NAME).read_text() == f"{since}\n"


def test_unwritable_folder_is_a_sentence(tmp_path):
    (tmp_path / "trial-1").write_text("a file")
    with ProcessRunner() as runner, pytest.raises(RunnerError, match="cannot write"):
        runner.start(trial(tmp_path, job("pass")))


def test_result_is_written_although_the_disk_is_full(tmp_path):
    """The room for it is reserved when the trial starts."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount: {mounted.stderr.decode().strip()}")
    try:
        script = "import sys\ntry:\n    while True: sys.stdout.write('x' * 8192); sys.stdout.flush()\nexcept OSError: pass\nsys.stdout = None\nraise SystemExit(6)"
        report, _ = run(disk, job(script))
        assert report.exit.code == 6
        assert json.loads((disk / "trial-1" / "result.json").read_text())["exit_code"] == 6
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_four_hundred_trials_end_and_leave_nothing(tmp_path):
    with ProcessRunner() as runner:
        wanted, running, done = [f"t{index}" for index in range(400)], set(), []
        while wanted or running:
            while wanted and len(running) < 8:
                name = wanted.pop()
                runner.start(TrialRun(name=name, folder=tmp_path / name, job=job("", command=["/bin/true"])))
                running.add(name)
            select.select([runner.fileno()], [], [], 5)
            for report in runner.poll():
                running.remove(report.name)
                done.append(report.exit.succeeded)
        assert done == [True] * 400
        # Only the standard descriptors of this process and the runner's own few are open.
        assert len(list(Path("/proc/self/fd").iterdir())) < 60


def test_runtime_that_is_not_installed_is_unsupported(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unsupported, match="podman"):
        ProcessRunner(runtime="podman")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Client: 1'; echo 'Cannot connect to the daemon' >&2; exit 1", "docker: Cannot connect to the daemon"),
        ("exit 3", "docker: exit code 3"),
    ],
)
def test_engine_that_cannot_run_anything_is_a_sentence_before_any_trial(monkeypatch, tmp_path, script, said):
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunnerError, match=said):
        ProcessRunner(runtime="docker")


def test_engine_that_is_no_program_is_a_sentence(monkeypatch, tmp_path):
    program = tmp_path / "docker"
    program.write_bytes(b"\x7fELF, but not really")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunnerError, match="cannot be run"):
        ProcessRunner(runtime="docker")


ENGINE = """#!{python}
import json, os, sys
if sys.argv[1] == "version":
    sys.exit(0)
with open({log!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:], os.environ.get("SECRET")]) + "\\n")
if sys.argv[1] == "run":
    if "no/such:image" in sys.argv:
        print("docker: pull access denied for no/such\\n\\nRun 'docker run --help' for more information", flush=True)
        sys.exit(125)
    print("the image ran", flush=True)
    if "sleep" in sys.argv:
        import time
        time.sleep(600)
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A stand-in for docker that writes down what it is told: this machine has no engine with images to run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    log = tmp_path / "engine.log"
    program = folder / "docker"
    program.write_text(ENGINE.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


def test_engine_runs_the_image_with_command_environment_and_folders(tmp_path, engine):
    document = job(
        "",
        image="example/train:1",
        command=["python", "train.py"],
        args=["--x=1"],
        env=[{"name": "SECRET", "value": "s3"}],
        imagePullPolicy="Never",
    )
    one = trial(tmp_path, document, env={"KATIB_TRIAL_NAME": "trial-1"}, folders={"/var/log/katib": tmp_path / "logs"})
    with ProcessRunner(runtime="docker") as runner:
        runner.start(one)
        assert ended(runner).exit.succeeded
    [(words, inherited)] = engine()
    assert words[:2] == ["run", "--rm"]
    assert words[words.index("--entrypoint") + 1] == "python"
    assert words[-3:] == ["example/train:1", "train.py", "--x=1"]
    assert f"{tmp_path / 'logs'}:/var/log/katib" in words
    assert words[words.index("--pull") + 1] == "never"
    assert inherited == "s3"
    assert not any("s3" in word for word in words)
    assert (one.folder / OUTPUT_NAME).read_text() == "the image ran\n"


@pytest.mark.usefixtures("engine")
def test_engine_that_cannot_run_an_image_says_why(tmp_path):
    one = trial(tmp_path, job("", image="no/such:image", command=["train"]))
    with ProcessRunner(runtime="docker") as runner:
        runner.start(one)
        sentence = ended(runner).exit.sentence()
    assert sentence == "exit code 125; the last it printed: docker: pull access denied for no/such"


@pytest.mark.usefixtures("engine")
def test_container_that_is_tried_again_says_so(tmp_path):
    one = trial(tmp_path, job("", image="no/such:image", command=["train"], spec={"backoffLimit": 6}))
    with ProcessRunner(runtime="docker") as runner:
        runner.start(one)
        told = "trial-1: attempt 1 of 7 ended with exit code 125; the next one begins in 1 s"
        assert sentences(failed_attempts(runner))[0] == told
        runner.stop("trial-1", at_once=True)
        ended(runner)


def test_engine_is_told_to_remove_the_container_of_a_stopped_trial(tmp_path, engine):
    one = trial(tmp_path, job("", image="example/train:1", command=["sleep"]))
    with ProcessRunner(runtime="docker") as runner:
        runner.start(one)
        until(lambda: (one.folder / OUTPUT_NAME).exists() and (one.folder / OUTPUT_NAME).read_text())
        runner.stop("trial-1", at_once=True)
        assert ended(runner).exit.reason == "Stopped"
    assert engine()[-1][0] == ["rm", "--force", "trial-1"]
