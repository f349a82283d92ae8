"""Hyperband (Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, 2018): brackets of synchronous successive halving.

A bracket trains many configurations a little, then the best of them eta times as long, and so on up to the whole resource. As nobody
knows how little is enough, there is one bracket for each first resource. The paper waits for a rung to end; here whoever asks
meanwhile gets the beginning of the next bracket, so that no place for a trial stays empty.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from katib.algorithm.algorithm import Algorithm
from katib.errors import Problem
from suggestions._halving import ROUNDING, SETTINGS, HalvingSettings, Ladder, Supply, problems, share
from suggestions._halving_past import Rung, Visit, Visits, labels_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from katib.algorithm.history import History
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point


class Hyperband(Algorithm, name="hyperband"):
    """Successive halving in brackets: many configurations are trained a little, the best of them for long.

    When a rung of a bracket has ended, the best one of ``eta`` configurations is tried again with ``eta`` times the resource; failed
    trials count as worst. While a rung is under way the next bracket begins. After the last bracket, which trains its few
    configurations fully from the start, the first begins again. Any number of parallel trials will do.
    """

    class Settings(HalvingSettings):
        """Settings of ``hyperband``."""

        brackets: PositiveInt | None = None
        """How many brackets take turns, those with the smallest first resource; 1 is plain successive halving, the default is all."""

    def __init__(self, problem: SearchProblem, settings: Settings) -> None:
        super().__init__(problem, settings)
        self._ladder = Ladder(problem, settings)
        self._visits = Visits(problem, self._ladder, self._home)
        self._sizes = [_Bracket(0, level, self._ladder.top, settings.eta).sizes[0] for level in range(self._kinds)]
        self._brackets: dict[int, _Bracket] = {}
        self._over: set[int] = set()
        """Brackets that have nothing to give any more, unless one of their trials changes."""
        self._is_ahead = False
        """Whether a trial's bracket cannot have begun yet; it may count later."""

    @property
    def _kinds(self) -> int:
        return self.settings.brackets or self._ladder.top + 1

    def _home(self, level: int, before: int) -> tuple[int, int] | None:
        """Return where a configuration without labels belongs: brackets with the same first resource fill one after the other."""
        if level >= self._kinds:
            return None
        return before // self._sizes[level] * self._kinds + level, level

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:
        """Refuse a resource that cannot be divided, and several objectives."""
        found = list(problems(problem, settings))
        yield from found
        if not found and (settings.brackets or 1) > (most := Ladder(problem, settings).top + 1):
            yield Problem(SETTINGS, f"brackets must be at most {most}, one for each first resource", settings.brackets)

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return what the oldest bracket has to offer, then the next, then a new one."""
        self._follow(history)
        call = _Call(history, Supply(self._ladder, history), count)
        try:
            self._answer(call)
        finally:  # they are in the history of the next call, or they were never tried
            for bracket, visit in call.issued:
                bracket.rungs[visit.rung].discard(visit.configuration)
        return call.points

    def _answer(self, call: _Call) -> None:
        number = barren = 0
        newest = max(self._brackets, default=-1)
        # The brackets of one round have all the first resources there are: when none has a configuration left, that is the end.
        while not call.is_served and (number <= newest or barren < self._kinds):
            before = len(call.points)
            if number not in self._over:
                self._serve(self._brackets.get(number) or self._bracket(number), call)
            barren = barren + 1 if number > newest and len(call.points) == before else 0
            number += 1

    def _follow(self, history: History) -> None:
        """Bring the brackets up to date."""
        anew, visits = self._visits.changes(history)
        last = (len(history) + 1) * self._kinds  # more cannot have begun, whatever a label says
        if anew or self._is_ahead:
            self._brackets, self._over, self._is_ahead = {}, set(), False
            visits = self._visits.all()
        changed = set()
        for visit in visits:
            if visit.bracket >= last:
                self._is_ahead = True
            elif visit.bracket >= 0:
                if visit.bracket not in self._brackets:
                    self._brackets[visit.bracket] = self._bracket(visit.bracket)
                self._brackets[visit.bracket].add(visit)
                changed.add(visit.bracket)
        for number in changed:
            (self._over.add if self._brackets[number].is_over() else self._over.discard)(number)

    def _bracket(self, number: int) -> _Bracket:
        return _Bracket(number, number % self._kinds, self._ladder.top, self.settings.eta)

    def _serve(self, bracket: _Bracket, call: _Call) -> None:
        """Add a bracket's points until it has to wait. Nothing ends during a call, so once for each bracket is enough."""
        while not call.is_served and len(bracket.rungs[0]) < bracket.sizes[0]:
            ahead = len(call.points)
            new = call.supply.new(bracket.first_level, self.rng(call.history, ahead))
            if new is None:
                break  # the space has no more: the bracket goes on with those it has
            call.issue(bracket, Visit(bracket.number, 0, str(call.history.next_index + ahead), new))
        for parent in bracket.promotions():
            if call.is_served:
                return
            raised = self._ladder.raised(parent.point, bracket.first_level + parent.rung + 1)
            if raised is not None and call.supply.take(raised):
                call.issue(bracket, Visit(bracket.number, parent.rung + 1, parent.configuration, raised), parent)


class _Call:
    """What is asked for and what was found for it.

    Attributes:
        history: What is known.
        supply: Where new configurations come from.
        points: The answer.
        issued: The same with their brackets, which count them as members for the rest of the call.
    """

    def __init__(self, history: History, supply: Supply, count: int) -> None:
        self.history = history
        self.supply = supply
        self.points: list[Point] = []
        self.issued: list[tuple[_Bracket, Visit]] = []
        self._count = count

    @property
    def is_served(self) -> bool:
        """Whether there are as many points as were asked for."""
        return len(self.points) >= self._count

    def issue(self, bracket: _Bracket, visit: Visit, parent: Visit | None = None) -> None:
        """Add a point."""
        bracket.add(visit)
        self.issued.append((bracket, visit))
        self.points.append(visit.point.labelled(**labels_of(visit, parent)))


class _Bracket:
    """One run of successive halving.

    Attributes:
        number: Counted from the beginning of the experiment.
        first_level: Where on the ladder its configurations begin.
        sizes: How many configurations each rung has when the space has enough of them.
        rungs: Those it has.
    """

    def __init__(self, number: int, first_level: int, top: int, eta: float) -> None:
        self.number = number
        self.first_level = first_level
        self._eta = eta
        promotions = top - self.first_level  # the paper's s
        first = math.ceil((top + 1) / (promotions + 1) * eta**promotions * (1 - ROUNDING))
        self.sizes = [share(first, eta**rung) for rung in range(promotions + 1)]
        self.rungs = [Rung() for _ in self.sizes]

    def add(self, visit: Visit) -> None:
        """Note that a configuration is on a rung."""
        if 0 <= visit.rung < len(self.rungs):
            self.rungs[visit.rung].put(visit)

    def promotions(self) -> Iterator[Visit]:
        """Yield who is to be promoted now: the best of each rung that is full and has ended, who were not yet."""
        for rung, members in enumerate(self.rungs[:-1]):
            if members.under_way:
                return
            most = self.sizes[rung + 1]
            if len(members) < self.sizes[rung]:
                most = min(most, max(share(len(members), self._eta), 1))
            yield from members.best(most, self.rungs[rung + 1])

    def is_over(self) -> bool:
        """Whether nobody is under way, nobody is to be promoted, and no configuration more is to begin."""
        if len(self.rungs[0]) < self.sizes[0] or any(members.under_way for members in self.rungs):
            return False
        return next(self.promotions(), None) is None
