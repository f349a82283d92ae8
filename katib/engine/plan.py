"""What should happen next: ``plan(snapshot)`` looks at an experiment and says which actions bring it on.

Pure and level-triggered: the same snapshot always gives the same plan, and a plan that was carried out by half gives the other half
next time. Time comes in with the snapshot; ``wake_at`` says when it alone would change the plan. The cost depends on active trials,
never on finished ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from katib.api.duration import parse_duration
from katib.api.trial import TrialState
from katib.engine.creation import initial_records, records_to_run_again
from katib.engine.policy import KUBERNETES, Policy
from katib.engine.status import Ending, over, running_since, status_of
from katib.engine.trial import STOPPED_WITH_EXPERIMENT

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
    """Record these trials, which need no algorithm: the user's initial ones, and those that run again after a stop."""

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
    """Mark a trial as stopping, record that, and then end its job; when that has ended the trial is in the state ``final``.

    A trial that is marked is not named again: the record is the order (``TrialRecord.stopping``). One without a job has ended.
    """

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
        stop_requested: Its user wants it to end now. Whether it is stopped or complete is in the status afterwards.
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
    ending = None if over(experiment.status) else _ending(snapshot, draft)
    status = status_of(experiment, ledger, snapshot.now, ending)
    _end_unstarted(snapshot, draft)
    if over(status):
        _wind_up(snapshot, draft, stopped=status.conditions[-1].type == "Stopped")
        return Plan(tuple(draft.actions), status, draft.wake_at, finished=ledger.active_count == 0)
    _time_out(snapshot, draft)
    _fill(snapshot, draft)
    return Plan(tuple(draft.actions), status, draft.wake_at, waiting=_waiting(snapshot))


def _ending(snapshot: Snapshot, draft: _Draft) -> Ending | None:
    """Return how the experiment ends now, if it does; Katib's order (facts 2.9), then what Katib lacks.

    What the trials have brought about comes first: it is true whether or not someone stops the experiment in the same moment.
    """
    experiment, ledger, spec = snapshot.experiment, snapshot.ledger, snapshot.experiment.spec
    if ledger.goal_reached_by is not None:
        return Ending(
            "Succeeded", "ExperimentGoalReached", "Experiment has succeeded because Objective goal has reached"
        )
    counts = ledger.counts
    failed = counts[TrialState.FAILED] + counts[TrialState.METRICS_UNAVAILABLE]
    if spec.max_failed_trial_count is not None and failed and failed >= spec.max_failed_trial_count:
        return Ending("Failed", "ExperimentFailed", "Experiment has failed because max failed count has reached")
    if spec.max_trial_count is not None and ledger.completed >= spec.max_trial_count:
        return Ending(
            "Succeeded", "ExperimentMaxTrialsReached", "Experiment has succeeded because max trial count has reached"
        )
    if snapshot.suggestions.exhausted and not _has_more(snapshot):
        return Ending(
            "Succeeded",
            "ExperimentSuggestionEndReached",
            "Experiment has succeeded because suggestion service has reached the end",
        )
    if snapshot.stop_requested:
        return Ending("Stopped", STOPPED_WITH_EXPERIMENT, "Experiment is stopped; it can be resumed")
    if snapshot.suggestions.error:
        return Ending("Failed", "ExperimentFailed", f"Suggestion has failed: {snapshot.suggestions.error}")
    if spec.max_runtime is not None:
        deadline = (running_since(experiment.status) or snapshot.now) + parse_duration(spec.max_runtime)
        if snapshot.now >= deadline:
            kind = "Failed" if ledger.best is None else "Succeeded"
            done = "failed without a result" if ledger.best is None else "succeeded"
            message = f"Experiment has {done} because maxRuntime ({spec.max_runtime}) has passed"
            return Ending(kind, "ExperimentMaxRuntimeReached", message)
        draft.wake(deadline)
    return None


def _has_more(snapshot: Snapshot) -> bool:
    """Whether there is something to run without the algorithm."""
    ledger = snapshot.ledger
    return bool(ledger.active_count or ledger.to_run_again() or _free_initial(snapshot))


