"""How near to the optimum searches come, against random search and against the packages people would use otherwise.

Score = 1 - regret / (median regret of random search after as many trials), clipped to [-1, 1]: 0 is random's median, 1 the optimum.
log10 = mean logarithm of the same ratio, which counts at least 10^-6. Seeds are paired: whoever plays a seed meets the same noise.
Intervals are 95 % bootstraps over functions, and over seeds within a function. Eight trials run at a time.

All of it is 20 seeds (``KATIB_BENCH_SEEDS=20``, some 20 minutes); by default there are five, which the table says. With
``KATIB_BENCH_RESULTS=FILE`` what was played is kept and a later run goes on from there.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Final

import numpy as np
from contest import BUDGETS, Game, Played, play_all
from functions import FUNCTIONS
from rivals import PACKAGES
from scores import SMALLEST, interval, log10, score, spanned

OURS: Final = ("random", "sobol", "nsga2", "tpe", "multivariate-tpe", "cmaes", "bayesianoptimization")
PAIRS: Final = (
    ("tpe", "optuna TPE"),
    ("multivariate-tpe", "optuna TPE, multivariate"),
    ("tpe", "optuna TPE, multivariate"),
    ("multivariate-tpe", "optuna TPE"),
    ("cmaes", "cmaes package"),
    ("bayesianoptimization", "optuna TPE"),
    ("bayesianoptimization", "optuna TPE, multivariate"),
    ("bayesianoptimization", "cmaes package"),
)
SEEDS: Final = 5

Results = dict[Game, Played]


def ratios(results: Results, rival: str, seeds: int) -> Any:
    """Return regret over random's median, by function, seed and budget."""
    rows = []
    for function in FUNCTIONS:
        regrets, chance = (
            np.array([results[Game(who, function.name, seed)].regrets for seed in range(seeds)])
            for who in (rival, "random")
        )
        rows.append(regrets / np.maximum(np.median(chance, axis=0), SMALLEST))
    return np.array(rows)


def print_tables(results: Results, seeds: int) -> None:
    """Print how each rival did, over all functions and by regime."""
    every = {who: ratios(results, who, seeds) for who in (*OURS, *PACKAGES)}
    budgets = " ".join(f"{budget:>6}" for budget in BUDGETS)
    print(
        f"{len(FUNCTIONS)} functions, {seeds} seeds; score after {' / '.join(map(str, BUDGETS))} trials, log10 after the last"
    )
    print(f"{'search':<26} {budgets}  {'log10':<22} {'rank':>5} {'failed':>6} {'again':>6} {'CPU s':>6}")
    final = np.stack([ratio[:, :, -1] for ratio in every.values()])
    ranks = dict(zip(every, final.argsort(axis=0).argsort(axis=0).mean(axis=(1, 2)) + 1, strict=True))
    for who, ratio in every.items():
        means = " ".join(f"{value:6.2f}" for value in score(ratio).mean(axis=(0, 1)))
        played = [results[Game(who, function.name, seed)] for function in FUNCTIONS for seed in range(seeds)]
        failing = [
            each.failed
            for each, function in zip(played, np.repeat(FUNCTIONS, seeds), strict=True)
            if "failing" in function.regimes
        ]
        again, seconds = np.mean([each.repeated for each in played]), np.mean([each.seconds for each in played])
        print(
            f"{who:<26} {means}  {spanned(log10(ratio[:, :, -1])):<22} {ranks[who]:5.1f} "
            f"{np.mean(failing):6.1f} {again:6.1f} {seconds:6.2f}"
        )
    print("failed: of 100 trials of a function that fails in places; again: trials at a point that was tried before\n")
    regimes = list(Counter(regime for function in FUNCTIONS for regime in function.regimes))
    print(f"{'score / log10 after 100, by regime':<35} " + " ".join(f"{regime:>15}" for regime in regimes))
    for who, ratio in every.items():
        cells = []
        for regime in regimes:
            here = ratio[[regime in function.regimes for function in FUNCTIONS], :, -1]
            cells.append(f"{score(here).mean():6.2f} / {log10(here).mean():5.2f}")
        print(f"{who:<35} " + " ".join(f"{cell:>15}" for cell in cells))
    print(
        f"\n{'median regret after 100':<20} "
        + " ".join(f"{who[:9] + who[-3:] if len(who) > 12 else who:>12}" for who in every)
    )
    for function in FUNCTIONS:
        medians = [
            np.median([results[Game(who, function.name, seed)].regrets[-1] for seed in range(seeds)]) for who in every
        ]
        print(f"{function.name:<23} " + " ".join(f"{median:12.3g}" for median in medians))
    print()


def measure() -> list[tuple[str, float, str, str]]:
    """Play every search; rows are differences to a rival after the last budget, paired by function and seed."""
    seeds = int(os.environ.get("KATIB_BENCH_SEEDS", SEEDS))
    # The dear ones first, so that no process is left with one of them at the end.
    order = sorted((*OURS, *PACKAGES), key=lambda who: who != "bayesianoptimization")
    games = [Game(who, function.name, seed) for who in order for function in FUNCTIONS for seed in range(seeds)]
    results = play_all(games)
    print_tables(results, seeds)
    rows = []
    for ours, theirs in PAIRS:
        mine, other = ratios(results, ours, seeds)[:, :, -1], ratios(results, theirs, seeds)[:, :, -1]
        for what, values in (("score", score(mine) - score(other)), ("log10", log10(other) - log10(mine))):
            low, high = interval(values)
            rows.append(
                (
                    f"{ours} ahead of {theirs}, {what}, {seeds} seeds",
                    float(values.mean()),
                    "",
                    f">= 0; 95 % [{low:+.2f}, {high:+.2f}]",
                )
            )
    return rows
