"""Tags and properties of projects, runs and datasets. Functions run in the caller's transaction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Table, bindparam, delete, insert, select

from katib.errors import InvalidInput, Problem
from katib.store.sql.changes import next_change
from katib.store.sql.documents import load
from katib.store.sql.key_lists import among_keys
from katib.store.sql.schema import trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.given_values import json_text
from katib.store.sql.tracking.scope import (
    chunks,
    dataset_key,
    experiment_key,
    lock_project,
    lock_run,
    refuse_deleted,
    short,
)
from katib.store.sql.tracking_tables import (
    dataset_properties,
    dataset_tags,
    datasets,
    project_properties,
    project_tags,
    run_properties,
    run_tags,
)
from katib.store.sql.values import pack
from katib.store.tracking.records import Facts, Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection, Delete, Insert, Select

    from katib.store.sql.tracking.scope import Scope
    from katib.store.tracking.records import Json

__all__ = ["delete_facts", "facts_of", "mark_changed", "set_facts", "write_facts"]


class _Tables(NamedTuple):
    """Where the facts of one kind of record are."""

    tags: _Facts
    properties: _Facts


class _Facts(NamedTuple):
    """One table of facts, with its statements."""

    owner: str
    read: Select[Any]
    insert: Insert
    remove: Delete
    remove_all: Delete


def _facts(table: Table, owner: str, value: str) -> _Facts:
    of, name = table.c[owner], table.c.name
    mine = delete(table).where(of == bindparam("owner"))
    return _Facts(
        owner,
        select(of, name, table.c[value]).where(among_keys(of, "owners")).order_by(of, name),
        insert(table),
        mine.where(name.in_(bindparam("names", expanding=True))),
        mine,
    )


def _tables(tags: Table, properties: Table, owner: str) -> _Tables:
    return _Tables(_facts(tags, owner, "text"), _facts(properties, owner, "value"))


_RUN = _tables(run_tags, run_properties, "trial_id")
_TABLES = {
    NodeKind.PROJECT: _tables(project_tags, project_properties, "project_id"),
    NodeKind.EXPERIMENT: _RUN,
    NodeKind.RUN: _RUN,
    NodeKind.DATASET: _tables(dataset_tags, dataset_properties, "dataset_id"),
}


def facts_of(
    connection: Connection, kind: NodeKind, keys: Sequence[int], *, tags: bool = True, properties: bool = True
) -> dict[int, Facts]:
    """Return the facts of records by key, those of each in the order of their names; who has none is absent."""
    tables = _TABLES[kind]
    found: dict[int, tuple[dict[str, str], dict[str, Json]]] = {}
    for some in chunks(keys):
        if tags:
            for key, name, text in connection.execute(tables.tags.read, {"owners": some}).all():
                found.setdefault(key, ({}, {}))[0][name] = text
        if properties:
            for key, name, value in connection.execute(tables.properties.read, {"owners": some}).all():
                found.setdefault(key, ({}, {}))[1][name] = load(value)
    return {key: Facts(*both) for key, both in found.items()}


def write_facts(connection: Connection, kind: NodeKind, key: int, facts: Facts, *, are_new: bool = False) -> None:
    """Insert or replace facts of a record whose row is locked or new.

    Args:
        are_new: Whether the record has none yet.

    Raises:
        InvalidInput: A name is empty or too long, or a property is no JSON.
    """
    tables = _TABLES[kind]
    tags = {short("the name of a tag", name): {"text": text} for name, text in facts.tags.items()}
    properties = {
        short("the name of a property", name): _value(name, value) for name, value in facts.properties.items()
    }
    for table, rows in ((tables.tags, tags), (tables.properties, properties)):
        if not rows:
            continue
        if not are_new:
            _remove(connection, table, key, rows)
        connection.execute(table.insert, [{table.owner: key, "name": name, **row} for name, row in rows.items()])


def _value(name: str, value: Json) -> dict[str, Any]:
    document = json_text(f"the property {name!r}", value) or "null"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    try:
        number = pack(float(value))[0] if is_number else None
    except OverflowError:
        number = None
    text = value if isinstance(value, str) else json.dumps(load(document), ensure_ascii=False, separators=(",", ":"))
    return {"value": document, "text": text, "number": number}


def _remove(connection: Connection, table: _Facts, key: int, names: Iterable[str] | None) -> None:
    if names is None:
        connection.execute(table.remove_all, {"owner": key})
        return
    for some in chunks(sorted({storable(name) for name in names})):
        connection.execute(table.remove, {"owner": key, "names": some})


def set_facts(connection: Connection, scope: Scope, node: Node, facts: Facts) -> None:
    """Insert or replace facts of a record."""
    key = _lock(connection, scope, node)
    write_facts(connection, node.kind, key, facts)
    record_change(
        connection, scope, "set", node, tags=sorted(facts.tags)[:20], properties=sorted(facts.properties)[:20]
    )


def delete_facts(
    connection: Connection,
    scope: Scope,
    node: Node,
    *,
    tags: Collection[str] | None,
    properties: Collection[str] | None,
) -> None:
    """Remove facts of a record by name, or all of a kind."""
    key = _lock(connection, scope, node)
    tables = _TABLES[node.kind]
    for table, names in ((tables.tags, tags), (tables.properties, properties)):
        _remove(connection, table, key, names)
    record_change(
        connection,
        scope,
        "unset",
        node,
        tags=None if tags is None else sorted(tags)[:20],
        properties=None if properties is None else sorted(properties)[:20],
    )


_MARK = trials.update().where(trials.c.id == bindparam("run"))
_LOCK_DATASET = select(datasets.c.id).with_for_update(key_share=True)


def _lock(connection: Connection, scope: Scope, node: Node) -> int:
    """Return the key of the record that has the facts, which nobody else changes meanwhile."""
    if node.kind is NodeKind.PROJECT:
        project = lock_project(connection, scope, node.id)
        refuse_deleted("project", project.deleted)
        return project.key
    if node.kind in (NodeKind.EXPERIMENT, NodeKind.RUN):
        if node.kind is NodeKind.EXPERIMENT:
            experiment = experiment_key(connection, scope, node.id)
            refuse_deleted("experiment", experiment.deleted)
            key = experiment.root
            connection.execute(select(trials.c.id).where(trials.c.id == key).with_for_update(key_share=True)).close()
        else:
            run = lock_run(connection, scope, node.id)
            refuse_deleted("run", run.deleted)
            key = run.key
        mark_changed(connection, key)
        return key
    if node.kind is NodeKind.DATASET:
        key = dataset_key(connection, scope, node.id)
        connection.execute(_LOCK_DATASET.where(datasets.c.id == key)).close()
        return key
    raise InvalidInput([Problem("node", f"a {node.kind.value} has no tags and properties", node.id)])


def mark_changed(connection: Connection, run: int) -> None:
    """Let those who watch runs see that one changed (its row is locked)."""
    connection.execute(_MARK, {"run": run, "change": next_change(connection)})
