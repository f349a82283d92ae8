"""How a trial ends: its job's end and its metrics together make its final state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from katib.api.trial import TrialState
from katib.engine.observe import is_measured

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from katib.api.experiment import ExperimentSpec, Observation
    from katib.engine.policy import Policy
    from katib.engine.trial import TrialRecord

__all__ = ["JobOutcome", "finish"]


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What a trial's job says of itself.

    Attributes:
        kind: Whether it runs still, and how it ended.
        reason: The job's own reason, if it gave one.
        message: The job's own message, if it gave one.
    """

    kind: Literal["running", "succeeded", "failed"]
    reason: str = ""
    message: str = ""


def finish(
    record: TrialRecord,
    job: JobOutcome,
    observation: Observation,
    spec: ExperimentSpec,
    *,
    now: datetime,
    ended: datetime,
    metrics_complete: bool,
    evidence: Sequence[str],
    policy: Policy,
) -> TrialRecord | None:
    """Return the trial's final record, or None while it is not final.

    Args:
        record: The trial as it is known.
        job: What its job says.
        observation: The metrics that were reported.
        spec: The experiment's.
        now: The time.
        ended: When the job ended.
        metrics_complete: Nothing more can be reported. Until then a trial whose metrics count is not final: what is still on its way
            may be better than what has come.
        evidence: What was seen instead of metrics, for the message.
        policy: How long to wait for that.
    """
    if job.kind == "running":
        return None
    final = replace(record, finished=ended, observation=observation if observation.metrics else None, stopping=None)
    if record.stopping is not None and record.stopping is not TrialState.EARLY_STOPPED:
        return replace(final, state=record.stopping)
    if record.stopping is None and job.kind == "failed":
        return replace(
            final,
            state=TrialState.FAILED,
            reason=_joined("TrialFailed", "Job reason", job.reason),
            message=_joined("Trial has failed", "Job message", job.message),
        )
    if not metrics_complete and now - ended < _wait(policy):
        return None
    if record.stopping is not None:
        return replace(final, state=record.stopping)
    if is_measured(observation, spec):
        return replace(
            final,
            state=TrialState.SUCCEEDED,
            reason=_joined("TrialSucceeded", "Job reason", job.reason),
            message=_joined("Trial has succeeded", "Job message", job.message),
        )
    return replace(
        final,
        state=TrialState.METRICS_UNAVAILABLE,
        reason="MetricsUnavailable",
        message="Metrics are not available. " + " ".join(evidence) if evidence else "Metrics are not available",
    )


def _wait(policy: Policy) -> timedelta:
    return timedelta(seconds=min(policy.metrics_wait_seconds, 1e9))


def _joined(own: str, what: str, said: str) -> str:
    """Katib's way of passing on what a job says."""
    return f"{own}. {what}: {said}" if said else own
