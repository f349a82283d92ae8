"""What was tried and what came of it, as algorithms see it; kept up to date by difference, so it stays cheap at 10,000 trials."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from katib.api.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from katib.space.point import Point

__all__ = ["History", "PastTrial"]

_MEASURED = (TrialState.SUCCEEDED, TrialState.EARLY_STOPPED)


@dataclass(frozen=True, slots=True)
class PastTrial:
    """One trial as an algorithm sees it.

    Attributes:
        index: Its place in the experiment, from 0.
        name: Its name.
        point: What was tried.
        state: What became of it.
        values: One number for each objective as reported (NaN and infinities included), or None without a result.
        started: When, in seconds of the Unix epoch; None before.
        labels: What the algorithm attached to the point.
        feasible: Whether it kept within the bounds on other metrics.
        seconds: How long it ran, or None while it runs or where that is not known.
    """

    index: int
    name: str
    point: Point
    state: TrialState
    values: tuple[float, ...] | None = None
    started: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    feasible: bool = True
    seconds: float | None = None

    @property
    def is_measured(self) -> bool:
        """Whether it ended with a finite number for every objective."""
        return self.state in _MEASURED and self.values is not None and all(map(math.isfinite, self.values))


class History:
    """The trials of one experiment in the order of their indices."""

    def __init__(self, trials: Iterable[PastTrial] = ()) -> None:
        self._trials: dict[str, PastTrial] = {}
        self._active: dict[str, PastTrial] = {}
        self._points: dict[Point, int] = {}
        self._next_index = 0
        self._last_index = -1
        self._sorted = True
        for trial in trials:
            self.record(trial)

    def record(self, trial: PastTrial) -> None:
        """Add a trial, or put what is known now in the place of what was known; constant time."""
        old = self._trials.get(trial.name)
        if old is None:
            self._sorted = self._sorted and trial.index > self._last_index
            self._last_index = max(self._last_index, trial.index)
            self._next_index = max(self._next_index, trial.index + 1)
            self._points[trial.point] = self._points.get(trial.point, 0) + 1
        elif old.point != trial.point:
            self._points[old.point] -= 1
            if not self._points[old.point]:
                del self._points[old.point]
            self._points[trial.point] = self._points.get(trial.point, 0) + 1
        self._trials[trial.name] = trial
        if trial.state.is_active:
            self._active[trial.name] = trial
        else:
            self._active.pop(trial.name, None)

    def __len__(self) -> int:
        return len(self._trials)

    def __iter__(self) -> Iterator[PastTrial]:
        if not self._sorted:
            self._trials = dict(sorted(self._trials.items(), key=lambda item: item[1].index))
            self._sorted = True
        return iter(self._trials.values())

    def __contains__(self, name: object) -> bool:
        return name in self._trials

    def __getitem__(self, name: str) -> PastTrial:
        return self._trials[name]

    @property
    def next_index(self) -> int:
        """The index of the next trial: how many points were issued so far, imported ones included."""
        return self._next_index

    def issued(self, count: int) -> None:
        """Note that so many points were issued, although fewer trials are known: Katib forgets those without metrics."""
        self._next_index = max(self._next_index, count)

    def was_tried(self, point: Point) -> bool:
        """Whether some trial, whatever became of it, has this point; constant time."""
        return point in self._points

    @property
    def distinct_points(self) -> int:
        """How many different points were tried."""
        return len(self._points)

    def running(self) -> list[PastTrial]:
        """Return the trials whose end has not come, by index."""
        return sorted(self._active.values(), key=lambda trial: trial.index)

    def measured(self) -> Iterator[PastTrial]:
        """Yield the trials that ended with finite values, by index."""
        return (trial for trial in self if trial.is_measured)
