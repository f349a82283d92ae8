"""Commands that watch a run of another process: logs -f, wait, get -w, stop."""

import re
import signal
import time

import pytest

WAITS = """
print('begin loss=' + sys.argv[1])
while not os.path.exists('go'):
    time.sleep(0.05)
sys.stdout.write('the end')
"""


@pytest.fixture
def running(katib):
    """Start an experiment whose trials wait for the file ``go``, and return its first trial's name once it runs."""
    katib.start("run", katib.write(script=WAITS, trials=2, parallel=1))
    end = time.monotonic() + 60
    while True:
        done = katib("get", "trials", "-o", "name")
        if done.stdout and katib.condition(katib.get("get", "trials")["items"][0])["type"] == "Running":
            return done.stdout.split("/")[1].strip()
        assert time.monotonic() < end
        time.sleep(0.1)


def read_until(stream, pattern):
    """Return the lines of a process up to one that matches; the test's own time limit guards it."""
    lines = []
    for line in stream:
        lines.append(line)
        if re.search(pattern, line):
            return lines
    return pytest.fail(f"{pattern} never came: {lines}")


def test_logs_follow_a_running_trial_and_end_with_it(katib, running):
    follower = katib.start("logs", "-f", running)
    read_until(follower.stdout, "begin loss=")
    assert follower.poll() is None
    (katib.folder / "go").touch()
    rest, _ = follower.communicate(timeout=60)
    assert follower.returncode == 0
    assert rest == "the end"
    katib("wait", "exp", "--timeout", "60s")
    assert katib("logs", running).stdout.splitlines()[1:] == ["the end"]
    assert katib("logs", running, "--tail", "1").stdout == "the end"


@pytest.mark.usefixtures("running")
def test_wait_tells_how_it_ended(katib):
    assert katib("wait", "exp", "--for", "condition=Running", "--timeout", "60s").returncode == 0
    late = katib("wait", "exp", "--for", "condition=Succeeded", "--timeout", "300ms", code=124)
    assert "did not come to Succeeded within 300ms" in late.stderr
    waiter = katib.start("wait", "exp", "--for=condition=Succeeded", "--timeout", "120s")
    assert waiter.poll() is None
    (katib.folder / "go").touch()
    told, _ = waiter.communicate(timeout=120)
    assert (waiter.returncode, told) == (0, "experiment exp has condition Succeeded\n")
    assert katib("wait", "exp").stdout == "experiment exp is over: Succeeded\n"
    katib("wait", "exp", "--for", "condition=Failed", code=1)
    katib("wait", "nothing", code=3)


def test_get_watch_prints_changes_as_they_come(katib, running):
    experiments = katib.start("get", "-w")
    trials = katib.start("get", "trials", "-w")
    seen = [read_until(experiments.stdout, r"^exp +Running")[-1]]
    assert read_until(trials.stdout, rf"^{running} +Running")[0].startswith("NAME")
    (katib.folder / "go").touch()
    seen += read_until(experiments.stdout, r"^exp +Succeeded +0 +2 ")
    lines = read_until(trials.stdout, rf"^{running} +Succeeded")
    assert not any(line.startswith("NAME") for line in [*seen, *lines])
    shown = [re.sub(r"\s+\S+$", "", line.strip()) for line in seen]
    assert len(shown) == len(set(shown)), "a line came again although nothing but the time had changed"
    for process in (experiments, trials):
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130


def test_running_experiment_cannot_be_deleted_and_can_be_stopped(katib, running):
    assert "katib stop exp" in katib("delete", "exp", "--yes", code=4).stderr
    assert "katib resume exp" in katib("run", katib.folder / "exp.yaml", code=4).stderr
    assert "katib wait exp" in katib("stop", "exp").stdout
    katib("wait", "exp", "--timeout", "60s", code=130)
    assert katib.condition(katib.get("get", "exp", "exp"))["type"] == "Stopped"
    assert running in katib("trials", "exp", "--state", "Killed").stdout
    assert katib("stop", "exp").stdout == "experiment exp is over already\n"
