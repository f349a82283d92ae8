"""Trials: recorded by difference. Functions run in the caller's transaction."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, insert, select, union_all, update

from katib.errors import Conflict
from katib.store.sql.changes import next_change
from katib.store.sql.key_lists import ByLists
from katib.store.sql.keys import check_length, lock_experiment
from katib.store.sql.known_keys import known_keys
from katib.store.sql.report_rows import claim_reports
from katib.store.sql.schema import experiments, trials
from katib.store.sql.tracking.parameter_rows import insert_parameters, replace_parameters
from katib.store.sql.trial_rows import COLUMNS, row_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from katib.engine.trial import TrialRecord

__all__ = ["record_trials"]

_columns = trials.c
_OF_EXPERIMENT = _columns.experiment_id == bindparam("experiment")
_IDENTITY = select(_columns.id, _columns.trial_index, _columns.name, _columns.assignments).where(_OF_EXPERIMENT)
# Not one query with OR: SQLite would read every trial of the experiment.
_KNOWN = ByLists(
    lambda among: union_all(
        _IDENTITY.where(among(_columns.trial_index, "indices")), _IDENTITY.where(among(_columns.name, "names"))
    )
)
_INHERITED = (
    select(_columns.project_id, _columns.code_id, _columns.environment_id, _columns.place)
    .join(experiments, experiments.c.root_id == _columns.id)
    .where(experiments.c.id == bindparam("experiment"))
)
"""What a new trial has from the root run: where it comes from is what was known when it was recorded."""
_INSERT = insert(trials)
_UPDATE = (
    update(trials)
    .where(_columns.id == bindparam("key"))
    .values(
        {
            column.name: bindparam(column.name)
            for column in (*COLUMNS, _columns.change, _columns.began)
            if column.name not in ("trial_index", "name")  # these never change
        }
    )
)


def record_trials(connection: Connection, uid: str, records: Sequence[TrialRecord]) -> None:
    """Insert new trials and update known ones; everything is checked before anything is written."""
    rows = [row_of(record) for record in records]
    experiment = lock_experiment(connection, uid)
    if not rows:
        return
    for row in rows:
        check_length("the name of a trial", row["name"])
    there = _known(connection, experiment, rows)
    _check_names(rows, list(there))
    change = next_change(connection)
    latest = {row["trial_index"]: {**row, "change": change} for row in rows}
    unknown = [row for index, row in latest.items() if (index, row["name"]) not in there]
    inherited = connection.execute(_INHERITED, {"experiment": experiment}).mappings().one() if unknown else {}
    new = [{**row, **inherited, "experiment_id": experiment, "uid": uuid.uuid4().hex} for row in unknown]
    known = [
        {**row, "key": there[index, row["name"]].key} for index, row in latest.items() if (index, row["name"]) in there
    ]
    assignments = {record.index: record.assignments for record in records}
    if new:
        there |= (made := _inserted(connection, experiment, new))
        insert_parameters(connection, {trial.key: assignments[index] for (index, _), trial in made.items()})
        claim_reports(connection, [row["name"] for row in new])
    # The point of a trial is another one than before almost never.
    moved = {
        row["key"]: assignments[row["trial_index"]]
        for row in known
        if there[row["trial_index"], row["name"]].assignments != row["assignments"]
    }
    if moved:
        replace_parameters(connection, moved)
    if known:
        connection.execute(_UPDATE, known)
    known_keys(connection).trials.update(((uid, name), trial.key) for (_, name), trial in there.items())


class _Stored(NamedTuple):
    """A trial as it is stored before a change: its key, and its assignments as a document."""

    key: int
    assignments: str


def _known(connection: Connection, experiment: int, rows: Sequence[dict[str, Any]]) -> dict[tuple[int, str], _Stored]:
    """Return all trials that share an index or a name with the rows, by (index, name)."""
    found = _KNOWN.rows(
        connection,
        {"indices": [row["trial_index"] for row in rows], "names": [row["name"] for row in rows]},
        {"experiment": experiment},
    )
    return {(index, name): _Stored(key, assignments) for key, index, name, assignments in found}


def _inserted(
    connection: Connection, experiment: int, rows: Sequence[dict[str, Any]]
) -> dict[tuple[int, str], _Stored]:
    """Insert trials, and return them by (index, name)."""
    if len(rows) == 1:  # the commonest case, in which a database says itself which key it gave
        (row,) = rows
        key = connection.execute(_INSERT, row).inserted_primary_key
        if key is not None:
            return {(row["trial_index"], row["name"]): _Stored(int(key[0]), row["assignments"])}
    else:
        connection.execute(_INSERT, rows)
    return _known(connection, experiment, rows)


def _check_names(rows: Sequence[dict[str, Any]], known: Sequence[tuple[int, str]]) -> None:
    """Raise Conflict where index and name of a row are not those known, or not those of an earlier row."""
    names = dict(known)
    indices = {name: index for index, name in known}
    for row in rows:
        index, name = row["trial_index"], row["name"]
        if names.setdefault(index, name) != name:
            raise Conflict(f"trial {index} of this experiment is named {names[index]!r}, not {name!r}")
        if indices.setdefault(name, index) != index:
            raise Conflict(f"trial {name!r} has the index {indices[name]}, not {index}")
