"""What a person waits for at the prompt: the start of ``katib`` and its answers about a 10,000-trial experiment.

Every figure is the median of several child processes, so it holds what a shell sees: Python's own start included.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from katib.api.defaults import with_defaults
from katib.api.experiment import Experiment, Metric, Observation
from katib.api.trial import TrialState
from katib.engine.ledger import Ledger
from katib.engine.naming import trial_name
from katib.engine.status import Ending, status_of
from katib.engine.trial import TrialRecord
from katib.store import open_store

TRIALS = 10_000
RUNS = 7

EXPERIMENT = {
    "apiVersion": "kubeflow.org/v1beta1",
    "kind": "Experiment",
    "metadata": {"name": "large", "namespace": "default"},
    "spec": {
        "objective": {
            "type": "minimize",
            "objectiveMetricName": "loss",
            "additionalMetricNames": ["accuracy"],
        },
        "algorithm": {"algorithmName": "random"},
        "parallelTrialCount": 4,
        "maxTrialCount": TRIALS,
        "maxFailedTrialCount": 3,
        "parameters": [
            {"name": f"p{number}", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}
            for number in range(5)
        ],
        "trialTemplate": {
            "primaryContainerName": "main",
            "trialParameters": [{"name": "p0", "reference": "p0"}],
            "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": []}}}},
        },
    },
}


def store_experiment(home: Path) -> None:
    """Store the experiment as it looks when its trials have ended."""
    home.mkdir()
    with open_store(home / "katib.db") as store:
        experiment = store.create_experiment(with_defaults(Experiment.model_validate(EXPERIMENT)))
        uid, began = experiment.metadata.uid or "", datetime.now(UTC)
        records = [_finished(uid, index, began + timedelta(seconds=index / 10)) for index in range(TRIALS)]
        store.record_trials(uid, records)
        ledger = Ledger.from_records(experiment, records)
        ending = Ending("Succeeded", "ExperimentMaxTrialsReached", "Experiment has succeeded")
        store.save_status(uid, status_of(experiment, ledger, datetime.now(UTC), ending))
        with store.transaction():
            for record in records:
                store.save_job(uid, record.name, {"apiVersion": "batch/v1", "kind": "Job", "spec": {}})


def _finished(uid: str, index: int, at: datetime) -> TrialRecord:
    loss = f"{1 / (index + 1):.8f}"
    return TrialRecord(
        index=index,
        name=trial_name("large", uid, index),
        state=TrialState.SUCCEEDED,
        assignments=tuple((f"p{number}", repr(index / (TRIALS + number))) for number in range(5)),
        created=at,
        started=at,
        finished=at + timedelta(seconds=3),
        observation=Observation(
            metrics=[
                Metric(name="loss", latest=loss, min=loss, max="2.5"),
                Metric(name="accuracy", latest="0.75", min="0.1", max="0.875"),
            ]
        ),
        reason="TrialSucceeded",
        message="Trial has succeeded",
        attempt=1,
    )


def seconds(*command: str, home: Path, runs: int = RUNS) -> float:
    """Return the median wall time of a child process."""
    # Bytecode is kept, as where katib is installed.
    environment = {**os.environ, "KATIB_HOME": str(home), "PYTHONPYCACHEPREFIX": str(home.parent / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    taken = []
    for run in range(runs + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, *command], env=environment, stdout=subprocess.PIPE, check=True)
        if run:  # the first one fills the caches of files
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measure() -> list[tuple[str, float, str, str]]:
    """Return rows of (what, figure, unit, promise)."""
    katib = ("-m", "katib.cli.main")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        store_experiment(home)
        bare = seconds("-c", "pass", home=home)
        imported = seconds("-c", "import katib", home=home)
        answers = {
            "katib --help": (seconds(*katib, "--help", home=home), "<= 200"),
            f"katib get, {TRIALS} trials stored": (seconds(*katib, "get", home=home), "<= 500"),
            f"katib get large -o json, {TRIALS} trials": (seconds(*katib, "get", "large", "-o", "json", home=home), ""),
            f"katib describe large, {TRIALS} trials": (seconds(*katib, "describe", "large", home=home), ""),
            f"katib trials large --limit 20, {TRIALS} trials": (
                seconds(*katib, "trials", "large", "--limit", "20", home=home),
                "",
            ),
            f"katib trials large, {TRIALS} trials": (seconds(*katib, "trials", "large", home=home, runs=3), ""),
            f"katib trials large -o json, {TRIALS} trials": (
                seconds(*katib, "trials", "large", "-o", "json", home=home, runs=3),
                "",
            ),
            f"katib export large, {TRIALS} trials": (seconds(*katib, "export", "large", home=home, runs=3), ""),
        }
    return [
        ("python -c pass", bare * 1e3, "ms", ""),
        ("import katib, start of Python included", imported * 1e3, "ms", ""),
        ("import katib, beyond python -c pass", (imported - bare) * 1e3, "ms", "<= 60"),
        *((what, figure * 1e3, "ms", promise) for what, (figure, promise) in answers.items()),
    ]
