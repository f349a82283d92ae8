"""What a program knows of the trial that it is."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import katib
from katib.errors import Unsupported


@pytest.fixture
def inside(metrics_file, monkeypatch):
    for name, value in {
        "EXPERIMENT_NAME": "search",
        "NAMESPACE": "ml",
        "TRIAL_INDEX": "3",
        "TRIAL_PARAMETERS": '{"lr":0.01,"layers":3,"word":"3"}',
        "TRIAL_DIR": "/data/search-1",
    }.items():
        monkeypatch.setenv(f"KATIB_{name}", value)
    return metrics_file


@pytest.mark.usefixtures("by_hand")
def test_script_that_is_run_by_hand_is_no_trial():
    assert katib.current_trial() is None


@pytest.mark.usefixtures("inside")
def test_it_knows_what_it_is():
    trial = katib.current_trial()
    assert (trial.name, trial.experiment, trial.namespace, trial.index) == ("search-1", "search", "ml", 3)
    assert trial.parameters == {"lr": 0.01, "layers": 3, "word": "3"}
    assert [type(value) for value in trial.parameters.values()] == [float, int, str]
    assert trial.checkpoint_directory == Path("/data/search-1")
    assert trial.working_directory == Path.cwd()


@pytest.mark.usefixtures("metrics_file")
@pytest.mark.parametrize("told", [None, "", "{", "[1]"])
def test_what_it_was_not_told_it_does_not_make_up(monkeypatch, told):
    if told is not None:
        monkeypatch.setenv("KATIB_TRIAL_PARAMETERS", told)
    trial = katib.current_trial()
    assert (trial.experiment, trial.index, trial.checkpoint_directory) == ("", None, None)
    with pytest.raises(Unsupported, match="KATIB_TRIAL_PARAMETERS"):
        trial.parameters  # noqa: B018 - it raises


def test_it_reports(inside):
    trial = katib.current_trial()
    trial.report({"val/loss": 0.5}, step=1, accuracy=0.9)
    trial.report(loss=0.25)
    reports = [json.loads(line) for line in inside.read_text().splitlines()]
    assert [(report["metrics"], report.get("step")) for report in reports] == [
        ({"val/loss": "0.5", "accuracy": "0.9"}, 1),
        ({"loss": "0.25"}, None),
    ]


ASKING = """
import os, signal, sys, threading
import katib
trial = katib.current_trial()
{before}
assert not trial.should_stop()
{then}
"""


def run(before="", then="", **more):
    program = ASKING.format(before=before, then=then)
    environment = {**os.environ, "KATIB_TRIAL_NAME": "search-1"}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **more,
    )


TERM = "os.kill(os.getpid(), signal.SIGTERM)"


class TestStopping:
    def test_signal_is_an_order_once_it_was_asked_for(self):
        ended = run(then=f"{TERM}\nassert trial.should_stop() and katib.current_trial().should_stop()\nprint('saved')")
        assert (ended.returncode, ended.stdout) == (0, "saved\n"), ended.stderr

    def test_without_asking_it_ends_the_program(self):
        assert run(before=TERM).returncode == -signal.SIGTERM

    def test_others_who_listen_hear_it_too(self):
        before = "signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))"
        ended = run(before=before, then=f"{TERM}\nassert trial.should_stop()")
        assert (ended.returncode, ended.stdout) == (0, "heard\n"), ended.stderr

    def test_others_do_not_hear_it_where_it_listens_alone(self):
        before = "signal.signal(signal.SIGTERM, lambda *_: print('heard', flush=True))\ntrial.should_stop(alone=True)"
        ended = run(before=before, then=f"{TERM}\nassert trial.should_stop()")
        assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr

    def test_who_comes_later_may_pass_it_on(self):
        then = (
            "ours = signal.getsignal(signal.SIGTERM)\n"
            "signal.signal(signal.SIGTERM, lambda *said: (print('heard', flush=True), ours(*said)))\n"
            f"assert not trial.should_stop()\n{TERM}\nassert trial.should_stop()"
        )
        ended = run(then=then)
        assert (ended.returncode, ended.stdout) == (0, "heard\n"), ended.stderr

    def test_copy_of_the_process_ends_by_it(self):
        then = (
            "child = os.fork()\n"
            f"if child == 0:\n    {TERM}\n    os._exit(0)\n"
            "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM\n"
            f"{TERM}\nassert trial.should_stop()"
        )
        ended = run(then=then)
        assert ended.returncode == 0, ended.stderr

    def test_another_thread_is_told_no_and_changes_nothing(self):
        before = (
            "answers = []\n"
            "thread = threading.Thread(target=lambda: answers.append(trial.should_stop()))\n"
            "thread.start(); thread.join()\n"
            f"assert answers == [False]\n{TERM}"
        )
        assert run(before=before).returncode == -signal.SIGTERM


def test_training_script_pays_little_for_it():
    program = "import sys, katib; katib.current_trial; katib.report_metrics; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert not {"pydantic", "grpc", "numpy", "sklearn", "katib.api.experiment"} & set(loaded.stdout.split())
