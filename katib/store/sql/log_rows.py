"""Logs of trials by name, as Katib's wire asks for them. Functions run in the caller's transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, or_, select, update

from katib.store.observation_logs import Logged
from katib.store.sql.keys import IN_LIMIT, digest_of
from katib.store.sql.named_trials import claim, find_named, forget_unclaimed
from katib.store.sql.reported_places import KNOWN_ROWS, UNCLAIMED_ROWS, Place, lock, text_of
from katib.store.sql.schema import collectors, metrics, observations, summaries, unclaimed_observations
from katib.store.sql.text import storable
from katib.store.sql.values import micros, moment

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement, Connection

__all__ = ["delete_log", "read_log"]

_EARLIEST: Final = micros(datetime.min.replace(tzinfo=UTC))
"""The time of rows that were reported without one."""
_MANY: Final = 2**62
"""More rows than any series has."""

_NAMES = select(metrics.c.id, metrics.c.name).where(metrics.c.id.in_(bindparam("keys", expanding=True)))
_METRIC = select(metrics.c.id).where(metrics.c.digest == bindparam("of"))
_DELETE = [delete(table).where(table.c.trial_id == bindparam("trial")) for table in (observations, summaries)]
_KEEP_COLLECTED = (
    update(collectors)
    .where(collectors.c.trial_id == bindparam("trial"), collectors.c.collected.is_(None))
    .values(collected=collectors.c.next_sequence)
)
_BEGIN_AGAIN = update(collectors).where(collectors.c.trial_id == bindparam("trial")).values(next_sequence=0)


def read_log(
    connection: Connection,
    trial: str,
    metric: str | None,
    *,
    namespace: str | None,
    start: datetime | None,
    end: datetime | None,
    limit: int | None,
) -> list[Logged]:
    """Return what was reported of a trial, by time and arrival."""
    name = storable(trial)
    chosen = claim(find_named(connection, [name])[name], namespace)
    metric_key = None
    if metric is not None:
        metric_key = connection.execute(_METRIC, {"of": digest_of(storable(metric))}).scalar()
        if metric_key is None:
            return []
    rows: list[tuple[int, int, str, int]] = []
    for key in sorted(chosen.unclaimed):
        query = UNCLAIMED_ROWS.where(*_conditions(unclaimed_observations.c, key, metric_key, start, end)).limit(limit)
        found: list[Any] = list(connection.execute(query).all())
        rows += [
            # Before those of the trial that has claimed them.
            (_EARLIEST if time is None else time, sequence - _MANY, text, metric_id)
            for metric_id, text, time, sequence in found
        ]
    if chosen.known is not None:
        query = KNOWN_ROWS.where(*_conditions(observations.c, chosen.known, metric_key, start, end)).limit(limit)
        found = list(connection.execute(query).all())
        rows += [
            (_EARLIEST if time is None else time, sequence, text_of(value, kind, text), metric_id)
            for metric_id, value, kind, text, time, sequence in found
        ]
    rows.sort()
    names = _names(connection, {metric_id for _, _, _, metric_id in rows})
    return [
        Logged(names[metric_id], text, None if time == _EARLIEST else moment(time))
        for time, _, text, metric_id in rows[:limit]
    ]


def _conditions(
    columns: Any, trial: int, metric: int | None, start: datetime | None, end: datetime | None
) -> list[ColumnElement[bool]]:
    conditions = [columns.trial_id == trial]
    if metric is not None:
        conditions.append(columns.metric_id == metric)
    if start is not None and micros(start) > _EARLIEST:
        conditions.append(columns.time >= micros(start))
    if end is not None:
        conditions.append(or_(columns.time <= micros(end), columns.time.is_(None)))
    return conditions


def _names(connection: Connection, keys: Collection[int]) -> dict[int, str]:
    wanted = sorted(keys)
    return {
        key: name
        for start in range(0, len(wanted), IN_LIMIT)
        for key, name in connection.execute(_NAMES, {"keys": wanted[start : start + IN_LIMIT]})
    }


def delete_log(connection: Connection, trial: str, *, namespace: str | None) -> None:
    """Remove what was reported of a trial; its collector goes on where it is."""
    name = storable(trial)
    chosen = claim(find_named(connection, [name])[name], namespace)
    if chosen.known is not None:
        lock(connection, [Place(known=True, key=chosen.known)])
        for statement in (*_DELETE, _KEEP_COLLECTED, _BEGIN_AGAIN):
            connection.execute(statement, {"trial": chosen.known})
    forget_unclaimed(connection, chosen.unclaimed)
