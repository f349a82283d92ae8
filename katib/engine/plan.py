"""What should happen next: ``plan(snapshot)`` looks at an experiment and says which actions bring it on.

Pure and level-triggered: the same snapshot always gives the same plan, and a plan that was carried out by half gives the other half
next time. Time comes in with the snapshot; ``wake_at`` says when it alone would change the plan. The cost depends on active trials,
never on finished ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from katib.api.duration import parse_duration
from katib.api.trial import TrialState
from katib.engine.creation import initial_records
from katib.engine.policy import KUBERNETES, Policy
from katib.engine.status import Ending, over, running_since, status_of

if TYPE_CHECKING:
    from katib.api.experiment import Experiment, ExperimentStatus
    from katib.engine.ledger import Ledger
    from katib.engine.trial import TrialRecord

__all__ = [
    "Action",
    "CreateTrials",
    "Plan",
    "RequestSuggestions",
    "Snapshot",
    "StartTrial",
    "StopTrial",
    "SuggestionState",
    "plan",
]


@dataclass(frozen=True, slots=True)
class CreateTrials:
    """Record these trials, which need no algorithm: the user's initial ones."""

    records: tuple[TrialRecord, ...]


@dataclass(frozen=True, slots=True)
class RequestSuggestions:
    """Ask the algorithm for points; the first becomes the trial with index ``first_index``."""

    count: int
    first_index: int


@dataclass(frozen=True, slots=True)
class StartTrial:
    """Start the job of a recorded trial; starting it again is the same."""

    name: str


@dataclass(frozen=True, slots=True)
class StopTrial:
    """Mark a trial as stopping and end its job; when that has ended the trial is in the state ``final``."""

    name: str
    final: TrialState
    reason: str
    message: str


Action = CreateTrials | RequestSuggestions | StartTrial | StopTrial


@dataclass(frozen=True, slots=True)
class SuggestionState:
    """Where the conversation with the algorithm stands.

    Attributes:
        waiting: It must not be asked now: it is computing, or wants a trial to end first.
        exhausted: It has no more points.
        error: Why it cannot go on; empty while it can.
    """

    waiting: bool = False
    exhausted: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a plan depends on.

    Attributes:
        experiment: Its defaulted spec and the status that was recorded last.
        ledger: Its trials.
        suggestions: Its algorithm.
        now: The time, aware, UTC.
        stop_requested: Its user wants it to end now.
        policy: Choices of the driver.
    """

    experiment: Experiment
    ledger: Ledger
    suggestions: SuggestionState
    now: datetime
    stop_requested: bool = False
    policy: Policy = KUBERNETES


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and what to say.

    Attributes:
        actions: In the order in which they are to be done; each may be done again without harm.
        status: What to record; name lists are left out (``status.with_trial_lists``).
        wake_at: When to plan again if nothing happens before; None if time changes nothing.
        finished: The experiment is over and nothing of it runs.
        waiting: Why nothing can be started now, as a sentence; empty when something can or need not.
    """

    actions: tuple[Action, ...]
    status: ExperimentStatus
    wake_at: datetime | None = None
    finished: bool = False
    waiting: str = ""


@dataclass(slots=True)
class _Draft:
    actions: list[Action] = field(default_factory=list)
    wake_at: datetime | None = None

    def wake(self, at: datetime) -> None:
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)


def plan(snapshot: Snapshot) -> Plan:
    """Return what should happen next."""
    experiment, ledger = snapshot.experiment, snapshot.ledger
    draft = _Draft()
    ended = over(experiment.status)
    ending = None if ended else _ending(snapshot, draft)
    status = status_of(experiment, ledger, snapshot.now, ending)
    if ended or ending is not None:
        if snapshot.policy.stops_running_trials or snapshot.stop_requested:
            _stop_all(snapshot, draft, stopped=status.conditions[-1].type == "Stopped" or snapshot.stop_requested)
        return Plan(tuple(draft.actions), status, finished=ledger.active_count == 0)
    _time_out(snapshot, draft)
    _fill(snapshot, draft)
    return Plan(tuple(draft.actions), status, draft.wake_at, waiting=_waiting(snapshot))


