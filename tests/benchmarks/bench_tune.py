"""What a trial of ``tune()`` costs: 100 trials of a trivial function, 4 at a time, in local mode; and what the first call costs."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time

import katib
from katib.client.katib_client import KatibClient
from katib.client.views.progress import progress_view

TRIALS = 100
PARALLEL = 4
ROUNDS = 3


def objective(x: float) -> float:
    """Cost nothing."""
    return x * x


def seconds(folder: str, name: str) -> float:
    """How long the whole sweep takes, from the call to its result."""
    with KatibClient(backend="local", home=folder) as client:
        started = time.perf_counter()
        client.tune(
            name,
            objective=objective,
            parameters={"x": katib.search.double(-1, 1)},
            objective_type="minimize",
            max_trial_count=TRIALS,
            parallel_trial_count=PARALLEL,
        )
        ended = client.wait_for_experiment_condition(name, view=progress_view("none"))
        taken = time.perf_counter() - started
        if ended.status is None or ended.status.trials_succeeded != TRIALS:
            sys.exit(f"not every trial has succeeded: {ended.status}")
    return taken


def measure() -> list[tuple[str, float, str, str]]:
    """Run the sweep a few times and take the median."""
    with tempfile.TemporaryDirectory() as folder:
        taken = [seconds(folder, f"bench-{number}") for number in range(ROUNDS)]
    each = 1_000 * statistics.median(taken) / TRIALS
    what = f"tune(): {TRIALS} trials of a trivial function, {PARALLEL} at a time, local"
    return [(what, each, "ms/trial", "<= 50 ms")]


if __name__ == "__main__":
    for row in measure():
        print(*row)
