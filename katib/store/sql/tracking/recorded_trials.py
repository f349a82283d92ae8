"""Trials that are driven elsewhere: what is newer is kept. Functions run in the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from katib.api.experiment import ExperimentStatus
from katib.api.trial import TrialState
from katib.errors import Conflict, NotFound
from katib.store.protocol import Summary
from katib.store.sql.begun_again import forget_reports
from katib.store.sql.changes import next_change
from katib.store.sql.documents import dump, load, load_model
from katib.store.sql.keys import digest_of, lock_experiment
from katib.store.sql.named_trials import claim, find_named
from katib.store.sql.schema import experiments, metrics, summaries, trial_jobs, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.deletion import BEING_PURGED
from katib.store.sql.tracking.recorded_ends import TRIAL_MESSAGE, ended_with_object
from katib.store.sql.tracking.scope import chunks, experiment_key
from katib.store.sql.trial_rows import COLUMNS, trial_records
from katib.store.sql.trial_writes import record_trials as write_trials
from katib.store.sql.unclaimed_summaries import unclaimed_summaries
from katib.store.sql.values import micros
from katib.store.tracking.recording import EXPERIMENT_DELETED
from katib.store.tracking.records import ExperimentKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import BindParameter, Connection

    from katib.engine.trial import TrialRecord
    from katib.store.sql.tracking.scope import ExperimentKey, Scope
    from katib.store.tracking.recording import RecordedTrial

__all__ = ["record_trials", "run_of_trial", "trial_summaries"]

_runs = trials.c
_OF_EXPERIMENT = _runs.experiment_id == bindparam("experiment")
_NAMES: BindParameter[str] = bindparam("names", expanding=True)
_KNOWN = select(*COLUMNS).where(_OF_EXPERIMENT, _runs.trial_index.in_(bindparam("indices", expanding=True)))
_UID = select(_runs.uid).where(_runs.id == bindparam("key"))
_STATUS = select(experiments.c.status).where(experiments.c.id == bindparam("experiment"))
_ROWS = (
    select(_runs.name, _runs.id, _runs.place, trial_jobs.c.job)
    .outerjoin(trial_jobs, trial_jobs.c.trial_id == _runs.id)
    .where(_OF_EXPERIMENT, _runs.name.in_(_NAMES))
)
_INSERT_JOB = insert(trial_jobs)
_UPDATE_JOB = update(trial_jobs).where(trial_jobs.c.trial_id == bindparam("key")).values(job=bindparam("new_job"))
_UPDATE_PLACE = (
    update(trials)
    .where(_runs.id == bindparam("key"))
    .values(place=bindparam("new_place"), change=bindparam("new_change"))
)
_DELETE_TOO = update(trials).where(_OF_EXPERIMENT, _runs.name.in_(_NAMES)).values(deleted=bindparam("stamp"))
_SUMMARIES = (
    select(
        _runs.name,
        metrics.c.name,
        summaries.c.first,
        summaries.c.latest,
        summaries.c.min,
        summaries.c.max,
        summaries.c.count,
    )
    .join_from(trials, summaries, summaries.c.trial_id == _runs.id)
    .join(metrics, metrics.c.id == summaries.c.metric_id)
    .where(_OF_EXPERIMENT, _runs.name.in_(_NAMES))
    .order_by(_runs.trial_index, summaries.c.first_sequence)
)
_SOME_METRICS = _SUMMARIES.where(metrics.c.digest.in_(bindparam("digests", expanding=True)))


@dataclass(slots=True)
class _Changes:
    """What of a call is new.

    Attributes:
        records: By index.
        inserted: Names of trials that were not there.
        again: By name, those whose attempt grew, with the start of the new one.
    """

    records: dict[int, TrialRecord]
    inserted: set[str]
    again: dict[str, datetime | None]


def record_trials(connection: Connection, scope: Scope, experiment_id: str, given: Sequence[RecordedTrial]) -> int:
    """Insert trials or bring them up to date, and return of how many something was new."""
    found = experiment_key(connection, scope, experiment_id)
    if found.kind != ExperimentKind.KATIB.value:
        raise Conflict("the experiment has no driver that records its trials: they are added as runs")
    lock_experiment(connection, found.id)
    experiment = experiment_key(connection, scope, experiment_id)
    if experiment.deleted == BEING_PURGED:
        raise Conflict("the experiment is being purged: record it again when it is gone")
    given = [_storable_name(each) for each in given]
    changes = _changes(connection, experiment, [each.record for each in given])
    if changes.records:
        write_trials(connection, experiment.id, list(changes.records.values()))
    if experiment.deleted is not None:
        for names in chunks(sorted(changes.inserted)):
            connection.execute(_DELETE_TOO, {"experiment": experiment.key, "names": names, "stamp": experiment.deleted})
    new = {record.name for record in changes.records.values()}
    new |= _write_around(connection, experiment, given, changes.again)
    return len(new)


def _storable_name(trial: RecordedTrial) -> RecordedTrial:
    name = storable(trial.record.name)
    return trial if name == trial.record.name else replace(trial, record=replace(trial.record, name=name))


def _changes(connection: Connection, experiment: ExperimentKey, records: Sequence[TrialRecord]) -> _Changes:
    """Return what is newer than what is known; of several records of one trial the newest."""
    known: dict[int, TrialRecord] = {
        record.index: record
        for indices in chunks(sorted({record.index for record in records}))
        for record in trial_records(
            connection.execute(_KNOWN, {"experiment": experiment.key, "indices": indices}).all()
        )
    }
    changes = _Changes({}, set(), {})
    over = _object_is_gone(connection, experiment)
    now = datetime.now(UTC)
    for record in records:
        before = known.get(record.index)
        after = _ended(record, now) if over and record.state.is_active else record
        if before is not None and before.name != after.name:
            raise Conflict(f"trial {after.index} of this experiment is named {before.name!r}, not {after.name!r}")
        if before is None:
            changes.inserted.add(after.name)
        elif not _replaces(after, before):
            continue
        # What is reported of a trial that was not recorded yet may be of its earlier attempts.
        if after.attempt > max(before.attempt if before else 1, 1):
            changes.again[after.name] = after.started
        changes.records[after.index] = known[after.index] = after
    return changes


def _object_is_gone(connection: Connection, experiment: ExperimentKey) -> bool:
    document: str = connection.execute(_STATUS, {"experiment": experiment.key}).scalar_one()
    if EXPERIMENT_DELETED not in document:
        return False
    return ended_with_object(load_model(ExperimentStatus, document, experiment.id))


def _ended(record: TrialRecord, now: datetime) -> TrialRecord:
    return replace(
        record,
        state=TrialState.KILLED,
        reason=EXPERIMENT_DELETED,
        message=TRIAL_MESSAGE,
        finished=now,
        stopping=None,
    )


def _replaces(record: TrialRecord, known: TrialRecord) -> bool:
    """Whether a record says something that is newer than what is known."""
    if record == known:
        return False
    if known.state is TrialState.KILLED and known.reason == EXPERIMENT_DELETED:
        # Nobody saw it end; how it did end is news, and that it was active once is not.
        return record.reason != EXPERIMENT_DELETED and record.attempt >= known.attempt
    return record.supersedes(known)


def _write_around(
    connection: Connection,
    experiment: ExperimentKey,
    given: Sequence[RecordedTrial],
    again: Mapping[str, datetime | None],
) -> set[str]:
    """Write what belongs to trials and is in no record, and return the names of those for which that was new."""
    jobs = {each.record.name: each.job for each in given if each.job is not None}
    places = {each.record.name: each.place for each in given if each.place}
    rows = _rows(connection, experiment, {*jobs, *places, *again})
    for name in again:
        start = again[name]
        forget_reports(connection, rows[name].id, before=None if start is None else micros(start))
    return _write_jobs(connection, jobs, rows) | _write_places(connection, places, rows)


def _rows(connection: Connection, experiment: ExperimentKey, names: Iterable[str]) -> dict[str, Any]:
    return {
        row.name: row
        for some in chunks(sorted(names))
        for row in connection.execute(_ROWS, {"experiment": experiment.key, "names": some}).all()
    }


def _write_jobs(connection: Connection, jobs: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Any]) -> set[str]:
    texts = {name: dump(dict(job)) for name, job in jobs.items()}
    new = [name for name in texts if rows[name].job is None]
    changed = [name for name, text in texts.items() if rows[name].job not in (None, text)]
    if new:
        connection.execute(_INSERT_JOB, [{"trial_id": rows[name].id, "job": texts[name]} for name in new])
    if changed:
        connection.execute(_UPDATE_JOB, [{"key": rows[name].id, "new_job": texts[name]} for name in changed])
    return {*new, *changed}


def _write_places(connection: Connection, places: Mapping[str, Mapping[str, str]], rows: Mapping[str, Any]) -> set[str]:
    before = {name: load(rows[name].place) if rows[name].place else {} for name in places}
    changed = {
        name: {**before[name], **place} for name, place in places.items() if not place.items() <= before[name].items()
    }
    if changed:
        change = next_change(connection)
        connection.execute(
            _UPDATE_PLACE,
            [{"key": rows[name].id, "new_place": dump(place), "new_change": change} for name, place in changed.items()],
        )
    return set(changed)


def run_of_trial(connection: Connection, scope: Scope, name: str) -> str:
    """Return the run's id of the trial that reports by this name are about."""
    found = find_named(connection, [name])[storable(name)]
    key = claim(found, scope.namespace).known
    if key is None:
        raise NotFound(f"no experiment in namespace {scope.namespace!r} has a trial {name!r} yet")
    return str(connection.execute(_UID, {"key": key}).scalar_one())


