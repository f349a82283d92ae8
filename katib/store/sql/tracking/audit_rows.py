"""Who changed what: one row for each change, written in its transaction, so that none is missing and none is too many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select

from katib.store.sql.documents import dump, load
from katib.store.sql.text import storable
from katib.store.sql.tracking_tables import audit
from katib.store.sql.values import micros, moment
from katib.store.tracking.records import AuditEntry, Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope

__all__ = ["read_audit", "record_change", "record_changes"]

_INSERT = insert(audit)
_READ = (
    select(
        audit.c.id,
        audit.c.time,
        audit.c.actor,
        audit.c.action,
        audit.c.node_kind,
        audit.c.node_id,
        audit.c.details,
    )
    .where(audit.c.namespace == bindparam("namespace"), audit.c.id > bindparam("after"))
    .order_by(audit.c.id)
)


def record_change(connection: Connection, scope: Scope, action: str, node: Node | None, **details: Any) -> None:
    """Write down that the caller does something."""
    connection.execute(_INSERT, _row(scope, action, node, details))


def record_changes(connection: Connection, action: str, changes: Sequence[tuple[Scope, Node]]) -> None:
    """Write down that callers do the same to several things."""
    if changes:
        connection.execute(_INSERT, [_row(scope, action, node, {}) for scope, node in changes])


def _row(scope: Scope, action: str, node: Node | None, details: dict[str, Any]) -> dict[str, Any]:
    return {
        "namespace": scope.namespace,
        "time": micros(datetime.now(UTC)),
        "actor": storable(scope.actor)[:255],
        "action": action,
        "node_kind": None if node is None else node.kind.value,
        "node_id": None if node is None else node.id,
        "details": dump(details),
    }


def read_audit(connection: Connection, scope: Scope, node: Node | None, after_id: int, limit: int) -> list[AuditEntry]:
    """Return entries of the namespace, oldest first."""
    query = _READ.limit(limit)
    if node is not None:
        query = query.where(audit.c.node_kind == node.kind.value, audit.c.node_id == node.id)
    rows = connection.execute(query, {"namespace": scope.namespace, "after": after_id})
    return [
        AuditEntry(
            id=key,
            time=moment(time),
            actor=actor,
            action=action,
            node=None if kind is None else Node(NodeKind(kind), node_id),
            details=load(details),
        )
        for key, time, actor, action, kind, node_id, details in rows
    ]
