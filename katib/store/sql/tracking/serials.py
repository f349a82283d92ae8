"""From the numbers that programs without room for an id know records by, to their ids. In the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from katib.errors import InvalidInput, NotFound, Problem
from katib.store.sql.schema import experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking_tables import projects
from katib.store.tracking.records import NodeKind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope

__all__ = ["id_of"]

_GREATEST = 2**31 - 1
_OF = {
    NodeKind.EXPERIMENT: select(experiments.c.uid).where(
        experiments.c.id == bindparam("key"), experiments.c.namespace == bindparam("namespace")
    ),
    NodeKind.RUN: select(trials.c.uid)
    .join(projects, projects.c.id == trials.c.project_id)
    .where(trials.c.id == bindparam("key"), projects.c.namespace == bindparam("namespace")),
}


def id_of(connection: Connection, scope: Scope, kind: NodeKind, serial: int) -> str:
    """Return the id of an experiment or a run, or raise NotFound."""
    query = _OF.get(kind)
    if query is None:
        raise InvalidInput([Problem("kind", f"a {kind.value} has no serial number", kind.value)])
    found: str | None = None
    if 0 < serial <= _GREATEST:  # PostgreSQL refuses to compare with what its integers cannot be
        found = connection.execute(query, {"key": serial, "namespace": storable(scope.namespace)}).scalar()
    if found is None:
        raise NotFound(f"namespace {scope.namespace!r} has no {kind.value} with the number {serial}")
    return found
