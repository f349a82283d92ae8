"""Stopping on a plateau: training is over when it gets no better, which every framework has as a callback (Prechelt, 1998)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import NonNegativeFloat, PositiveInt

from katib.algorithm.early_stopper import EarlyStopper, best_so_far
from katib.algorithm.settings import AlgorithmSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.algorithm.history import History
    from katib.api.trial import EarlyStoppingRule


class Plateau(EarlyStopper, name="plateau"):
    """Stop a trial whose best value has not improved for ``patience`` reports.

    It looks at one trial alone and never compares. Its judgement cannot be said as a limit for the objective, so trials that run where
    nobody looks at them get no rule.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``plateau``."""

        patience: PositiveInt = 10
        """How many reports without an improvement are too many."""
        min_delta: NonNegativeFloat = 0.0
        """By how much the best value must change to count as an improvement."""

    def rules(self, history: History, curves: Mapping[str, Sequence[float]]) -> list[EarlyStoppingRule]:  # noqa: ARG002
        """Return none; see the class."""
        return []

    def verdict(self, history: History, curves: Mapping[str, Sequence[float]], trial_name: str) -> str | None:  # noqa: ARG002
        """Return that the last reports brought nothing better than those before, if it is so."""
        curve = curves.get(trial_name, ())
        patience, objective = self.settings.patience, self.problem.objectives[0]
        before = best_so_far(curve[: max(len(curve) - patience, 0)], minimize=objective.minimize)
        now = best_so_far(curve, minimize=objective.minimize)
        if math.isnan(before) or abs(now - before) > self.settings.min_delta:
            return None
        return f"the best {objective.name} was {before!r} and has not improved for {patience} reports (plateau)"
