"""Where reports over Katib's wire go: series of trials that experiments have, and of those that none has (yet).

Who adds rows to a series locks it first and holds it to the end of the transaction, so that rows are counted and numbered by one
writer at a time. Functions run in the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, func, insert, select, update

from katib.store.sql.appended_rows import Row, append_rows
from katib.store.sql.keys import IN_LIMIT
from katib.store.sql.schema import collectors, observations, unclaimed_observations, unclaimed_trials
from katib.store.sql.values import Kind, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import BindParameter, Connection, Select

__all__ = ["KNOWN_ROWS", "UNCLAIMED_ROWS", "Place", "add", "lock", "text_of"]

KNOWN_ROWS = select(
    observations.c.metric_id,
    observations.c.value,
    observations.c.kind,
    observations.c.text,
    observations.c.time,
    observations.c.sequence,
)
UNCLAIMED_ROWS = select(
    unclaimed_observations.c.metric_id,
    unclaimed_observations.c.text,
    unclaimed_observations.c.time,
    unclaimed_observations.c.sequence,
)

_TRIALS: BindParameter[int] = bindparam("trials", expanding=True)
_LOCK_KNOWN = (
    select(collectors.c.trial_id, collectors.c.next_sequence)
    .where(collectors.c.trial_id.in_(_TRIALS))
    .order_by(collectors.c.trial_id)
    .with_for_update(key_share=True)
)
_INSERT_KNOWN = insert(collectors)
_COUNT_KNOWN = (
    update(collectors)
    .where(collectors.c.trial_id == bindparam("trial"))
    .ordered_values(  # MySQL reads the new values of columns that were set before
        (
            collectors.c.collected,
            func.coalesce(
                bindparam("counted", type_=collectors.c.collected.type),
                collectors.c.collected,
                collectors.c.next_sequence,
            ),
        ),
        (collectors.c.next_sequence, bindparam("following")),
    )
)
_LOCK_UNCLAIMED = (
    select(unclaimed_trials.c.id, unclaimed_trials.c.next_sequence)
    .where(unclaimed_trials.c.id.in_(_TRIALS))
    .order_by(unclaimed_trials.c.id)
    .with_for_update(key_share=True)
)
_COUNT_UNCLAIMED = (
    update(unclaimed_trials)
    .where(unclaimed_trials.c.id == bindparam("trial"))
    .values(next_sequence=bindparam("following"))
)
_INSERT_UNCLAIMED = insert(unclaimed_observations)


class Place(NamedTuple):
    """A series of a trial.

    Attributes:
        known: Whether an experiment has the trial.
        key: Of the trial, in its table.
    """

    known: bool
    key: int


def text_of(value: float | None, kind: int, text: str | None) -> str:
    """Return what was reported from what is stored of it."""
    if text is not None:
        return text
    return repr(value if kind == Kind.FINITE else unpack(value, kind))


def lock(connection: Connection, places: Iterable[Place]) -> dict[Place, int]:
    """Keep other writers from series, and return the number of the next row of each."""
    wanted: dict[bool, list[int]] = {True: [], False: []}
    for place in sorted(places):
        wanted[place.known].append(place.key)
    following = {
        Place(known, key): number
        for known, query in ((True, _LOCK_KNOWN), (False, _LOCK_UNCLAIMED))
        for key, number in _in_chunks(connection, query, wanted[known])
    }
    new = [key for key in wanted[True] if Place(known=True, key=key) not in following]
    if new:
        connection.execute(_INSERT_KNOWN, [{"trial_id": key, "next_sequence": 0, "collected": 0} for key in new])
        following.update((Place(known=True, key=key), 0) for key in new)
    return following


def _in_chunks(connection: Connection, query: Select[Any], keys: Sequence[int]) -> Iterator[Any]:
    for start in range(0, len(keys), IN_LIMIT):
        yield from connection.execute(query, {"trials": keys[start : start + IN_LIMIT]})


def add(
    connection: Connection,
    fresh: Mapping[Place, Sequence[Row]],
    following: dict[Place, int],
    collected: Mapping[int, int] | None = None,
) -> None:
    """Append rows to series that are locked.

    Args:
        fresh: The rows.
        following: The number of the next row of each series; counted up.
        collected: By key, how many numbered reports the trials have now; of others that stays as it is.
    """
    given = {place: (following[place], rows) for place, rows in fresh.items() if rows}
    for place, (number, rows) in given.items():
        following[place] = number + len(rows)
    known = {place.key: batch for place, batch in given.items() if place.known}
    unclaimed = {place.key: batch for place, batch in given.items() if not place.known}
    if known:
        append_rows(connection, known)
        numbered = collected or {}
        connection.execute(
            _COUNT_KNOWN, [{**count, "counted": numbered.get(count["trial"])} for count in _counts(known)]
        )
    if unclaimed:
        connection.execute(
            _INSERT_UNCLAIMED,
            [
                {"trial_id": key, "sequence": sequence, "metric_id": row.metric, "time": row.time, "text": row.text}
                for key, (number, rows) in unclaimed.items()
                for sequence, row in enumerate(rows, number)
            ],
        )
        connection.execute(_COUNT_UNCLAIMED, _counts(unclaimed))


def _counts(batches: Mapping[int, tuple[int, Sequence[Row]]]) -> list[dict[str, int]]:
    return [{"trial": key, "following": number + len(rows)} for key, (number, rows) in batches.items()]
