"""How searches are compared: regrets as shares of those of chance, and intervals of means over problems and seeds."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

__all__ = ["SMALLEST", "interval", "log10", "score", "spanned"]

RESAMPLES: Final = 2_000
SMALLEST: Final = 1e-6


def score(ratio: Any) -> Any:
    """Return 1 for the optimum, 0 for random's median, at least -1, from regret over random's median regret."""
    return np.clip(1 - ratio, -1, 1)


def log10(ratio: Any) -> Any:
    """Return how many times nearer, as a power of ten; a ratio counts at least 10^-6."""
    return np.log10(np.maximum(ratio, SMALLEST))


def interval(values: Any) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a mean over problems (rows) and, within each, seeds (columns)."""
    rng = np.random.default_rng(0)
    problems, seeds = values.shape
    chosen = rng.integers(problems, size=(RESAMPLES, problems))
    within = rng.integers(seeds, size=(RESAMPLES, problems, seeds))
    means = values[chosen[:, :, None], within].mean(axis=(1, 2))
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def spanned(values: Any) -> str:
    """Return a mean and its interval as text."""
    low, high = interval(values)
    return f"{values.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
