"""Experiments of one cluster that are not over here, for its operator to compare with what is there. Runs in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, select

from katib.api.trial import TrialState
from katib.errors import InvalidInput, Problem
from katib.store.sql.documents import load
from katib.store.sql.schema import OURS, experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.scope import chunks
from katib.store.tracking.recording import CLUSTER, OpenExperiment, OpenExperiments

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["open_experiments"]

_LARGEST: Final = 2**63 - 1
_NEXT = (
    select(experiments.c.id)
    .where(experiments.c.id > bindparam("after"), experiments.c.kind == OURS)
    .order_by(experiments.c.id)
    .limit(bindparam("most"))
)
_NEXT_IN_ONE = _NEXT.where(experiments.c.namespace == bindparam("of_namespace"))
_LOOK = (
    select(experiments.c.uid, experiments.c.namespace, experiments.c.name, experiments.c.metadata)
    .join(trials, trials.c.id == experiments.c.root_id)
    .where(
        experiments.c.id.in_(bindparam("among", expanding=True)),
        trials.c.place.is_not(None),  # which only what is driven elsewhere has
        trials.c.state.in_((TrialState.CREATED.value, TrialState.RUNNING.value)),
    )
    .order_by(experiments.c.id)
)


def open_experiments(
    connection: Connection, cluster: str, namespace: str | None, cursor: str | None, limit: int
) -> OpenExperiments:
    """Look at so many experiments, and return those of a cluster that are not over.

    Raises:
        InvalidInput: The cursor is none that this returned.
    """
    asked: dict[str, object] = {"after": _place(cursor), "most": limit}
    if namespace is not None:
        asked["of_namespace"] = storable(namespace)
    keys = list(connection.execute(_NEXT if namespace is None else _NEXT_IN_ONE, asked).scalars())
    found = [
        OpenExperiment(row.namespace, row.uid, row.name)
        for some in chunks(keys)
        for row in connection.execute(_LOOK, {"among": some})
        if (load(row.metadata).get("annotations") or {}).get(CLUSTER) == cluster
    ]
    return OpenExperiments(found, str(keys[-1]) if len(keys) == limit else None)


def _place(cursor: str | None) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and int(cursor) <= _LARGEST):
        raise InvalidInput([Problem("page_token", "is none that was returned", cursor)])
    return int(cursor)
