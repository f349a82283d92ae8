"""The driver killed with SIGKILL between any two things it does: the end is the same as without, and nothing ran twice."""

import contextlib
import functools
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from katib.engine.conditions import current
from katib.engine.status import over
from katib.local.driver import Driver
from katib.local.home import Home
from katib.local.submit import check, resume, submit
from katib.runners import process
from katib.store import open_store
from katib.store.sql.store import SqlStore

EXPERIMENT = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {name: crash}
spec:
  objective: {type: minimize, objectiveMetricName: loss}
  algorithm: {algorithmName: random}
  parallelTrialCount: 2
  maxTrialCount: 5
  maxFailedTrialCount: 1
  seed: 11
  initialTrials:
    - parameterAssignments: [{name: x, value: "0.25"}]
  parameters:
    - {name: x, parameterType: double, feasibleSpace: {min: "0", max: "1"}}
  trialTemplate:
    primaryContainerName: main
    trialParameters: [{name: x, reference: x}]
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        backoffLimit: 0
        template:
          spec:
            restartPolicy: Never
            terminationGracePeriodSeconds: 1
            containers:
              - name: main
                command: [sh, -c, 'echo "$KATIB_TRIAL_NAME" >> RAN; sleep 0.05; echo "loss=$0"', "${trialParameters.x}"]
"""

STOPPING = (
    EXPERIMENT.replace(
        """'echo "$KATIB_TRIAL_NAME" >> RAN; sleep 0.05; echo "loss=$0"'""",
        # Those that are no better than 0.3 report twice and go on for ever; the others report once and end.
        """'echo "$KATIB_TRIAL_NAME" >> RAN; echo "loss=$0";
                   case "$0" in 0.[012]*) ;; *) echo "loss=$0"; sleep 600;; esac'""",
    )
    .replace(
        "  parallelTrialCount",
        "  earlyStopping:\n    algorithmName: medianstop\n    algorithmSettings:\n"
        "      - {name: min_trials_required, value: '1'}\n      - {name: start_step, value: '2'}\n  parallelTrialCount",
    )
    .replace("seed: 11", "seed: 13")
)
"""The same with trials that end only because they are stopped early."""


class Lab:
    """One home, and drivers in child processes that die where they are told to."""

    def __init__(self, folder: Path, text: str = EXPERIMENT) -> None:
        self.home = Home(folder / "home")
        self.ran = folder / "ran.log"
        self.text = text.replace("RAN", str(self.ran))

    def drive(self, *, dies_at: int | None = None, interrupt_at: int | None = None) -> tuple[int, int]:
        """Run (or go on with) the experiment in a child; how it ended and how many points it passed."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            code = 70
            try:
                passed = self._drive(dies_at, interrupt_at)
                os.write(writer, str(passed).encode())
                code = 0
            except BaseException:  # noqa: BLE001 - the child has no one else to tell
                traceback.print_exc(file=sys.__stderr__)
            finally:
                os._exit(code)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            passed = pipe.read()
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), int(passed or 0)

    def _drive(self, dies_at: int | None, interrupt_at: int | None) -> int:
        points = Points(dies_at, interrupt_at)
        points.watch_everything()
        with open_store(self.home.store_path) as store:
            if store.experiments():
                experiment = store.experiment("default", "crash")
                if over(experiment.status) and current(experiment.status.conditions).type != "Stopped":
                    return 0  # it died after its last act
                experiment = resume(self.home, store, experiment)
            else:
                [experiment] = check(self.text)
                experiment = submit(self.home, store, experiment)
            driver = Driver(self.home, store, experiment)
            points.interrupt = driver.request_stop
            driver.run()
        return points.passed

    def result(self) -> tuple[str, list[tuple[int, str, str, str]]]:
        """The experiment's condition, and index, state, value and result of every trial."""
        with open_store(self.home.store_path) as store:
            experiment = store.experiment("default", "crash")
            condition = current(experiment.status.conditions)
            trials = store.trials(experiment.metadata.uid)
            return condition.type, [
                (trial.index, str(trial.state), trial.assignments[0][1], trial.observation.metrics[0].latest)
                for trial in trials
            ]

    def executions(self) -> list[str]:
        return self.ran.read_text().split() if self.ran.exists() else []

    def reports(self) -> list[list[str]]:
        """What every trial reported, by index."""
        with open_store(self.home.store_path) as store:
            uid = store.experiment("default", "crash").metadata.uid
            return [[report.text for report in store.series(uid, trial.name)] for trial in store.trials(uid)]

    def names(self) -> list[str]:
        with open_store(self.home.store_path) as store:
            return [trial.name for trial in store.trials(store.experiment("default", "crash").metadata.uid)]


