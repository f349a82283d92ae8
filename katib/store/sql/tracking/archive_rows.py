"""Which runs go into an archive together before they are purged. Functions run in the caller's transaction.

A batch is made of runs that nobody can restore any more, and its members stay the same until they are removed. So a purge that is killed
while it writes writes the same again, and whatever of a batch is removed has been written.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, exists, insert, select, update

from katib.errors import NotFound
from katib.store.sql.schema import trials
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.deletion import BEING_ARCHIVED
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import archived_runs, archives, projects
from katib.store.sql.values import micros, moment
from katib.store.tracking.records import ArchiveBatch, ArchivedRun, Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from katib.store.sql.tracking.scope import Scope

__all__ = [
    "HAS_BATCH",
    "begin_batch",
    "forget_empty_batches",
    "is_archived",
    "mark_written",
    "read_batch",
    "run_is_written",
    "undo_batch",
    "unfinished_batches",
    "written_runs",
]

_runs, _members, _batches = trials.c, archived_runs.c, archives.c
HAS_BATCH: Final[ColumnElement[bool]] = exists().where(_members.trial_id == _runs.id)
"""Whether a run (``trials.c.id``) is in a batch."""

_BATCH = select(_batches.id, _batches.project, _batches.written).where(
    _batches.uid == bindparam("uid"), _batches.namespace == bindparam("namespace")
)
_MEMBERS = (
    select(_runs.id, _runs.uid, _members.deleted)
    .join(trials, _runs.id == _members.trial_id)
    .where(_members.archive_id == bindparam("archive"))
    .order_by(_runs.id)
)


def begin_batch(connection: Connection, scope: Scope, keys: Sequence[int], before: int) -> str | None:
    """Make a batch of those of some runs of one project that are still deleted; return its id, None where there are none."""
    rows: list[Any] = []
    for some in chunks(sorted(keys)):
        still = select(_runs.id, _runs.deleted, _runs.project_id).where(_runs.id.in_(some), _runs.deleted < before)
        rows += connection.execute(still.order_by(_runs.id).with_for_update(key_share=True)).all()
    # Asked after the rows are locked: who made a batch of one of them has ended.
    taken = {
        key
        for some in chunks([row.id for row in rows])
        for key in connection.execute(select(_members.trial_id).where(_members.trial_id.in_(some))).scalars()
    }
    rows = [row for row in rows if row.id not in taken]
    if not rows:
        return None
    uid = uuid.uuid4().hex
    project = connection.execute(select(projects.c.uid).where(projects.c.id == rows[0].project_id)).scalar_one()
    made = connection.execute(insert(archives), {"uid": uid, "namespace": scope.namespace, "project": project})
    (archive,) = made.inserted_primary_key or (None,)
    members = [
        {
            "trial_id": row.id,
            "archive_id": archive,
            "deleted": row.deleted if row.deleted > BEING_ARCHIVED else None,
        }
        for row in rows
    ]
    connection.execute(insert(archived_runs), members)
    for some in chunks([row.id for row in rows if row.deleted > BEING_ARCHIVED]):
        connection.execute(update(trials).where(_runs.id.in_(some)).values(deleted=BEING_ARCHIVED))
    return uid


def undo_batch(connection: Connection, scope: Scope, uid: str) -> None:
    """Take a batch back of which nothing was written, so that its runs can be restored."""
    row = connection.execute(_BATCH.with_for_update(), {"uid": uid, "namespace": scope.namespace}).first()
    if row is None or row.written is not None:
        return
    for key, _, deleted in connection.execute(_MEMBERS, {"archive": row.id}).all():
        if deleted is not None:
            mine = (_runs.id == key) & (_runs.deleted == BEING_ARCHIVED)
            connection.execute(update(trials).where(mine).values(deleted=deleted))
    connection.execute(delete(archived_runs).where(_members.archive_id == row.id))
    connection.execute(delete(archives).where(_batches.id == row.id))


def read_batch(connection: Connection, scope: Scope, uid: str) -> ArchiveBatch:
    """Return a batch, or raise NotFound."""
    row = connection.execute(_BATCH, {"uid": uid, "namespace": scope.namespace}).first()
    if row is None:
        raise NotFound(f"namespace {scope.namespace!r} has no batch with the id {uid!r}")
    runs = tuple(
        ArchivedRun(run, None if deleted is None else moment(deleted))
        for _, run, deleted in connection.execute(_MEMBERS, {"archive": row.id})
    )
    return ArchiveBatch(uid, scope.namespace, row.project, runs)


def unfinished_batches(connection: Connection, scope: Scope, within: ColumnElement[bool]) -> list[str]:
    """Return the batches that a purge left unwritten, oldest first.

    Args:
        within: Of runs that meet this.
    """
    mine = exists().where(_members.archive_id == _batches.id, _runs.id == _members.trial_id, within)
    wanted = select(_batches.uid).where(_batches.namespace == scope.namespace, _batches.written.is_(None), mine)
    return list(connection.execute(wanted.order_by(_batches.id)).scalars())


def is_archived(connection: Connection, scope: Scope, uid: str) -> bool:
    """Whether a batch is written, or gone since then."""
    row = connection.execute(_BATCH, {"uid": uid, "namespace": scope.namespace}).first()
    return row is None or row.written is not None


def mark_written(connection: Connection, scope: Scope, uid: str) -> int:
    """Say that a batch is durable, so that its runs may go; return how many these are, none where somebody said it before."""
    row = connection.execute(_BATCH.with_for_update(), {"uid": uid, "namespace": scope.namespace}).first()
    if row is None or row.written is not None:
        return 0
    connection.execute(update(archives).where(_batches.id == row.id).values(written=micros(datetime.now(UTC))))
    runs = len(connection.execute(_MEMBERS, {"archive": row.id}).all())
    record_change(connection, scope, "archive", Node(NodeKind.PROJECT, row.project), batch=uid, runs=runs)
    return runs


def written_runs(scope: Scope) -> Select[tuple[int]]:
    """Return what finds the keys of runs that are written and not removed yet."""
    return (
        select(_runs.id)
        .join(archived_runs, _members.trial_id == _runs.id)
        .join(archives, _batches.id == _members.archive_id)
        .where(_batches.namespace == scope.namespace, _batches.written.is_not(None))
    )


def run_is_written(run: Any) -> ColumnElement[bool]:
    """Return whether the run whose key a column has is in a batch that is written."""
    return exists().where(_members.trial_id == run, _batches.id == _members.archive_id, _batches.written.is_not(None))


def forget_empty_batches(connection: Connection, scope: Scope) -> None:
    """Forget batches whose runs are all gone; the audit remembers them."""
    empty = ~exists().where(_members.archive_id == _batches.id)
    connection.execute(delete(archives).where(_batches.namespace == scope.namespace, empty))
