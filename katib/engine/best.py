"""Which trials are best: one optimum for one objective, the Pareto set for several; both grow with each result, no rescans."""

from __future__ import annotations

import math
from bisect import insort
from typing import TYPE_CHECKING

from katib.api.base import KeyValue
from katib.api.experiment import Observation, OptimalTrial
from katib.engine.observe import is_feasible, is_measured, objective_values

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.experiment import ExperimentSpec
    from katib.engine.trial import TrialRecord

__all__ = ["Best"]

_Rank = tuple[float, "datetime", int]
_Ended = tuple["datetime", int]


class Best:
    """The best of the results recorded so far.

    Values are compared as losses (negated where more is better). NaN, infeasible and missing results are never best. Among equals
    the one that finished first wins, and among those the lower index, so the order of recording does not matter.
    """

    def __init__(self, spec: ExperimentSpec) -> None:
        self._spec = spec
        stated = ([spec.objective] if spec.objective else []) + list(spec.objectives or [])
        self._signs = [1.0 if objective.type == "minimize" else -1.0 for objective in stated]
        self._goals = [objective.goal for objective in stated]
        self._rank: _Rank | None = None
        self._first: TrialRecord | None = None
        self._word: TrialRecord | None = None
        self._reached: tuple[_Ended, str] | None = None
        self._front: list[tuple[tuple[float, ...], int, OptimalTrial]] = []
        self._optimal: OptimalTrial | None = None
        self._pareto: list[OptimalTrial] | None = [] if len(stated) > 1 else None

    def record(self, trial: TrialRecord) -> None:
        """Take in a trial that ended with a result; the same one again changes nothing."""
        values = objective_values(trial.observation, self._spec)
        if values is None:
            # A result that is a word (a genotype) cannot be compared: as in Katib the newest stands.
            if is_measured(trial.observation, self._spec) and (self._word is None or trial.index >= self._word.index):
                self._word = trial
                self._optimal = _optimal(self._first or trial)
            return
        if any(math.isnan(value) for value in values) or not is_feasible(trial.observation, self._spec):
            return
        ended = (trial.finished or trial.created, trial.index)
        losses = tuple(sign * value for sign, value in zip(self._signs, values, strict=True))
        if all(
            goal is not None and loss <= sign * goal
            for goal, sign, loss in zip(self._goals, self._signs, losses, strict=True)
        ):
            self._reached = min(self._reached or (ended, trial.name), (ended, trial.name))
        if len(losses) > 1:
            self._record_front(losses, trial)
        rank = (losses[0], *ended)
        if self._rank is None or rank < self._rank:
            self._rank, self._first, self._optimal = rank, trial, _optimal(trial)

    def _record_front(self, losses: tuple[float, ...], trial: TrialRecord) -> None:
        if any(index == trial.index or _dominates(theirs, losses) for theirs, index, _ in self._front):
            return
        self._front = [item for item in self._front if not _dominates(losses, item[0])]
        insort(self._front, (losses, trial.index, _optimal(trial)), key=lambda item: item[:2])
        # A new list each time: statuses that were made before keep theirs.
        self._pareto = [optimal for _, _, optimal in self._front]

    @property
    def trial(self) -> TrialRecord | None:
        """The optimum by the first objective."""
        return self._first if self._first is not None else self._word

    @property
    def optimal(self) -> OptimalTrial | None:
        """The optimum as the status shows it; the same object until it changes."""
        return self._optimal

    @property
    def pareto(self) -> list[OptimalTrial] | None:
        """The trials that no other dominates, the same list until it changes; None with one objective."""
        return self._pareto

    @property
    def goal_reached_by(self) -> str | None:
        """The first trial that reached every objective's goal."""
        return None if self._reached is None else self._reached[1]


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether ``one`` is nowhere worse and somewhere better."""
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))


def _optimal(trial: TrialRecord) -> OptimalTrial:
    return OptimalTrial(
        best_trial_name=trial.name,
        parameter_assignments=[KeyValue(name=name, value=value) for name, value in trial.assignments],
        observation=trial.observation or Observation(),
    )
