"""Where this project differs from Katib on purpose, as switches (the quirk register's "fixed by default")."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["KATIB", "KUBERNETES", "LOCAL", "Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Behaviour that a driver may choose.

    Attributes:
        counts_unmeasured_in_demand: A trial without metrics has used its part of ``maxTrialCount`` (Katib counts it only at the end).
        stops_running_trials: Trials still running when the experiment is over are stopped (Katib lets them run).
        metrics_wait_seconds: How long after a trial's end its metrics are waited for; then what has come is all (Katib: for ever).
    """

    counts_unmeasured_in_demand: bool = True
    stops_running_trials: bool = True
    metrics_wait_seconds: float = 60.0


KUBERNETES: Final = Policy()
LOCAL: Final = replace(KUBERNETES, metrics_wait_seconds=0.0)
"""A process that has ended has written everything."""
KATIB: Final = Policy(counts_unmeasured_in_demand=False, stops_running_trials=False, metrics_wait_seconds=float("inf"))
