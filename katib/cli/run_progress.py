"""What a run has come to, folded from its events; the views only show it."""

from __future__ import annotations

import time
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from katib.api.trial import TrialState
from katib.cli.measures import Measures
from katib.local.progress import (
    Event,
    Finished,
    MetricsSeen,
    Started,
    StatusChanged,
    Stopping,
    TrialFinished,
    TrialRetried,
    TrialStarted,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from katib.api.experiment import Experiment, ExperimentStatus, OptimalTrial
    from katib.engine.ledger import Ledger
    from katib.engine.trial import TrialRecord
    from katib.runners.failed_attempts import FailedAttempt

__all__ = ["RunProgress"]

_RECENT = 100


class RunProgress:
    """The state of one run as its events tell it.

    Args:
        experiment: What is run.
        clock: Seconds that only grow.

    Attributes:
        running: Trials that run, by name, in the order of their start.
        recent: Trials that ended lately, the newest first.
        latest: What each running trial reported last.
        retried: The last attempt that failed of each trial that is tried again, the newest at the end.
        stops: How often an end was asked for.
        waiting: Why nothing can be started; empty otherwise.
        status: The newest status.
    """

    def __init__(self, experiment: Experiment, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.experiment = experiment
        self.measures = Measures(experiment.spec)
        self.running: dict[str, TrialRecord] = {}
        self.recent: deque[TrialRecord] = deque(maxlen=_RECENT)
        self.latest: dict[str, dict[str, str]] = {}
        self.retried: dict[str, FailedAttempt] = {}
        self.notes: tuple[str, ...] = ()
        self.stops = 0
        self.waiting = ""
        self.status: ExperimentStatus | None = experiment.status
        self.ledger: Ledger | None = None
        self._clock = clock
        self._began = clock()
        self._ended_before = 0
        self._ended_here = 0

    def take(self, event: Event) -> None:
        """Take one event in."""
        match event:
            case Started(experiment=experiment, ledger=ledger, notes=notes):
                self.experiment, self.ledger, self.notes = experiment, ledger, notes
                self._began = self._clock()
                self._ended_before = ledger.completed
            case TrialStarted(record=record):
                self.running[record.name] = record
            case TrialRetried(record=record, failed=failed):
                self.running[record.name] = record
                self.retried.pop(record.name, None)
                self.retried[record.name] = failed
            case MetricsSeen(record=record, latest=latest):
                self.latest.setdefault(record.name, {}).update(latest)
            case TrialFinished(record=record):
                self.running.pop(record.name, None)
                self.latest.pop(record.name, None)
                self.retried.pop(record.name, None)
                self.recent.appendleft(record)
                self._ended_here += not record.runs_again
            case StatusChanged(status=status, ledger=ledger) | Finished(status=status, ledger=ledger):
                self.status, self.ledger = status, ledger
            case Waiting(reason=reason):
                self.waiting = reason
            case Stopping(at_once=at_once):
                self.stops = 2 if at_once else max(self.stops, 1)

    @property
    def counts(self) -> Mapping[TrialState, int]:
        """How many trials are in each state."""
        return self.ledger.counts if self.ledger is not None else dict.fromkeys(TrialState, 0)

    @property
    def ended(self) -> int:
        """How many trials of the budget have ended, counted as their events come: the ledger knows of all at once."""
        return self._ended_before + self._ended_here

    @property
    def most(self) -> int | None:
        """How many trials there will be at most, if there is a limit."""
        return self.experiment.spec.max_trial_count

    @property
    def best(self) -> OptimalTrial | None:
        """The best trial so far."""
        return self.ledger.optimum if self.ledger is not None else None

    @property
    def best_value(self) -> str:
        """The best value of the (first) objective; empty before there is one."""
        best = self.best
        values = self.measures.values(best.observation) if best is not None else {}
        return values.get(self.measures.objectives[0], "") if self.measures.objectives else ""

    @property
    def elapsed(self) -> timedelta:
        """How long this run has taken."""
        return timedelta(seconds=self._clock() - self._began)

    @property
    def remaining(self) -> timedelta | None:
        """A guess of how long the rest takes, at the pace so far; None before there is a pace or without a limit."""
        if self.most is None or not self._ended_here:
            return None
        return self.elapsed / self._ended_here * max(0, self.most - self.ended)
