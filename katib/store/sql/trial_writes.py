"""Trials: recorded by difference. Functions run in the caller's transaction."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, union_all, update

from katib.errors import Conflict
from katib.store.sql.changes import next_change
from katib.store.sql.keys import IN_LIMIT, check_length, lock_experiment
from katib.store.sql.report_rows import claim_reports
from katib.store.sql.schema import experiments, trials
from katib.store.sql.tracking.parameter_rows import insert_parameters, replace_parameters
from katib.store.sql.trial_rows import COLUMNS, row_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from katib.engine.trial import TrialRecord

__all__ = ["record_trials"]

_columns = trials.c
_OF_EXPERIMENT = _columns.experiment_id == bindparam("experiment")
_IDENTITY = select(_columns.id, _columns.trial_index, _columns.name).where(_OF_EXPERIMENT)
# Not one query with OR: SQLite would read every trial of the experiment.
_KNOWN = union_all(
    _IDENTITY.where(_columns.trial_index.in_(bindparam("indices", expanding=True))),
    _IDENTITY.where(_columns.name.in_(bindparam("names", expanding=True))),
)
_INHERITED = (
    select(_columns.project_id, _columns.code_id, _columns.environment_id, _columns.place)
    .join(experiments, experiments.c.root_id == _columns.id)
    .where(experiments.c.id == bindparam("experiment"))
)
"""What a new trial has from the root run: where it comes from is what was known when it was recorded."""
_ASSIGNMENTS = select(_columns.id, _columns.assignments).where(_columns.id.in_(bindparam("keys", expanding=True)))
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
    keys = _known(connection, experiment, rows)
    _check_names(rows, list(keys))
    change = next_change(connection)
    latest = {row["trial_index"]: {**row, "change": change} for row in rows}
    unknown = [row for index, row in latest.items() if (index, row["name"]) not in keys]
    inherited = connection.execute(_INHERITED, {"experiment": experiment}).mappings().one() if unknown else {}
    new = [{**row, **inherited, "experiment_id": experiment, "uid": uuid.uuid4().hex} for row in unknown]
    known = [{**row, "key": keys[index, row["name"]]} for index, row in latest.items() if (index, row["name"]) in keys]
    assignments = {record.index: record.assignments for record in records}
    if new:
        connection.execute(_INSERT, new)
        made = _known(connection, experiment, new)
        insert_parameters(connection, {key: assignments[index] for (index, _), key in made.items()})
        claim_reports(connection, [row["name"] for row in new])
    if known:
        _follow_assignments(connection, known, assignments)
        connection.execute(_UPDATE, known)


def _follow_assignments(
    connection: Connection,
    known: Sequence[dict[str, Any]],
    assignments: Mapping[int, Sequence[tuple[str, str]]],
) -> None:
    """Change the parameters of trials whose point is another than before (it almost never is)."""
    before = {
        key: document
        for chunk in _chunks(known)
        for key, document in connection.execute(_ASSIGNMENTS, {"keys": [row["key"] for row in chunk]})
    }
    others = {row["key"]: assignments[row["trial_index"]] for row in known if before[row["key"]] != row["assignments"]}
    if others:
        replace_parameters(connection, others)


def _known(connection: Connection, experiment: int, rows: Sequence[dict[str, Any]]) -> dict[tuple[int, str], int]:
    """Return the keys of all trials that share an index or a name with the rows, by (index, name)."""
    return {
        (index, name): key
        for chunk in _chunks(rows)
        for key, index, name in connection.execute(
            _KNOWN,
            {
                "experiment": experiment,
                "indices": [row["trial_index"] for row in chunk],
                "names": [row["name"] for row in chunk],
            },
        )
    }


def _chunks(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(rows), IN_LIMIT):
        yield rows[start : start + IN_LIMIT]


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