def _ending(snapshot: Snapshot, draft: _Draft) -> Ending | None:
    """Return how the experiment ends now, if it does; Katib's order (facts 2.9), then what Katib lacks."""
    experiment, ledger, spec = snapshot.experiment, snapshot.ledger, snapshot.experiment.spec
    if snapshot.stop_requested:
        return Ending("Stopped", "ExperimentStopped", "Experiment is stopped; it can be resumed")
    if snapshot.suggestions.error:
        return Ending("Failed", "ExperimentFailed", f"Suggestion has failed: {snapshot.suggestions.error}")
    if ledger.goal_reached_by is not None:
        return Ending(
            "Succeeded", "ExperimentGoalReached", "Experiment has succeeded because Objective goal has reached"
        )
    counts = ledger.counts
    failed = counts[TrialState.FAILED] + counts[TrialState.METRICS_UNAVAILABLE]
    if spec.max_failed_trial_count is not None and failed and failed >= spec.max_failed_trial_count:
        return Ending("Failed", "ExperimentFailed", "Experiment has failed because max failed count has reached")
    if spec.max_trial_count is not None and ledger.total - ledger.active_count >= spec.max_trial_count:
        return Ending(
            "Succeeded", "ExperimentMaxTrialsReached", "Experiment has succeeded because max trial count has reached"
        )
    if spec.max_runtime is not None:
        deadline = (running_since(experiment.status) or snapshot.now) + parse_duration(spec.max_runtime)
        if snapshot.now >= deadline:
            kind = "Failed" if ledger.best is None else "Succeeded"
            done = "failed without a result" if ledger.best is None else "succeeded"
            message = f"Experiment has {done} because maxRuntime ({spec.max_runtime}) has passed"
            return Ending(kind, "ExperimentMaxRuntimeReached", message)
        draft.wake(deadline)
    if snapshot.suggestions.exhausted and not ledger.active_count and not _missing_initial(snapshot):
        return Ending(
            "Succeeded",
            "ExperimentSuggestionEndReached",
            "Experiment has succeeded because suggestion service has reached the end",
        )
    return None


def _stop_all(snapshot: Snapshot, draft: _Draft, *, stopped: bool) -> None:
    """Stop what still runs when the experiment is over; stopped by its user, the trials run again when it is resumed."""
    reason, message = (
        ("ExperimentStopped", "Stopped with its experiment; it runs again when that is resumed")
        if stopped
        else ("ExperimentCompleted", "Stopped because its experiment is complete")
    )
    draft.actions.extend(
        StopTrial(trial.name, TrialState.KILLED, reason, message)
        for trial in snapshot.ledger.active()
        if trial.stopping is None
    )


def _time_out(snapshot: Snapshot, draft: _Draft) -> None:
    """Stop trials that have run longer than ``trialTimeout``."""
    timeout = snapshot.experiment.spec.trial_timeout
    if timeout is None:
        return
    allowed: timedelta = parse_duration(timeout)
    for trial in snapshot.ledger.active():
        if trial.started is None or trial.stopping is not None:
            continue
        if snapshot.now >= trial.started + allowed:
            message = f"Trial has failed because it ran longer than trialTimeout ({timeout})"
            draft.actions.append(StopTrial(trial.name, TrialState.FAILED, "TrialTimeout", message))
        else:
            draft.wake(trial.started + allowed)


def _missing_initial(snapshot: Snapshot) -> list[TrialRecord]:
    """Return the user's initial trials that are not recorded yet, in order."""
    ledger = snapshot.ledger
    stated = snapshot.experiment.spec.initial_trials or []
    if all(ledger.has_index(index) for index in range(len(stated))):
        return []
    return [
        record for record in initial_records(snapshot.experiment, snapshot.now) if not ledger.has_index(record.index)
    ]


def _fill(snapshot: Snapshot, draft: _Draft) -> None:
    """Start what is recorded and get as many new trials as the budget has places for."""
    spec, ledger = snapshot.experiment.spec, snapshot.ledger
    parallel = spec.parallel_trial_count or 1
    running = 0
    for trial in ledger.active():
        if trial.state is TrialState.RUNNING:
            running += 1
    for trial in ledger.active():
        # After the budget was lowered fewer may run than are recorded; the others wait.
        if trial.state is TrialState.CREATED and trial.stopping is None and running < parallel:
            draft.actions.append(StartTrial(trial.name))
            running += 1
    places = parallel
    if spec.max_trial_count is not None:
        completed = ledger.total - ledger.active_count
        if not snapshot.policy.counts_unmeasured_in_demand:
            completed -= ledger.counts[TrialState.METRICS_UNAVAILABLE]
        places = min(parallel, spec.max_trial_count - completed)
    need = places - ledger.active_count
    missing = _missing_initial(snapshot)
    if missing:
        known = [record for record in missing if record.imported]
        to_run = [record for record in missing if not record.imported][: max(need, 0)]
        created = sorted(known + to_run, key=lambda record: record.index)
        if created:
            draft.actions.append(CreateTrials(tuple(created)))
    elif need > 0 and not snapshot.suggestions.waiting and not snapshot.suggestions.exhausted:
        draft.actions.append(RequestSuggestions(need, ledger.next_index))


def _waiting(snapshot: Snapshot) -> str:
    if snapshot.suggestions.waiting and not snapshot.ledger.active_count:
        algorithm = snapshot.experiment.spec.algorithm
        return f"waiting for algorithm {algorithm.algorithm_name if algorithm else ''!r} to suggest points"
    return ""
