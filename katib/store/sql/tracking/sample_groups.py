"""Reports of many runs in one change, with as many statements as those of one run take: what a server's commits mostly are.

Functions run in the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import bindparam, func, select

from katib.errors import Conflict, NotFound
from katib.store.sql.appended_rows import as_rows
from katib.store.sql.reported_places import Place, add, lock
from katib.store.sql.schema import collectors
from katib.store.sql.stored_reports import count_stored, missing_rows
from katib.store.sql.tracking.scope import Scope, chunks, run_keys
from katib.store.tracking.records import LogReceipt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.sql.appended_rows import Row
    from katib.store.sql.tracking.scope import RunKey
    from katib.store.tracking.records import SampleChange

__all__ = ["write_samples"]

_Result: TypeAlias = "LogReceipt | int | Exception"

_COLLECTED = select(collectors.c.trial_id, func.coalesce(collectors.c.collected, collectors.c.next_sequence)).where(
    collectors.c.trial_id.in_(bindparam("runs", expanding=True))
)


def write_samples(connection: Connection, changes: Sequence[SampleChange]) -> list[_Result]:
    """Store what of the reports is not stored yet, and say what became of each change: its result, or its own error.

    Numbered ones are appended (``Tracking.append``: the number of the next report), others logged (``Tracking.log``: a receipt).
    """
    places = _places(connection, changes)
    groups = as_rows(connection, [change.samples for change in changes])
    there = [place for place in places if isinstance(place, Place)]
    following = lock(connection, set(there))
    numbered = [place.key for place, change in _both(places, changes) if change.first_sequence is not None]
    collected = {
        key: count for some in chunks(numbered) for key, count in connection.execute(_COLLECTED, {"runs": some})
    }
    logged: dict[Place, list[Row]] = {}
    for place, change, rows in zip(places, changes, groups, strict=True):
        if isinstance(place, Place) and change.first_sequence is None:
            logged.setdefault(place, []).extend(rows)
    stored = count_stored(connection, logged, with_steps=True)
    fresh: dict[Place, list[Row]] = {}
    results: list[_Result] = []
    for place, change, rows in zip(places, changes, groups, strict=True):
        if not isinstance(place, Place):
            results.append(place)
        elif change.first_sequence is None:
            missing = missing_rows(rows, stored[place])
            fresh.setdefault(place, []).extend(missing)
            results.append(LogReceipt(len(missing), len(rows) - len(missing)))
        elif change.first_sequence > collected[place.key]:
            results.append(missing_reports(change.run_id, collected[place.key], change.first_sequence))
        else:
            fresh.setdefault(place, []).extend(rows[collected[place.key] - change.first_sequence :])
            collected[place.key] = max(collected[place.key], change.first_sequence + len(rows))
            results.append(collected[place.key])
    add(connection, fresh, following, collected)
    return results


def missing_reports(run: str, stored: int, first: int) -> Conflict:
    """Return the error of reports that do not follow the stored ones."""
    return Conflict(
        f"run {run!r} has {stored} reports; those from {first} on cannot follow them, some are missing between"
    )


def _both(places: Sequence[Place | Exception], changes: Sequence[SampleChange]) -> list[tuple[Place, SampleChange]]:
    return [(place, change) for place, change in zip(places, changes, strict=True) if isinstance(place, Place)]


def _places(connection: Connection, changes: Sequence[SampleChange]) -> list[Place | Exception]:
    """Return the series that each change goes to, or why it goes nowhere."""
    wanted: dict[str, set[str]] = {}
    for change in changes:
        wanted.setdefault(change.namespace, set()).add(change.run_id)
    keys: Mapping[str, Mapping[str, RunKey]] = {
        namespace: run_keys(connection, Scope(namespace, ""), run_ids) for namespace, run_ids in wanted.items()
    }
    places: list[Place | Exception] = []
    for change in changes:
        run = keys[change.namespace].get(change.run_id)
        if run is None:
            places.append(NotFound(f"namespace {change.namespace!r} has no run with the id {change.run_id!r}"))
        elif run.deleted is not None:
            places.append(Conflict("the run is deleted: restore it first"))
        else:
            places.append(Place(known=True, key=run.key))
    return places
