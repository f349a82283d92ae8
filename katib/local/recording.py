"""What every driver of this machine records of a turn, and which events that is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.trial import TrialState
from katib.engine.conditions import current

if TYPE_CHECKING:
    from collections.abc import Collection

    from katib.api.experiment import Experiment, ExperimentStatus
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import EventKind, Store

__all__ = ["record_status", "record_trials"]

_TOLD = (TrialState.FAILED, TrialState.METRICS_UNAVAILABLE)


def record_trials(store: Store, uid: str, records: Collection[TrialRecord]) -> None:
    """Record trials, and tell of those that failed."""
    store.record_trials(uid, tuple(records))
    for record in records:
        if record.state in _TOLD:
            # A trial's reason may go on with its job's ("TrialFailed. Job reason: X"); an event's is one word.
            reason = record.reason.partition(".")[0]
            store.record_event(uid, reason, record.message, kind="Warning", trial=record.name)


def record_status(store: Store, experiment: Experiment, status: ExperimentStatus) -> Experiment:
    """Record what became of an experiment, tell of it where its condition is another one, and return it with that."""
    uid = experiment.metadata.uid or ""
    before = current(experiment.status.conditions) if experiment.status is not None else None
    after = current(status.conditions)
    if after is not None and (before is None or (before.type, before.reason) != (after.type, after.reason)):
        kind: EventKind = "Warning" if after.type == "Failed" else "Normal"
        store.record_event(uid, after.reason or after.type, after.message or "", kind=kind)
    store.save_status(uid, status)
    return experiment.model_copy(update={"status": status})
