"""What one plan costs when many trials have finished: it should depend on what changed, never on what has been."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median

from katib.api.defaults import with_defaults
from katib.api.experiment import Experiment, Metric, Observation
from katib.api.trial import TrialState
from katib.engine.creation import trial_records
from katib.engine.ledger import Ledger
from katib.engine.plan import Snapshot, SuggestionState, plan
from katib.engine.policy import LOCAL
from katib.engine.trial import TrialRecord

SIZES = (100, 1_000, 10_000)
CHANGED = (1, 10, 100)
ACTIVE = 4
REPEATS = 50
NOW = datetime(2024, 5, 1, tzinfo=UTC)


def experiment() -> Experiment:
    """Return one with two objectives, so that the Pareto set is part of the cost."""
    document = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "bench", "namespace": "default", "uid": "bench"},
        "spec": {
            "parameters": [{"name": "x", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "100000"}}],
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "objectives": [{"type": "maximize", "objectiveMetricName": "speed"}],
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": ACTIVE,
            "maxTrialCount": 1_000_000,
            "maxRuntime": "9d",
            "trialTimeout": "1h",
        },
    }
    return with_defaults(Experiment.model_validate(document))


class Run:
    """An experiment with so many finished trials and four that run."""

    def __init__(self, finished: int) -> None:
        self._experiment = experiment()
        self._ledger = Ledger(self._experiment)
        self._running: list[TrialRecord] = []
        for _ in range(finished):
            self._begin()
            self._ledger.record(self._finished())
        while len(self._running) < ACTIVE:
            self._begin()
        self._plan()

    def _begin(self) -> None:
        index = self._ledger.next_index
        (record,) = trial_records(self._experiment, index, [((("x", str(index)),), {})], NOW)
        record = replace(record, state=TrialState.RUNNING, started=NOW, attempt=1)
        self._ledger.record(record)
        self._running.append(record)

    def _finished(self) -> TrialRecord:
        record = self._running.pop(0)
        metrics = [("loss", (record.index * 7919) % 10_007), ("speed", (record.index * 104_729) % 10_009)]
        observed = [Metric(name=name, min=f"{value}", max=f"{value}", latest=f"{value}") for name, value in metrics]
        ended = NOW + timedelta(seconds=record.index)
        return replace(record, state=TrialState.SUCCEEDED, finished=ended, observation=Observation(metrics=observed))

    def _plan(self) -> bool:
        """Plan as a driver does and return whether the status is to be written."""
        decided = plan(Snapshot(self._experiment, self._ledger, SuggestionState(), NOW, policy=LOCAL))
        changed = decided.status != self._experiment.status
        self._experiment = self._experiment.model_copy(update={"status": decided.status})
        return changed

    def seconds(self, changed: int) -> float:
        """Return the median time of taking in so many ended trials, planning, and comparing the status."""
        times = []
        for _ in range(REPEATS):
            while len(self._running) < max(ACTIVE, changed):
                self._begin()
            news = [self._finished() for _ in range(changed)]
            while len(self._running) < ACTIVE:
                self._begin()
            began = time.perf_counter()
            for record in news:
                self._ledger.record(record)
            self._plan()
            times.append(time.perf_counter() - began)
        return median(times)


def measure() -> list[tuple[str, float, str, str]]:
    """Time plans by how many trials have finished, and by how many have changed."""
    rows = []
    by_size = {}
    for size in SIZES:
        by_size[size] = Run(size).seconds(1)
        rows.append(
            (
                f"plan, {size:,} finished, {ACTIVE} active, 1 changed",
                by_size[size] * 1e6,
                "us",
                "independent of finished",
            )
        )
    rows.append(("plan, ratio of 10,000 finished to 100", by_size[SIZES[-1]] / by_size[SIZES[0]], "", "about 1"))
    for changed in CHANGED:
        seconds = Run(SIZES[-1]).seconds(changed)
        rows.append(
            (
                f"plan, 10,000 finished, {changed} changed",
                seconds * 1e6,
                "us",
                "no worse than linear in changed",
            )
        )
    return rows
