"""Observations: appended once, folded into summaries as they come, read as series. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update

from katib.errors import Conflict
from katib.store.protocol import Observed
from katib.store.sql.appended_rows import append_rows, as_rows
from katib.store.sql.documents import dump, load
from katib.store.sql.key_lists import ByLists
from katib.store.sql.keys import trial_key, trial_keys
from katib.store.sql.schema import collectors, metrics, observations, summaries
from katib.store.sql.text import storable
from katib.store.sql.values import moment, unpack
from katib.store.summary import reported_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.protocol import Reported, TrialReport

__all__ = [
    "append_numbered",
    "append_observations",
    "append_reports",
    "clear_observations",
    "collector_state",
    "read_numbered",
    "read_series",
]

_COLLECTOR = select(
    collectors.c.next_sequence,
    collectors.c.checkpoint,
    func.coalesce(collectors.c.collected, collectors.c.next_sequence).label("collected"),
).where(collectors.c.trial_id == bindparam("trial"))
_LOCK_COLLECTOR = _COLLECTOR.with_for_update(key_share=True)  # whoever reports for a trial waits for who does already
_LOCK_COLLECTORS = ByLists(
    lambda among: (
        select(
            collectors.c.trial_id,
            collectors.c.next_sequence,
            collectors.c.checkpoint,
            func.coalesce(collectors.c.collected, collectors.c.next_sequence).label("collected"),
        )
        .where(among(collectors.c.trial_id, "trials"))
        .order_by(collectors.c.trial_id)  # always in that order, so that no two writers wait for each other
        .with_for_update(key_share=True)
    )
)
_INSERT_COLLECTOR = insert(collectors)
_UPDATE_COLLECTOR = (
    update(collectors)
    .where(collectors.c.trial_id == bindparam("trial"))
    .values(
        next_sequence=bindparam("next_sequence"),
        checkpoint=bindparam("checkpoint"),
        collected=bindparam("collected"),
    )
)

_OF_TRIAL = observations.c.trial_id == bindparam("trial")
_SERIES = select(
    observations.c.sequence,
    observations.c.metric_id,
    observations.c.value,
    observations.c.kind,
    observations.c.text,
    observations.c.time,
    observations.c.step,
).order_by(observations.c.sequence)
_METRICS_OF_TRIAL = (
    select(summaries.c.metric_id, metrics.c.name).join(metrics).where(summaries.c.trial_id == bindparam("trial"))
)


def append_observations(
    connection: Connection,
    uid: str,
    trial: str,
    samples: Sequence[Reported],
    *,
    first_sequence: int,
    checkpoint: Mapping[str, Any] | None,
) -> None:
    """Append what is not stored yet, and keep the summaries and the collector's place in step."""
    place = None if checkpoint is None else dump(dict(checkpoint))
    key = trial_key(connection, uid, trial)
    append_numbered(connection, key, trial, samples, first_sequence=first_sequence, place=place)


def append_numbered(
    connection: Connection,
    key: int,
    trial: str,
    samples: Sequence[Reported],
    *,
    first_sequence: int,
    place: str | None,
) -> int:
    """Append what is not stored yet of numbered reports, and return the number of the next one.

    Args:
        key: Of the trial.
        trial: How messages name it.
        place: The collector's, as a document; None leaves the one before.
    """
    (collected,) = _append_to(connection, [_Appended(key, trial, samples, first_sequence, place)])
    return collected


def append_reports(connection: Connection, uid: str, reports: Sequence[TrialReport]) -> None:
    """Append what is not stored yet of reports of several trials, each of which is there once."""
    keys = trial_keys(connection, uid, [report.trial for report in reports])
    _append_to(
        connection,
        [
            _Appended(
                keys[report.trial],
                report.trial,
                report.samples,
                report.first_sequence,
                None if report.checkpoint is None else dump(dict(report.checkpoint)),
            )
            for report in reports
        ],
    )


class _Appended(NamedTuple):
    """Reports for one trial: its key, how messages name it, what is reported from which number on, and the collector's place."""

    key: int
    trial: str
    samples: Sequence[Reported]
    first_sequence: int
    place: str | None


