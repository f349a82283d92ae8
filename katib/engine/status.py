"""An experiment's status: counters, optimum and conditions, from its ledger and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from katib.api.experiment import ExperimentStatus
from katib.api.trial import TrialState
from katib.engine.conditions import current, with_condition

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.base import Condition
    from katib.api.experiment import Experiment
    from katib.engine.ledger import Ledger

__all__ = ["FINAL", "Ending", "over", "running_since", "status_of", "with_trial_lists"]

FINAL = ("Succeeded", "Failed", "Stopped")
"""Condition types after which nothing is started. ``Stopped`` is ours: ended by its user, may be resumed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an experiment ends: the type, reason and message of its final condition."""

    kind: str
    reason: str
    message: str


def over(status: ExperimentStatus | None) -> bool:
    """Whether the current condition is a final one."""
    condition = current(status.conditions) if status else None
    return condition is not None and condition.type in FINAL and condition.status == "True"


def running_since(status: ExperimentStatus | None) -> datetime | None:
    """Return when the experiment began to run, or to run again after it was resumed; None before."""
    for condition in status.conditions if status else []:
        if condition.type == "Running" and condition.status == "True":
            return condition.last_transition_time
    return None


def status_of(experiment: Experiment, ledger: Ledger, now: datetime, ending: Ending | None) -> ExperimentStatus:
    """Return the status to record now; name lists are left out, as they grow with the number of trials."""
    before = experiment.status or ExperimentStatus()
    conditions = list(before.conditions)
    if not conditions:
        conditions = with_condition(conditions, "Created", "ExperimentCreated", "Experiment is created", now)
    if not over(before):
        conditions = _running(conditions, now)
    completed = before.completion_time
    if ending is not None:
        conditions = with_condition(
            conditions, "Running", ending.reason, "Experiment is not running", now, status="False"
        )
        conditions = with_condition(conditions, ending.kind, ending.reason, ending.message, now)
        completed = now
    counts = ledger.counts
    # Every part is valid already; validating again would copy the Pareto set each time.
    return ExperimentStatus.model_construct(
        start_time=before.start_time or now,
        completion_time=completed,
        last_reconcile_time=before.last_reconcile_time,
        conditions=conditions,
        current_optimal_trial=ledger.optimum,
        pareto_optimal_trials=ledger.pareto,
        trials=ledger.total,
        trials_succeeded=counts[TrialState.SUCCEEDED] - ledger.imported,
        trials_failed=counts[TrialState.FAILED],
        trials_killed=counts[TrialState.KILLED],
        trials_pending=counts[TrialState.CREATED],
        trials_running=counts[TrialState.RUNNING],
        trials_early_stopped=counts[TrialState.EARLY_STOPPED],
        trial_metrics_unavailable=counts[TrialState.METRICS_UNAVAILABLE],
    )


def _running(conditions: list[Condition], now: datetime) -> list[Condition]:
    conditions = [condition for condition in conditions if condition.type != "Restarting"]
    return with_condition(conditions, "Running", "ExperimentRunning", "Experiment is running", now)


def with_trial_lists(status: ExperimentStatus, ledger: Ledger) -> ExperimentStatus:
    """Return the status with the names of the trials that its counters count, for people and Katib's clients."""
    succeeded = ledger.names(TrialState.SUCCEEDED)
    return status.model_copy(
        update={
            "running_trial_list": ledger.names(TrialState.RUNNING),
            "pending_trial_list": ledger.names(TrialState.CREATED),
            "failed_trial_list": ledger.names(TrialState.FAILED),
            "succeeded_trial_list": [name for name in succeeded if not ledger.trial(name).imported],
            "killed_trial_list": ledger.names(TrialState.KILLED),
            "early_stopped_trial_list": ledger.names(TrialState.EARLY_STOPPED),
            "metrics_unavailable_trial_list": ledger.names(TrialState.METRICS_UNAVAILABLE),
        }
    )
