"""Two hundred experiments that are created at once: whether any of them waits for the others."""

import itertools
import statistics

from measured_operator import Row, control_plane
from world import experiment

EXPERIMENTS, TRIALS, PARALLEL = 200, 5, 2


def measure() -> list[Row]:
    """Measure."""
    with control_plane() as operated:
        operated.run(experiment("warm", parallel=2, trials=4))
        bodies = [experiment(f"one-of-{number}", parallel=PARALLEL, trials=TRIALS) for number in range(EXPERIMENTS)]
        before = operated.costs()
        found = operated.run_all(bodies)
        costs = operated.costs().since(before)
    seconds = sorted(search.seconds for search in found)
    first = sorted(min(run.began for run in search.runs) - search.created for search in found)
    pauses = [
        max(later - earlier for earlier, later in itertools.pairwise(begins))
        for search in found
        for begins in [sorted(run.began for run in search.runs)]
    ]
    whole = max(search.ended for search in found) - min(search.created for search in found)
    trials = EXPERIMENTS * TRIALS
    return [
        (f"{EXPERIMENTS} experiments at once, {TRIALS} trials each", trials / whole, "trials/s", "", "-"),
        ("  the operator's CPU for a trial", costs.cpu / trials * 1000, "ms", "<= 40", "-"),
        ("  created -> over, fastest", seconds[0], "s", "", "-"),
        ("  created -> over, p50", statistics.median(seconds), "s", "", "-"),
        ("  created -> over, slowest", seconds[-1], "s", "", "-"),
        ("  slowest to fastest", seconds[-1] / seconds[0], "times", "none starves", "-"),
        ("  created -> first Job, slowest", first[-1], "s", "none starves", "-"),
        ("  longest time of one without a new Job", max(pauses), "s", "none starves", "-"),
    ]
