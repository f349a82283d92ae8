"""What a local run tells whoever watches it: one frozen value for each thing that happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment, ExperimentStatus
    from katib.engine.ledger import Ledger
    from katib.engine.trial import TrialRecord
    from katib.runners.failed_attempts import FailedAttempt

__all__ = [
    "Event",
    "Finished",
    "MetricsSeen",
    "Started",
    "StatusChanged",
    "Stopping",
    "TrialFinished",
    "TrialRetried",
    "TrialStarted",
    "Waiting",
]


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins (or goes on): what was adopted is in the ledger; ``notes`` is what this machine cannot honour."""

    experiment: Experiment
    ledger: Ledger
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial's job was started, or taken over from a run that died."""

    record: TrialRecord


@dataclass(frozen=True, slots=True)
class MetricsSeen:
    """A running trial reported; ``latest`` holds the newest text of each metric."""

    record: TrialRecord
    latest: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TrialRetried:
    """An attempt of a running trial failed, and another follows; also told of the last one of a trial that was taken over."""

    record: TrialRecord
    failed: FailedAttempt


@dataclass(frozen=True, slots=True)
class TrialFinished:
    """A trial reached a final state, and that is recorded."""

    record: TrialRecord


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The experiment's recorded status changed."""

    status: ExperimentStatus
    ledger: Ledger


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing can go on until something happens; said once for each reason. Empty when the wait is over."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """Someone asked for the end: running trials are told to end, or, when ``at_once``, killed."""

    at_once: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over and everything is recorded."""

    status: ExperimentStatus
    ledger: Ledger


Event = (
    Started | TrialStarted | TrialRetried | MetricsSeen | TrialFinished | StatusChanged | Waiting | Stopping | Finished
)
