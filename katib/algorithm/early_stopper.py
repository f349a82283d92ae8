"""What an early stopper is: a rule about running trials, from the learning curves of finished ones."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar

from katib.algorithm.settings import AlgorithmSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.api.trial import EarlyStoppingRule

__all__ = ["EarlyStopper"]


class EarlyStopper(abc.ABC):
    """Base of every early stopper; named and configured like an ``Algorithm``, and as free of state."""

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

    @abc.abstractmethod
    def rules(self, history: History, curves: Mapping[str, Sequence[float]]) -> list[EarlyStoppingRule]:
        """Return the rules for new trials; a trial stops when all of them are met.

        Args:
            history: The trials so far.
            curves: The objective's values over time, by trial name.
        """
