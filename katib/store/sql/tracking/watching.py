"""Which runs changed since somebody looked. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from katib.errors import InvalidInput, Problem
from katib.store.query.pages import MOST_ROWS
from katib.store.sql.schema import experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.finding import _of_runs
from katib.store.sql.tracking.run_fields import among
from katib.store.tracking.records import Lifecycle, RunScope

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope

__all__ = ["changed_runs"]

_CHANGED = select(trials.c.change, trials.c.uid)
_OF_EXPERIMENT = _CHANGED.join(experiments, experiments.c.id == trials.c.experiment_id).where(
    experiments.c.uid == bindparam("uid"), experiments.c.namespace == bindparam("namespace")
)


def changed_runs(
    connection: Connection, scope: Scope, since: int, run_scope: RunScope, *, limit: int
) -> tuple[int, list[str]]:
    """Return what changed after ``since``, oldest change first, and the newest change seen.

    Runs that were recorded together share a change: a page ends only between changes, so it may have more rows than its limit.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise InvalidInput([Problem("limit", f"a page has 1 to {MOST_ROWS:,} rows", limit)])
    if run_scope.experiment_ids and run_scope == RunScope(
        experiment_ids=run_scope.experiment_ids[:1], lifecycle=Lifecycle.ALL
    ):
        # Whoever follows one experiment asks often, so nothing but this statement is made.
        query = _OF_EXPERIMENT
        asked = {"uid": storable(run_scope.experiment_ids[0]), "namespace": storable(scope.namespace)}
    else:
        project_keys, conditions = _of_runs(connection, scope, run_scope)
        query = _CHANGED.where(*conditions)
        if project_keys is not None:
            query = query.where(among(trials.c.project_id, project_keys))
        asked = {}
    after = query.where(trials.c.change > bindparam("since")).order_by(trials.c.change, trials.c.id)
    rows = list(connection.execute(after.limit(limit), {**asked, "since": since}))
    if len(rows) == limit:
        last = rows[-1].change
        seen = {row.uid for row in rows if row.change == last}
        rest = query.where(trials.c.change == bindparam("last")).order_by(trials.c.id)
        rows += [row for row in connection.execute(rest, {**asked, "last": last}) if row.uid not in seen]
    return (rows[-1].change if rows else since), [row.uid for row in rows]
