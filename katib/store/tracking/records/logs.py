"""What is recorded and logged, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from katib.api.trial import TrialState
from katib.store.tracking.records.nodes import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from katib.store.protocol import Reported

__all__ = ["Log", "LogReceipt", "NewRun", "RunChange", "SampleChange"]


@dataclass(frozen=True, slots=True)
class Log:
    """What is logged to a run in one change.

    Attributes:
        samples: Reports of metrics. Of equal ones (metric, time, step, text), *n* in one log make sure that *n* are stored
            (ADR 0009), so the same log again changes nothing.
        parameters: Texts by name.
        facts: Tags and properties; those there are replaced.
        replace: Whether a parameter that has another text is replaced; otherwise that is a Conflict.
    """

    samples: Sequence[Reported] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    replace: bool = False


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be recorded.

    Attributes:
        project_id: Its project; may be left out beside one of the next two, and is ``Default`` where none of them is given.
        experiment_id: Of which it becomes a trial.
        parent_id: A run of which it becomes a child; that one becomes the root of an experiment if it is none yet.
        id: Chosen by the caller, so that a repeated call makes no second run; None for a new one.
        name: None for one made up.
        started: When it started; None for not yet.
    """

    project_id: str | None = None
    experiment_id: str | None = None
    parent_id: str | None = None
    id: str | None = None
    name: str | None = None
    state: TrialState = TrialState.RUNNING
    started: datetime | None = None
    ended: datetime | None = None
    description: str = ""
    owner: str | None = None
    log: Log = field(default_factory=Log)


@dataclass(frozen=True, slots=True)
class SampleChange:
    """Reports of one run, for ``TrackingStore.together``: many of them are written as quickly as one.

    Attributes:
        first_sequence: The number of the first, for ``Tracking.append``; None for ``Tracking.log``.
    """

    namespace: str
    run_id: str
    samples: Sequence[Reported]
    first_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class RunChange:
    """A run to be recorded, for ``TrackingStore.together``: what is logged with many of them is written at once.

    Attributes:
        actor: Who does it, for the audit.
    """

    namespace: str
    actor: str
    new: NewRun


@dataclass(frozen=True, slots=True)
class LogReceipt:
    """What became of a log: how many reports were new, and how many were there before."""

    stored: int
    repeated: int
