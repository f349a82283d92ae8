"""Projects. Functions run in the caller's transaction."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from katib.errors import Conflict, NotFound
from katib.store.sql.documents import dump
from katib.store.sql.key_lists import among_keys
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.fact_rows import facts_of, write_facts
from katib.store.sql.tracking.retention_rows import read_retention, retention_document
from katib.store.sql.tracking.scope import chosen_id, chunks, lock_project, project_key, refuse_deleted, short
from katib.store.sql.tracking_tables import projects
from katib.store.sql.values import micros, moment
from katib.store.tracking.records import DEFAULT_PROJECT, Facts, Node, NodeKind, Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope
    from katib.store.tracking.records import ProjectRetention

__all__ = [
    "create_project",
    "default_project",
    "named_project_key",
    "projects_by_key",
    "read_project",
    "read_project_named",
    "update_project",
]

_columns = projects.c
_READ = select(
    _columns.id,
    _columns.uid,
    _columns.namespace,
    _columns.name,
    _columns.description,
    _columns.owner,
    _columns.created,
    _columns.updated,
    _columns.deleted,
    _columns.retention,
)
_SOME = _READ.where(among_keys(_columns.id, "keys"))
_NAMED = select(_columns.id, _columns.uid, _columns.deleted).where(
    _columns.namespace == bindparam("namespace"), _columns.name == bindparam("name")
)
_WITH_ID = select(_columns.id, _columns.namespace).where(_columns.uid == bindparam("uid"))
_INSERT = insert(projects)


def projects_by_key(connection: Connection, keys: Sequence[int]) -> dict[int, Project]:
    """Return projects by key."""
    facts = facts_of(connection, NodeKind.PROJECT, keys)
    return {
        key: Project(
            id=uid,
            namespace=namespace,
            name=name,
            description=description,
            owner=owner,
            created=moment(created),
            updated=moment(updated),
            deleted=None if deleted is None else moment(deleted),
            facts=facts.get(key, Facts()),
            retention=read_retention(retention),
        )
        for some in chunks(keys)
        for key, uid, namespace, name, description, owner, created, updated, deleted, retention in connection.execute(
            _SOME, {"keys": some}
        )
    }


def read_project(connection: Connection, scope: Scope, project_id: str) -> Project:
    """Return a project, or raise NotFound."""
    key = project_key(connection, scope, project_id).key
    return projects_by_key(connection, [key])[key]


def read_project_named(connection: Connection, scope: Scope, name: str) -> Project:
    """Return the project of a name, or raise NotFound."""
    row = connection.execute(_NAMED, {"namespace": scope.namespace, "name": name}).first()
    if row is None:
        raise NotFound(f"namespace {scope.namespace!r} has no project named {name!r}")
    return projects_by_key(connection, [row.id])[row.id]


def create_project(
    connection: Connection, scope: Scope, name: str, *, project_id: str | None, description: str, facts: Facts
) -> Project:
    """Insert a project, or return the one that has the id."""
    uid = chosen_id(project_id, "project_id")
    short("the name of a project", name)
    if project_id is not None:
        known = connection.execute(_WITH_ID, {"uid": uid}).first()
        if known is not None and known.namespace == storable(scope.namespace):
            return projects_by_key(connection, [known.id])[known.id]
        if known is not None:
            raise Conflict(f"the id {uid!r} is in use")
    taken = connection.execute(_NAMED, {"namespace": scope.namespace, "name": name}).first()
    if taken is not None:
        state = "" if taken.deleted is None else ", which is deleted: restore it, or purge it"
        raise Conflict(f"namespace {scope.namespace!r} has a project named {name!r} already{state}")
    key = _insert(connection, scope, uid, name, description)
    write_facts(connection, NodeKind.PROJECT, key, facts)
    record_change(connection, scope, "create", Node(NodeKind.PROJECT, uid), name=name)
    return projects_by_key(connection, [key])[key]


def named_project_key(connection: Connection, scope: Scope, name: str) -> int:
    """Return the key of the project of a name, inserted if it is not there.

    Raises:
        Conflict: It is deleted.
    """
    short("the name of a project", name)
    row = connection.execute(_NAMED, {"namespace": scope.namespace, "name": name}).first()
    if row is not None:
        refuse_deleted(f"project {name!r}", row.deleted)
        return int(row.id)
    uid = uuid.uuid4().hex
    key = _insert(connection, scope, uid, name, "")
    record_change(connection, scope, "create", Node(NodeKind.PROJECT, uid), name=name)
    return key


def default_project(connection: Connection, scope: Scope) -> Project:
    """Return the project of what names none, inserted if it is not there."""
    row = connection.execute(_NAMED, {"namespace": scope.namespace, "name": DEFAULT_PROJECT}).first()
    key = named_project_key(connection, scope, DEFAULT_PROJECT) if row is None else row.id
    return projects_by_key(connection, [key])[key]


def _insert(connection: Connection, scope: Scope, uid: str, name: str, description: str) -> int:
    now = micros(datetime.now(UTC))
    row = {
        "uid": uid,
        "namespace": short("the namespace", scope.namespace),
        "name": name,
        "description": description,
        "owner": storable(scope.actor)[:255],
        "created": now,
        "updated": now,
    }
    key = connection.execute(_INSERT, row).inserted_primary_key
    return int(key[0]) if key else 0


def update_project(
    connection: Connection,
    scope: Scope,
    project_id: str,
    *,
    name: str | None,
    description: str | None,
    retention: ProjectRetention | None,
) -> Project:
    """Change what is not None."""
    document = None if retention is None else retention_document(retention)
    project = lock_project(connection, scope, project_id)
    refuse_deleted("project", project.deleted)
    row: dict[str, Any] = {"updated": micros(datetime.now(UTC))}
    if name is not None:
        short("the name of a project", name)
        taken = connection.execute(_NAMED, {"namespace": scope.namespace, "name": name}).first()
        if taken is not None and taken.id != project.key:
            raise Conflict(f"namespace {scope.namespace!r} has a project named {name!r} already")
        row["name"] = name
    if description is not None:
        row["description"] = description
    details: dict[str, Any] = {}
    if document is not None:
        row["retention"] = dump(document) if document else None
        details["retention"] = document
    connection.execute(update(projects).where(_columns.id == project.key).values(row))
    record_change(connection, scope, "update", Node(NodeKind.PROJECT, project.id), fields=sorted(row), **details)
    return projects_by_key(connection, [project.key])[project.key]