def _end_unstarted(snapshot: Snapshot, draft: _Draft) -> None:
    """End trials that were being stopped when their job was lost: they have nothing to wait for."""
    draft.actions.extend(
        StopTrial(trial.name, trial.stopping, trial.reason, trial.message)
        for trial in snapshot.ledger.active()
        if trial.state is TrialState.CREATED and trial.stopping is not None
    )


def _wind_up(snapshot: Snapshot, draft: _Draft, *, stopped: bool) -> None:
    """End what is left when the experiment is over; stopped by its user, the trials run again when it is resumed.

    A policy may let running trials go on. What is only recorded is ended in any case: it would never be started.
    """
    reason, message = (
        (STOPPED_WITH_EXPERIMENT, "Stopped with its experiment; it runs again when that is resumed")
        if stopped
        else ("ExperimentCompleted", "Stopped because its experiment is complete")
    )
    ends_running = stopped or snapshot.stop_requested or snapshot.policy.stops_running_trials
    draft.actions.extend(
        StopTrial(trial.name, TrialState.KILLED, reason, message)
        for trial in snapshot.ledger.active()
        if trial.stopping is None and (ends_running or trial.state is TrialState.CREATED)
    )
    if not ends_running:
        _time_out(snapshot, draft)


def _time_out(snapshot: Snapshot, draft: _Draft) -> None:
    """Stop trials that have run longer than ``trialTimeout``."""
    timeout = snapshot.experiment.spec.trial_timeout
    if timeout is None:
        return
    allowed = parse_duration(timeout)
    for trial in snapshot.ledger.active():
        if trial.started is None or trial.stopping is not None:
            continue
        if snapshot.now >= trial.started + allowed:
            message = f"Trial has failed because it ran longer than trialTimeout ({timeout})"
            draft.actions.append(StopTrial(trial.name, TrialState.FAILED, "TrialTimeout", message))
        else:
            draft.wake(trial.started + allowed)


def _free_initial(snapshot: Snapshot) -> list[int]:
    """Return the places of the user's initial trials that are not recorded yet."""
    return snapshot.ledger.free_indices(len(snapshot.experiment.spec.initial_trials or []))


def _places(snapshot: Snapshot) -> int:
    """Return how many trials may run at a time, now that some of ``maxTrialCount`` is used up."""
    spec, ledger = snapshot.experiment.spec, snapshot.ledger
    parallel = spec.parallel_trial_count or 1
    if spec.max_trial_count is None:
        return parallel
    completed = ledger.completed
    if not snapshot.policy.counts_unmeasured_in_demand:
        completed -= ledger.counts[TrialState.METRICS_UNAVAILABLE]
    return min(parallel, spec.max_trial_count - completed)


def _fill(snapshot: Snapshot, draft: _Draft) -> None:
    """Start what is recorded and get as many new trials as the budget has places for."""
    ledger = snapshot.ledger
    places = _places(snapshot)
    active = ledger.active()
    running = sum(trial.state is TrialState.RUNNING for trial in active)
    # After the budget was lowered fewer may run than are recorded; the others wait, and are ended when it is used up.
    waiting = [trial for trial in active if trial.state is TrialState.CREATED and trial.stopping is None]
    draft.actions.extend(StartTrial(trial.name) for trial in waiting[: max(places - running, 0)])
    created = records_to_run_again(ledger)
    need = places - len(active) - len(created)
    free = _free_initial(snapshot)
    if free:
        stated = snapshot.experiment.spec.initial_trials or []
        to_run = [index for index in free if stated[index].metrics is None][: max(need, 0)]
        known = [index for index in free if stated[index].metrics is not None]
        created += initial_records(snapshot.experiment, sorted(known + to_run), snapshot.now)
    if created:
        draft.actions.append(CreateTrials(tuple(created)))
    elif need > 0 and not snapshot.suggestions.waiting and not snapshot.suggestions.exhausted:
        draft.actions.append(RequestSuggestions(need, ledger.next_index))


def _waiting(snapshot: Snapshot) -> str:
    if snapshot.suggestions.waiting and not snapshot.ledger.active_count:
        algorithm = snapshot.experiment.spec.algorithm
        return f"waiting for algorithm {algorithm.algorithm_name if algorithm else ''!r} to suggest points"
    return ""
