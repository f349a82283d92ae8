"""One trial as the engine, the store and the drivers hand it to each other: a value, replaced and never changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from katib.api.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from katib.api.experiment import Observation
    from katib.api.trial import EarlyStoppingRule

__all__ = ["STOPPED_WITH_EXPERIMENT", "TrialRecord"]

STOPPED_WITH_EXPERIMENT: Final = "ExperimentStopped"
"""The reason of a trial that was ended only because its user stopped the experiment."""
_ORDER: Final = {TrialState.CREATED: 0, TrialState.RUNNING: 1}
_ENDED: Final = 2


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """What is known of one trial.

    Attributes:
        index: 0-based place in the experiment; one index has one name and one assignment for ever.
        name: Derived from the experiment's uid and the index (``katib.engine.naming``).
        state: Where it is in its life.
        assignments: Parameter name and value as text, in the order of the experiment's parameters; inactive ones absent.
        created: When the point was recorded, before anything started.
        started: When its job started.
        finished: When it reached a final state.
        observation: Its metrics, once it has any.
        reason: A stable CamelCase word for the current state, such as ``TrialFailed``.
        message: The sentence that goes with it: exit code, signal, last lines.
        imported: Its result was given with the experiment (``initialTrials[].metrics``); it is never run and uses no budget.
        stopping: Someone decided to stop it and its job has not ended yet; the final state it then takes. A standing order: a driver
            that takes over a trial with this mark ends its job again.
        attempt: How often its job was started; more than one after a lost machine.
        labels: What the algorithm attached to the point (rung, generation, parent).
        rules: What the early stopper gave the trial to take along; it is stopped when all of them are met.
    """

    index: int
    name: str
    state: TrialState
    assignments: tuple[tuple[str, str], ...]
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    observation: Observation | None = None
    reason: str = ""
    message: str = ""
    imported: bool = False
    stopping: TrialState | None = None
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[EarlyStoppingRule, ...] = ()

    @property
    def runs_again(self) -> bool:
        """Whether it is to be started anew when its experiment goes on."""
        return self.state is TrialState.KILLED and self.reason == STOPPED_WITH_EXPERIMENT

    def again(self, message: str) -> TrialRecord:
        """Return the record with which it is started anew: the same index, name and values, the next attempt."""
        return replace(
            self,
            state=TrialState.CREATED,
            started=None,
            finished=None,
            observation=None,
            stopping=None,
            reason="TrialCreated",
            message=message,
            attempt=max(self.attempt, 1) + 1,
        )

    def supersedes(self, known: TrialRecord) -> bool:
        """Whether this is as new as what is known of the same trial, or newer. What has ended stays, unless it runs again."""
        if not known.state.is_active and not (known.runs_again and self.attempt > known.attempt):
            return False
        return self._progress >= known._progress

    @property
    def _progress(self) -> tuple[int, int, bool]:
        """How far the trial has come; grows with everything that happens to it."""
        return self.attempt, _ORDER.get(self.state, _ENDED), self.stopping is not None
