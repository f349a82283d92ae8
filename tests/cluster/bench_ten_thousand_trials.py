"""What ten thousand trials of one experiment do to its operator and its objects; takes as long as ten thousand trials take."""

from measured_operator import Row, control_plane
from world import experiment

TRIALS, PARALLEL = 10_000, 50
PARTS = 10


def measure() -> list[Row]:
    """Measure."""
    with control_plane() as operated:
        search = operated.run(experiment("search", parallel=PARALLEL, trials=TRIALS), seconds=3_600)
        begins = sorted(run.began for run in search.runs)
        part = TRIALS // PARTS
        first, last = (begins[part] - begins[0]), (begins[-1] - begins[-1 - part])
        what = f"control plane alone, {TRIALS:,} trials, {PARALLEL} parallel"
        return [
            (what, TRIALS / search.seconds, "trials/s", "flat", "-"),
            ("  last tenth to first tenth", first / last, "times", "flat", "falling"),
            ("  the operator's CPU for a trial", search.costs.cpu / TRIALS * 1000, "ms", "<= 40", "55-98"),
            ("  the operator's memory at its most", operated.operator.peak, "MiB", "<= 300", "-"),
            (
                "  the largest Experiment or Suggestion",
                operated.largest() / 1024,
                "KiB",
                "<= 512",
                "100 at 1,000",
            ),
        ]
