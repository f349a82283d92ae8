"""What other processes ask of the one that drives an experiment. Functions run in the caller's transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select

from katib.store.sql.keys import experiment_key, no_experiment
from katib.store.sql.known_keys import known_keys
from katib.store.sql.schema import experiments, requests
from katib.store.sql.values import micros

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["add_request", "clear_requests", "read_requests"]

_READ = (
    select(experiments.c.id, requests.c.action)
    .select_from(experiments.outerjoin(requests))
    .where(experiments.c.uid == bindparam("of_uid"))
    .order_by(requests.c.id)
)
_INSERT = insert(requests)
_CLEAR = delete(requests).where(requests.c.experiment_id == bindparam("experiment"))


def add_request(connection: Connection, uid: str, action: str) -> None:
    """Insert a request unless it is there."""
    experiment = experiment_key(connection, uid)
    if action not in read_requests(connection, uid):
        created = micros(datetime.now(UTC))
        connection.execute(_INSERT, {"experiment_id": experiment, "action": action, "created": created})


def read_requests(connection: Connection, uid: str) -> list[str]:
    """Return the requests in the order they came."""
    rows = connection.execute(_READ, {"of_uid": uid}).all()
    if not rows:
        raise no_experiment(uid)
    known_keys(connection).experiments[uid] = rows[0].id
    return [action for _, action in rows if action is not None]


def clear_requests(connection: Connection, uid: str) -> None:
    """Delete all requests."""
    connection.execute(_CLEAR, {"experiment": experiment_key(connection, uid)})
