"""Grid search: every combination once, in the order of the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point

_LABEL = "katib.kubeflow.org/grid-index"


class GridSearch(Algorithm, name="grid"):
    """Every combination of values once; needs a ``step`` for each double.

    The last parameter changes fastest. The grid is never held in memory and may be far larger than the budget; the experiment
    ends when all of it was tried.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``grid``."""

        random_state: NonNegativeInt | None = None
        """Accepted for compatibility; a grid has nothing random."""

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
        last = max((int(trial.labels.get(_LABEL, -1)) for trial in history), default=-1)
        points: list[Point] = []
        if count > 0:
            for number, point in self.problem.space.numbered_grid(last + 1):
                if not history.was_tried(point):
                    points.append(point.labelled(**{_LABEL: str(number)}))
                    if len(points) == count:
                        break
        return points
