"""How `hyperband` and `asha` read the past: which trial is which configuration on which rung, and who is ahead there.

Everything they have to find again travels as labels of their points: the bracket, the rung, the configuration's id and the trial it
was promoted from. What was read is kept, so that a call costs what has changed since the last one; the answer is the same without it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from itertools import compress
from operator import is_not
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from katib.algorithm.history import History, PastTrial
    from katib.algorithm.problem import SearchProblem
    from katib.space.point import Point
    from suggestions._halving import Ladder

__all__ = ["Rung", "Visit", "Visits", "labels_of"]

_BRACKET: Final = "katib.kubeflow.org/halving-bracket"
_RUNG: Final = "katib.kubeflow.org/halving-rung"
_CONFIGURATION: Final = "katib.kubeflow.org/halving-configuration"
_PARENT: Final = "katib.kubeflow.org/halving-parent"
_LONGEST_LABEL: Final = 63

Rank = tuple[bool, float, int]


@dataclass(frozen=True, slots=True)
class Visit:
    """One configuration on one rung.

    Attributes:
        bracket: Number of its bracket.
        rung: Promotions it has had.
        configuration: The same on every rung.
        point: What is tried.
        trial: The name of its trial.
        ended: Whether its trial has ended.
        rank: Smaller is better; None when it ended without a finite value, or has not ended.
    """

    bracket: int
    rung: int
    configuration: str
    point: Point
    trial: str = ""
    ended: bool = False
    rank: Rank | None = None

    @property
    def place(self) -> tuple[int, int, str]:
        """Where only one trial is expected."""
        return self.bracket, self.rung, self.configuration


class Rung:
    """The configurations on one rung, and the order of those that have a result.

    Attributes:
        ended: How many have ended, with a result or without.
    """

    def __init__(self) -> None:
        self._members: dict[str, Visit] = {}
        self._ranked: list[tuple[Rank, str]] = []
        self.ended = 0

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, configuration: object) -> bool:
        return configuration in self._members

    @property
    def under_way(self) -> int:
        """How many have not ended."""
        return len(self._members) - self.ended

    def put(self, visit: Visit) -> None:
        """Add a configuration, or what is known of it now."""
        self.discard(visit.configuration)
        self._members[visit.configuration] = visit
        self.ended += visit.ended
        if visit.rank is not None:
            insort(self._ranked, (visit.rank, visit.configuration))

    def discard(self, configuration: str) -> None:
        """Forget a configuration, if it is here."""
        visit = self._members.pop(configuration, None)
        if visit is None:
            return
        self.ended -= visit.ended
        if visit.rank is not None:
            del self._ranked[bisect_left(self._ranked, (visit.rank, configuration))]

    def best(self, most: int, above: Rung) -> list[Visit]:
        """Return who of the best ones is not on the rung above, best first; what has no value is worst and never among them."""
        passed = above._members
        return [self._members[name] for _, name in self._ranked[: max(most, 0)] if name not in passed]


class Visits:
    """Where on the ladder the trials of a history are.

    Their labels say so. A trial without them (the user's own, or any trial when Katib's controller asks, which keeps labels to
    itself) is placed by its point: a configuration climbs from the lowest level it was tried at.

    Args:
        problem: What the trials are to solve.
        ladder: Where they climb.
        home: For a level and how many unlabelled configurations began there before: the bracket they belong to and the level of
            its first rung, or None when there is no such bracket.
    """

    def __init__(
        self, problem: SearchProblem, ladder: Ladder, home: Callable[[int, int], tuple[int, int] | None]
    ) -> None:
        self._sign = 1.0 if problem.objectives[0].minimize else -1.0
        self._ladder = ladder
        self._home = home
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        # Past trials are not made to be sent to another process, which sees them in its own history.
        empty = Visits.__new__(Visits)
        empty._forget()  # noqa: SLF001 - its own kind
        return {**self.__dict__, **empty.__dict__}

    def _forget(self) -> None:
        self._trials: list[PastTrial] = []
        self._taken: dict[tuple[int, int, str], str] = {}
        """The trial at each place."""
        self._visits: dict[str, Visit] = {}
        """By trial."""
        self._lowest: dict[Hashable, int] = {}
        """Where each configuration without labels began."""
        self._homes: dict[Hashable, tuple[int, str, int]] = {}
        """By configuration: its bracket, its id, and the level of the bracket's first rung."""
        self._began: Counter[int] = Counter()
        self._labelled = False
        self._unlabelled = False
        self._crowded = False
        """Whether two trials claim one place: then which of them counts depends on their order."""

    def changes(self, history: History) -> tuple[bool, list[Visit]]:
        """Return what is new since the last call, and whether everything that was said before is to be forgotten."""
        now, before = list(history), self._trials
        if before and len(now) >= len(before) and not self._crowded and not (self._labelled and self._unlabelled):
            found = self._followed(now, before)
            if found is not None:
                self._trials = now
                return False, found
        self._forget()
        self._trials = now
        return True, self._all(now)

    def all(self) -> list[Visit]:
        """Return all there are after the last call of ``changes``."""
        return list(self._visits.values())

    def _followed(self, now: list[PastTrial], before: list[PastTrial]) -> list[Visit] | None:
        """Return what has changed, or None when it has to be read from the beginning."""
        found = []
        # All of them are looked at in each call, so in the fastest way there is.
        for place in compress(range(len(before)), map(is_not, before, now)):
            old, new = before[place], now[place]
            if (old.name, old.index, old.point, old.labels) != (new.name, new.index, new.point, new.labels):
                return None
            visit = self._visits.get(new.name)
            if visit is not None and old != new:
                found.append(self._visit(new, *visit.place))
        for trial in now[len(before) :]:
            visit = self._read(trial)
            if visit is None:
                self._unlabelled = True
                level = self._ladder.level_of(trial.point)
                if level is None:
                    continue
                configuration = self._ladder.configuration(trial.point)
                if level < self._lowest.setdefault(configuration, level):
                    return None
                visit = self._placed(trial, level, configuration)
            else:
                self._labelled = True
            if self._labelled and self._unlabelled:
                return None
            if visit is not None:
                found.append(visit)
        for visit in found:
            if self._taken.setdefault(visit.place, visit.trial) != visit.trial:
                return None
            self._visits[visit.trial] = visit
        return found

    def _all(self, trials: list[PastTrial]) -> list[Visit]:
        read = [(trial, self._read(trial)) for trial in trials]
        labelled = [visit for _, visit in read if visit is not None]
        climbing = [
            (trial, level, self._ladder.configuration(trial.point))
            for trial, visit in read
            if visit is None and (level := self._ladder.level_of(trial.point)) is not None
        ]
        self._labelled, self._unlabelled = bool(labelled), len(labelled) < len(read)
        for _, level, configuration in climbing:
            self._lowest[configuration] = min(level, self._lowest.get(configuration, level))
        if climbing:
            for visit in labelled:
                if (level := self._ladder.level_of(visit.point)) is not None:
                    configuration = self._ladder.configuration(visit.point)
                    self._homes[configuration] = (visit.bracket, visit.configuration, level - visit.rung)
        for trial, level, configuration in climbing:
            self._find_home(trial, level, configuration)
        placed = [self._placed(*each) for each in climbing]
        visits = labelled + [visit for visit in placed if visit is not None]
        self._visits = {visit.trial: visit for visit in visits}
        self._taken = {visit.place: visit.trial for visit in visits}
        self._crowded = len(self._taken) < len(visits)
        return visits

    def _find_home(self, trial: PastTrial, level: int, configuration: Hashable) -> None:
        if configuration in self._homes or level != self._lowest[configuration]:
            return
        home = self._home(level, self._began[level])
        if home is not None:
            self._began[level] += 1
            self._homes[configuration] = (home[0], str(trial.index), home[1])

    def _placed(self, trial: PastTrial, level: int, configuration: Hashable) -> Visit | None:
        self._find_home(trial, level, configuration)
        home = self._homes.get(configuration)
        return None if home is None else self._visit(trial, home[0], level - home[2], home[1])

    def _read(self, trial: PastTrial) -> Visit | None:
        try:
            bracket, rung = int(trial.labels[_BRACKET]), int(trial.labels[_RUNG])
            configuration = trial.labels[_CONFIGURATION]
        except (KeyError, ValueError):
            return None
        return self._visit(trial, bracket, rung, configuration)

    def _visit(self, trial: PastTrial, bracket: int, rung: int, configuration: str) -> Visit:
        ended = not trial.state.is_active
        return Visit(bracket, rung, configuration, trial.point, trial.name, ended, _rank(trial, self._sign))


def _rank(trial: PastTrial, sign: float) -> Rank | None:
    if not trial.is_measured or not trial.values:
        return None
    # A result that breaks a bound on another metric is worse than any that keeps them.
    return not trial.feasible, sign * trial.values[0], trial.index


def labels_of(visit: Visit, parent: Visit | None = None) -> dict[str, str]:
    """Return the labels from which ``Visits`` reads this again."""
    labels = {_BRACKET: str(visit.bracket), _RUNG: str(visit.rung), _CONFIGURATION: visit.configuration}
    if parent is not None and len(parent.trial) <= _LONGEST_LABEL:
        labels[_PARENT] = parent.trial  # for people; the configuration's id is enough to go on
    return labels
