"""Events, each kept once and counted. Functions run in the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

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
_THIS = _OF_EXPERIMENT & (_columns.digest == bindparam("of_digest"))
_AGAIN = (
    update(events)
    .where(_THIS)
    .values(count=_columns.count + bindparam("times"), last=bindparam("last"), change=bindparam("change"))
)
_COUNTED = select(_columns.count).where(_THIS)
_CHANGE = (
    update(events)
    .where(_THIS)
    .values({name: bindparam(name) for name in ("trial", "kind", "reason", "message", "count", "last", "change")})
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
    connection: Connection,
    uid: str,
    reason: str,
    message: str,
    *,
    kind: EventKind,
    trial: str | None,
    event_id: str | None = None,
    count: int = 1,
    time: datetime | None = None,
) -> bool:
    """Insert an event, or count it up; return whether it was not there.

    Args:
        connection: In a write transaction.
        uid: Of the experiment.
        reason: A CamelCase word.
        message: A sentence.
        kind: Whether it is a warning.
        trial: Which one it is about; None for the experiment.
        event_id: What it is known by instead of its words; it is changed then, if its count has grown.
        count: How often it happened.
        time: When it happened last; None for now.
    """
    experiment = lock_experiment(connection, uid)
    last = micros(time or datetime.now(UTC))
    known_by = [trial, kind, reason, message] if event_id is None else {"id": event_id}
    digest = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()
    this = {"experiment": experiment, "of_digest": digest}
    row: dict[str, Any] = {"trial": trial, "kind": kind, "reason": reason, "message": message, "last": last}
    if event_id is not None:
        counted = connection.execute(_COUNTED, this).scalar()
        if counted is not None:
            if count > counted:
                connection.execute(_CHANGE, {**this, **row, "count": count, "change": next_change(connection)})
            return False
    change = next_change(connection)
    if (
        event_id is None
        and connection.execute(_AGAIN, {**this, "times": count, "last": last, "change": change}).rowcount
    ):
        return False
    connection.execute(
        _INSERT,
        {**row, "experiment_id": experiment, "digest": digest, "count": count, "first": last, "change": change},
    )
    return True


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
