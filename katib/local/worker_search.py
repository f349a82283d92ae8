"""One experiment whose trials are run by callers, in memory: its trials, who holds them, its algorithm, and what is to be recorded next.

``WorkerDriver`` calls it from one thread, inside the transactions of its turns.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from katib.algorithm import early_stoppers, registry
from katib.api.trial import TrialState
from katib.engine import creation, outcome
from katib.engine.ledger import Ledger
from katib.engine.observe import observation_from
from katib.engine.plan import CreateTrials, RequestSuggestions, Snapshot, StartTrial, StopTrial, plan
from katib.engine.policy import LOCAL
from katib.engine.status import over
from katib.errors import Conflict, KatibError, NotFound, StoreUnavailable
from katib.experiments.asking import MOST_CLIENTS_OF_A_TRIAL
from katib.experiments.over import suggested_of_over
from katib.experiments.protocol import HeldTrial, Outcome, StopOrder, Suggested
from katib.local.early_stopping import MESSAGE, Watcher
from katib.local.recording import record_status, record_trials
from katib.local.suggesting import Suggester
from katib.local.worker_leases import Lease, Leases, holder_of, holders_of, job_of, known_again, reports_of
from katib.store.protocol import TrialReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from katib.api.experiment import Experiment, ExperimentStatus
    from katib.engine.plan import Plan
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Measurement
    from katib.store.full_store import FullStore
    from katib.store.protocol import EventKind, Summary

__all__ = ["STATUS_SECONDS", "ClientReport", "WorkerSearch", "check_end"]

_LEASE_AFTER_RESTART: Final = 60.0
STATUS_SECONDS: Final = 0.2
"""After which a status is recorded that differs in who runs what only; with the next end of a trial it is in any case."""


@dataclass(frozen=True, slots=True)
class ClientReport:
    """What a client says of one of its trials; with an end, if it is that."""

    trial: str
    client: str
    measurements: Sequence[Measurement]
    request_id: str
    how: Outcome | None = None
    message: str = ""

    @property
    def digest(self) -> str:
        """What the same report has in common with itself, when it is sent again."""
        said = repr(
            (self.how, self.message, [(each.name, each.text, each.time, each.step) for each in self.measurements])
        )
        return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class WorkerSearch:
    """The experiment as the store has it, and what was changed since; open until it is over (``with``).

    Args:
        store: Asked inside the transaction of a turn.
        experiment: As it is recorded.
        wake: Called by other threads when there is something to take in.

    Attributes:
        unsaved_since: Since when a status waits to be recorded, by the monotonic clock; None for none.
    """

    def __init__(self, store: FullStore, experiment: Experiment, wake: Callable[[], None]) -> None:
        self._store = store
        self._experiment = experiment
        self.uid = experiment.metadata.uid or ""
        self._name = experiment.metadata.name
        self._wake = wake
        self._ledger = Ledger(experiment)
        self._leases = Leases()
        self._dirty: dict[str, TrialRecord] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._free: list[str] = []
        self._reports: list[ClientReport] = []
        self._refused: dict[int, KatibError] = {}
        self._ending: dict[str, dict[str, Summary]] = {}
        self._stops = 0
        self.unsaved_since: float | None = None
        self._watcher: Watcher | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        spec = self._experiment.spec
        with contextlib.ExitStack() as stack:
            if spec.early_stopping is not None:
                stopper = early_stoppers.create(self._experiment, spec.seed or 0)
                watcher = Watcher(stopper, spec, wake=self._wake, stored=self._reported)
                self._watcher = stack.enter_context(contextlib.closing(watcher))
            self._load()
            self._suggester = self._new_suggester()
            stack.callback(self._close_suggester)
            self._inform(self._ledger)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _load(self) -> None:
        now = time.monotonic()
        for record in self._store.trials(self.uid):
            self._ledger.record(record)
            if record.state is TrialState.RUNNING:
                *before, client = holders_of(self._store.job(self.uid, record.name)) or ("",)
                checkpoint, next_sequence = self._store.collector_state(self.uid, record.name)
                seconds, reports = _LEASE_AFTER_RESTART, reports_of(checkpoint)
                lease = Lease(client, seconds, now + seconds, next_sequence, reports, tuple(before))
                self._leases.grant(record.name, lease)
                if self._watcher is not None:
                    self._watcher.report(record.name, self._reported(record.name, self._watcher.metric))
            elif self._watcher is not None and not record.state.is_active:
                self._watcher.recall(record.name)

    def _reported(self, name: str, metric: str) -> list[float | None]:
        return [observed.value for observed in self._store.series(self.uid, name, metric)]

    # -- a turn -------------------------------------------------------------------------------------------------------

    def heed(self, experiment: Experiment) -> bool:
        """Go on with the experiment as it is recorded: it was edited, or resumed before it had come to rest; returns whether the latter."""
        known, self._experiment = self._experiment, experiment
        resumed = over(known.status) and not over(experiment.status)
        if resumed:
            self._stops = 0
        if known.spec != experiment.spec:
            # A fresh algorithm answers as one that has been asked all along.
            self._suggester.close()
            self._suggester = self._new_suggester()
            self._suggester.record(self._ledger)
        return resumed

    def _close_suggester(self) -> None:
        """Close whichever it is by then."""
        self._suggester.close()

    def _new_suggester(self) -> Suggester:
        spec = self._experiment.spec
        return Suggester(registry.create(self._experiment, spec.seed or 0), spec, self._wake)

    def stop(self, stops: int) -> None:
        """Have the experiment end; from the second time on without waiting for clients."""
        self._stops = max(self._stops, stops)

    @property
    def is_over(self) -> bool:
        """Whether the experiment has its result."""
        return over(self._experiment.status)

    @property
    def is_computing(self) -> bool:
        """Whether the algorithm works on an answer."""
        return self._suggester.is_computing

    @property
    def answers_in(self) -> float:
        """How many seconds the algorithm took for its last answer."""
        return self._suggester.last_seconds

    @property
    def first_end(self) -> float | None:
        """When the next lease ends if nobody renews it, by the monotonic clock."""
        return self._leases.first_end()

    def take_in(self) -> None:
        """Take in what time and other threads brought: leases that ended, verdicts, points."""
        self._expire()
        if self._stops > 1:
            for name in list(self._leases):
                record = self._ledger.trial(name)
                if record.stopping is not None:
                    self._update(replace(record, state=record.stopping, stopping=None, finished=_now()))
        self._heed_stopper()
        self.take_points()

    def ask(self, decided: Plan) -> bool:
        """Ask the algorithm for the points that a plan wants; returns whether it does."""
        for action in decided.actions:
            if isinstance(action, RequestSuggestions) and not self._suggester.state.waiting:
                self._suggester.request(action.count)
                return True
        return False

    def ask_stopper(self) -> None:
        """Have the early stopper look at what is new and durable."""
        if self._watcher is not None:
            self._watcher.ask()

    @property
    def has_stopper(self) -> bool:
        """Whether trials are stopped early."""
        return self._watcher is not None

    def take_points(self) -> bool:
        """Take in the algorithm's points if they have come; returns whether."""
        answer = self._suggester.take()
        if answer is None or over(self._experiment.status):
            return False
        if answer.details:
            self._event("AlgorithmFailed", answer.details, kind="Warning")
        points = [
            (tuple((each.name, each.value) for each in point.assignments()), point.labels) for point in answer.points
        ]
        self._create(creation.trial_records(self._experiment, self._ledger.next_index, points, _now()))
        return True

    def settle(self) -> Plan:
        """Plan until a plan changes no record any more."""
        while True:
            self._inform(self._dirty.values())
            decided = plan(
                Snapshot(
                    experiment=self._experiment,
                    ledger=self._ledger,
                    suggestions=self._suggester.state,
                    now=_now(),
                    stop_requested=self._stops > 0,
                    policy=LOCAL,
                )
            )
            changed = False
            for action in decided.actions:
                if isinstance(action, CreateTrials):
                    self._create(action.records)
                    changed = True
                elif isinstance(action, StopTrial):
                    self._mark_stopping(self._ledger.trial(action.name), action)
                    changed = True
            if not changed:
                self._free = [action.name for action in decided.actions if isinstance(action, StartTrial)]
                return decided

    def _inform(self, records: Iterable[TrialRecord]) -> None:
        records = tuple(records)
        self._suggester.record(records)
        if self._watcher is not None:
            self._watcher.record(records)

    def write(self, decided: Plan) -> None:
        """Put everything that was changed into the store; a status that differs in who runs what only may follow a moment later."""
        if self._dirty:
            record_trials(self._store, self.uid, self._dirty.values())
            if self._jobs:
                self._store.save_jobs(self.uid, self._jobs)
            self._dirty, self._jobs = {}, {}
        if decided.status == self._experiment.status:
            self.unsaved_since = None
            return
        now = time.monotonic()
        if self.unsaved_since is None:
            self.unsaved_since = now
        if not self._is_minor(decided.status) or now - self.unsaved_since >= STATUS_SECONDS:
            self._experiment = record_status(self._store, self._experiment, decided.status)
            self.unsaved_since = None

    def _is_minor(self, status: ExperimentStatus) -> bool:
        """Whether a status differs from the recorded one in nothing but trials that began: their own records say so already."""
        known = self._experiment.status
        if known is None:
            return False
        begun = {"trials_pending": status.trials_pending, "trials_running": status.trials_running}
        return known.model_copy(update=begun) == status

    def _event(self, reason: str, message: str, *, kind: EventKind = "Normal", trial: str | None = None) -> None:
        self._store.record_event(self.uid, reason, message, kind=kind, trial=trial)

    # -- trials -------------------------------------------------------------------------------------------------------

    def _create(self, records: Iterable[TrialRecord]) -> None:
        for record in records:
            if record.state.is_active and record.attempt > 1:
                self._clear(record.name)
            if record.state.is_active and record.attempt <= 1 and self._watcher is not None:
                record = replace(record, rules=self._watcher.rules)  # noqa: PLW2901 - the same trial
            self._update(record)

    def _clear(self, name: str) -> None:
        """Forget what a trial reported: it is run again."""
        self._store.clear_observations(self.uid, name)
        if self._watcher is not None:
            self._watcher.forget(name)

    def _update(self, record: TrialRecord) -> None:
        self._ledger.record(record)
        self._dirty[record.name] = record
        if not record.state.is_active or record.state is TrialState.CREATED:
            self._leases.end(record.name)

    def _mark_stopping(self, record: TrialRecord, action: StopTrial) -> None:
        """Order the end of a trial: its client is told when it next says something; without one it ends now."""
        stopping = replace(record, stopping=action.final, reason=action.reason, message=action.message)
        if record.name in self._leases and self._stops <= 1:
            self._update(stopping)
        else:
            self._update(replace(stopping, state=action.final, stopping=None, finished=_now()))

    def _heed_stopper(self) -> None:
        judgement = self._watcher.take() if self._watcher is not None else None
        if judgement is None:
            return
        if judgement.error:
            self._event("EarlyStopperFailed", f"{judgement.error}\n{judgement.details}", kind="Warning")
        if self._stops or over(self._experiment.status):
            return
        for verdict in judgement.verdicts:
            if verdict.name not in self._leases:
                continue
            record = self._ledger.trial(verdict.name)
            if record.stopping is None and record.attempt == verdict.attempt:
                message = f"{MESSAGE}: {verdict.sentence}"
                action = StopTrial(record.name, TrialState.EARLY_STOPPED, "TrialEarlyStopped", message)
                self._mark_stopping(record, action)
                self._event("TrialEarlyStopped", message, trial=record.name)

    def _expire(self) -> None:
        """Take trials from clients that have been silent for too long."""
        for name in self._leases.expired(time.monotonic()):
            record, lease = self._ledger.trial(name), self._leases.get(name)
            silent = f"client {lease.client!r} was silent for {lease.seconds:g} s" if lease else "its client is gone"
            self._event("WorkerLost", f"Its {silent}", kind="Warning", trial=name)
            if record.stopping is not None:
                self._finish(record, outcome.JobOutcome("failed", message=silent))
            elif record.attempt >= MOST_CLIENTS_OF_A_TRIAL:
                message = f"Trial has failed: {silent}, the last of {record.attempt}"
                self._update(
                    replace(record, state=TrialState.FAILED, finished=_now(), reason="WorkerLost", message=message)
                )
            else:
                self._clear(name)
                self._update(record.again(f"Trial is given to somebody else: {silent}"))

    def _finish(self, record: TrialRecord, job: outcome.JobOutcome, evidence: Sequence[str] = ()) -> TrialRecord:
        now = _now()
        summaries = self._ending.pop(record.name, None) or self._store.summaries(self.uid, record.name)
        ended = outcome.finish(
            record,
            job,
            observation_from(summaries, self._experiment.spec),
            self._experiment.spec,
            now=now,
            ended=now,
            metrics_complete=True,
            evidence=evidence,
            policy=LOCAL,
        )
        if ended is None:
            message = "a job that has ended gives a final record"
            raise AssertionError(message)
        self._update(ended)
        return ended

    # -- what clients ask for -----------------------------------------------------------------------------------------

    def suggest(self, client: str, count: int, lease: float, *, last: bool) -> Suggested | None:
        """Return a client's trials, of which it may have got new ones; None where it has none yet and may wait."""
        status = self._experiment.status
        if over(status):
            return suggested_of_over(self._experiment)
        now = time.monotonic()
        held = self._leases.of(client)
        for name in held:
            self._renew(name, now, lease)
        while len(held) < count and self._free:
            held.append(self._lend(self._free.pop(0), client, lease, now))
        if not held and not last:
            return None
        state = status.conditions[-1].type if status and status.conditions else ""
        waiting = "" if len(held) >= count else self._why_not_more()
        return Suggested(tuple(self._ledger.trial(name) for name in held), state=state, waiting=waiting)

    def _why_not_more(self) -> str:
        if self._suggester.state.waiting:
            algorithm = self._experiment.spec.algorithm
            return f"algorithm {algorithm.algorithm_name if algorithm else ''!r} has no more points yet"
        return (
            f"{self._ledger.active_count} trials run, and parallelTrialCount is "
            f"{self._experiment.spec.parallel_trial_count or 1}"
        )

    def _lend(self, name: str, client: str, seconds: float, now: float) -> str:
        record = self._ledger.trial(name)
        running = replace(
            record,
            state=TrialState.RUNNING,
            started=_now(),
            attempt=max(record.attempt, 1),
            reason="TrialRunning",
            message=f"Trial is run by client {client}",
        )
        self._update(running)
        before = holders_of(self._job(name)) if record.attempt > 1 else ()
        self._leases.grant(name, Lease(client, seconds, now + seconds, before=before))
        self._jobs[name] = job_of(client, before)
        return name

    def _job(self, name: str) -> dict[str, Any] | None:
        return self._jobs.get(name) or self._store.job(self.uid, name)

    def _renew(self, name: str, now: float, seconds: float | None = None) -> None:
        lease = self._leases.get(name)
        if lease is not None:
            lease.renew(now, seconds)

    def heartbeat(self, client: str, trials: Sequence[str], lease: float) -> list[HeldTrial]:
        """Renew leases."""
        now = time.monotonic()
        answers = []
        for name in trials or self._leases.of(client):
            held = self._leases.get(name)
            if held is None or held.client != client:
                answers.append(HeldTrial(name, lost=True, should_stop=True, reason=self._why_not_its(name, client)))
                continue
            held.renew(now, lease)
            order = self._order(self._ledger.trial(name))
            answers.append(HeldTrial(name, should_stop=order.should_stop, reason=order.reason))
        return answers

    def should_stop(self, trial: str, client: str) -> StopOrder:
        """Say whether to go on with a trial."""
        lease = self._leases.get(trial)
        if lease is None or lease.client != client:
            if trial not in self._ledger:
                raise NotFound(f"experiment {self._name!r} has no trial {trial!r}")
            return StopOrder(should_stop=True, reason=self._why_not_its(trial, client))
        lease.renew(time.monotonic())
        return self._order(self._ledger.trial(trial))

    def report(self, report: ClientReport) -> Callable[[], StopOrder]:
        """Record values, with those of others; what is returned says, after ``flush``, what became of them."""
        if self._was_heeded(report):  # its trial has ended meanwhile
            return lambda: self._order(self._ledger.trial(report.trial))
        lease = self._lease_of(report.trial, report.client)
        lease.renew(time.monotonic())
        recorded = self._take_report(report, lease)

        def answer() -> StopOrder:
            recorded()
            return self._order(self._ledger.trial(report.trial))

        return answer

    def complete(self, report: ClientReport, how: Outcome) -> Callable[[], TrialRecord]:
        """Record how a trial ended, likewise."""
        trial, client = report.trial, report.client
        if trial in self._ledger and not self._ledger.trial(trial).state.is_active:
            return partial(self._told_again, report, how)
        lease = self._lease_of(trial, client)
        if trial in self._ending:  # told twice in one turn: the first time is heeded
            return partial(self._told_again, report, how)
        recorded = self._take_report(report, lease)
        self._ending[trial] = {}

        def answer() -> TrialRecord:
            try:
                recorded()
            except KatibError:
                self._ending.pop(trial, None)
                raise
            record = self._ledger.trial(trial)
            if how is Outcome.COMPLETED:
                evidence = [f"client {client!r} reported no value of the objective"]
                return self._finish(record, outcome.JobOutcome("succeeded"), evidence)
            reason = "Infeasible" if how is Outcome.INFEASIBLE else "Broken"
            return self._finish(record, outcome.JobOutcome("failed", reason, report.message))

        return answer

    def _told_again(self, report: ClientReport, how: Outcome) -> TrialRecord:
        record = self._ledger.trial(report.trial)
        if record.state.is_active:
            raise Conflict(f"what was said of the end of trial {record.name!r} just before was refused: say it again")
        self._was_heeded(report)
        check_end(record, holder_of(self._job(report.trial)), report.client, how)
        return record

    def _was_heeded(self, report: ClientReport) -> bool:
        """Whether a report was heeded of a trial that has ended since.

        Raises:
            Conflict: Something else was said with its request id.
        """
        trial = report.trial
        if not report.request_id or trial not in self._ledger or self._ledger.trial(trial).state.is_active:
            return False
        checkpoint, _ = self._store.collector_state(self.uid, trial)
        return known_again(reports_of(checkpoint), report.request_id, report.digest)

    def _take_report(self, report: ClientReport, lease: Lease) -> Callable[[], None]:
        """Have a report recorded with the next ``flush``; what is returned raises what became of it, if that is nothing."""
        # An end without values is noted with its request id as well.
        says_something = bool(report.measurements) or (report.how is not None and bool(report.request_id))
        if says_something and not known_again(lease.reports, report.request_id, digest := report.digest):
            lease.heed(report.request_id, digest)
            self._reports.append(report)

        def recorded() -> None:
            error = self._refused.get(id(report))
            if error is not None:
                raise error

        return recorded

    def flush(self) -> None:
        """Append what clients reported since the last time, of all trials at once; and look at what the ending ones reported."""
        reports, self._reports, self._refused = self._reports, [], {}
        if reports:
            # What is refused is refused before anything of it is written.
            try:
                self._append(reports)
            except StoreUnavailable:
                raise
            except KatibError:  # what is refused of one client costs the others nothing
                for report in reports:
                    try:
                        self._append([report])
                    except StoreUnavailable:
                        raise
                    except KatibError as error:
                        self._refused[id(report)] = error
                        if (lease := self._leases.get(report.trial)) is not None:
                            lease.reports.pop(report.request_id, None)  # sent again, it is refused again
            if self._watcher is not None:
                self._tell_stopper(report for report in reports if id(report) not in self._refused)
        if self._ending:
            self._ending = self._store.summaries_of(self.uid, list(self._ending))

    def _append(self, reports: Sequence[ClientReport]) -> None:
        samples: dict[str, list[Measurement]] = {}
        for report in reports:
            samples.setdefault(report.trial, []).extend(report.measurements)
        leases = {trial: self._leases.get(trial) for trial in samples}
        self._store.append_reports(
            self.uid,
            [
                TrialReport(trial, samples[trial], lease.next_sequence, {"reports": dict(lease.reports)})
                for trial, lease in leases.items()
                if lease is not None
            ],
        )
        for trial, lease in leases.items():
            if lease is not None:
                lease.next_sequence += len(samples[trial])

    def _tell_stopper(self, reports: Iterable[ClientReport]) -> None:
        for report in reports:
            if self._watcher is not None:
                metric = self._watcher.metric
                numbers = [_number(each.text) for each in report.measurements if each.name == metric]
                self._watcher.report(report.trial, numbers)

    def _lease_of(self, trial: str, client: str) -> Lease:
        lease = self._leases.get(trial)
        if lease is not None and lease.client == client:
            return lease
        if trial not in self._ledger:
            raise NotFound(f"experiment {self._name!r} has no trial {trial!r}")
        raise Conflict(self._why_not_its(trial, client))

    def _why_not_its(self, trial: str, client: str) -> str:
        if trial not in self._ledger:
            return f"experiment {self._name!r} has no trial {trial!r}"
        record, lease = self._ledger.trial(trial), self._leases.get(trial)
        if lease is not None and client in lease.before:
            return f"trial {trial!r} is run by another client now: this one, {client!r}, was silent for too long"
        if lease is not None:
            return f"trial {trial!r} is run by another client, and was never in the hands of this one, {client!r}"
        if record.state.is_active:
            return f"trial {trial!r} is not in the hands of client {client!r} (any more): ask for trials to run"
        return f"trial {trial!r} has ended ({record.state}): {record.message or record.reason}"

    @staticmethod
    def _order(record: TrialRecord) -> StopOrder:
        return StopOrder(record.stopping is not None, record.message if record.stopping is not None else "")


def check_end(record: TrialRecord, holder: str, client: str, how: Outcome) -> None:
    """Accept that a client says again how a trial ended, or says it after it was told to end.

    Raises:
        Conflict: It was somebody else's trial, or it ended otherwise.
    """
    if holder != client:
        raise Conflict(
            f"trial {record.name!r} has ended ({record.state}), and was not in the hands of client {client!r}"
        )
    failed = record.state is TrialState.FAILED
    if record.state in (TrialState.KILLED, TrialState.EARLY_STOPPED) or failed == (how is not Outcome.COMPLETED):
        return
    raise Conflict(f"trial {record.name!r} has ended otherwise ({record.state}): {record.message or record.reason}")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _now() -> datetime:
    return datetime.now(UTC)
