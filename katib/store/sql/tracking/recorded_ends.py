"""Ends an experiment that is driven elsewhere, because its object there is gone. Functions run in the caller's transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, select, update

from katib.api.experiment import ExperimentStatus
from katib.api.trial import TrialState
from katib.engine.conditions import current, with_condition
from katib.engine.status import over
from katib.store.sql.changes import next_change
from katib.store.sql.documents import dump_model, load_model
from katib.store.sql.event_rows import record_event
from katib.store.sql.schema import experiments, trials
from katib.store.sql.tracking.root_runs import follow_status
from katib.store.sql.values import micros
from katib.store.tracking.recording import EXPERIMENT_DELETED

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["TRIAL_MESSAGE", "end_experiment", "ended", "ended_with_object"]

TRIAL_MESSAGE: Final = "Its experiment was deleted from the cluster while the trial was active"
_MESSAGE: Final = "Experiment was deleted from the cluster; what it found is kept"
_EVENT: Final = "katib: experiment deleted"
"""The id of the event that says so."""

_END_TRIALS = (
    update(trials)
    .where(
        trials.c.experiment_id == bindparam("experiment"),
        trials.c.state.in_((TrialState.CREATED.value, TrialState.RUNNING.value)),
    )
    .values(
        state=TrialState.KILLED.value,
        reason=EXPERIMENT_DELETED,
        message=TRIAL_MESSAGE,
        finished=bindparam("now"),
        stopping=None,
        change=bindparam("new_change"),
    )
)
_ACTIVE = (
    select(func.count())
    .select_from(trials)
    .where(
        trials.c.experiment_id == bindparam("experiment"),
        trials.c.state.in_((TrialState.CREATED.value, TrialState.RUNNING.value)),
    )
)
_SAVE = (
    update(experiments)
    .where(experiments.c.id == bindparam("experiment"))
    .values(status=bindparam("new_status"), updated=bindparam("now"))
)


def ended_with_object(status: ExperimentStatus | None) -> bool:
    """Whether a status says that the experiment ended because its object is gone."""
    condition = current(status.conditions) if status else None
    return condition is not None and condition.reason == EXPERIMENT_DELETED


def ended(status: ExperimentStatus, now: datetime) -> ExperimentStatus:
    """Return the status of an experiment whose object is gone: one that was over stays as it is."""
    if over(status):
        return status
    conditions = with_condition(
        status.conditions, "Running", EXPERIMENT_DELETED, "Experiment is not running", now, status="False"
    )
    stopped = [*(status.running_trial_list or ()), *(status.pending_trial_list or ())]
    changes: dict[str, Any] = {
        "conditions": with_condition(conditions, "Stopped", EXPERIMENT_DELETED, _MESSAGE, now),
        "completion_time": now,
        "running_trial_list": None,
        "pending_trial_list": None,
        "killed_trial_list": [*(status.killed_trial_list or ()), *stopped] or None,
        "trials_killed": status.trials_killed + status.trials_running + status.trials_pending,
        "trials_running": 0,
        "trials_pending": 0,
    }
    return status.model_copy(update=changes)


def end_experiment(connection: Connection, key: int, uid: str, status_document: str) -> bool:
    """End an experiment whose row is locked, and its trials; return False where it was known that its object is gone."""
    now = datetime.now(UTC)
    told = record_event(
        connection, uid, EXPERIMENT_DELETED, _MESSAGE, kind="Normal", trial=None, event_id=_EVENT, time=now
    )
    status = load_model(ExperimentStatus, status_document, uid)
    over_now = ended(status, now)
    if over_now is not status:
        connection.execute(_SAVE, {"experiment": key, "new_status": dump_model(over_now), "now": micros(now)})
        follow_status(connection, uid, over_now)
    # Also of one that was over: its last trials may have been stopping.
    if connection.execute(_ACTIVE, {"experiment": key}).scalar_one():
        connection.execute(_END_TRIALS, {"experiment": key, "now": micros(now), "new_change": next_change(connection)})
    return told
