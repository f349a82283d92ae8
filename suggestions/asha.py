"""Asynchronous successive halving (Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar, 2020): ASHA.

Whoever asks gets a promotion when some rung has one, and a new configuration otherwise; nothing ever waits for a rung to end. The
price is that some are promoted that would not have been among the best in the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import NonNegativeInt, PositiveInt

from katib.algorithm.algorithm import Algorithm
from katib.errors import Problem
from suggestions._halving import SETTINGS, HalvingSettings, Ladder, Supply, problems, share
from suggestions._halving_past import Rung, Visit, Visits, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point


class Asha(Algorithm, name="asha"):
    """Successive halving that never waits: as soon as a configuration is among the best of its rung, it is trained for longer.

    The best one of ``eta`` configurations of a rung goes on to the next with ``eta`` times the resource, the highest rungs first;
    when there is none to promote a new configuration begins. Failed trials count as worst.
    """

    class Settings(HalvingSettings):
        """Settings of ``asha``."""

        s: NonNegativeInt = 0
        """How many of the lowest rungs are left out: configurations begin with eta^s times the smallest resource."""
        patience: PositiveInt = 1
        """A rung promotes nobody before eta^patience of its configurations have ended, or as many as lead one to the top if that is
        fewer. 1 is the paper's rule; more give up early full trainings for better ones, and leave no place empty either."""

    def __init__(self, problem: SearchProblem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self._ladder = Ladder(problem, settings)
        self._visits = Visits(problem, self._ladder, self._home)
        self._rungs: list[Rung] = []

    def _home(self, level: int, _: int) -> tuple[int, int] | None:
        return (0, self.settings.s) if level >= self.settings.s else None

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:
        """Refuse a resource that cannot be divided, and several objectives."""
        found = list(problems(problem, settings))
        yield from found
        if not found and settings.s > (top := Ladder(problem, settings).top):
            yield Problem(SETTINGS, f"s must be at most {top}, the number of promotions", settings.s)

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return promotions, then new configurations."""
        anew, visits = self._visits.changes(history)
        if anew:
            self._rungs = [Rung() for _ in range(self._ladder.top - self.settings.s + 1)]
        for visit in visits:
            if 0 <= visit.rung < len(self._rungs):
                self._rungs[visit.rung].put(visit)
        supply = Supply(self._ladder, history)
        points: list[Point] = []
        self._promote(supply, points, count, at_least=0)
        while len(points) < count:
            ahead = len(points)
            new = supply.new(self.settings.s, self.rng(history, ahead))
            if new is None:
                break
            visit = Visit(0, 0, str(history.next_index + ahead), new)
            points.append(new.labelled(**labels_of(visit)))
        if not points and not history.running():
            # The space has no more, and too few for one of eta: then the best of each rung goes on to the whole resource.
            self._promote(supply, points, count, at_least=1)
        return points

    def _promote(self, supply: Supply, points: list[Point], count: int, *, at_least: int) -> None:
        for parent in self._promotable(at_least):
            if len(points) >= count:
                return
            raised = self._ladder.raised(parent.point, self.settings.s + parent.rung + 1)
            if raised is not None and supply.take(raised):
                visit = Visit(0, parent.rung + 1, parent.configuration, raised)
                points.append(raised.labelled(**labels_of(visit, parent)))

    def _promotable(self, at_least: int) -> Iterator[Visit]:
        """Yield the best of each rung who were not promoted, highest rung first."""
        eta, top = self.settings.eta, len(self._rungs) - 1
        for rung in range(top - 1, -1, -1):
            members = self._rungs[rung]
            if at_least or share(members.ended, eta ** min(self.settings.patience, top - rung)):
                yield from members.best(max(share(members.ended, eta), at_least), self._rungs[rung + 1])