def trial_summaries(
    connection: Connection,
    scope: Scope,
    experiment_id: str,
    names: Collection[str],
    wanted: Collection[str] | None,
) -> dict[str, dict[str, Summary]]:
    """Return the summaries of trials by their names, also of those that are reported of and not recorded yet."""
    key = experiment_key(connection, scope, experiment_id).key
    found: dict[str, dict[str, Summary]] = {}
    for some in chunks(sorted(map(storable, set(names)))):
        asked = {"experiment": key, "names": some}
        if wanted is None:
            rows = connection.execute(_SUMMARIES, asked).all()
        else:
            digests = sorted({digest_of(storable(metric)) for metric in wanted})
            rows = [
                row
                for these in chunks(digests)
                for row in connection.execute(_SOME_METRICS, {**asked, "digests": these})
            ]
        for trial, metric, first, latest, least, greatest, count in rows:
            found.setdefault(trial, {})[metric] = Summary(
                first=first, latest=latest, min=least, max=greatest, count=count
            )
    others = unclaimed_summaries(connection, scope.namespace, {storable(name) for name in names} - found.keys())
    for trial, by_metric in others.items():
        asked_for = {name: summary for name, summary in by_metric.items() if wanted is None or name in wanted}
        if asked_for:
            found[trial] = asked_for
    return found
