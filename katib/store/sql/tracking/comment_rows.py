"""What people say about runs. Functions run in the caller's transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from katib.errors import Conflict, Denied, InvalidInput, NotFound, Problem
from katib.store.sql.schema import trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.scope import chosen_id, lock_run, refuse_deleted, run_key
from katib.store.sql.tracking_tables import comments, projects
from katib.store.sql.values import micros, moment
from katib.store.tracking.records import Comment, Node, NodeKind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope

__all__ = ["LONGEST_COMMENT", "add_comment", "delete_comment", "edit_comment", "list_comments"]

LONGEST_COMMENT: Final = 65_536
"""Characters."""

_columns = comments.c
_COMMENTS = (
    select(
        _columns.id,
        projects.c.namespace,
        _columns.uid,
        trials.c.uid.label("run_uid"),
        _columns.author,
        _columns.text,
        _columns.created,
        _columns.edited,
    )
    .join(trials, trials.c.id == _columns.trial_id)
    .join(projects, projects.c.id == trials.c.project_id)
)
_BY_ID = _COMMENTS.where(_columns.uid == bindparam("uid"))
_OF_RUN = _COMMENTS.where(_columns.trial_id == bindparam("run")).order_by(_columns.id)
_INSERT = insert(comments)
_UPDATE = update(comments).where(_columns.id == bindparam("key")).values(text=bindparam("new"), edited=bindparam("now"))
_DELETE = delete(comments).where(_columns.id == bindparam("key"))


def add_comment(
    connection: Connection, scope: Scope, run_id: str, text: str, *, comment_id: str | None = None
) -> Comment:
    """Insert a comment, or return the one that has the id already.

    Raises:
        Conflict: The run is deleted; or a comment on another run has the id.
    """
    text = _checked(text)
    uid = chosen_id(comment_id, "comment_id")
    run = lock_run(connection, scope, run_id)
    if comment_id is not None:
        known = connection.execute(_BY_ID, {"uid": uid}).first()
        if known is not None and known.run_uid == run.id:
            return _comment(known)
        if known is not None:
            raise Conflict(f"the id {uid!r} is in use")
    refuse_deleted("run", run.deleted)
    connection.execute(
        _INSERT,
        {
            "uid": uid,
            "trial_id": run.key,
            "author": _author(scope),
            "text": text,
            "created": micros(datetime.now(UTC)),
        },
    )
    record_change(connection, scope, "comment", Node(NodeKind.RUN, run.id), comment=uid)
    return _comment(connection.execute(_BY_ID, {"uid": uid}).one())


def edit_comment(connection: Connection, scope: Scope, comment_id: str, text: str) -> Comment:
    """Change a comment; the same text again changes nothing.

    Raises:
        Conflict: Its run is deleted.
        Denied: It is somebody else's.
    """
    text = _checked(text)
    row = _own(connection, scope, comment_id)
    if row.text == text:
        return _comment(row)
    connection.execute(_UPDATE, {"key": row.id, "new": text, "now": micros(datetime.now(UTC))})
    record_change(connection, scope, "edit-comment", Node(NodeKind.RUN, row.run_uid), comment=row.uid)
    return _comment(connection.execute(_BY_ID, {"uid": row.uid}).one())


def delete_comment(connection: Connection, scope: Scope, comment_id: str) -> None:
    """Delete a comment.

    Raises:
        Conflict: Its run is deleted.
        Denied: It is somebody else's.
    """
    row = _own(connection, scope, comment_id)
    connection.execute(_DELETE, {"key": row.id})
    record_change(connection, scope, "delete-comment", Node(NodeKind.RUN, row.run_uid), comment=row.uid)


def list_comments(connection: Connection, scope: Scope, run_id: str) -> list[Comment]:
    """Return what was said about a run, oldest first."""
    run = run_key(connection, scope, run_id).key
    return [_comment(row) for row in connection.execute(_OF_RUN, {"run": run})]


def _checked(text: str) -> str:
    text = storable(text)
    if not text.strip():
        raise InvalidInput([Problem("text", "a comment says something")])
    if len(text) > LONGEST_COMMENT:
        raise InvalidInput([Problem("text", f"has {len(text)} characters, the store takes {LONGEST_COMMENT}")])
    return text


def _author(scope: Scope) -> str:
    return storable(scope.actor)[:255]


def _own(connection: Connection, scope: Scope, comment_id: str) -> Any:
    """Return the row of a comment that the caller wrote, while its run's row is locked."""
    row = _visible(connection, scope, comment_id)
    refuse_deleted("run", lock_run(connection, scope, row.run_uid).deleted)
    row = _visible(connection, scope, comment_id)  # it may have been changed before the lock
    if row.author != _author(scope):
        raise Denied(f"the comment {row.uid!r} is by {row.author!r}: only its author changes it")
    return row


def _visible(connection: Connection, scope: Scope, comment_id: str) -> Any:
    row = None
    if comment_id.isascii() and comment_id.isalnum():
        row = connection.execute(_BY_ID, {"uid": comment_id}).first()
    if row is None or row.uid != comment_id or row.namespace != storable(scope.namespace):
        raise NotFound(f"namespace {scope.namespace!r} has no comment with the id {comment_id!r}")
    return row


def _comment(row: Any) -> Comment:
    return Comment(
        id=row.uid,
        run_id=row.run_uid,
        author=row.author,
        text=row.text,
        created=moment(row.created),
        edited=None if row.edited is None else moment(row.edited),
    )
