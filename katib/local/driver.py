"""Drives one experiment on this machine: hear what happened, record it, plan, act, sleep; until the engine says it is over.

One turn of the loop is one transaction: samples, trial records, jobs, events and the status of the experiment become durable
together, and only then is anything started or told to the listener. A turn without news writes nothing, as many experiments may share
one store. The spec is others' to edit and the status ours to write: each transaction first hears what was asked meanwhile. What a turn decides but has not recorded when the process
dies is decided again by the next driver; a trial that runs is found by its folder (``adopt``), so no index is run twice.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from katib.algorithm import early_stoppers, registry
from katib.api.experiment import ExperimentStatus
from katib.api.metric_names import metric_names
from katib.api.trial import TrialState
from katib.engine import creation, outcome
from katib.engine.ledger import Ledger
from katib.engine.observe import observation_from
from katib.engine.plan import CreateTrials, RequestSuggestions, Snapshot, StartTrial, StopTrial, plan
from katib.engine.policy import LOCAL
from katib.engine.status import over
from katib.errors import InvalidInput, NotFound, RunnerError
from katib.local.active_trial import ActiveTrial
from katib.local.early_stopping import MESSAGE, Watcher
from katib.local.mlflow_variables import MlflowVariables
from katib.local.progress import (
    Event,
    Finished,
    MetricsSeen,
    Started,
    StatusChanged,
    Stopping,
    TrialFinished,
    TrialRetried,
    TrialStarted,
    Waiting,
)
from katib.local.provenance import record_provenance
from katib.local.recording import record_status, record_trials
from katib.local.runtime import runtime_of
from katib.local.suggesting import Suggester
from katib.local.trial_run import TrialRuns
from katib.runners.process import ProcessRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from types import TracebackType

    from katib.api.experiment import Experiment
    from katib.engine.plan import Plan
    from katib.engine.trial import TrialRecord
    from katib.local.early_stopping import Judgement
    from katib.local.home import Home
    from katib.metrics.collector import Batch
    from katib.runners.failed_attempts import FailedAttempt
    from katib.runners.process import TrialRun
    from katib.space.point import Point
    from katib.store.full_store import FullStore

__all__ = ["Driver"]

_POLL_SECONDS = 0.15
"""How often running trials are read; a printed line is stored well within a second."""
_REQUEST_SECONDS = 0.3
"""How often the store is asked whether somebody wants this run to end, or has edited the experiment."""
_PATIENCE_SECONDS = 2.0
"""What waits for less than this is nothing people want to read about."""


def _ignore(_event: Event) -> None:
    """Listen to nothing."""


class Driver:
    """Runs one recorded experiment to its end.

    Args:
        home: Where trials put their files.
        store: Open for as long as the driver runs.
        experiment: As the store gave it, with uid and defaults.
        runtime: ``process`` runs the container's command here; ``docker`` and ``podman`` run its image. None: as it was
            submitted.
        tracking_uri: Where MLflow's client in a trial finds this store; None for nowhere.
        listener: Told everything that happened, after it is recorded.
    """

    def __init__(
        self,
        home: Home,
        store: FullStore,
        experiment: Experiment,
        *,
        runtime: str | None = None,
        tracking_uri: str | None = None,
        listener: Callable[[Event], None] = _ignore,
    ) -> None:
        self._home = home
        self._store = store
        self._experiment = experiment
        self._uid = experiment.metadata.uid or ""
        self._metrics = metric_names(experiment.spec)
        self._runtime = runtime = runtime or runtime_of(experiment)
        self._runs = TrialRuns(home, experiment, runtime)
        self._mlflow = MlflowVariables(store, experiment, tracking_uri)
        self._runner = ProcessRunner(runtime=runtime)
        self._suggester: Suggester
        self._tell = listener
        self._ledger = Ledger(experiment)
        self._active: dict[str, ActiveTrial] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._new_jobs: list[str] = []
        self._dirty: dict[str, TrialRecord] = {}
        self._to_stop: list[str] = []
        self._watcher: Watcher | None = None
        self._untold: list[Event] = []
        self._waiting = ""
        self._waiting_since = 0.0
        self._waiting_told = ""
        self._stops = 0
        self._stops_told = 0
        self._leaving = False
        self._next_look = 0.0
        # A signal handler may come while its own thread holds the lock.
        self._pipe = threading.RLock()
        self._wake_reader = self._wake_writer = -1

    # -- what other threads and signal handlers may call ---------------------------------------------------------

    def request_stop(self) -> None:
        """Ask for a clean end; asked again, running trials are killed at once. Safe in a signal handler."""
        self._stops += 1
        self._wake()

    def leave(self) -> None:
        """Let go of the experiment without ending it: ``run`` returns, trials run on, and the next driver takes them over."""
        self._leaving = True
        self._wake()

    def look(self) -> None:
        """Look now, and not a moment later, what was asked of this run in the store."""
        self._next_look = 0.0
        self._wake()

    def _wake(self) -> None:
        with self._pipe, contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            if self._wake_writer >= 0:
                os.write(self._wake_writer, b"\0")

    @contextlib.contextmanager
    def _waking(self) -> Iterator[int]:
        """Have a pipe by which others wake the loop, and give its readable end."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake_reader, self._wake_writer = reader, writer
        try:
            yield reader
        finally:
            with self._pipe:
                self._wake_writer = -1
            os.close(writer)
            os.close(reader)

    # -- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> ExperimentStatus:
        """Run until the experiment is over or was stopped, or until it is left, and return its status then.

        Raises:
            Conflict: Another process drives it.
            NotFound: It was deleted.
            StoreUnavailable: The store cannot be written; running trials go on and are adopted by the next run.
            RunnerError: A trial cannot be started here; as above. Or the experiment's folder was removed: running trials are killed.
        """
        name = self._experiment.metadata.name
        with self._runner, contextlib.ExitStack() as released, contextlib.ExitStack() as stack:
            make_sure_folder_is_there = stack.enter_context(self._home.driving(self._uid, name))
            stack.callback(self._runner.close)  # while nobody else drives it: what it takes away is not the next one's
            self._experiment = self._recorded()  # it may have been edited since it was read
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(stack.enter_context(self._waking()), selectors.EVENT_READ)
            selector.register(self._runner.fileno(), selectors.EVENT_READ)
            record_provenance(self._store, self._experiment, runtime=self._runtime)
            if self._experiment.spec.early_stopping is not None:
                stopper = early_stoppers.create(self._experiment, self._experiment.spec.seed or 0)
                watcher = Watcher(stopper, self._experiment.spec, wake=self._wake, stored=self._reported)
                self._watcher = stack.enter_context(contextlib.closing(watcher))
            self._load()
            self._suggester = self._new_suggester()
            stack.callback(lambda: self._suggester.close())  # noqa: PLW0108 - the one there is then
            released.callback(lambda: self._suggester.wait_ended())  # noqa: PLW0108 - as above; others may drive meanwhile
            self._inform(self._ledger)
            with self._store.transaction():
                self._adopt()
            while True:
                try:
                    make_sure_folder_is_there()
                except RunnerError:
                    self._runner.kill_all()  # nobody could find them again
                    raise
                decided = self._turn()
                if decided.finished:
                    status = decided.status
                    self._tell(Finished(status, self._ledger))
                    return status
                if self._leaving:
                    return decided.status
                self._act(decided)
                self._sleep(selector, decided)

    def _recorded(self) -> Experiment:
        """Return the experiment as the store has it now.

        Raises:
            NotFound: It was deleted, and perhaps there is another one of its name.
        """
        metadata = self._experiment.metadata
        found = self._store.experiment(metadata.namespace or "default", metadata.name)
        if found.metadata.uid != self._uid:
            raise NotFound(f"experiment {metadata.name!r} was deleted, and there is another one of this name")
        return found

    def _new_suggester(self) -> Suggester:
        algorithm = registry.create(self._experiment, self._experiment.spec.seed or 0)
        return Suggester(algorithm, self._experiment.spec, self._wake)

    def _load(self) -> None:
        for record in self._store.trials(self._uid):
            self._ledger.record(record)
            if self._watcher is not None and record.state is TrialState.RUNNING:
                self._watcher.report(record.name, self._reported(record.name, self._watcher.metric))
            elif self._watcher is not None and not record.state.is_active:
                self._watcher.recall(record.name)
        self._tell(Started(self._experiment, self._ledger, tuple(self._runs.notes(self._runner))))

    def _reported(self, name: str, metric: str) -> list[float | None]:
        """Return what a trial has reported of a metric so far."""
        return [observed.value for observed in self._store.series(self._uid, name, metric)]

    def _adopt(self) -> None:
        """Take over what a driver that died left running, and start again what was lost with its machine."""
        for record in self._ledger.active():
            run = self._run_of(record)
            if self._runner.adopt(run):
                self._follow(_running(record, record.started or _now()))
                if record.stopping is not None:  # its end was ordered, perhaps without reaching it
                    self._runner.stop(record.name)
            elif record.state is TrialState.RUNNING:  # one that was only created is started by the plan
                again = record.again("Trial is created again: its process was gone without a result")
                if record.stopping is not None:  # there is nothing left to stop; the plan ends it
                    again = replace(again, stopping=record.stopping, reason=record.reason, message=record.message)
                self._clear(record)
                self._update(again)
                self._store.record_event(
                    self._uid,
                    "TrialLost",
                    "Its process is gone without a result (the machine went down, or it was killed); it is started again",
                    kind="Warning",
                    trial=record.name,
                )

    def _turn(self) -> Plan:
        """Hear what happened, plan, and make both durable in one transaction, if there is anything to record."""
        reports = self._runner.poll()
        for report in reports:
            if report.name in self._active:
                self._active[report.name].report = report
        answer = self._suggester.take()
        judgement = self._watcher.take() if self._watcher is not None else None
        with _Change(self._store, self._hear_requests) as change:
            if answer is not None or judgement is not None or self._is_asked():
                change.begin()
            if failed := self._runner.failed_attempts():
                change.begin()
                self._note_failed_attempts(failed)
            for trial in list(self._active.values()):
                self._collect(trial, change)
            if judgement is not None:
                self._heed(judgement)
            if answer is not None and not over(self._experiment.status):  # after the end it comes too late
                if answer.details:
                    self._store.record_event(self._uid, "AlgorithmFailed", answer.details, kind="Warning")
                self._create(
                    creation.trial_records(
                        self._experiment,
                        self._ledger.next_index,
                        [(_pairs(point), point.labels) for point in answer.points],
                        _now(),
                    )
                )
            self._inform(self._dirty.values())
            decided = self._decide()
            if self._dirty or self._is_news(decided):
                change.begin()
                decided = self._decide()  # perhaps of an experiment that was edited
                while self._record(decided):
                    self._inform(self._dirty.values())
                    decided = self._decide()
                self._write(decided)
        if self._watcher is not None:
            self._watcher.ask()
        self._say(decided)
        return decided

    def _inform(self, records: Collection[TrialRecord]) -> None:
        """Hand new states of trials to those who learn from them."""
        self._suggester.record(records)
        if self._watcher is not None:
            self._watcher.record(records)

    def _is_news(self, decided: Plan) -> bool:
        """Whether there is something in a plan to record."""
        return decided.status != self._experiment.status or any(
            isinstance(action, (CreateTrials, StopTrial)) for action in decided.actions
        )

    def _decide(self) -> Plan:
        return plan(
            Snapshot(
                experiment=self._experiment,
                ledger=self._ledger,
                suggestions=self._suggester.state,
                now=_now(),
                stop_requested=self._stops > 0,
                policy=LOCAL,
            )
        )

    def _record(self, decided: Plan) -> bool:
        """Take in what the plan decides about records; returns whether that changes what is known, and so the plan."""
        changed = False
        for action in decided.actions:
            if isinstance(action, CreateTrials):
                self._create(action.records)
                changed = True
            elif isinstance(action, StopTrial):
                self._mark_stopping(self._ledger.trial(action.name), action)
                changed = True
        return changed

    def _write(self, decided: Plan) -> None:
        """Put everything this turn changed into the store (inside its transaction)."""
        if self._dirty:
            record_trials(self._store, self._uid, self._dirty.values())
            if self._new_jobs:
                self._store.save_jobs(self._uid, {name: self._jobs[name] for name in self._new_jobs})
                self._new_jobs.clear()
            for record in self._dirty.values():
                if not record.state.is_active:
                    self._jobs.pop(record.name, None)  # the store has it; of 10,000 trials only those that run are held
            self._dirty.clear()
        if decided.status != self._experiment.status:
            self._experiment = record_status(self._store, self._experiment, decided.status)
            self._untold.append(StatusChanged(decided.status, self._ledger))

    def _say(self, decided: Plan) -> None:
        """Tell the listener what is recorded now."""
        events, self._untold = self._untold, []
        for event in events:
            self._tell(event)
        if decided.waiting != self._waiting:
            self._waiting = decided.waiting
            self._waiting_since = time.monotonic()
        lasting = time.monotonic() - self._waiting_since >= _PATIENCE_SECONDS
        if self._waiting != self._waiting_told and (lasting or not self._waiting):
            self._waiting_told = self._waiting
            self._tell(Waiting(self._waiting))

    def _act(self, decided: Plan) -> None:
        """Apply the actions that touch the world; each may be applied again without harm."""
        for action in decided.actions:
            match action:
                case RequestSuggestions(count=count):
                    self._suggester.request(count)
                case StartTrial(name=name):
                    self._start(self._ledger.trial(name))
        for name in self._to_stop:
            self._runner.stop(name, at_once=self._stops > 1)
        self._to_stop.clear()
        if self._stops > self._stops_told:
            self._stops_told = self._stops
            self._tell(Stopping(at_once=self._stops > 1))
            if self._stops > 1:
                self._runner.kill_all()

    def _sleep(self, selector: selectors.BaseSelector, decided: Plan) -> None:
        """Wait until something happens or is due."""
        if self._dirty or any(trial.has_ended or trial.is_behind for trial in self._active.values()):
            seconds = 0.0
        else:
            seconds = _POLL_SECONDS if self._active else _REQUEST_SECONDS
        if decided.wake_at is not None:
            seconds = min(seconds, max(0.0, (decided.wake_at - _now()).total_seconds()))
        for key, _events in selector.select(seconds):
            if key.fd == self._wake_reader:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_reader, 4096)

    # -- hearing --------------------------------------------------------------------------------------------------

    def _is_asked(self) -> bool:
        """Look, now and then, whether somebody asks for something new."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + _REQUEST_SECONDS
        requests = self._store.requests(self._uid)
        return "reload" in requests or _stops_of(requests) > self._stops

    def _hear_requests(self) -> None:
        """Hear what others ask of this run (inside a transaction, so that its status follows what was heard)."""
        requests = self._store.requests(self._uid)
        if "reload" in requests:
            # What else was asked is heeded by this same transaction.
            self._store.clear_requests(self._uid)
            self._reload()
        self._stops = max(self._stops, _stops_of(requests))

    def _reload(self) -> None:
        """Go on with the experiment as it is recorded: its budget was edited, or it was resumed before it had come to rest."""
        known, self._experiment = self._experiment, self._recorded()
        if over(known.status) and not over(self._experiment.status):
            self._stops = self._stops_told = 0  # the resumption forgot them; those that came after it are still there
        elif known.spec == self._experiment.spec:
            return
        # A fresh algorithm answers as one that has been asked all along.
        self._suggester.close()
        self._suggester = self._new_suggester()
        self._suggester.record(self._ledger)
        self._untold.append(StatusChanged(self._experiment.status or ExperimentStatus(), self._ledger))

    def _collect(self, trial: ActiveTrial, change: _Change) -> None:
        """Store what a trial reported, and its final record once everything is read."""
        for batch in trial.read():
            if batch.samples:
                change.begin()
                self._append(trial, batch)
        if trial.drained:
            change.begin()
            self._finish(trial)

    def _append(self, trial: ActiveTrial, batch: Batch) -> None:
        self._store.append_observations(
            self._uid,
            trial.record.name,
            batch.samples,
            first_sequence=trial.next_sequence,
            checkpoint=batch.checkpoint,
        )
        trial.next_sequence += len(batch.samples)
        if self._watcher is not None:
            metric = self._watcher.metric
            self._watcher.report(
                trial.record.name, [sample.number() for sample in batch.samples if sample.name == metric]
            )
        latest = {sample.name: sample.text for sample in batch.samples}
        self._untold.append(MetricsSeen(trial.record, latest))

    def _note_failed_attempts(self, failed: Sequence[tuple[str, FailedAttempt]]) -> None:
        """Tell that trials are tried again: each attempt once, whoever drove the experiment when it failed."""
        last = dict(failed)
        told = {
            (name, event.message): event.last
            for name in last
            for event in self._store.events(self._uid, name)
            if event.reason == "TrialRetried"
        }
        for name, attempt in failed:
            trial, sentence = self._active[name], attempt.sentence()
            before = told.get((name, sentence))
            # The same words of an earlier start of the trial are older than this attempt.
            is_new = before is None or before < attempt.ended
            if is_new:
                self._store.record_event(self._uid, "TrialRetried", sentence, kind="Warning", trial=name)
            if attempt is last[name] and trial.record.stopping is None:
                self._update(replace(trial.record, message=f"Trial is running: {attempt.standing()}"))
            if is_new or attempt is last[name]:
                self._untold.append(TrialRetried(trial.record, attempt))

    def _heed(self, judgement: Judgement) -> None:
        """Stop the trials that the early stopper condemned, as far as they are what it saw."""
        if judgement.error:
            message = f"{judgement.error}\n{judgement.details}"
            self._store.record_event(self._uid, "EarlyStopperFailed", message, kind="Warning")
        if self._stops or over(self._experiment.status):
            return
        for verdict in judgement.verdicts:
            trial = self._active.get(verdict.name)
            if trial is None or trial.has_ended:
                continue
            record = trial.record
            if record.stopping is None and record.attempt == verdict.attempt:
                message = f"{MESSAGE}: {verdict.sentence}"
                self._mark_stopping(
                    record, StopTrial(record.name, TrialState.EARLY_STOPPED, "TrialEarlyStopped", message)
                )
                self._store.record_event(self._uid, "TrialEarlyStopped", message, trial=record.name)

    def _finish(self, trial: ActiveTrial) -> None:
        report = trial.report
        if report is None:
            return
        now = _now()
        known, started = trial.record, report.exit.started
        if started is not None and known.started is not None and started < known.started:
            known = replace(known, started=started)  # seen late, so that it might have ended before it began
        summaries = self._store.summaries(self._uid, known.name)
        record = outcome.finish(
            known,
            self._runs.judge(report),
            observation_from(summaries, self._experiment.spec),
            self._experiment.spec,
            now=now,
            ended=report.exit.finished or now,
            metrics_complete=True,
            evidence=trial.evidence(),
            policy=LOCAL,
        )
        if record is not None:
            del self._active[record.name]
            self._update(record)
            self._untold.append(TrialFinished(record))

    # -- acting ---------------------------------------------------------------------------------------------------

    def _create(self, records: Iterable[TrialRecord]) -> None:
        """Take new points in; each is recorded with its job before anything starts."""
        for record in records:
            if record.state.is_active:
                if self._watcher is not None and record.attempt <= 1:
                    record = replace(record, rules=self._watcher.rules)  # noqa: PLW2901 - the same trial
                if record.attempt > 1:
                    self._clear(record)
                try:
                    self._jobs[record.name] = self._runs.job(record)
                    self._new_jobs.append(record.name)
                except InvalidInput as error:
                    self._update(
                        replace(
                            record,
                            state=TrialState.FAILED,
                            finished=_now(),
                            reason="TrialRenderFailed",
                            message=str(error),
                        )
                    )
                    continue
            self._update(record)

    def _clear(self, record: TrialRecord) -> None:
        """Forget what a trial reported: it is run again."""
        self._store.clear_observations(self._uid, record.name)
        if self._watcher is not None:
            self._watcher.forget(record.name)

    def _start(self, record: TrialRecord) -> None:
        if record.name in self._active:
            return
        self._runs.prepare(record)
        self._runner.start(self._run_of(record))
        self._follow(_running(record, _now()))

    def _follow(self, record: TrialRecord) -> None:
        """Watch a job that runs now."""
        checkpoint, next_sequence = self._store.collector_state(self._uid, record.name)
        self._active[record.name] = ActiveTrial(
            record,
            experiment=self._experiment,
            metrics=self._metrics,
            home=self._home,
            checkpoint=checkpoint,
            next_sequence=next_sequence,
        )
        self._update(record)
        self._untold.append(TrialStarted(record))

    def _mark_stopping(self, record: TrialRecord, action: StopTrial) -> None:
        """Note why a trial is stopped before its job is told, so that its end is understood whoever sees it."""
        stopping = replace(record, stopping=action.final, reason=action.reason, message=action.message)
        if record.name in self._active:
            self._update(stopping)
            self._to_stop.append(record.name)
        else:
            ended = replace(stopping, state=action.final, stopping=None, finished=_now())
            self._update(ended)
            self._untold.append(TrialFinished(ended))

    def _update(self, record: TrialRecord) -> None:
        self._ledger.record(record)
        self._dirty[record.name] = record
        if record.name in self._active:
            self._active[record.name].record = record

    def _run_of(self, record: TrialRecord) -> TrialRun:
        job = self._jobs.get(record.name)
        if job is None:
            job = self._jobs[record.name] = self._store.job(self._uid, record.name) or self._runs.job(record)
        return self._runs.run(record, job, self._mlflow.of(record.name))


class _Change:
    """One turn's transaction, which begins when there is something to record.

    Args:
        begun: Called first of all in it.
    """

    def __init__(self, store: FullStore, begun: Callable[[], None]) -> None:
        self._store = store
        self._begun = begun
        self._open = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def begin(self) -> None:
        """Begin it, unless it has begun."""
        if not self._open:
            self._stack.enter_context(self._store.transaction())
            self._open = True
            self._begun()


def _stops_of(requests: Collection[str]) -> int:
    """Return what was asked as a number of stops: two kill."""
    return 2 if "kill" in requests else 1 if "stop" in requests else 0


def _now() -> datetime:
    return datetime.now(UTC)


def _running(record: TrialRecord, started: datetime) -> TrialRecord:
    running = replace(record, state=TrialState.RUNNING, started=started, attempt=max(record.attempt, 1))
    # One that is being stopped keeps the reason for that.
    return running if record.stopping else replace(running, reason="TrialRunning", message="Trial is running")


def _pairs(point: Point) -> tuple[tuple[str, str], ...]:
    return tuple((assignment.name, assignment.value) for assignment in point.assignments())
