"""Root runs: the row of ``trials`` in which an experiment is itself a run, with its state, times and facts.

Functions run in the caller's transaction.
"""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, func, insert, select, update

from katib.api.experiment import ExperimentSpec, ObjectiveSpec
from katib.api.trial import TrialState
from katib.engine.observe import metric_value
from katib.store.sql.changes import next_change
from katib.store.sql.documents import load
from katib.store.sql.schema import experiments, trials
from katib.store.sql.values import micros, pack

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from katib.api.experiment import ExperimentStatus

__all__ = ["NO_TRIAL", "SearchRow", "best_value", "follow_status", "insert_root", "read_search"]

NO_TRIAL: Final[dict[str, Any]] = {
    "assignments": "[]",
    "reason": "",
    "message": "",
    "imported": False,
    "attempt": 0,
    "labels": "{}",
}
"""The columns of what the engine never sees."""

_STATES: Final = {
    "Created": TrialState.CREATED,
    "Running": TrialState.RUNNING,
    "Restarting": TrialState.RUNNING,
    "Succeeded": TrialState.SUCCEEDED,
    "Failed": TrialState.FAILED,
}
_INSERT = insert(trials)
_READ = (
    select(trials.c.id, trials.c.state, trials.c.started, trials.c.finished, experiments.c.spec)
    .select_from(experiments.outerjoin(trials, experiments.c.root_id == trials.c.id))
    .where(experiments.c.uid == bindparam("uid"))
)
_LONGEST_KEPT: Final = 1 << 15
_UPDATE = (
    update(trials)
    .where(trials.c.id == bindparam("key"))
    .values(
        state=bindparam("new_state"),
        started=bindparam("new_started"),
        finished=bindparam("new_finished"),
        began=func.coalesce(bindparam("new_started"), trials.c.created),
        reason=bindparam("new_reason"),
        message=bindparam("new_message"),
        change=bindparam("new_change"),
    )
)


def insert_root(
    connection: Connection,
    *,
    project: int,
    name: str,
    owner: str,
    created: datetime,
    state: TrialState = TrialState.CREATED,
    description: str | None = None,
) -> int:
    """Insert the root run of a new experiment and return its key."""
    row = {
        **NO_TRIAL,
        "name": name,
        "state": state.value,
        "created": micros(created),
        "change": next_change(connection),
        "uid": uuid.uuid4().hex,
        "project_id": project,
        "owner": owner,
        "began": micros(created),
        "description": description,
    }
    key = connection.execute(_INSERT, row).inserted_primary_key
    return int(key[0]) if key else 0


class SearchRow(NamedTuple):
    """What is known of an experiment and its root run: the run's key, state and times (None without one), and the document of the spec."""

    id: int | None
    state: str | None
    started: int | None
    finished: int | None
    spec: str


def read_search(connection: Connection, uid: str) -> SearchRow | None:
    """Return what ``follow_status`` and ``best_value`` want to know of an experiment, if it is there."""
    row = connection.execute(_READ, {"uid": uid}).first()
    return None if row is None else SearchRow(*row)


def follow_status(connection: Connection, uid: str, status: ExperimentStatus, search: SearchRow | None = None) -> None:
    """Give the root run of an experiment the state and times of a status, if they are others than it has.

    Args:
        connection: In a write transaction.
        uid: Of the experiment.
        status: Its new one.
        search: As it was read in this transaction, where it was.
    """
    root = search or read_search(connection, uid)
    if root is None or root.id is None:
        return
    condition = status.conditions[-1] if status.conditions else None
    state = TrialState.CREATED if condition is None else _STATES.get(condition.type, TrialState.KILLED)
    started = None if status.start_time is None else micros(status.start_time)
    finished = None if status.completion_time is None else micros(status.completion_time)
    if (root.state, root.started, root.finished) == (state.value, started, finished):
        return
    connection.execute(
        _UPDATE,
        {
            "key": root.id,
            "new_state": state.value,
            "new_started": started,
            "new_finished": finished,
            "new_reason": (condition.reason if condition else None) or "",
            "new_message": (condition.message if condition else None) or "",
            "new_change": next_change(connection),
        },
    )


def best_value(status: ExperimentStatus, spec: str) -> float | None:
    """Return the best value of the objective so far, where it is a finite number.

    Args:
        spec: The document; of it, only the objective is read.
    """
    best = status.current_optimal_trial
    if best is None:
        return None
    searched = _searched_again(spec) if len(spec) <= _LONGEST_KEPT else _searched(spec)
    if searched is None or searched.objective is None:
        return None
    return pack(metric_value(best.observation, searched.objective.objective_metric_name, searched))[0]


def _searched(spec: str) -> ExperimentSpec | None:
    """Return a spec with its objective and nothing else; None without one."""
    document = load(spec).get("objective")
    return (
        None if document is None else ExperimentSpec.model_construct(objective=ObjectiveSpec.model_validate(document))
    )


# With every end of a trial a status is saved, and the spec is the same as before.
_searched_again = lru_cache(maxsize=64)(_searched)
