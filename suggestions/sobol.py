"""Sobol's low-discrepancy sequence (Sobol, 1967; directions of Joe and Kuo, 2008), scrambled with the seed (Owen, 1998)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pydantic import NonNegativeInt

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.settings import AlgorithmSettings
from katib.errors import Problem
from suggestions._sequence import Issued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point

_LABEL: Final = "katib.kubeflow.org/sobol-index"
_MOST_DIMENSIONS: Final = 21_201
_BITS: Final = 30
_SKIPPED: Final = 4_096
"""Places of the sequence looked at for one point before a finite space counts as exhausted."""


class Sobol(Algorithm, name="sobol"):
    """A low-discrepancy sequence: as cheap as random search, but points cover the space evenly.

    Repeats, which a space of few values brings, and points that break a constraint are passed over.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``sobol``."""

        random_state: NonNegativeInt | None = None
        """Seed of the scrambling; without it the experiment's seed is used."""

    def __init__(self, problem: SearchProblem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self._issued = Issued(_LABEL)
        self._made: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}  # made again faster than sent

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:  # noqa: ARG003 - nothing to check
        """Refuse more dimensions than there are directions."""
        if problem.space.dimension > _MOST_DIMENSIONS:
            yield Problem("spec.parameters", f"sobol has at most {_MOST_DIMENSIONS} dimensions")

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return the next places of the sequence that are points of the space and were not tried."""
        issued = self._issued
        position = issued.next_place(history, self._places(issued.resume_at, issued.has))
        fresh: set[Point] = set()
        points: list[Point] = []

        def is_known(point: Point) -> bool:
            return point in fresh or history.was_tried(point) or issued.was_counted(point)

        for place, point in islice(self._places(position, is_known), count):
            fresh.add(point)
            points.append(point.labelled(**{_LABEL: str(place)}))
        return points

    def _places(self, position: int, is_known: Callable[[Point], bool]) -> Iterator[tuple[int, Point]]:
        """Yield places with points of the space that are not known, until there seem to be no more."""
        space = self.problem.space
        engine = self._engine(position)
        skipped = 0
        while skipped < _SKIPPED and position < 2**_BITS:
            point = space.from_unit([float(x) for x in engine.random(1)[0]])
            if is_known(point) or not space.satisfies(point):
                skipped += 1
            else:
                skipped = 0
                yield position, point
            position += 1

    def _engine(self, position: int) -> Any:
        """Return the sequence from a place on; whoever had it before has no more use for it."""
        if self._made is None:
            import numpy as np
            from scipy.stats import qmc  # nearly a second, which listing the algorithms need not take

            seed = self.problem.seed if self.settings.random_state is None else self.settings.random_state
            self._made = qmc.Sobol(
                self.problem.space.dimension, scramble=True, bits=_BITS, rng=np.random.default_rng(seed)
            )
        else:
            self._made.reset()
        return self._made.fast_forward(position) if position else self._made
