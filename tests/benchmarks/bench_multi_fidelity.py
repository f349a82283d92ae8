"""What schedulers of partial training are worth: quality by epochs spent, virtual wall time, and what they need to decide.

Eight workers train made-up networks (``learning_curves``) until a hundred full trainings' worth of epochs are spent. Score as in
``bench_search_quality``, against full training of random configurations with the same epochs, of the configuration that reported
least so far; "climbed" is the score of the best one among those trained longest. The references that stay idle rather than begin a
bracket early are synchronous as in the papers.

Promoted configurations go on from a checkpoint, as the papers assume. Katib starts a trial anew unless the program keeps one; the
rows "from scratch" are that. There are eight tasks, and five seeds unless ``KATIB_BENCH_SEEDS`` says more.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final

import numpy as np
from learning_curves import Run, run
from scores import interval, score, spanned

BUDGETS: Final = (3, 10, 30, 100)
TASKS: Final = 8
SEEDS: Final = 5
PROCESSES: Final = 2
FULL: Final = "full training (random)"
REFERENCE: Final = "synchronous halving"
CASES: Final[dict[str, tuple[str, dict[str, str], dict[str, bool]]]] = {
    FULL: ("random", {}, {}),
    REFERENCE: ("hyperband", {"brackets": "1"}, {"synchronous": True}),
    "synchronous hyperband": ("hyperband", {}, {"synchronous": True}),
    "hyperband, brackets=1": ("hyperband", {"brackets": "1"}, {}),
    "hyperband": ("hyperband", {}, {}),
    "asha": ("asha", {}, {}),
    "asha, patience=4": ("asha", {"patience": "4"}, {}),
    "hyperband, from scratch": ("hyperband", {}, {"continued": False}),
    "asha, from scratch": ("asha", {}, {"continued": False}),
}
OURS: Final = ("hyperband", "hyperband, brackets=1", "asha", "asha, patience=4")


def play_all(seeds: int, cases: dict[str, Any]) -> dict[str, list[list[Run]]]:
    """Return the runs of each case, by task and seed."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    processes = int(os.environ.get("KATIB_BENCH_PROCESSES", PROCESSES))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = {
            name: [
                [pool.submit(run, algorithm, settings, task, seed, BUDGETS, **how) for seed in range(seeds)]
                for task in range(TASKS)
            ]
            for name, (algorithm, settings, how) in cases.items()
        }
        return {name: [[each.result() for each in row] for row in rows] for name, rows in waiting.items()}


def scores_of(runs: dict[str, list[list[Run]]], name: str, what: str) -> Any:
    """Return scores by task, seed and budget."""
    ours, full = (
        np.array([[getattr(each, kind) for each in row] for row in runs[who]])
        for who, kind in ((name, what), (FULL, "regrets"))
    )
    return score(ours / np.median(full, axis=1, keepdims=True))


def mean_of(runs: list[list[Run]], what: str) -> float:
    """Return a mean over tasks and seeds."""
    return float(np.mean([getattr(each, what) for row in runs for each in row]))


def measure() -> list[tuple[str, float, str, str]]:
    """Play every scheduler; rows are what was aimed at."""
    seeds = int(os.environ.get("KATIB_BENCH_SEEDS", SEEDS))
    runs = play_all(seeds, CASES)
    print(
        f"{TASKS} tasks, {seeds} seeds, 8 workers; score after {' / '.join(map(str, BUDGETS))} full trainings' epochs"
    )
    print(
        f"{'scheduler':<26} {'score':^23} {'mean of the four':<22} {'climbed':^23} {'wall':>6} {'trials':>7} ms/configuration"
    )
    deciding = {}
    for name, played in runs.items():
        scores = scores_of(runs, name, "regrets")
        cells, climbed = (
            " ".join(f"{value:5.2f}" for value in each.mean(axis=(0, 1)))
            for each in (scores, scores_of(runs, name, "climbed"))
        )
        deciding[name] = 1e3 * mean_of(played, "deciding") / mean_of(played, "configurations")
        print(
            f"{name:<26} {cells} {spanned(scores.mean(axis=2)):<22} {climbed} {mean_of(played, 'wall'):6.0f} "
            f"{mean_of(played, 'points'):7.0f} {deciding[name]:.2f}"
        )
    print()
    rows = []
    reference = scores_of(runs, REFERENCE, "regrets").mean(axis=2)
    for name in OURS:
        ahead = scores_of(runs, name, "regrets").mean(axis=2) - reference
        low, high = interval(ahead)
        wall = mean_of(runs[name], "wall") / mean_of(runs["asha"], "wall")
        rows += [
            (f"{name}, mean score", float(scores_of(runs, name, "regrets").mean()), "", ">= .62"),
            (f"{name}, ahead of {REFERENCE}", float(ahead.mean()), "", f">= 0; 95 % [{low:+.2f}, {high:+.2f}]"),
            (f"{name}, wall time, share of asha", wall, "", "<= 1.1"),
            (f"{name}, deciding, per configuration", deciding[name], "ms", "<= .4"),
        ]
    return rows
