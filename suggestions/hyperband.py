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
from suggestions._halving import (
    ROUNDING,
    SETTINGS,
    HalvingSettings,
    Ladder,
    Supply,
    Visit,
    Visits,
    best_first,
    labels_of,
    problems,
    share,
)

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

    @property
    def _kinds(self) -> int:
        return self.settings.brackets or self._ladder.top + 1

    def _home(self, level: int, before: int) -> tuple[int, int] | None:
        """Return where a configuration without labels belongs: brackets with the same first resource fill one after the other."""
        if level >= self._kinds:
            return None
        return before // self._bracket(level).sizes[0] * self._kinds + level, level

    @classmethod
    def validate(cls, problem: SearchProblem, settings: Settings) -> Iterable[Problem]:
        """Refuse a resource that cannot be divided, and several objectives."""
        found = list(problems(problem, settings))
        yield from found
        if not found and (settings.brackets or 1) > (most := Ladder(problem, settings).top + 1):
            yield Problem(SETTINGS, f"brackets must be at most {most}, one for each first resource", settings.brackets)

    def suggest(self, history: History, count: int) -> list[Point]:
        """Return what the oldest bracket has to offer, then the next, then a new one."""
        brackets: dict[int, _Bracket] = {}
        last = (len(history) + 1) * self._kinds  # more cannot have begun, whatever a label says
        for visit in self._visits.of(history):
            if 0 <= visit.bracket < last:
                if visit.bracket not in brackets:
                    brackets[visit.bracket] = self._bracket(visit.bracket)
                brackets[visit.bracket].add(visit)
        supply = Supply(self._ladder, history)
        points: list[Point] = []
        number = barren = 0
        newest = max(brackets, default=-1)
        # The brackets of one round have all the first resources there are: when none has a configuration left, that is the end.
        while len(points) < count and (number <= newest or barren < self._kinds):
            before = len(points)
            self._serve(brackets.get(number) or self._bracket(number), history, supply, points, count)
            barren = barren + 1 if number > newest and len(points) == before else 0
            number += 1
        return points

    def _bracket(self, number: int) -> _Bracket:
        return _Bracket(number, number % self._kinds, self._ladder.top, self.settings.eta)

    def _serve(self, bracket: _Bracket, history: History, supply: Supply, points: list[Point], count: int) -> None:
        """Add a bracket's points until it has to wait. Nothing ends during a call, so once for each bracket is enough."""
        while len(points) < count and len(bracket.rungs[0]) < bracket.sizes[0]:
            ahead = len(points)
            new = supply.new(bracket.first_level, self.rng(history, ahead))
            if new is None:
                break  # the space has no more: the bracket goes on with those it has
            visit = Visit(bracket.number, 0, str(history.next_index + ahead), new)
            bracket.add(visit)
            points.append(new.labelled(**labels_of(visit)))
        for parent in bracket.promotions():
            if len(points) >= count:
                return
            raised = self._ladder.raised(parent.point, bracket.first_level + parent.rung + 1)
            if raised is not None and supply.take(raised):
                visit = Visit(bracket.number, parent.rung + 1, parent.configuration, raised)
                bracket.add(visit)
                points.append(raised.labelled(**labels_of(visit, parent)))


class _Bracket:
    """One run of successive halving.

    Attributes:
        number: Counted from the beginning of the experiment.
        first_level: Where on the ladder its configurations begin.
        sizes: How many configurations each rung has when the space has enough of them.
        rungs: Those it has, by their ids.
    """

    def __init__(self, number: int, first_level: int, top: int, eta: float) -> None:
        self.number = number
        self.first_level = first_level
        self._eta = eta
        promotions = top - self.first_level  # the paper's s
        first = math.ceil((top + 1) / (promotions + 1) * eta**promotions * (1 - ROUNDING))
        self.sizes = [share(first, eta**rung) for rung in range(promotions + 1)]
        self.rungs: list[dict[str, Visit]] = [{} for _ in self.sizes]

    def add(self, visit: Visit) -> None:
        """Note that a configuration is on a rung."""
        if 0 <= visit.rung < len(self.rungs):
            self.rungs[visit.rung][visit.configuration] = visit

    def promotions(self) -> Iterator[Visit]:
        """Yield who is to be promoted now: the best of each rung that is full and has ended, who were not yet."""
        for rung, members in enumerate(self.rungs[:-1]):
            if not all(visit.ended for visit in members.values()):
                return
            most = self.sizes[rung + 1]
            if len(members) < self.sizes[rung]:
                most = min(most, max(share(len(members), self._eta), 1))
            for visit in best_first(members.values())[:most]:
                if visit.configuration not in self.rungs[rung + 1]:
                    yield visit
