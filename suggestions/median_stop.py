"""Katib's ``medianstop``: a trial that was never better than an average trial was in its beginning is stopped.

The rule comes from Google Vizier (Golovin, Solnik, Moitra, Kochanski, Karro and Sculley, 2017), where it is a median. Katib's service of
that name takes the arithmetic mean, and so does this one, for equal results; the median is a setting.
"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from katib.algorithm.early_stopper import EarlyStopper
from katib.algorithm.settings import AlgorithmSettings
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem


class MedianStop(EarlyStopper, name="medianstop"):
    """Stop a trial whose best value so far is worse than what the average trial reported in its beginning.

    Of each succeeded trial the first ``start_step`` reports are averaged, and the mean of these averages (or their median) is the limit
    for every other trial, from its report number ``start_step`` on. One objective only.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``medianstop``."""

        min_trials_required: int = 3
        """How many trials must have succeeded before any is stopped, 1 or more."""
        start_step: int = 4
        """How many reports a trial may give before it is judged, 1 or more."""
        statistic: Literal["mean", "median"] = "mean"
        """What is taken of the succeeded trials' averages: their mean, as in Katib, or the median that gives the rule its name."""

        @field_validator("min_trials_required")
        @classmethod
        def _is_a_number_of_trials(cls, value: int) -> int:
            if value <= 0:
                raise ValueError("min_trials_required must be greater than zero (>0)")
            return value

        @field_validator("start_step")
        @classmethod
        def _is_a_number_of_reports(cls, value: int) -> int:
            if value < 1:
                raise ValueError("start_step must be greater or equal than one (>=1)")
            return value

    def __init__(self, problem: SearchProblem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self._averages: dict[str, tuple[Sequence[float], float]] = {}

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:  # noqa: ARG003 - nothing to check
        """Refuse several objectives: a trial that is poor in one may be good in another."""
        if len(problem.objectives) != 1:
            yield Problem("spec.objectives", "medianstop compares one objective: leave earlyStopping out")

    def rules(self, history: History, curves: Mapping[str, Sequence[float]]) -> list[EarlyStoppingRule]:
        """Return the one rule, once enough trials have succeeded."""
        averages = [
            average
            for trial in history
            if trial.state is TrialState.SUCCEEDED and (average := self._average(trial.name, curves)) is not None
        ]
        if len(averages) < self.settings.min_trials_required:
            return []
        limit = statistics.median(averages) if self.settings.statistic == "median" else _mean(averages)
        if not math.isfinite(limit):
            return []
        objective = self.problem.objectives[0]
        return [
            EarlyStoppingRule(
                name=objective.name,
                value=str(limit),
                comparison="greater" if objective.minimize else "less",
                start_step=self.settings.start_step,
            )
        ]

    def _average(self, name: str, curves: Mapping[str, Sequence[float]]) -> float | None:
        """Return the average of a trial's first reports, or None where they have none that is a number."""
        curve = curves.get(name)
        if not curve:
            return None
        known = self._averages.get(name)
        if known is None or known[0] is not curve:  # a succeeded trial's curve does not change
            first = [float(value) for value in curve[: self.settings.start_step]]
            known = self._averages[name] = (curve, _mean(first))
        return known[1] if math.isfinite(known[1]) else None


def _mean(values: Sequence[float]) -> float:
    """Return the mean without the overflow that a sum may have."""
    return sum(value / len(values) for value in values) if any(map(_is_huge, values)) else sum(values) / len(values)


def _is_huge(value: float) -> bool:
    return abs(value) > 1e300  # noqa: PLR2004 - a sum of a few of these is infinite
