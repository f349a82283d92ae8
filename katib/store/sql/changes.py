"""The number of a change: later changes have greater ones, whatever the clock says; one that was rolled back leaves none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select, update

from katib.store.sql.schema import counters

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["CHANGE", "WRITERS", "next_change"]

CHANGE = "change"
WRITERS = "writers"

_COUNT_UP = update(counters).where(counters.c.name == CHANGE).values(value=counters.c.value + 1)
_COUNT_UP_RETURNING = _COUNT_UP.returning(counters.c.value)
_READ = select(counters.c.value).where(counters.c.name == CHANGE)


def next_change(connection: Connection) -> int:
    """Return the number of a new change, in the order of commits: whoever takes one after this waits until this transaction ends."""
    if connection.dialect.update_returning:
        return int(connection.execute(_COUNT_UP_RETURNING).scalar_one())
    connection.execute(_COUNT_UP)
    return int(connection.execute(_READ).scalar_one())
