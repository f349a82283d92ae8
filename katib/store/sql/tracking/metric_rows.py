"""Metrics of runs: logged each once, numbered, summed up, removed. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select

from katib.store.protocol import Observed
from katib.store.sql.appended_rows import append_rows, as_rows
from katib.store.sql.key_lists import among_keys
from katib.store.sql.keys import digest_of
from katib.store.sql.reported_places import Place, add, lock
from katib.store.sql.row_inserts import RowInsert
from katib.store.sql.schema import collectors, metrics, observations, summaries, trials
from katib.store.sql.stored_reports import count_stored, missing_rows
from katib.store.sql.text import storable
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import projects
from katib.store.sql.values import moment, unpack
from katib.store.summary import reported_number
from katib.store.tracking.records import LogReceipt, Metric

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.protocol import Reported
    from katib.store.sql.tracking.scope import Scope

__all__ = ["delete_metrics", "first_samples", "log_samples", "metrics_of", "series_of_runs"]

_INSERT_COLLECTORS = RowInsert(collectors)
_columns = summaries.c
_READ = (
    select(
        _columns.trial_id,
        metrics.c.name,
        _columns.latest,
        _columns.latest_value,
        _columns.latest_kind,
        _columns.latest_time,
        _columns.latest_step,
        _columns.first,
        _columns.first_step,
        _columns.min,
        _columns.max,
        _columns.count,
    )
    .join(metrics)
    .where(among_keys(_columns.trial_id, "trials"))
    .order_by(_columns.trial_id, _columns.first_sequence)
)

_METRIC = select(metrics.c.id).where(metrics.c.digest == bindparam("digest"))
_SERIES = (
    select(
        trials.c.uid,
        observations.c.sequence,
        observations.c.value,
        observations.c.kind,
        observations.c.text,
        observations.c.time,
        observations.c.step,
    )
    .join(trials, trials.c.id == observations.c.trial_id)
    .join(projects, projects.c.id == trials.c.project_id)
    .where(
        trials.c.uid.in_(bindparam("uids", expanding=True)),
        projects.c.namespace == bindparam("namespace"),
        observations.c.metric_id == bindparam("metric"),
    )
    .order_by(observations.c.trial_id, observations.c.sequence)
)


def metrics_of(connection: Connection, runs: Sequence[int]) -> dict[int, tuple[Metric, ...]]:
    """Return the metrics of runs by key, in the order of first report; who has none is absent."""
    found: dict[int, list[Metric]] = {}
    for some in chunks(runs):
        rows = connection.execute(_READ, {"trials": some}).all()  # several times quicker than one by one
        for run, name, latest, value, kind, time, step, first, first_step, least, greatest, count in rows:
            found.setdefault(run, []).append(
                Metric(
                    name=name,
                    latest=latest,
                    value=reported_number(latest) if value == 0 else unpack(value, kind),
                    latest_time=None if time is None else moment(time),
                    latest_step=step,
                    first=first,
                    first_step=first_step,
                    min=least,
                    min_value=reported_number(least),
                    max=greatest,
                    max_value=reported_number(greatest),
                    count=count,
                )
            )
    return {run: tuple(some) for run, some in found.items()}


def series_of_runs(
    connection: Connection, scope: Scope, run_ids: Sequence[str], metric: str
) -> dict[str, list[Observed]]:
    """Return what was reported of one metric of several runs, by run; who has none is absent."""
    key = connection.execute(_METRIC, {"digest": digest_of(storable(metric))}).scalar()
    if key is None:
        return {}
    found: dict[str, list[Observed]] = {}
    for some in chunks(sorted({storable(run_id) for run_id in run_ids})):
        asked = {"uids": some, "namespace": storable(scope.namespace), "metric": key}
        for run_id, sequence, value, kind, text, time, step in connection.execute(_SERIES, asked):
            found.setdefault(run_id, []).append(
                Observed(
                    sequence=sequence,
                    name=metric,
                    text=repr(unpack(value, kind)) if text is None else text,
                    value=unpack(value, kind) if text is None else reported_number(text),
                    time=None if time is None else moment(time),
                    step=step,
                )
            )
    return found


def log_samples(connection: Connection, run: int, samples: Sequence[Reported]) -> LogReceipt:
    """Store what of the samples is not stored yet (ADR 0009)."""
    if not samples:
        return LogReceipt(0, 0)
    (rows,) = as_rows(connection, [samples])
    place = Place(known=True, key=run)
    following = lock(connection, [place])
    stored = count_stored(connection, {place: rows}, with_steps=True)[place]
    missing = missing_rows(rows, stored)
    add(connection, {place: missing}, following)
    return LogReceipt(len(missing), len(rows) - len(missing))


def first_samples(connection: Connection, reported: Mapping[int, Sequence[Reported]]) -> None:
    """Store what is reported of runs that were inserted in this transaction: there is nothing to look for or to wait for."""
    if reported:
        groups = dict(zip(reported, as_rows(connection, reported.values()), strict=True))
        append_rows(connection, {run: (0, rows) for run, rows in groups.items()}, new=groups.keys())
        _INSERT_COLLECTORS.execute(
            connection,
            [
                {"trial_id": run, "next_sequence": len(rows), "checkpoint": None, "collected": 0}
                for run, rows in groups.items()
            ],
        )


def delete_metrics(connection: Connection, run: int, names: Collection[str] | None) -> None:
    """Remove metrics of a run with all their reports, or all."""
    lock(connection, [Place(known=True, key=run)])
    for table in (observations, summaries):
        mine = delete(table).where(table.c.trial_id == run)
        if names is None:
            connection.execute(mine)
            continue
        for some in chunks(sorted({digest_of(storable(name)) for name in names})):
            of_names = select(metrics.c.id).where(metrics.c.digest.in_(some))
            connection.execute(mine.where(table.c.metric_id.in_(of_names)))
