"""How long after a trial printed a line it is in the store, seen by another process; and what a run costs that only waits."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from katib.store import open_store

LINES = 100
EXPERIMENT = """\
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata: {{name: live}}
spec:
  objective: {{type: minimize, objectiveMetricName: loss}}
  algorithm: {{algorithmName: random}}
  parallelTrialCount: 4
  maxTrialCount: 4
  parameters:
    - {{name: x, parameterType: double, feasibleSpace: {{min: "0", max: "1"}}}}
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
            containers:
              - name: main
                command: ["{python}", -u, -c, "{script}", "${{trialParameters.x}}"]
"""
PRINT = f"import time; [(print('loss=' + repr(time.time())), time.sleep(0.05)) for _ in range({LINES})]"
SLEEP = "import time; print('loss=1'); time.sleep(12)"


def start(folder: str, script: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Run the experiment in a process of its own."""
    path, home = Path(folder) / "live.yaml", Path(folder) / "home"
    path.write_text(EXPERIMENT.format(python=sys.executable, script=script))
    process = subprocess.Popen(
        [sys.executable, "-m", "katib.cli.main", "run", str(path)],
        env={**os.environ, "KATIB_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return process, home / "katib.db"


def delays(folder: str) -> list[float]:
    """Seconds from the printing of each line to its first sight in the store."""
    process, database = start(folder, PRINT)
    seen: dict[str, int] = {}
    found: list[float] = []
    while not database.exists():
        time.sleep(0.02)
    with open_store(database) as store:
        running = True
        while running:
            running = process.poll() is None
            for experiment in store.experiments():
                for trial in store.trials(experiment.uid):
                    after = seen.get(trial.name, -1)
                    for report in store.series(
                        experiment.uid, trial.name, after_sequence=after if after >= 0 else None
                    ):
                        found.append(time.time() - float(report.text))
                        seen[trial.name] = report.sequence
            time.sleep(0.01)
    return sorted(found)


def idle(folder: str) -> float:
    """The share of one processor that a run takes whose four trials sleep."""
    process, _ = start(folder, SLEEP)
    time.sleep(4)
    before, began = ticks(process.pid), time.monotonic()
    time.sleep(6)
    share = (ticks(process.pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)
    process.wait()
    return share * 100


def ticks(process: int) -> int:
    """Processor time of a process so far, in clock ticks."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def measure() -> list[tuple[str, float, str, str]]:
    """Four trials that print twenty lines a second each, then four that sleep."""
    with tempfile.TemporaryDirectory() as folder:
        found = delays(folder)
    if len(found) != 4 * LINES:
        raise RuntimeError(len(found))
    with tempfile.TemporaryDirectory() as folder:
        share = idle(folder)
    return [
        ("printed line to stored and read by another process, median", found[len(found) // 2], "s", "<= 1"),
        ("printed line to stored and read by another process, worst of 400", found[-1], "s", "<= 1"),
        ("processor time of a run whose 4 trials sleep", share, "% of a core", ""),
    ]
