"""Finds keys of runs, experiments and projects of one namespace by filter, order and page; whoever asks reads the records by key.

The namespace becomes keys of projects before the statement is made, so that the database sees which part of an index is meant.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, func, select, true

from katib.errors import InvalidInput, Problem
from katib.store.query.order import parse_order
from katib.store.query.pages import page_of
from katib.store.query.parse import parse_filter
from katib.store.query.to_sql import compile_filter
from katib.store.query.tree import fields_of
from katib.store.query.vocabulary import EXPERIMENTS, PROJECTS, RUNS
from katib.store.sql.schema import experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.project_fields import ProjectFields
from katib.store.sql.tracking.run_fields import among, run_fields
from katib.store.sql.tracking.run_search import RunSearch
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking.search_fields import SEARCHED, SearchFields
from katib.store.sql.tracking_tables import projects
from katib.store.tracking.records import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, FromClause, Select

    from katib.store.query.order import Order
    from katib.store.query.to_sql import Fields
    from katib.store.query.tree import Field, Filter
    from katib.store.sql.tracking.scope import Scope
    from katib.store.tracking.records import RunScope

__all__ = [
    "MOST_IDS",
    "count_projects",
    "count_runs",
    "count_searches",
    "find_project_keys",
    "find_run_keys",
    "find_search_keys",
]

MOST_IDS: Final = 5_000
"""Ids of one kind in the scope of a query."""

_LISTED: Final = 50
"""Projects of a namespace that a statement names one by one; more are looked up by the statement itself."""

_OF_NAMESPACE = select(projects.c.id).where(projects.c.namespace == bindparam("namespace"))
_PROJECTS = _OF_NAMESPACE.where(projects.c.uid.in_(bindparam("uids", expanding=True)))
_EXPERIMENTS = select(experiments.c.id).where(
    experiments.c.namespace == bindparam("namespace"), experiments.c.uid.in_(bindparam("uids", expanding=True))
)
_RUNS = (
    select(trials.c.id)
    .join(projects, projects.c.id == trials.c.project_id)
    .where(projects.c.namespace == bindparam("namespace"), trials.c.uid.in_(bindparam("uids", expanding=True)))
)
_BELOW = (
    select(experiments.c.id)
    .join(trials, trials.c.id == experiments.c.root_id)
    .where(experiments.c.namespace == bindparam("namespace"), trials.c.uid.in_(bindparam("uids", expanding=True)))
)


def find_run_keys(
    connection: Connection,
    scope: Scope,
    filter: str,  # noqa: A002 - what it is
    order_by: str | Sequence[str],
    run_scope: RunScope,
    *,
    limit: int,
    cursor: str | None,
    now: datetime,
) -> tuple[list[int], str | None]:
    """Return the keys of a page of runs, and the cursor of the next page.

    Raises:
        InvalidInput: The filter, the order, the cursor or the limit is none.
    """
    tree, order = parse_filter(filter, RUNS), parse_order(order_by, RUNS)
    return _run_search(connection, scope, tree, _mentioned(tree, order), run_scope, now=now).page(
        order, limit=limit, cursor=cursor
    )


def count_runs(
    connection: Connection,
    scope: Scope,
    filter: str,  # noqa: A002
    run_scope: RunScope,
    *,
    now: datetime,
) -> int:
    """Return how many runs pass."""
    tree = parse_filter(filter, RUNS)
    return _run_search(connection, scope, tree, fields_of(tree), run_scope, now=now).count()


def find_search_keys(
    connection: Connection,
    scope: Scope,
    filter: str,  # noqa: A002
    order_by: str | Sequence[str],
    project_ids: Sequence[str],
    *,
    lifecycle: Lifecycle,
    limit: int,
    cursor: str | None,
    now: datetime,
) -> tuple[list[int], str | None]:
    """Return the keys of a page of experiments, and the cursor of the next page."""
    tree, order = parse_filter(filter, EXPERIMENTS), parse_order(order_by, EXPERIMENTS)
    within = _of_searches(connection, scope, project_ids, lifecycle)
    return _page(connection, SEARCHED, SearchFields(), tree, order, within=within, limit=limit, cursor=cursor, now=now)


def count_searches(
    connection: Connection,
    scope: Scope,
    filter: str,  # noqa: A002
    project_ids: Sequence[str],
    *,
    lifecycle: Lifecycle,
    now: datetime,
) -> int:
    """Return how many experiments pass."""
    within = _of_searches(connection, scope, project_ids, lifecycle)
    return _count(connection, SEARCHED, SearchFields(), parse_filter(filter, EXPERIMENTS), within=within, now=now)


def find_project_keys(
    connection: Connection,
    scope: Scope,
    filter: str,  # noqa: A002
    order_by: str | Sequence[str],
    *,
    lifecycle: Lifecycle,
    limit: int,
    cursor: str | None,
    now: datetime,
) -> tuple[list[int], str | None]:
    """Return the keys of a page of projects, and the cursor of the next page."""
    tree, order = parse_filter(filter, PROJECTS), parse_order(order_by, PROJECTS)
    within = _of_projects(scope, lifecycle)
    return _page(connection, projects, ProjectFields(), tree, order, within=within, limit=limit, cursor=cursor, now=now)


def count_projects(
    connection: Connection,
    scope: Scope,
    filter: str,  # noqa: A002
    *,
    lifecycle: Lifecycle,
    now: datetime,
) -> int:
    """Return how many projects pass."""
    tree = parse_filter(filter, PROJECTS)
    return _count(connection, projects, ProjectFields(), tree, within=_of_projects(scope, lifecycle), now=now)


def _mentioned(tree: Filter, order: Order) -> list[Field]:
    return [*fields_of(tree), *(key.field for key in order.keys)]


def _page(
    connection: Connection,
    table: FromClause,
    fields: Fields,
    tree: Filter,
    order: Order,
    *,
    within: ColumnElement[bool],
    limit: int,
    cursor: str | None,
    now: datetime,
) -> tuple[list[int], str | None]:
    page = page_of(table, fields, tree, order, limit=limit, after=cursor, now=now, scope=within)
    rows = connection.execute(page.statement).all()
    return page.ids(rows), page.next_cursor(rows)


def _count(
    connection: Connection,
    table: FromClause,
    fields: Fields,
    tree: Filter,
    *,
    within: ColumnElement[bool],
    now: datetime,
) -> int:
    condition = compile_filter(tree, fields, now=now)
    statement = select(func.count()).select_from(table).where(condition, within)
    return int(connection.execute(statement).scalar_one())


def _run_search(
    connection: Connection, scope: Scope, tree: Filter, mentioned: Iterable[Field], wanted: RunScope, *, now: datetime
) -> RunSearch:
    within = _of_runs(connection, scope, wanted)
    fields = replace(run_fields(connection, mentioned), projects=within[0])
    return RunSearch(connection, fields, tree, now, *within)


def _of_runs(
    connection: Connection, scope: Scope, wanted: RunScope
) -> tuple[Sequence[int] | None, list[ColumnElement[bool]]]:
    """Return the projects of a scope (None for too many to name), and the conditions that it means besides."""
    projects_ = _project_keys(connection, scope, wanted.project_ids)
    conditions = [_alive(trials.c.deleted, wanted.lifecycle)]
    if projects_ is None:
        conditions.append(trials.c.project_id.in_(_OF_NAMESPACE.params(namespace=storable(scope.namespace))))
    if wanted.experiment_ids:
        keys = _keys(connection, scope, _EXPERIMENTS, "experiment_ids", wanted.experiment_ids)
        conditions.append(among(trials.c.experiment_id, keys))
    if wanted.parent_ids:
        keys = _keys(connection, scope, _BELOW, "parent_ids", wanted.parent_ids)
        conditions.append(among(trials.c.experiment_id, keys))
    if wanted.run_ids:
        conditions.append(among(trials.c.id, _keys(connection, scope, _RUNS, "run_ids", wanted.run_ids)))
    if wanted.roots_only:
        conditions.append(trials.c.experiment_id.is_(None))
    return projects_, conditions


def _of_searches(
    connection: Connection, scope: Scope, project_ids: Sequence[str], lifecycle: Lifecycle
) -> ColumnElement[bool]:
    conditions = [
        experiments.c.namespace == storable(scope.namespace),
        _alive(experiments.c.deleted, lifecycle),
    ]
    if project_ids:
        keys = _keys(connection, scope, _PROJECTS, "project_ids", project_ids)
        conditions.append(among(experiments.c.project_id, keys))
    return and_(*conditions)


def _of_projects(scope: Scope, lifecycle: Lifecycle) -> ColumnElement[bool]:
    return and_(projects.c.namespace == storable(scope.namespace), _alive(projects.c.deleted, lifecycle))


def _alive(deleted: ColumnElement[Any], lifecycle: Lifecycle) -> ColumnElement[bool]:
    if lifecycle is Lifecycle.ALL:
        return true()
    return deleted.is_(None) if lifecycle is Lifecycle.ACTIVE else deleted.is_not(None)


def _project_keys(connection: Connection, scope: Scope, project_ids: Sequence[str]) -> Sequence[int] | None:
    if project_ids:
        return _keys(connection, scope, _PROJECTS, "project_ids", project_ids)
    keys = (
        connection.execute(_OF_NAMESPACE.limit(_LISTED + 1), {"namespace": storable(scope.namespace)}).scalars().all()
    )
    return keys if len(keys) <= _LISTED else None


def _keys(connection: Connection, scope: Scope, query: Select[Any], what: str, ids: Iterable[str]) -> list[int]:
    wanted = sorted({storable(each) for each in ids})
    if len(wanted) > MOST_IDS:
        raise InvalidInput([Problem(what, f"at most {MOST_IDS:,} ids at once", len(wanted))])
    found: set[int] = set()
    for some in chunks(wanted):
        found.update(connection.execute(query, {"uids": some, "namespace": storable(scope.namespace)}).scalars())
    return sorted(found)
