"""Grid search: every combination once, in the order of the parameters."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from pydantic import NonNegativeInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.errors import AlgorithmError, Problem
from suggestions._sequence import Issued

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point

_LABEL: Final = "katib.kubeflow.org/grid-index"
_LOOKED_AT: Final = 1_000_000
"""Combinations looked at in one call: a constraint may leave gaps that would keep the experiment waiting for hours."""


class GridSearch(Algorithm, name="grid"):
    """Every combination of values once; needs a ``step`` for each double.

    The last parameter changes fastest. The grid is never held in memory and may be far larger than the budget; the experiment
    ends when all of it was tried.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``grid``."""

        random_state: NonNegativeInt | None = None
        """Accepted for compatibility; a grid has nothing random."""

    def __init__(self, problem: SearchProblem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self._issued = Issued(_LABEL)

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:  # noqa: ARG003 - nothing to check
        """Refuse a continuum."""
        for parameter in problem.space.parameters:
            if parameter.cardinality is None:
                yield Problem(
                    "spec.parameters",
                    f"parameter {parameter.name!r} must include step: a grid has finitely many points",
                )

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return the next points of the grid that were not tried."""
        space = self.problem.space
        resume_at = self._issued.resume_at
        start = self._issued.next_place(history, space.numbered_grid(resume_at, resume_at + _LOOKED_AT))
        stop = start + _LOOKED_AT
        new = (
            point.labelled(**{_LABEL: str(number)})
            for number, point in space.numbered_grid(start, stop)
            if not history.was_tried(point)
        )
        points = list(islice(new, count))
        if count and not points and stop < (self.problem.space.cardinality or 0):
            raise AlgorithmError(
                f"none of the {_LOOKED_AT} combinations from number {start} on satisfies the constraints: "
                "a grid is not the way to search such a space"
            )
        return points
