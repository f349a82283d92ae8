"""What an early stopper is: a judgement of running trials by their learning curves, and by those of the others.

It has two verbs, for two places. ``rules`` is for where trials run out of sight: a new trial gets rules to take along, and what reads
its metrics there stops it when all of them are met (Katib's wire). ``verdict`` is for who sees the trial run and may ask at any time.
"""

from __future__ import annotations

import abc
import math
from typing import TYPE_CHECKING, Any, ClassVar

from katib.algorithm.settings import AlgorithmSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.api.trial import EarlyStoppingRule
    from katib.errors import Problem

__all__ = ["EarlyStopper", "best_so_far", "is_met"]


class EarlyStopper(abc.ABC):
    """Base of every early stopper; named and configured like an ``Algorithm``, and as free of state.

    ``curves`` are the values of the first objective over time, by trial name: one for each report, NaN for a report that was no
    number. A trial that has reported nothing has no curve. A curve only grows; a trial that is run again begins a new one. Caches are
    fine where they only make it faster: a new instance has to answer every call as an old one would.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[AlgorithmSettings]] = AlgorithmSettings

    def __init_subclass__(cls, *, name: str | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        if name is not None:
            cls.name = name

    def __init__(self, problem: SearchProblem, settings: Any) -> None:
        """Begin with a problem and an instance of the class's ``Settings``."""
        self.problem = problem
        self.settings = settings

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Any) -> Iterable[Problem]:  # noqa: ARG003 - for subclasses
        """Return why this early stopper does not suit this problem; paths are those of the experiment. Nothing by default."""
        return ()

    @abc.abstractmethod
    def rules(self, history: History, curves: Mapping[str, Sequence[float]]) -> list[EarlyStoppingRule]:
        """Return the rules for new trials; a trial stops when all of them are met. None can be known yet: then nothing stops it.

        Args:
            history: The trials so far.
            curves: The objective's values over time, by trial name.
        """

    def verdict(self, history: History, curves: Mapping[str, Sequence[float]], trial_name: str) -> str | None:
        """Return why a running trial is to be stopped now, as a sentence without a final full stop, or None to let it run.

        By default: because it meets all the rules that a new trial would get now. Rules about other metrics than the objective are
        never met here.

        Args:
            history: The trials so far, the running ones too.
            curves: The objective's values over time, by trial name.
            trial_name: The trial in question; it has a curve.
        """
        objective = self.problem.objectives[0]
        curve = curves.get(trial_name, ())
        rules = self.rules(history, curves)
        if not rules or any(rule.name != objective.name for rule in rules):
            return None
        if not all(is_met(rule, curve, minimize=objective.minimize) for rule in rules):
            return None
        best = best_so_far(curve, minimize=objective.minimize)
        limits = " and ".join(f"{_COMPARED[rule.comparison]} {rule.value}" for rule in rules)
        return f"the best {objective.name} of its first {len(curve)} reports is {best!r}, {limits} ({self.name})"


_COMPARED = {"less": "less than", "greater": "greater than", "equal": "equal to"}


def best_so_far(curve: Sequence[float], *, minimize: bool) -> float:
    """Return the best of some values, NaN where there is none; NaN among others does not count."""
    numbers = (value for value in curve if not math.isnan(value))
    return min(numbers, default=math.nan) if minimize else max(numbers, default=math.nan)


def is_met(rule: EarlyStoppingRule, curve: Sequence[float], *, minimize: bool) -> bool:
    """Whether a rule about the objective is met by a curve: by its best value so far, from the rule's start step on.

    That is Katib's meaning, except that Katib looks at the start step only and never again.
    """
    if not curve or len(curve) < (rule.start_step or 0):
        return False
    best = best_so_far(curve, minimize=minimize)
    try:
        value = float(rule.value)
    except ValueError:
        return False
    match rule.comparison:
        case "less":
            return best < value
        case "greater":
            return best > value
        case _:
            return best == value
