"""Events, each kept once and counted. Functions run in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, select, update

from katib.store.protocol import Event
from katib.store.sql.changes import next_change
from katib.store.sql.keys import experiment_key, lock_experiment
from katib.store.sql.schema import events
from katib.store.sql.values import micros, moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from katib.store.protocol import EventKind

__all__ = ["read_events", "record_event"]

_columns = events.c
_OF_EXPERIMENT = _columns.experiment_id == bindparam("experiment")
_AGAIN = (
    update(events)
    .where(_OF_EXPERIMENT, _columns.digest == bindparam("of_digest"))
    .values(count=_columns.count + 1, last=bindparam("last"), change=bindparam("change"))
)
_INSERT = insert(events)
_READ = (
    select(
        _columns.reason,
        _columns.message,
        _columns.kind,
        _columns.trial,
        _columns.count,
        _columns.first,
        _columns.last,
    )
    .where(_OF_EXPERIMENT)
    .order_by(_columns.change.desc())
)
_READ_TRIAL = _READ.where(_columns.trial == bindparam("trial"))


def record_event(
    connection: Connection, uid: str, reason: str, message: str, *, kind: EventKind, trial: str | None
) -> None:
    """Count an event up, or insert it."""
    experiment = lock_experiment(connection, uid)
    digest = hashlib.sha256(json.dumps([trial, kind, reason, message]).encode()).hexdigest()
    now, change = micros(datetime.now(UTC)), next_change(connection)
    again = {"experiment": experiment, "of_digest": digest, "last": now, "change": change}
    if connection.execute(_AGAIN, again).rowcount:
        return
    connection.execute(
        _INSERT,
        {
            "experiment_id": experiment,
            "trial": trial,
            "kind": kind,
            "reason": reason,
            "message": message,
            "digest": digest,
            "count": 1,
            "first": now,
            "last": now,
            "change": change,
        },
    )


def read_events(connection: Connection, uid: str, trial: str | None, limit: int | None) -> list[Event]:
    """Return events, the one recorded last at the end."""
    query = _READ if trial is None else _READ_TRIAL
    if limit is not None:
        query = query.limit(limit)
    parameters: dict[str, int | str] = {"experiment": experiment_key(connection, uid)}
    if trial is not None:
        parameters["trial"] = trial
    found = [
        Event(
            reason=reason,
            message=message,
            kind=kind,
            trial=trial,
            count=count,
            first=moment(first),
            last=moment(last),
        )
        for reason, message, kind, trial, count, first, last in connection.execute(query, parameters)
    ]
    found.reverse()
    return found