def _append_to(connection: Connection, reports: Sequence[_Appended]) -> list[int]:
    """Append to several trials, and return the number of the next report of each."""
    trials = sorted(each.key for each in reports)
    collectors_of = {row.trial_id: row for row in _LOCK_COLLECTORS.rows(connection, {"trials": trials})}
    fresh: list[tuple[_Appended, int, Sequence[Reported]]] = []
    following: list[int] = []
    for each in reports:
        collector = collectors_of.get(each.key)
        stored = 0 if collector is None else int(collector.collected)
        if each.first_sequence > stored:
            raise Conflict(
                f"trial {each.trial!r} has {stored} reports; those from {each.first_sequence} on cannot follow them, "
                "some are missing between"
            )
        collected = each.first_sequence + len(each.samples)
        following.append(max(collected, stored))
        if collected >= stored:
            next_sequence = 0 if collector is None else int(collector.next_sequence)
            fresh.append((each, next_sequence, each.samples[stored - each.first_sequence :]))
    rows = as_rows(connection, [samples for _, _, samples in fresh])
    append_rows(
        connection,
        {each.key: (first, some) for (each, first, _), some in zip(fresh, rows, strict=True)},
        new={trial for trial in trials if trial not in collectors_of},
    )
    new, known = [], []
    for (each, first, _), some in zip(fresh, rows, strict=True):
        collector = collectors_of.get(each.key)
        row = {
            "next_sequence": first + len(some),
            "checkpoint": each.place if each.place is not None or collector is None else collector.checkpoint,
            "collected": each.first_sequence + len(each.samples),
        }
        if collector is None:
            new.append({"trial_id": each.key, **row})
        else:
            known.append({"trial": each.key, **row})
    if new:
        connection.execute(_INSERT_COLLECTOR, new)
    if known:
        connection.execute(_UPDATE_COLLECTOR, known)
    return following


def clear_observations(connection: Connection, uid: str, trial: str) -> None:
    """Remove every report of a trial, its summaries and its collector's place."""
    key = trial_key(connection, uid, trial)
    connection.execute(_LOCK_COLLECTOR, {"trial": key}).close()
    for table in (observations, summaries, collectors):
        connection.execute(delete(table).where(table.c.trial_id == key))


def collector_state(connection: Connection, uid: str, trial: str) -> tuple[dict[str, Any] | None, int]:
    """Return the collector's place and how many of its reports are stored."""
    row = connection.execute(_COLLECTOR, {"trial": trial_key(connection, uid, trial)}).first()
    if row is None:
        return None, 0
    return None if row.checkpoint is None else load(row.checkpoint), row.collected


def read_series(
    connection: Connection,
    uid: str,
    trial: str,
    metric: str | None,
    *,
    after_sequence: int | None,
    limit: int | None,
) -> list[Observed]:
    """Return the reports of one metric or of all.

    Points are clustered by metric, but the numbers of a trial have no gaps: a page of all metrics is a range of numbers in each.
    """
    key = trial_key(connection, uid, trial)
    return read_numbered(connection, key, metric, after_sequence=after_sequence, limit=limit)


def read_numbered(
    connection: Connection, key: int, metric: str | None, *, after_sequence: int | None, limit: int | None
) -> list[Observed]:
    """Return the reports of one metric or of all, of the trial with a key."""
    names: dict[int, str] = dict(connection.execute(_METRICS_OF_TRIAL, {"trial": key}).all())
    if metric is not None:
        names = {metric_id: name for metric_id, name in names.items() if name == storable(metric)}
    query = _SERIES.where(_OF_TRIAL, observations.c.metric_id.in_(bindparam("metrics", expanding=True)))
    after = -1 if after_sequence is None else max(after_sequence, -1)
    if after >= 0:
        query = query.where(observations.c.sequence > after)
    if limit is not None:
        query = query.limit(limit)
        if metric is None:
            query = query.where(observations.c.sequence <= after + limit)
    rows = connection.execute(query, {"trial": key, "metrics": list(names)}).all()  # quicker than one by one
    return [
        Observed(
            sequence=sequence,
            name=names[metric_id],
            text=repr(number) if text is None else text,
            value=number if text is None else reported_number(text),
            time=None if time is None else moment(time),
            step=step,
        )
        for sequence, metric_id, value, kind, text, time, step in rows
        for number in (unpack(value, kind),)
    ]
