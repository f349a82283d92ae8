"""The store: each method is one call of the modules beside this one, inside a transaction of the right kind.

What only changes things is imported when it is called: most commands read, and their users wait for each import.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self, cast

from typing_extensions import override

from katib.errors import StoreUnavailable
from katib.store.observation_logs import LoggingStore
from katib.store.sql import (
    event_rows,
    experiment_rows,
    jobs,
    observation_rows,
    request_rows,
    summary_rows,
    trial_records,
)
from katib.store.sql.logs import SqlLogs
from katib.store.sql.migrate import check, create_or_upgrade, is_current

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
    from katib.api.trial import TrialState
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import (
        Answer,
        Event,
        EventKind,
        ExperimentSummary,
        ExperimentVersion,
        Observed,
        Reported,
        RequestKind,
        Summary,
        TrialReport,
    )
    from katib.store.sql.database import Database
    from katib.store.sql.tracking.view import SqlTracking
    from katib.store.tracking.recording import OpenExperiments
    from katib.store.tracking.records import LeaseState, RunChange, SampleChange

__all__ = ["SqlStore"]


class SqlStore(SqlLogs, LoggingStore):
    """A store in a SQL database.

    Args:
        database: It is closed with the store.

    Raises:
        StoreUnavailable: It cannot be created, read or written, is no store, or is one of an older or a newer version.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        try:
            if database.dialect.opens_anything and not is_current(database):
                create_or_upgrade(database)
            elif not database.dialect.opens_anything:
                check(database)
        except BaseException:
            database.close()
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

    def guard_writes(self, check: Callable[[], None]) -> None:
        """Call this before each change and before it is made durable (``FullStore``)."""
        self._database.guard = check

    # -- tracking -------------------------------------------------------------------------------------------------

    def tracking(self, namespace: str, *, actor: str = "") -> SqlTracking:
        """Return what one namespace has (``TrackingStore``)."""
        from katib.store.sql.tracking.view import SqlTracking  # most commands do without it

        return SqlTracking(self._database, namespace, actor)

    def namespaces_with_retention(self) -> list[str]:
        """Return the namespaces that have projects with a policy of their own (``TrackingStore``)."""
        from katib.store.sql.tracking import retention_rows

        return self._database.read(retention_rows.namespaces_with_retention)

    def open_experiments(
        self, cluster: str, *, namespace: str | None = None, cursor: str | None = None, limit: int = 1000
    ) -> OpenExperiments:
        """Return a page of what a cluster's driver recorded and that is not over (``TrackingStore``)."""
        from katib.store.sql.tracking import recorded_open

        return self._database.read(recorded_open.open_experiments, cluster, namespace, cursor, limit)

    def take_lease(self, name: str, holder: str, *, expired: LeaseState | None = None) -> LeaseState:
        """Hold what one process does at a time, if nobody does (``TrackingStore``)."""
        from katib.store.sql import leases

        return self._database.write(leases.take_lease, name, holder, expired)

    def give_lease_up(self, name: str, holder: str) -> None:
        """Let another one hold it (``TrackingStore``)."""
        from katib.store.sql import leases

        self._database.write(leases.give_lease_up, name, holder)

    def together(self, calls: Sequence[Callable[[], Any] | SampleChange | RunChange]) -> list[Any]:
        """Make several changes one commit (``TrackingStore``)."""
        try:
            with self._database.transaction():
                return self._in_turn(calls, one_by_one=False)
        except StoreUnavailable:
            raise
        except Exception:
            if len(calls) == 1:
                raise
        # One of them failed, which is rare, and each is made again so that it can fail alone.
        with self._database.transaction():
            return self._in_turn(calls, one_by_one=True)

    def _in_turn(self, calls: Sequence[Callable[[], Any] | SampleChange | RunChange], *, one_by_one: bool) -> list[Any]:
        """Make changes in their order; reports that follow each other are one write, and so are new runs."""
        from katib.store.sql.tracking.new_runs import create_runs
        from katib.store.sql.tracking.sample_groups import write_samples
        from katib.store.tracking.records import RunChange, SampleChange

        def create(change: RunChange) -> Any:
            return self._database.write(create_runs, [change])[0]

        results: list[Any] = []
        for kind, some in groupby(calls, type):
            if kind is SampleChange:  # of these, each has its own error
                results += self._database.write(write_samples, cast("list[SampleChange]", list(some)))
            elif kind is RunChange and one_by_one:
                results += [self._alone(partial(create, change)) for change in cast("Iterator[RunChange]", some)]
            elif kind is RunChange:
                results += self._database.write(create_runs, cast("list[RunChange]", list(some)))
            else:
                made = cast("Iterator[Callable[[], Any]]", some)
                results += [self._alone(call) if one_by_one else call() for call in made]
        return results

    def _alone(self, call: Callable[[], Any]) -> Any:
        try:
            with self._database.transaction():
                return call()
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it is its caller's
            return error

    # -- experiments ----------------------------------------------------------------------------------------------

    @override
    def create_experiment(self, experiment: Experiment, *, owner: str = "") -> Experiment:
        from katib.store.sql import experiment_writes

        return self._database.write(experiment_writes.create_experiment, experiment, owner)

    @override
    def experiment(self, namespace: str, name: str) -> Experiment:
        return self._database.read(experiment_rows.read_experiment, namespace, name)

    @override
    def experiments(self, namespace: str | None = None) -> list[ExperimentSummary]:
        return self._database.read(experiment_rows.list_experiments, namespace)

    @override
    def versions(self, namespace: str | None = None, name: str | None = None) -> list[ExperimentVersion]:
        return self._database.read(experiment_rows.list_versions, namespace, name)

    @override
    def save_status(self, uid: str, status: ExperimentStatus) -> None:
        from katib.store.sql import experiment_writes

        self._database.write(experiment_writes.save_status, uid, status)

    @override
    def update_spec(self, uid: str, spec: ExperimentSpec, *, resource_version: str | None = None) -> None:
        from katib.store.sql import experiment_writes

        self._database.write(experiment_writes.update_spec, uid, spec, resource_version)

    @override
    def delete_experiment(self, uid: str) -> None:
        from katib.store.sql import experiment_writes

        self._database.write(experiment_writes.delete_experiment, uid)

    # -- trials ---------------------------------------------------------------------------------------------------

    @override
    def record_trials(self, uid: str, records: Sequence[TrialRecord]) -> None:
        from katib.store.sql import trial_writes

        self._database.write(trial_writes.record_trials, uid, records)

    @override
    def trials(
        self,
        uid: str,
        *,
        states: Collection[TrialState] | None = None,
        after_index: int | None = None,
        limit: int | None = None,
    ) -> list[TrialRecord]:
        return self._database.read(trial_records.list_trials, uid, states, after_index, limit)

    @override
    def trial(self, uid: str, name: str) -> TrialRecord:
        return self._database.read(trial_records.read_trial, uid, name)

    @override
    def count_trials(self, uid: str) -> int:
        return self._database.read(trial_records.count_trials, uid)

    @override
    def changes(self, uid: str, since: int) -> tuple[int, list[TrialRecord]]:
        return self._database.read(trial_records.trials_changed, uid, since)

    @override
    def save_job(self, uid: str, trial_name: str, job: Mapping[str, Any]) -> None:
        self._database.write(jobs.save_job, uid, trial_name, job)

    @override
    def save_jobs(self, uid: str, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._database.write(jobs.save_jobs, uid, documents)

    @override
    def job(self, uid: str, trial_name: str) -> dict[str, Any] | None:
        return self._database.read(jobs.read_job, uid, trial_name)

    @override
    def jobs(self, uid: str) -> dict[str, dict[str, Any]]:
        return self._database.read(jobs.read_jobs, uid)

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
        self._database.write(
            observation_rows.append_observations,
            uid,
            trial_name,
            samples,
            first_sequence=first_sequence,
            checkpoint=checkpoint,
        )

    @override
    def append_reports(self, uid: str, reports: Sequence[TrialReport]) -> None:
        self._database.write(observation_rows.append_reports, uid, reports)

    @override
    def clear_observations(self, uid: str, trial_name: str) -> None:
        self._database.write(observation_rows.clear_observations, uid, trial_name)

    @override
    def collector_state(self, uid: str, trial_name: str) -> tuple[dict[str, Any] | None, int]:
        return self._database.read(observation_rows.collector_state, uid, trial_name)

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
        return self._database.read(
            observation_rows.read_series, uid, trial_name, metric, after_sequence=after_sequence, limit=limit
        )

    @override
    def summaries(self, uid: str, trial_name: str) -> dict[str, Summary]:
        return self._database.read(summary_rows.read_summaries, uid, trial_name)

    @override
    def summaries_of(self, uid: str, names: Sequence[str]) -> dict[str, dict[str, Summary]]:
        return self._database.read(summary_rows.read_summaries_of, uid, names)

    # -- events and requests --------------------------------------------------------------------------------------

    @override
    def record_event(
        self, uid: str, reason: str, message: str, *, kind: EventKind = "Normal", trial: str | None = None
    ) -> None:
        self._database.write(event_rows.record_event, uid, reason, message, kind=kind, trial=trial)

    @override
    def events(self, uid: str, trial: str | None = None, limit: int | None = None) -> list[Event]:
        return self._database.read(event_rows.read_events, uid, trial, limit)

    @override
    def answer(self, namespace: str, request_id: str) -> Answer | None:
        from katib.store.sql import answer_rows

        return self._database.read(answer_rows.read_answer, namespace, request_id)

    @override
    def keep_answer(self, namespace: str, request_id: str, request: str, document: Mapping[str, Any]) -> None:
        from katib.store.sql import answer_rows

        self._database.write(answer_rows.keep_answer, namespace, request_id, request, document)

    @override
    def request(self, uid: str, action: RequestKind) -> None:
        self._database.write(request_rows.add_request, uid, action)

    @override
    def requests(self, uid: str) -> list[str]:
        return self._database.read(request_rows.read_requests, uid)

    @override
    def clear_requests(self, uid: str) -> None:
        self._database.write(request_rows.clear_requests, uid)
