"""What a training script pays: for a report, for the first one, and what the search of scikit-learn's pays for a candidate."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import loguniform
from sklearn.linear_model import Ridge
from sklearn.model_selection import RandomizedSearchCV

import katib

REPORTS = 5_000
FIRST = "import time; t = time.perf_counter(); import katib; katib.report_metrics({'loss': 1}); print(time.perf_counter() - t)"
SPACE = {"alpha": loguniform(1e-3, 1e3)}


def of_reports(file: Path) -> list[tuple[str, float, str, str]]:
    """Report two metrics at a time, each time into the file, and gathered."""
    os.environ["KATIB_METRICS_FILE"] = str(file)
    started = time.perf_counter()
    for step in range(REPORTS):
        katib.report_metrics({"loss": 0.5, "accuracy": 0.9}, step=step)
    each = time.perf_counter() - started
    started = time.perf_counter()
    with katib.reporting():
        for step in range(REPORTS):
            katib.report_metrics({"loss": 0.5, "accuracy": 0.9}, step=step)
    gathered = time.perf_counter() - started
    first = [
        float(subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    return [
        ("report_metrics: two metrics into a trial's file", 1e6 * each / REPORTS, "us", ""),
        ("report_metrics: the same, gathered", 1e6 * gathered / REPORTS, "us", ""),
        ("report_metrics: the first one, with the import", 1e3 * statistics.median(first), "ms", ""),
    ]


def of_searches() -> list[tuple[str, float, str, str]]:
    """Search a model that is fitted in no time; beside it scikit-learn's own search."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(60, 4))
    target = data[:, 0] + rng.normal(size=60)
    katib.KatibSearchCV(Ridge(), SPACE, n_trials=2, cv=2).fit(data, target)  # imports
    rows = []
    for trials in (100, 300):
        started = time.perf_counter()
        RandomizedSearchCV(Ridge(), SPACE, n_iter=trials, cv=2, random_state=0).fit(data, target)
        rows.append(("RandomizedSearchCV: a candidate", trials, time.perf_counter() - started))
        for algorithm in ("random", "tpe"):
            search = katib.KatibSearchCV(Ridge(), SPACE, n_trials=trials, cv=2, random_state=0, algorithm=algorithm)
            started = time.perf_counter()
            search.fit(data, target)
            rows.append((f"KatibSearchCV, {algorithm}: a candidate", trials, time.perf_counter() - started))
    return [(f"{what} of {trials}", 1e3 * seconds / trials, "ms", "") for what, trials, seconds in rows]


def measure() -> list[tuple[str, float, str, str]]:
    """Measure both."""
    with tempfile.TemporaryDirectory() as folder:
        return [*of_reports(Path(folder) / "push.jsonl"), *of_searches()]


if __name__ == "__main__":
    for row in measure():
        print(*row)
