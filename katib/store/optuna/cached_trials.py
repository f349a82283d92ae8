"""The trials of one study as they were last seen, so that asking for all of them reads only those that changed since.

Whoever has the newest change of the store made it: then nobody else changed anything since the last look, and there is nothing to read
again. Otherwise what others changed is read, whichever process they are, and what we changed in between is read once more.

Nothing here locks: ``KatibStorage`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from optuna.trial import TrialState as OptunaState

from katib.api.trial import TrialState
from katib.store.optuna import facts
from katib.store.tracking.records import Lifecycle, RunScope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from katib.store.optuna.reading import StudyReading
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Run

__all__ = ["CachedTrials", "Seen"]

_PAGE: Final = 5_000


class Seen(NamedTuple):
    """A trial as it was last seen.

    Attributes:
        trial_id: As Optuna knows it: the run's serial number.
        change: The number of its run's last change.
        properties: Of its run, as long as the trial may be changed.
        heartbeat: When its process was last heard of, in microseconds.
    """

    trial_id: int
    trial: FrozenTrial
    run_id: str
    change: int
    properties: Mapping[str, Any]
    heartbeat: int | None


class CachedTrials:
    """Trials by number.

    Args:
        experiment_id: Whose.
        reading: How its runs are read as trials.
    """

    def __init__(self, experiment_id: str, reading: StudyReading) -> None:
        self._scope = RunScope(experiment_ids=[experiment_id], lifecycle=Lifecycle.ALL)
        self._reading = reading
        self._seen: dict[int, Seen] = {}
        self._numbers: list[int] | None = []
        self._growing: dict[int, str] = {}
        self._cursor = 0
        self._distributions: dict[str, BaseDistribution] = {}
        self._best: dict[bool, float] = {}

    def refresh(self, tracking: Tracking) -> None:
        """Read what changed since the last time."""
        while True:
            cursor, changed = tracking.changed_runs(self._cursor, scope=self._scope, limit=_PAGE)
            # Reports alone do not change the row of a trial that we drive.
            growing = [run_id for run_id in self._growing.values() if run_id not in changed]
            self._read(tracking, changed + growing)
            self._cursor = cursor
            if len(changed) < _PAGE:
                return

    def _read(self, tracking: Tracking, run_ids: Sequence[str]) -> None:
        if not run_ids:
            return
        # The runs first: a trial that has ended by then has all its reports.
        runs = tracking.runs(run_ids, self._reading.parts)
        reports = tracking.series_of_runs([run.id for run in runs], self._reading.intermediate)
        for run in runs:
            if run.deleted is None:
                self._put(run, self._reading.frozen(run, reports.get(run.id, ())))
            else:
                self._drop(run.serial)

    def _put(self, run: Run, trial: FrozenTrial) -> None:
        if run.serial not in self._seen:
            self._numbers = None
        properties = {} if trial.state.is_finished() else run.facts.properties
        heartbeat = properties.get(facts.HEARTBEAT)
        self._seen[run.serial] = Seen(
            run.serial, trial, run.id, run.change, properties, heartbeat if isinstance(heartbeat, int) else None
        )
        if trial.state == OptunaState.COMPLETE and trial.values:
            for smaller, better in ((True, min), (False, max)):
                self._best[smaller] = better(self._best.get(smaller, trial.values[0]), trial.values[0])
        for name, distribution in trial.distributions.items():
            self._distributions.setdefault(name, distribution)
        if self._reading.reports_alone and run.state is TrialState.RUNNING:
            self._growing[run.serial] = run.id
        else:
            self._growing.pop(run.serial, None)

    def _drop(self, trial_id: int) -> None:
        self._seen.pop(trial_id, None)
        self._growing.pop(trial_id, None)
        self._numbers = None

    def absorb(self, run: Run, trial: FrozenTrial) -> None:
        """Take over what this process has just written, unless something newer was seen meanwhile."""
        known = self._seen.get(run.serial)
        if known is None or known.change < run.change:
            self._put(run, trial)
        if run.change == self._cursor + 1:
            self._cursor = run.change

    def get(self, trial_id: int) -> Seen | None:
        """Return a trial as it was last seen."""
        return self._seen.get(trial_id)

    def all(self) -> list[FrozenTrial]:
        """Return every trial in the order of their numbers; the list is the caller's, the trials are not."""
        if self._numbers is None:
            self._numbers = sorted(self._seen, key=lambda trial_id: self._seen[trial_id].trial.number)
        return [self._seen[trial_id].trial for trial_id in self._numbers]

    def best(self, *, smaller: bool) -> float | None:
        """Return the best first value of a complete trial that was seen."""
        return self._best.get(smaller)

    def seen(self) -> Iterable[Seen]:
        """Return every trial with what is known beside it."""
        return self._seen.values()

    def distribution(self, name: str) -> BaseDistribution | None:
        """Return the distribution that the study was first seen to have for a parameter."""
        return self._distributions.get(name)
