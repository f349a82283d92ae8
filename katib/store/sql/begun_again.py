"""Forgets what earlier attempts of a trial reported, once it is begun again. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, update

from katib.store.sql.appended_rows import Row
from katib.store.sql.reported_places import KNOWN_ROWS, Place, add, lock, text_of
from katib.store.sql.schema import collectors, observations, summaries

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["forget_reports"]

_LATER = (
    KNOWN_ROWS.add_columns(observations.c.step)
    .where(observations.c.trial_id == bindparam("trial"), observations.c.time >= bindparam("since"))
    .order_by(observations.c.sequence)
)
_DELETE = [delete(table).where(table.c.trial_id == bindparam("trial")) for table in (observations, summaries)]
# Where the pods of the earlier attempts stand is kept (``source_places``): one that still lives must not tell everything again.
_BEGIN = update(collectors).where(collectors.c.trial_id == bindparam("trial")).values(next_sequence=0, collected=0)


def forget_reports(connection: Connection, trial: int, *, before: int | None) -> None:
    """Remove what was reported of a trial before a moment, and what has no time.

    Args:
        connection: In a write transaction.
        trial: Its key.
        before: In microseconds since 1970; None for everything.
    """
    place = Place(known=True, key=trial)
    lock(connection, [place])
    kept = []
    if before is not None:
        kept = [
            Row(metric, text_of(value, kind, text), time, step)
            for metric, value, kind, text, time, _, step in connection.execute(
                _LATER, {"trial": trial, "since": before}
            )
        ]
    for statement in (*_DELETE, _BEGIN):
        connection.execute(statement, {"trial": trial})
    if kept:
        # Told anew, as their numbers and the summaries are those of what is there.
        add(connection, {place: kept}, {place: 0})
