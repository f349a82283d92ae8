"""A home of its own for every test, a small experiment to vary, and ``katib`` as a real process."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the tests of one service share its client

TEMPLATE = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata:
  name: {name}
spec:
  objective: {{type: minimize, objectiveMetricName: loss{objective}}}
  algorithm: {{algorithmName: random}}
  parallelTrialCount: {parallel}
  maxTrialCount: {trials}
  maxFailedTrialCount: {failures}
  seed: 3
{extra}
  parameters:
    - name: x
      parameterType: double
      feasibleSpace: {{min: "0", max: "1"}}
  trialTemplate:
    primaryContainerName: main
    trialParameters: [{{name: x, reference: x}}]
    trialSpec:
      apiVersion: batch/v1
      kind: Job
      spec:
        backoffLimit: 0
        template:
          spec:
            restartPolicy: Never
            terminationGracePeriodSeconds: 2
            containers:
              - name: main
                image: none
                command: {command}
"""


class Katib:
    """The command line on one home."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder
        self.environment = {
            **os.environ,
            "KATIB_HOME": str(home),
            "NO_COLOR": "1",
            # `python` in an experiment is the Python of these tests.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "160",
        }
        self.started: list[subprocess.Popen[str]] = []

    def __call__(
        self, *arguments: str | Path, code: int | None = 0, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end and check its exit code (None: any)."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "katib.cli.main", *map(str, arguments)]

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start one command and leave it running; it is killed after the test if it still does."""
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def get(self, *arguments: str | Path) -> dict:
        """Run a reading command and return the resource (or list) it prints."""
        return json.loads(self(*arguments, "-o", "json").stdout)

    @staticmethod
    def condition(resource: dict) -> dict:
        """The current condition of a resource."""
        return resource["status"]["conditions"][-1]

    def write(
        self,
        *,
        name: str = "exp",
        script: str = "print('loss=' + sys.argv[1])",
        parallel: int = 2,
        trials: int = 4,
        failures: int | None = None,
        extra: str = "",
        objective: str = "",
        command: str = '[python, trial.py, "${trialParameters.x}"]',
    ) -> Path:
        """Write an experiment of one parameter ``x`` in [0, 1] and its trial script into the working folder."""
        (self.folder / "trial.py").write_text("import os, sys, time\n" + textwrap.dedent(script) + "\n")
        path = self.folder / f"{name}.yaml"
        path.write_text(
            TEMPLATE.format(
                name=name,
                command=command,
                parallel=parallel,
                trials=trials,
                failures=min(2, trials) if failures is None else failures,
                extra=extra,
                objective=objective,
            )
        )
        return path


@pytest.fixture
def katib(tmp_path: Path) -> Iterator[Katib]:
    folder = tmp_path / "work"
    folder.mkdir()
    katib = Katib(tmp_path / "home", folder)
    yield katib
    for process in katib.started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
