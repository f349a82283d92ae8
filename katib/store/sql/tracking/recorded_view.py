"""The part of a namespace that a driver elsewhere records: each method is one call of the modules beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from katib.store.sql.tracking import recorded_events, recorded_experiments, recorded_trials
from katib.store.tracking.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from katib.api.experiment import Experiment
    from katib.store.protocol import EventKind, Summary
    from katib.store.sql.database import Database
    from katib.store.sql.tracking.scope import Scope
    from katib.store.tracking.recording import RecordedExperiment, RecordedTrial

__all__ = ["SqlRecording"]


class SqlRecording(Recording):
    """What a driver elsewhere records, in a SQL database."""

    _database: Database
    _scope: Scope

    @override
    def record_experiment(self, experiment: Experiment, version: int) -> RecordedExperiment:
        return self._database.write(recorded_experiments.record_experiment, self._scope, experiment, version)

    @override
    def record_trials(self, experiment_id: str, trials: Sequence[RecordedTrial]) -> int:
        return self._database.write(recorded_trials.record_trials, self._scope, experiment_id, trials)

    @override
    def trial_summaries(
        self, experiment_id: str, trials: Collection[str], metrics: Collection[str] | None = None
    ) -> dict[str, dict[str, Summary]]:
        return self._database.read(recorded_trials.trial_summaries, self._scope, experiment_id, trials, metrics)

    @override
    def run_of_trial(self, name: str) -> str:
        return self._database.read(recorded_trials.run_of_trial, self._scope, name)

    @override
    def record_event(
        self,
        experiment_id: str,
        reason: str,
        message: str,
        *,
        kind: EventKind = "Normal",
        trial: str | None = None,
        event_id: str | None = None,
        count: int = 1,
        time: datetime | None = None,
    ) -> None:
        self._database.write(
            recorded_events.record_event,
            self._scope,
            experiment_id,
            reason,
            message,
            kind=kind,
            trial=trial,
            event_id=event_id,
            count=count,
            time=time,
        )

    @override
    def mark_deleted(self, experiment_id: str) -> bool:
        return self._database.write(recorded_experiments.mark_deleted, self._scope, experiment_id)
