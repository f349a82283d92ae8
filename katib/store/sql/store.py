"""The store: each method is one call of the modules beside this one, inside a transaction of the right kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from typing_extensions import override

from katib.store.protocol import Store
from katib.store.sql import (
    event_rows,
    experiment_rows,
    jobs,
    observation_rows,
    request_rows,
    summary_rows,
    trial_records,
)
from katib.store.sql.database import Database
from katib.store.sql.keys import trial_key
from katib.store.sql.location import prepare_file
from katib.store.sql.migrate import bring_up_to_date

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
    from katib.api.trial import TrialState
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Event, EventKind, ExperimentSummary, Observed, Reported, Summary

__all__ = ["SqlStore"]


class SqlStore(Store):
    """A store in a SQLite file.

    Args:
        path: The file; it and its folder are made when they are absent.
        patience: Seconds to wait for another writer.

    Raises:
        StoreUnavailable: It cannot be created, read or written, is no store, or was written by a newer version.
    """

    def __init__(self, path: Path, *, patience: float) -> None:
        prepare_file(path)
        self._database = Database(path, patience=patience)
        try:
            bring_up_to_date(self._database)
        except BaseException:
            self._database.close()
            raise

    @override
    def close(self) -> None:
        self._database.close()

    @override
    def __enter__(self) -> Self:
        return self

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @override
    def transaction(self) -> AbstractContextManager[None]:
        return self._database.transaction()

    # -- experiments ----------------------------------------------------------------------------------------------

    @override
    def create_experiment(self, experiment: Experiment) -> Experiment:
        with self._database.writing() as connection:
            return experiment_rows.create_experiment(connection, experiment)

    @override
    def experiment(self, namespace: str, name: str) -> Experiment:
        with self._database.reading() as connection:
            return experiment_rows.read_experiment(connection, namespace, name)

    @override
    def experiments(self, namespace: str | None = None) -> list[ExperimentSummary]:
        with self._database.reading() as connection:
            return experiment_rows.list_experiments(connection, namespace)

    @override
    def save_status(self, uid: str, status: ExperimentStatus) -> None:
        with self._database.writing() as connection:
            experiment_rows.save_status(connection, uid, status)

    @override
    def update_spec(self, uid: str, spec: ExperimentSpec, *, resource_version: str | None = None) -> None:
        with self._database.writing() as connection:
            experiment_rows.update_spec(connection, uid, spec, resource_version)

    @override
    def delete_experiment(self, uid: str) -> None:
        with self._database.writing() as connection:
            experiment_rows.delete_experiment(connection, uid)

    # -- trials ---------------------------------------------------------------------------------------------------

    @override
    def record_trials(self, uid: str, records: Sequence[TrialRecord]) -> None:
        with self._database.writing() as connection:
            trial_records.record_trials(connection, uid, records)

    @override
    def trials(
        self,
        uid: str,
        *,
        states: Collection[TrialState] | None = None,
        after_index: int | None = None,
        limit: int | None = None,
    ) -> list[TrialRecord]:
        with self._database.reading() as connection:
            return trial_records.list_trials(connection, uid, states, after_index, limit)

    @override
    def trial(self, uid: str, name: str) -> TrialRecord:
        with self._database.reading() as connection:
            return trial_records.read_trial(connection, uid, name)

    @override
    def count_trials(self, uid: str) -> int:
        with self._database.reading() as connection:
            return trial_records.count_trials(connection, uid)

    @override
    def changes(self, uid: str, since: int) -> tuple[int, list[TrialRecord]]:
        with self._database.reading() as connection:
            return trial_records.trials_changed(connection, uid, since)

    @override
    def save_job(self, uid: str, trial_name: str, job: Mapping[str, Any]) -> None:
        with self._database.writing() as connection:
            jobs.save_job(connection, uid, trial_name, job)

    @override
    def job(self, uid: str, trial_name: str) -> dict[str, Any] | None:
        with self._database.reading() as connection:
            return jobs.read_job(connection, uid, trial_name)

    @override
    def jobs(self, uid: str) -> dict[str, dict[str, Any]]:
        with self._database.reading() as connection:
            return jobs.read_jobs(connection, uid)

    # -- observations ---------------------------------------------------------------------------------------------

    @override
    def append_observations(
        self,
        uid: str,
        trial_name: str,
        samples: Sequence[Reported],
        *,
        first_sequence: int,
        checkpoint: Mapping[str, Any] | None = None,
    ) -> None:
        with self._database.writing() as connection:
            observation_rows.append_observations(
                connection, uid, trial_name, samples, first_sequence=first_sequence, checkpoint=checkpoint
            )

    @override
    def clear_observations(self, uid: str, trial_name: str) -> None:
        with self._database.writing() as connection:
            observation_rows.clear_observations(connection, uid, trial_name)

    @override
    def collector_state(self, uid: str, trial_name: str) -> tuple[dict[str, Any] | None, int]:
        with self._database.reading() as connection:
            return observation_rows.collector_state(connection, uid, trial_name)

    @override
    def series(
        self,
        uid: str,
        trial_name: str,
        metric: str | None = None,
        *,
        after_sequence: int | None = None,
        limit: int | None = None,
    ) -> list[Observed]:
        with self._database.reading() as connection:
            return observation_rows.read_series(
                connection, uid, trial_name, metric, after_sequence=after_sequence, limit=limit
            )

    @override
    def summaries(self, uid: str, trial_name: str) -> dict[str, Summary]:
        with self._database.reading() as connection:
            return summary_rows.read_summaries(connection, trial_key(connection, uid, trial_name))

    # -- events and requests --------------------------------------------------------------------------------------

    @override
    def record_event(
        self, uid: str, reason: str, message: str, *, kind: EventKind = "Normal", trial: str | None = None
    ) -> None:
        with self._database.writing() as connection:
            event_rows.record_event(connection, uid, reason, message, kind=kind, trial=trial)

    @override
    def events(self, uid: str, trial: str | None = None, limit: int | None = None) -> list[Event]:
        with self._database.reading() as connection:
            return event_rows.read_events(connection, uid, trial, limit)

    @override
    def request(self, uid: str, action: Literal["stop", "kill"]) -> None:
        with self._database.writing() as connection:
            request_rows.add_request(connection, uid, action)

    @override
    def requests(self, uid: str) -> list[str]:
        with self._database.reading() as connection:
            return request_rows.read_requests(connection, uid)

    @override
    def clear_requests(self, uid: str) -> None:
        with self._database.writing() as connection:
            request_rows.clear_requests(connection, uid)
