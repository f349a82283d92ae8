"""Deletes records so that they can be brought back, and brings them back. Functions run in the caller's transaction.

Everything that one deletion takes along has the same ``deleted``, by which a restoration finds it again: what was deleted before on its
own stays deleted. A run and the experiment whose root it is go together, whichever of the two was named.

Rows are marked from above, and each is locked by being marked before anybody looks for what is below it; who puts a run below another
one locks that one first. So nothing is put below a record while it is being deleted. The numbers of the changes are taken at last, in
the order of locks of all writers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, select, update

from katib.errors import Conflict, InvalidInput, Problem
from katib.store.sql.changes import next_change
from katib.store.sql.schema import experiments, trials
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.scope import chunks, experiment_key, lock_project, lock_run, run_key
from katib.store.sql.tracking.search_rows import free_title
from katib.store.sql.tracking_tables import projects
from katib.store.sql.values import micros
from katib.store.tracking.records import ExperimentKind, Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import BindParameter, ColumnElement, Connection

    from katib.store.sql.tracking.scope import Scope

__all__ = ["BEING_ARCHIVED", "BEING_PURGED", "delete", "restore"]

BEING_PURGED: Final = 0
"""The time of deletion of what a purge began to remove: not all of it is there any more, so it is not restored."""

BEING_ARCHIVED: Final = 1
"""That of a run that is on its way into an archive: all of it is there, but it is not restored any more either."""

_runs, _searches = trials.c, experiments.c
_KEYS: BindParameter[int] = bindparam("keys", expanding=True)
_MARK_RUNS = update(trials).where(_runs.id.in_(_KEYS), _runs.deleted.is_(None)).values(deleted=bindparam("stamp"))
_MARK_TRIALS = (
    update(trials).where(_runs.experiment_id.in_(_KEYS), _runs.deleted.is_(None)).values(deleted=bindparam("stamp"))
)
_MARK_SEARCHES = (
    update(experiments)
    .where(_searches.id.in_(_KEYS), _searches.deleted.is_(None))
    .values(deleted=bindparam("stamp"), updated=bindparam("stamp"), name=_searches.uid, title=None)
)
_MARK_SEARCHES_OF_PROJECT = (
    update(experiments)
    .where(_searches.project_id == bindparam("project"), _searches.deleted.is_(None))
    .values(deleted=bindparam("stamp"), updated=bindparam("stamp"), name=_searches.uid, title=None)
)
_MARK_RUNS_OF_PROJECT = (
    update(trials)
    .where(_runs.project_id == bindparam("project"), _runs.deleted.is_(None))
    .values(deleted=bindparam("stamp"))
)
_MARK_PROJECT = (
    update(projects).where(projects.c.id == bindparam("key")).values(deleted=bindparam("new"), updated=bindparam("now"))
)
_BELOW = select(_searches.id).where(_searches.root_id.in_(_KEYS))
_TRIALS = select(_runs.id).where(_runs.experiment_id.in_(_KEYS), _runs.deleted == bindparam("stamp"))
_ROOT_OF = select(_searches.id, _searches.deleted).where(_searches.root_id == bindparam("run"))
_ABOVE = select(_searches.deleted).where(_searches.id == bindparam("key"))
_PROJECT = select(projects.c.deleted).where(projects.c.id == bindparam("key"))
_NAMES = (
    select(
        _searches.id, _searches.uid, _searches.kind, _searches.namespace, _searches.project_id, _runs.name, _runs.title
    )
    .join(trials, _runs.id == _searches.root_id)
    .where(_searches.id.in_(_KEYS))
    .order_by(_searches.id)
)
_NAMED = select(_searches.id).where(_searches.namespace == bindparam("namespace"), _searches.name == bindparam("name"))
_TITLED = select(_searches.id).where(
    _searches.project_id == bindparam("project"), _searches.title == bindparam("title")
)
_RESTORE_SEARCH = (
    update(experiments)
    .where(_searches.id == bindparam("key"))
    .values(deleted=None, updated=bindparam("now"), name=bindparam("new_name"), title=bindparam("new_title"))
)


@dataclass(slots=True)
class _Taken:
    """What a deletion took along: keys, or how many where a whole project went.

    Attributes:
        levels: Keys of experiments, from above.
    """

    roots: list[int] = field(default_factory=list)
    levels: list[list[int]] = field(default_factory=list)
    runs: int = 0

    @property
    def experiments(self) -> int:
        return sum(map(len, self.levels))


def delete(connection: Connection, scope: Scope, node: Node, *, reason: str | None = None) -> bool:
    """Delete a project, an experiment or a run with all that is below it; return False where it is deleted already.

    Args:
        reason: For the audit, where it was not a person who chose the record.

    Raises:
        NotFound: There is none.
        InvalidInput: It is a record of another kind.
    """
    stamp = micros(datetime.now(UTC))
    if node.kind is NodeKind.PROJECT:
        project = lock_project(connection, scope, node.id)
        if project.deleted is not None:
            return False
        found: dict[str, Any] = _delete_project(connection, project.key, stamp)
    else:
        key, deleted = _lock_root(connection, scope, node)
        if deleted is not None:
            return False
        taken = _mark_below(connection, key, stamp)
        _renumber(connection, taken, _runs.deleted == stamp)
        found = {"runs": taken.runs, "experiments": taken.experiments}
    if reason is not None:
        found["reason"] = reason
    record_change(connection, scope, "delete", node, **found)
    return True


def _lock_root(connection: Connection, scope: Scope, node: Node) -> tuple[int, int | None]:
    """Return the key of the run that stands for a record, locked, and when it was deleted."""
    if node.kind is NodeKind.EXPERIMENT:
        root = experiment_key(connection, scope, node.id).root
        run_id = connection.execute(select(_runs.uid).where(_runs.id == root)).scalar_one()
        lock_run(connection, scope, run_id)
        found = experiment_key(connection, scope, node.id)
        return root, found.deleted
    if node.kind is NodeKind.RUN:
        run = lock_run(connection, scope, node.id)
        return run.key, run.deleted
    raise InvalidInput([Problem("kind", "projects, experiments and runs are deleted and restored", node.kind.value)])


def _mark_below(connection: Connection, run: int, stamp: int) -> _Taken:
    taken = _Taken(roots=[run])
    taken.runs = connection.execute(_MARK_RUNS, {"keys": [run], "stamp": stamp}).rowcount
    level = [run]
    while level:
        below = _keys(connection, _BELOW, level)
        for some in chunks(below):
            connection.execute(_MARK_SEARCHES, {"keys": some, "stamp": stamp})
            taken.runs += connection.execute(_MARK_TRIALS, {"keys": some, "stamp": stamp}).rowcount
        if below:
            taken.levels.append(below)
        level = _keys(connection, _TRIALS, below, stamp=stamp)
    return taken


def _keys(connection: Connection, query: Any, above: Sequence[int], **values: Any) -> list[int]:
    return [key for some in chunks(above) for key in connection.execute(query, {"keys": some, **values}).scalars()]


def _delete_project(connection: Connection, key: int, stamp: int) -> dict[str, Any]:
    connection.execute(_MARK_PROJECT, {"key": key, "new": stamp, "now": stamp})
    searches = connection.execute(_MARK_SEARCHES_OF_PROJECT, {"project": key, "stamp": stamp}).rowcount
    runs = connection.execute(_MARK_RUNS_OF_PROJECT, {"project": key, "stamp": stamp}).rowcount
    if runs:
        of_it = (_runs.project_id == key) & (_runs.deleted == stamp)
        connection.execute(update(trials).where(of_it).values(change=next_change(connection)))
    return {"runs": runs, "experiments": searches}


def _renumber(connection: Connection, taken: _Taken, condition: ColumnElement[bool]) -> None:
    """Let those who watch runs see that these changed."""
    change = next_change(connection)
    connection.execute(update(trials).where(_runs.id.in_(taken.roots)).values(change=change))
    for level in taken.levels:
        for some in chunks(level):
            connection.execute(update(trials).where(_runs.experiment_id.in_(some), condition).values(change=change))


def restore(connection: Connection, scope: Scope, node: Node) -> bool:
    """Bring back a project, an experiment or a run with all that was deleted with it; return False where it is not deleted.

    Raises:
        NotFound: There is none.
        InvalidInput: It is a record of another kind.
        Conflict: An experiment of Katib's kind, or the one that is named, finds its name taken; what it belongs to is deleted; or it is
            being purged.
    """
    if node.kind is NodeKind.PROJECT:
        project = lock_project(connection, scope, node.id)
        if project.deleted is None:
            return False
        _refuse_purged(project.deleted)
        found = _restore_project(connection, project.key, project.deleted)
    else:
        key, deleted = _lock_root(connection, scope, node)
        if deleted is None:
            return False
        _refuse_purged(deleted)
        _refuse_deleted_above(connection, scope, node, key)
        taken = _restore_below(connection, key, deleted, strict=node.kind is NodeKind.EXPERIMENT)
        found = {"runs": taken.runs, "experiments": taken.experiments}
    record_change(connection, scope, "restore", node, **found)
    return True


def _refuse_purged(deleted: int | None) -> None:
    if deleted in {BEING_PURGED, BEING_ARCHIVED}:
        raise Conflict("it is being purged: parts of it may be gone")


def _refuse_deleted_above(connection: Connection, scope: Scope, node: Node, key: int) -> None:
    if node.kind is NodeKind.RUN:
        run = run_key(connection, scope, node.id)
        project, above = run.project, run.experiment
    else:
        project, above = connection.execute(select(_runs.project_id, _runs.experiment_id).where(_runs.id == key)).one()
    root_of = connection.execute(_ROOT_OF, {"run": key}).first()
    if root_of is not None:
        _refuse_purged(root_of.deleted)
    if connection.execute(_PROJECT, {"key": project}).scalar() is not None:
        raise Conflict(f"the project of the {node.kind.value} is deleted: restore that first")
    if above is not None and connection.execute(_ABOVE, {"key": above}).scalar() is not None:
        raise Conflict(f"the experiment that the {node.kind.value} belongs to is deleted: restore that first")


def _restore_below(connection: Connection, run: int, stamp: int, *, strict: bool) -> _Taken:
    taken = _Taken(roots=[run], runs=1)
    level = [run]
    while level:
        below = _keys(connection, _BELOW.where(_searches.deleted == bindparam("stamp")), level, stamp=stamp)
        _restore_searches(connection, below, strict=strict and level == [run])
        if below:
            taken.levels.append(below)
        level = _keys(connection, _TRIALS, below, stamp=stamp)
        taken.runs += len(level)
    change = next_change(connection)
    connection.execute(update(trials).where(_runs.id == run).values(deleted=None, change=change))
    for searches in taken.levels:
        for some in chunks(searches):
            these = _runs.experiment_id.in_(some) & (_runs.deleted == stamp)
            connection.execute(update(trials).where(these).values(deleted=None, change=change))
    return taken


def _restore_project(connection: Connection, key: int, stamp: int) -> dict[str, Any]:
    of_it = (_searches.project_id == key) & (_searches.deleted == stamp)
    searches = list(connection.execute(select(_searches.id).where(of_it)).scalars())
    _restore_searches(connection, searches, strict=False)
    connection.execute(_MARK_PROJECT, {"key": key, "new": None, "now": micros(datetime.now(UTC))})
    these = (_runs.project_id == key) & (_runs.deleted == stamp)
    runs = connection.execute(select(func.count()).select_from(trials).where(these)).scalar_one()
    if runs:
        connection.execute(update(trials).where(these).values(deleted=None, change=next_change(connection)))
    return {"runs": runs, "experiments": len(searches)}


def _restore_searches(connection: Connection, keys: Sequence[int], *, strict: bool) -> None:
    """Give experiments their names back.

    Args:
        strict: Whether a name that is taken is a Conflict also where nobody looks an experiment up by it; else it gets another one.
    """
    now = micros(datetime.now(UTC))
    for some in chunks(keys):
        for row in connection.execute(_NAMES, {"keys": some}).all():
            wanted = row.title or row.name
            name, title = row.uid, wanted
            ours = row.kind == ExperimentKind.KATIB.value
            if ours:
                name = row.name
                if connection.execute(_NAMED, {"namespace": row.namespace, "name": name}).first() is not None:
                    raise Conflict(
                        f"namespace {row.namespace!r} has another experiment named {name!r}: delete that one first"
                    )
            if ours or strict:
                taken = connection.execute(_TITLED, {"project": row.project_id, "title": title}).first()
                if taken is not None:
                    raise Conflict(
                        f"the project has another experiment named {title!r}: delete or rename that one first"
                    )
            else:
                title = free_title(connection, row.project_id, wanted, row.uid)
            connection.execute(_RESTORE_SEARCH, {"key": row.id, "now": now, "new_name": name, "new_title": title})
