"""What projects want purged, as it is stored beside them. Functions run in the caller's transaction."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from katib.errors import InvalidInput, Problem
from katib.store.sql.documents import load
from katib.store.sql.tracking_tables import projects
from katib.store.tracking.records import ProjectRetention

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["namespaces_with_retention", "read_retention", "retention_document"]

_NONE: Final = ProjectRetention()
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST: Final = timedelta(days=36_500)
_MOST: Final = 2**31 - 1
_NAMESPACES: Final = (
    select(projects.c.namespace).where(projects.c.retention.is_not(None)).distinct().order_by(projects.c.namespace)
)


def retention_document(retention: ProjectRetention) -> dict[str, Any]:
    """Return what is stored, empty where nothing is wanted.

    Raises:
        InvalidInput: It cannot be a policy.
    """
    problems = []
    document: dict[str, Any] = {}
    if retention.deleted_for is not None:
        if not timedelta() < retention.deleted_for <= _LONGEST:
            problems.append(Problem("deleted_for", f"must be more than nothing and at most {_LONGEST.days} days"))
        document["deleted_for"] = retention.deleted_for // _MICROSECOND
    if retention.keep_best is not None:
        if not 1 <= retention.keep_best <= _MOST:
            problems.append(Problem("keep_best", "must be 1 or more", retention.keep_best))
        document["keep_best"] = retention.keep_best
    if problems:
        raise InvalidInput(problems)
    return document | {name: True for name in ("archive", "keep_artifacts") if getattr(retention, name)}


def read_retention(stored: str | None) -> ProjectRetention:
    """Return what was stored."""
    if stored is None:
        return _NONE
    document = load(stored)
    deleted_for = document.get("deleted_for")
    return ProjectRetention(
        deleted_for=None if deleted_for is None else deleted_for * _MICROSECOND,
        keep_best=document.get("keep_best"),
        archive=document.get("archive", False),
        keep_artifacts=document.get("keep_artifacts", False),
    )


def namespaces_with_retention(connection: Connection) -> list[str]:
    """Return the namespaces in which any project wants something purged."""
    return list(connection.execute(_NAMESPACES).scalars())
