"""Trials as fast as the control plane lets them: no pods, Jobs that a double ends, and an etcd that does not wait for the disk."""

import statistics

from measured_operator import MeasuredOperator, Row, Search, control_plane
from world import experiment

FEW, MANY, PARALLEL = 300, 1_000, 50
ONE_BY_ONE = 40
BUSY_SECONDS = 5
"""Of each trial where the way from one to the next is measured: without work in between, that is the throughput said in other words."""


def _rate(search: Search) -> float:
    return len(search.runs) / search.seconds


def _later_to_first(search: Search) -> float:
    """Return the rate of the last fourth of the Jobs in parts of the first fourth's."""
    begins = sorted(run.began for run in search.runs)
    fourth = len(begins) // 4
    return (begins[fourth] - begins[0]) / (begins[-1] - begins[-1 - fourth])


def _gap(search: Search, parallel: int) -> float:
    return statistics.median(search.gaps(parallel))


def measure() -> list[Row]:
    """Measure."""
    with control_plane() as operated:
        operated.run(experiment("warm", parallel=5, trials=20))
        few = operated.run(experiment("few", parallel=PARALLEL, trials=FEW))
        single = operated.run(experiment("single", parallel=1, trials=ONE_BY_ONE))
        busy = operated.run(experiment("busy", parallel=PARALLEL, trials=4 * PARALLEL, rule=f"seconds={BUSY_SECONDS}"))
        many = operated.run(experiment("many", parallel=PARALLEL, trials=MANY))
        return [
            *_of_few(few),
            (
                "trial end -> next Job, 1 parallel, trials of no time, p50",
                _gap(single, 1),
                "s",
                "<= 0.1",
                "0.086",
            ),
            (
                f"trial end -> next Job, {PARALLEL} parallel, trials of {BUSY_SECONDS} s, p50",
                _gap(busy, PARALLEL),
                "s",
                "<= 0.5",
                "4.1-4.8",
            ),
            (f"control plane alone, {MANY:,} trials", _rate(many), "trials/s", "flat", "6.5"),
            ("  last fourth to first fourth", _later_to_first(many), "times", "flat", "falling"),
            *_of_end(operated, many),
        ]


def _of_few(few: Search) -> list[Row]:
    costs, trials = few.costs, len(few.runs)
    return [
        (f"control plane alone, {trials} trials, {PARALLEL} parallel", _rate(few), "trials/s", ">= 20", "7.8-9.5"),
        ("  the operator's CPU for a trial", costs.cpu / trials * 1000, "ms", "<= 40", "55-98"),
        ("  API requests for a trial: the operator's", costs.requests.total() / trials, "", "<= 8", "20"),
        ("  API requests for a trial: all", costs.everything / trials, "", "<= 12", "24"),
        ("  write conflicts for a trial", costs.conflicts / trials, "", "0", "1"),
        ("  trial end -> next Job while nothing else limits them, p50", _gap(few, PARALLEL), "s", "", "4.1-4.8"),
    ]


def _of_end(operated: MeasuredOperator, many: Search) -> list[Row]:
    trials = len(many.runs)
    return [
        (f"delete an experiment of {trials:,} trials", operated.delete(many.name), "s", "<= 5", "19"),
    ]