class Points:
    """Counts the moments between two things the driver does, and dies (or is interrupted) at one of them."""

    def __init__(self, dies_at: int | None, interrupt_at: int | None) -> None:
        self.passed = 0
        self._dies_at = dies_at
        self._interrupt_at = interrupt_at
        self.interrupt: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.passed == self._interrupt_at:
            self.interrupt()

    def watch_everything(self) -> None:
        """Put a moment before and after every transaction and every act on a process (this is a child: nothing is put back)."""
        transaction = SqlStore.transaction

        @contextlib.contextmanager
        def watched(store):
            self()
            with transaction(store):
                yield
                self()
            self()

        SqlStore.transaction = watched
        for owner, name in (
            (SqlStore, "create_experiment"),
            (process.ProcessRunner, "start"),
            (process.ProcessRunner, "stop"),
            (process.ProcessRunner, "adopt"),
            (process.ProcessRunner, "_clear"),
            (process._Starter, "start"),
        ):
            setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, function):
        @functools.wraps(function)
        def watched(*arguments, **named):
            self()
            result = function(*arguments, **named)
            self()
            return result

        return watched


@pytest.fixture
def lab(tmp_path):
    def make(name: str, text: str = EXPERIMENT) -> Lab:
        folder = tmp_path / name
        folder.mkdir()
        return Lab(folder, text)

    return make


@pytest.mark.slow
def test_killed_at_every_point_and_resumed_the_end_is_the_same(lab):
    golden = lab("golden")
    code, points = golden.drive()
    assert code == 0
    wanted = golden.result()
    assert wanted[0] == "Succeeded"
    assert len(wanted[1]) == 5
    assert points > 30
    died = 0
    for point in range(1, points + 1):
        one = lab(f"dies-at-{point}")
        code, _ = one.drive(dies_at=point)
        died += code == -signal.SIGKILL
        code, _ = one.drive()
        assert code == 0, point
        assert one.result() == wanted, point
        # Every trial ran, and none ran twice: a trial that was running is taken over, not started again.
        assert sorted(one.executions()) == sorted(one.names()), point
        assert one.reports() == golden.reports(), point
    assert died > points * 0.8  # runs differ a little in how many turns they need


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_again_and_again_the_end_is_the_same(lab, seed):
    golden = lab("golden")
    assert golden.drive()[0] == 0
    moment = random.Random(seed)
    one = lab("unlucky")
    for _ in range(40):
        code, _ = one.drive(dies_at=moment.randint(1, 25))
        if code == 0:
            break
    else:
        assert one.drive()[0] == 0
    assert one.result() == golden.result()
    assert sorted(one.executions()) == sorted(one.names())


@pytest.mark.slow
def test_interrupted_or_killed_while_stopping_it_goes_on_afterwards(lab):
    golden = lab("golden")
    _, points = golden.drive()
    for point in range(3, points, 4):
        one = lab(f"stops-at-{point}")
        code, _ = one.drive(interrupt_at=point, dies_at=point + 3)
        assert code in {0, -signal.SIGKILL}
        code, _ = one.drive()
        assert code == 0, point
        assert one.result() == golden.result(), point


@pytest.mark.slow
def test_killed_while_trials_are_stopped_early_the_end_is_the_same(lab):
    golden = lab("golden", STOPPING)
    code, points = golden.drive()
    assert code == 0
    wanted = golden.result()
    states = [state for _, state, _, _ in wanted[1]]
    assert wanted[0] == "Succeeded"
    assert states.count("EarlyStopped") >= 2
    assert states.count("Succeeded") >= 1
    died = 0
    for point in range(2, points, 3):
        one = lab(f"dies-at-{point}", STOPPING)
        code, _ = one.drive(dies_at=point)
        died += code == -signal.SIGKILL
        code, _ = one.drive()
        assert code == 0, point
        assert one.result() == wanted, point
        assert sorted(one.executions()) == sorted(one.names()), point
        assert one.reports() == golden.reports(), point
    assert died > 5
