"""Running again: an experiment its user stopped, one whose process died, or a finished one with a larger budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.experiment import ExperimentStatus
from katib.api.validate import problems_of_update
from katib.engine.conditions import current, with_condition
from katib.engine.creation import records_to_run_again
from katib.engine.status import FINAL, over
from katib.errors import Problem

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.experiment import Experiment
    from katib.engine.ledger import Ledger
    from katib.engine.trial import TrialRecord

__all__ = ["problems", "resumed"]


def problems(old: Experiment, edited: Experiment, ledger: Ledger) -> list[Problem]:
    """Return why an experiment may not be run again (with an edited budget); empty when it may (facts 2.8, item 4)."""
    found = problems_of_update(old, edited)
    condition = current(old.status.conditions) if old.status else None
    if condition is None or not over(old.status) or condition.type == "Stopped":
        return found
    spec = edited.spec
    if condition.type == "Failed" or condition.reason != "ExperimentMaxTrialsReached":
        found.append(
            Problem(
                "status", f"it is over for good ({condition.message}): only one that reached maxTrialCount can go on"
            )
        )
    elif spec.resume_policy not in ("LongRunning", "FromVolume"):
        found.append(
            Problem(
                "spec.resumePolicy",
                "must be LongRunning or FromVolume for a finished experiment to go on",
                spec.resume_policy,
            )
        )
    elif spec.max_trial_count is not None and spec.max_trial_count <= ledger.total and old.spec == spec:
        found.append(
            Problem(
                "spec.maxTrialCount", f"must be more than the {ledger.total} trials there are", spec.max_trial_count
            )
        )
    return found


def resumed(experiment: Experiment, ledger: Ledger, now: datetime) -> tuple[ExperimentStatus, list[TrialRecord]]:
    """Return the status and the trials to run again, under the same index, name and values.

    Those are the trials that were ended only because their user stopped the experiment. Of those whose job has not ended yet
    ``plan`` takes care when it has.
    """
    status = experiment.status or ExperimentStatus()
    if over(status):
        kept = [condition for condition in status.conditions if condition.type not in FINAL]
        restarted = with_condition(kept, "Restarting", "ExperimentRestarting", "Experiment is restarted", now)
        status = status.model_copy(update={"conditions": restarted, "completion_time": None})
    return status, records_to_run_again(ledger)
