"""Asynchronous successive halving as a stopping rule (Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar, 2020).

Every trial is meant to be trained to its end. Rungs are numbers of reports, each ``eta`` times the one before; at a rung a trial goes on
while it is among the best one of ``eta`` of all that have reached it. Nothing is promoted, so any algorithm may choose the points.
The paper decides when a trial arrives and never again; here those that arrive later count too, so that the answer depends on what was
reported and not on when someone asked.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from pydantic import PositiveInt, field_validator

from katib.algorithm.early_stopper import EarlyStopper, best_so_far
from katib.algorithm.settings import AlgorithmSettings
from katib.api.trial import EarlyStoppingRule
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem

_ROUNDING = 1e-9
"""What a power of eta may be off by, as a share of it."""


class AshaStop(EarlyStopper, name="asha"):
    """At each rung stop a trial that is not among the best one of ``eta`` that got so far.

    A rung is a number of reports: ``min_resource``, and ``eta`` times as many for each further one. A trial counts with its best value
    up to the rung, whatever became of it; while fewer than ``eta`` have reached a rung nothing is stopped there. Where trials take
    rules along instead of being watched, the rule is that of the first rung: only one can be given, as all would have to be met, and
    the first one stops most trials and each of them soonest. One objective only.
    """

    class Settings(AlgorithmSettings):
        """Settings of the early stopper ``asha``."""

        eta: float = 3.0
        """One of how many trials goes on at each rung, more than 1."""
        min_resource: PositiveInt = 1
        """The first rung: how many reports a trial may give before it is judged."""
        max_resource: PositiveInt | None = None
        """How many reports a whole trial gives: it is not judged any more from there on."""

        @field_validator("eta")
        @classmethod
        def _stops_some(cls, value: float) -> float:
            if value <= 1:
                raise ValueError("must be more than 1: only one of eta trials goes on")
            return value

    def __init__(self, problem: SearchProblem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self._ranks: dict[int, dict[str, tuple[Sequence[float], float]]] = {}

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:
        """Refuse several objectives, and a ladder without a rung."""
        if len(problem.objectives) != 1:
            yield Problem("spec.objectives", "asha compares one objective: leave earlyStopping out")
        if settings.max_resource is not None and settings.max_resource <= settings.min_resource:
            yield Problem(
                "spec.earlyStopping.algorithmSettings",
                "max_resource must be more than min_resource",
                settings.max_resource,
            )

    def rules(self, history: History, curves: Mapping[str, Sequence[float]]) -> list[EarlyStoppingRule]:  # noqa: ARG002
        """Return the rule of the first rung, once enough trials have reached it."""
        objective, rung = self.problem.objectives[0], self.settings.min_resource
        limit = self._limit(rung, curves)
        if limit is None or not math.isfinite(limit):
            return []
        return [
            EarlyStoppingRule(
                name=objective.name,
                value=str(limit if objective.minimize else -limit),
                comparison="greater" if objective.minimize else "less",
                start_step=rung,
            )
        ]

    def verdict(self, history: History, curves: Mapping[str, Sequence[float]], trial_name: str) -> str | None:  # noqa: ARG002
        """Return why a trial is stopped at the highest rung it has reached."""
        curve = curves.get(trial_name, ())
        rung = self._rung(len(curve))
        if rung is None:
            return None
        limit = self._limit(rung, curves)
        rank = self._rank(rung, trial_name, curve)
        if limit is None or not rank > limit:
            return None
        objective = self.problem.objectives[0]
        best, bound = (rank, limit) if objective.minimize else (-rank, -limit)
        return (
            f"by report {rung} the best {objective.name} was {'no number' if math.isinf(rank) else repr(best)}; "
            f"the best one of {self.settings.eta:g} trials that got so far have {bound!r} or better (asha)"
        )

    def _rung(self, reports: int) -> int | None:
        """Return the highest rung that so many reports reach, or None before the first and at the end."""
        first, eta, end = self.settings.min_resource, self.settings.eta, self.settings.max_resource
        if reports < first or (end is not None and reports >= end):
            return None
        power: int = math.floor(math.log(reports / first) / math.log(eta) * (1 + _ROUNDING))
        rung: int = math.ceil(first * eta**power * (1 - _ROUNDING))
        return min(rung, reports)

    def _limit(self, rung: int, curves: Mapping[str, Sequence[float]]) -> float | None:
        """Return the worst rank that goes on at a rung, or None while too few have reached it."""
        ranks = [self._rank(rung, name, curve) for name, curve in curves.items() if len(curve) >= rung]
        kept = math.floor(len(ranks) / self.settings.eta * (1 + _ROUNDING))
        return heapq.nsmallest(kept, ranks)[-1] if kept else None

    def _rank(self, rung: int, name: str, curve: Sequence[float]) -> float:
        """Return the best value up to a rung so that smaller is better; infinity where there was no number."""
        known = self._ranks.setdefault(rung, {})
        entry = known.get(name)
        if entry is None or entry[0] is not curve:  # what was reported up to a rung does not change
            minimize = self.problem.objectives[0].minimize
            best = best_so_far(curve[:rung], minimize=minimize)
            entry = known[name] = (curve, math.inf if math.isnan(best) else best if minimize else -best)
        return entry[1]
