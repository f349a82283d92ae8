"""Trials: read by index, by name or by change (``trial_writes`` records them). Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from katib.errors import NotFound
from katib.store.sql.keys import experiment_key, trial_key
from katib.store.sql.schema import trials
from katib.store.sql.trial_rows import COLUMNS, trial_records

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from katib.api.trial import TrialState
    from katib.engine.trial import TrialRecord

__all__ = ["count_trials", "list_trials", "read_trial", "trials_changed"]

_columns = trials.c
_OF_EXPERIMENT = _columns.experiment_id == bindparam("experiment")
_LIST = select(*COLUMNS).where(_OF_EXPERIMENT).order_by(_columns.trial_index)
_ONE = select(*COLUMNS).where(_columns.id == bindparam("key"))
_COUNT = select(func.count()).where(_OF_EXPERIMENT)
_CHANGED = (
    select(_columns.change, *COLUMNS)
    .where(_OF_EXPERIMENT, _columns.change > bindparam("since"))
    .order_by(_columns.change, _columns.trial_index)
)


def list_trials(
    connection: Connection,
    uid: str,
    states: Collection[TrialState] | None,
    after_index: int | None,
    limit: int | None,
) -> list[TrialRecord]:
    """Return trials by index."""
    query = _LIST
    if states is not None:
        query = query.where(_columns.state.in_(sorted(state.value for state in states)))
    if after_index is not None:
        query = query.where(_columns.trial_index > after_index)
    if limit is not None:
        query = query.limit(limit)
    return trial_records(connection.execute(query, {"experiment": experiment_key(connection, uid)}))


def read_trial(connection: Connection, uid: str, name: str) -> TrialRecord:
    """Return one trial, or raise NotFound."""
    records = trial_records(connection.execute(_ONE, {"key": trial_key(connection, uid, name)}))
    if not records:
        raise NotFound(f"no trial is named {name!r} in this experiment")
    return records[0]


def count_trials(connection: Connection, uid: str) -> int:
    """Return the number of trials."""
    return int(connection.execute(_COUNT, {"experiment": experiment_key(connection, uid)}).scalar_one())


def trials_changed(connection: Connection, uid: str, since: int) -> tuple[int, list[TrialRecord]]:
    """Return what changed after ``since`` in the order of change, and the newest change seen."""
    rows = connection.execute(_CHANGED, {"experiment": experiment_key(connection, uid), "since": since}).all()
    return rows[-1][0] if rows else since, trial_records(row[1:] for row in rows)
