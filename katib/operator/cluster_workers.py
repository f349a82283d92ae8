"""Ask and tell on a cluster: giving out the Leases of trials, and taking down what their holders say of them."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from katib.api.trial import TrialState
from katib.engine.status import over
from katib.errors import Conflict, NotFound, StoreUnavailable, Unsupported
from katib.experiments.asking import MOST_CLIENTS_OF_A_TRIAL, check_asking
from katib.experiments.over import suggested_of_over
from katib.experiments.protocol import HeldTrial, Outcome, StopOrder, Suggested
from katib.kube.back_off import BackOff
from katib.kube.resource import LEASES
from katib.operator import kinds
from katib.operator.cluster_leases import TrialLease, is_run_by_callers
from katib.operator.cluster_objects import label_selector
from katib.operator.recent_requests import is_among, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Experiments, Measurement
    from katib.operator.cluster_client import ClusterClient
    from katib.operator.cluster_store import ClusterStore

__all__ = ["ClusterWorkers"]

T = TypeVar("T")

_WAITING: Final = 32
"""Threads for calls that may wait: for trials, or for the operator."""
_QUICK: Final = 8
"""And for the others, which keep leases and never wait for those."""
_LOOK_AGAIN: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_FOR_MORE: Final = 1.0
"""Seconds for which somebody who wants several trials and could have one waits for the others."""
_TO_END: Final = 20.0
"""Seconds that the operator gets to take down how a trial ended."""
_THE_END: Final = "the-end"
"""The request id of a trial's last report, which is its only one of that kind."""
_MOST_BUSY: Final = 1_000
_ATTEMPTS: Final = 16
_ENDED_BY_OTHERS: Final = (TrialState.KILLED, TrialState.EARLY_STOPPED)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a client says of one of its trials."""

    trial: str
    client: str
    measurements: tuple[Measurement, ...]
    request_id: str
    end: tuple[Outcome, str] | None = None

    @property
    def mark(self) -> str:
        """What is noted of it: the same report again has the same one, and another one with its request id has not."""
        if self.request_id in ("", _THE_END):
            return self.request_id
        measured = [(each.name, each.text, each.time, each.step) for each in self.measurements]
        return mark_of(self.request_id, repr((self.end, measured)).encode("utf-8", "surrogatepass"))

    def was_heeded(self, lease: TrialLease) -> bool:
        """Whether it is noted on a Lease.

        Raises:
            Conflict: Something else is, with its request id.
        """
        if self.request_id in lease.reports:  # an end without an id, or noted by a server before this one
            return True
        return self.mark != self.request_id and is_among(lease.reports, self.mark, self.request_id)


class ClusterWorkers:
    """Trials that callers run, for those who may read and write the Leases of a namespace; implements ``WorkerTrials``.

    Args:
        experiments: Whose trials.
        client: Of the API server.
        store: Where measurements go; None where it is not known: then trials cannot be run from here.
    """

    def __init__(self, experiments: Experiments, client: ClusterClient, store: ClusterStore | None) -> None:
        self._experiments = experiments
        self._client = client
        self._store = store
        self._lock = threading.Lock()
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._closed = threading.Event()
        self._busy: dict[tuple[str, str], threading.Lock] = {}

    def close(self) -> None:
        """Begin nothing more; what waits is told to ask again, and what runs comes to its end."""
        with self._lock:
            threads, self._threads = self._threads, {}
            closed, self._closed = self._closed, threading.Event()
        closed.set()
        for each in threads.values():
            each.shutdown(wait=False, cancel_futures=True)

    def _later(self, function: Callable[[], T], threads: int) -> Future[T]:
        with self._lock:
            pool = self._threads.get(threads)
            if pool is None:
                pool = self._threads[threads] = ThreadPoolExecutor(threads, thread_name_prefix="cluster-workers")
            return pool.submit(function)

    # -- the calls ----------------------------------------------------------------------------------------------------

    def suggest(
        self, namespace: str, experiment: str, client_id: str, *, count: int = 1, lease: float = 60.0, wait: float = 0.0
    ) -> Future[Suggested]:
        """Give a client trials to run; see ``WorkerTrials.suggest``. Cancelled, it ends within seconds and takes none any more."""
        answer: Future[Suggested] = Future()
        asking = self._later(
            lambda: self._suggest(
                namespace, experiment, client_id, count=count, seconds=lease, wait=wait, gone=answer.cancelled
            ),
            _WAITING,
        )
        asking.add_done_callback(lambda asked: _hand_on(asked, answer))
        return answer

    def heartbeat(
        self, namespace: str, experiment: str, client_id: str, trials: Sequence[str] = (), *, lease: float = 60.0
    ) -> Future[list[HeldTrial]]:
        """Renew leases; see ``WorkerTrials.heartbeat``."""
        return self._later(lambda: self._heartbeat(namespace, experiment, client_id, tuple(trials), lease), _QUICK)

    def report(
        self,
        namespace: str,
        experiment: str,
        trial: str,
        client_id: str,
        measurements: Sequence[Measurement],
        *,
        request_id: str = "",
    ) -> Future[StopOrder]:
        """Record values of metrics; see ``WorkerTrials.report``."""
        said = _Said(trial, client_id, tuple(measurements), request_id)
        return self._later(lambda: self._report(namespace, experiment, said), _QUICK)

    def complete(
        self,
        namespace: str,
        experiment: str,
        trial: str,
        client_id: str,
        outcome: Outcome,
        *,
        measurements: Sequence[Measurement] = (),
        message: str = "",
        request_id: str = "",
    ) -> Future[TrialRecord]:
        """Record how a trial ended; see ``WorkerTrials.complete``."""
        said = _Said(trial, client_id, tuple(measurements), request_id or _THE_END, (outcome, message))
        return self._later(lambda: self._complete(namespace, experiment, said, outcome, message), _WAITING)

    def should_stop(self, namespace: str, experiment: str, trial: str, client_id: str) -> Future[StopOrder]:
        """Say whether to go on with a trial; see ``WorkerTrials.should_stop``."""

        def answer() -> StopOrder:
            [held] = self._heartbeat(namespace, experiment, client_id, (trial,), None)
            return StopOrder(held.should_stop, held.reason)

        return self._later(answer, _QUICK)

    # -- giving out ---------------------------------------------------------------------------------------------------

    def _suggest(
        self,
        namespace: str,
        name: str,
        client: str,
        *,
        count: int,
        seconds: float,
        wait: float,
        gone: Callable[[], bool],
    ) -> Suggested:
        check_asking(client, lease=seconds, count=count)
        began = time.monotonic()
        until = began + wait
        pauses = BackOff(_LOOK_AGAIN, _LONGEST_PAUSE)
        closed = self._closed
        while True:
            experiment = self._experiment(namespace, name)
            if over(experiment.status):
                return suggested_of_over(experiment)
            if gone():  # whoever does not wait any more would hold trials for nobody, and keep others from this thread
                raise StoreUnavailable("nobody waits for trials any more")
            held, on_their_way = self._held(experiment, client, count, seconds)
            if held and on_their_way:
                until = min(until, began + _FOR_MORE)
            if (held and not on_their_way) or time.monotonic() >= until:
                status = experiment.status
                state = status.conditions[-1].type if status and status.conditions else ""
                waiting = "" if len(held) >= count else _why_not_more(experiment)
                return Suggested(tuple(held), state=state, waiting=waiting)
            if closed.wait(max(0.0, min(pauses.next(), until - time.monotonic()))):
                raise StoreUnavailable("whoever was asked for trials is closing; ask again")

    def _held(self, experiment: Experiment, client: str, count: int, seconds: float) -> tuple[list[TrialRecord], bool]:
        """Return the trials of a client, with further ones that are free, in their order; and whether more are on their way."""
        now = _now()
        leases = [lease for lease in self._leases(experiment) if lease.is_open]
        mine = [lease for lease in leases if lease.holder == client]
        free = [lease for lease in leases if lease.holder != client and not lease.is_held(now)]
        found = [lease for each in mine if (lease := self._take(experiment, each, client, seconds)) is not None]
        if len(found) < count:
            records = {each.name: each.index for each in self._records(experiment)}
            for each in sorted(free, key=lambda lease: records.get(lease.name, 0)):
                if len(found) == count:
                    break
                lease = self._take(experiment, each, client, seconds)
                if lease is not None:
                    found.append(lease)
        given = []
        for lease in found:
            with contextlib.suppress(NotFound):
                record = self._experiments.trial(
                    experiment.metadata.namespace or "", experiment.metadata.name, lease.name
                )
                given.append(replace(record, state=TrialState.RUNNING, attempt=max(record.attempt, lease.taken)))
        more = len(given) < count and len(leases) < (experiment.spec.parallel_trial_count or 1)
        return sorted(given, key=lambda record: record.index), more

    def _take(self, experiment: Experiment, lease: TrialLease, client: str, seconds: float) -> TrialLease | None:
        """Put a Lease into a client's hands; None where somebody else was quicker, or it was lost too often."""
        namespace = experiment.metadata.namespace or ""
        if lease.holder != client and lease.taken >= MOST_CLIENTS_OF_A_TRIAL:
            said = f"client {lease.holder!r} was silent for {lease.seconds:g} s, the last of {lease.taken}"
            self._write(namespace, lease.name, lease.end_patch("broken", "WorkerLost", said))
            return None
        taken = self._write(namespace, lease.name, lease.taken_by(client, seconds, _now()).patch())
        if taken is not None and lease.holder not in ("", client) and self._store is not None:
            # What was measured in hands that let go of it; not before it is in these hands, and in no others.
            self._store.forget(_place(experiment, lease.name))
        return taken

    def _write(self, namespace: str, name: str, patch: dict[str, Any]) -> TrialLease | None:
        try:
            return TrialLease.of(self._client.merge_patch(LEASES, name, patch, namespace))
        except (Conflict, NotFound):
            return None

    # -- taking down --------------------------------------------------------------------------------------------------

    def _heartbeat(
        self, namespace: str, name: str, client: str, trials: tuple[str, ...], seconds: float | None
    ) -> list[HeldTrial]:
        check_asking(client, lease=seconds)
        experiment = self._experiment(namespace, name)
        if not trials:
            trials = tuple(each.name for each in self._leases(experiment) if each.holder == client and each.is_open)
        answers = []
        for trial in trials:
            for _ in range(_ATTEMPTS):
                lease = self._lease(namespace, trial)
                if lease is None or lease.holder != client or not lease.is_open:
                    answers.append(self._lost(experiment, trial, client, lease))
                    break
                if self._write(namespace, trial, lease.renewed_at(_now(), seconds).patch()) is not None:
                    answers.append(HeldTrial(trial))
                    break
        return answers

    def _lost(self, experiment: Experiment, trial: str, client: str, lease: TrialLease | None) -> HeldTrial:
        """Return what whoever has a trial no more is told.

        Raises:
            NotFound: There is no such trial.
        """
        record = self._record(experiment, trial)
        if lease is not None and lease.is_open and lease.holder:
            # Who had it before is not noted, only how often it was taken.
            why = "had it never" if lease.taken <= 1 else "had it never, or was silent for too long"
            said = f"trial {trial!r} is run by another client: this one, {client!r}, {why}"
        elif record.state.is_active and record.stopping is None:
            said = f"trial {trial!r} is not in the hands of client {client!r} (any more): ask for trials to run"
        else:
            said = record.message or record.reason or f"trial {trial!r} has ended ({record.state})"
        return HeldTrial(trial, lost=True, should_stop=True, reason=said)

    def _report(self, namespace: str, name: str, said: _Said) -> StopOrder:
        check_asking(said.client, measurements=said.measurements)
        experiment = self._experiment(namespace, name)
        with self._one_at_a_time(namespace, said.trial):
            for _ in range(_ATTEMPTS):
                lease = self._lease(namespace, said.trial)
                if lease is None or lease.holder != said.client or not lease.is_open:
                    return self._refused(experiment, said.trial, said.client, lease)
                if self._taken_down(experiment, lease, said) is not None:
                    return StopOrder(should_stop=False)
        raise Conflict(f"trial {said.trial!r} changes all the time; say it again")

    def _refused(self, experiment: Experiment, trial: str, client: str, lease: TrialLease | None) -> StopOrder:
        """Tell somebody to stop whose trial was ended; refuse whoever has it no more.

        Raises:
            Conflict: It is somebody else's, or has come to its end.
        """
        held = self._lost(experiment, trial, client, lease)
        record = self._record(experiment, trial)
        if record.state in _ENDED_BY_OTHERS or record.stopping is not None:
            return StopOrder(should_stop=True, reason=held.reason)
        raise Conflict(held.reason)

    def _taken_down(self, experiment: Experiment, lease: TrialLease, said: _Said) -> TrialLease | None:
        """Put a report into the store, and note that on the Lease; None where that has changed meanwhile."""
        if said.measurements and not said.was_heeded(lease):
            if self._store is None:
                raise Unsupported(
                    "measurements go to the store, which is not known here: say store_address, or ask `katib serve api`"
                )
            following = self._append(experiment, lease, said.measurements)
            noted = lease.with_report(said.mark, len(said.measurements))
            lease = replace(noted, next_sequence=max(following, noted.next_sequence))
        namespace = experiment.metadata.namespace or ""
        return self._write(namespace, lease.name, lease.renewed_at(_now()).patch())

    def _append(self, experiment: Experiment, lease: TrialLease, measurements: tuple[Measurement, ...]) -> int:
        """Put values into the store, which the operator has told of the trial, or is about to.

        Raises:
            StoreUnavailable: It does not know the trial after a while.
        """
        until = time.monotonic() + _TO_END
        while True:
            try:
                assert self._store is not None  # noqa: S101 - looked at by the caller
                return self._store.append(_place(experiment, lease.name), measurements, lease.next_sequence)
            except NotFound as error:
                if time.monotonic() > until:
                    raise StoreUnavailable(f"the store does not know trial {lease.name!r} yet: {error}") from error
            time.sleep(_LOOK_AGAIN)

    def _complete(self, namespace: str, name: str, said: _Said, outcome: Outcome, message: str) -> TrialRecord:
        check_asking(said.client, measurements=said.measurements)
        experiment = self._experiment(namespace, name)
        with self._one_at_a_time(namespace, said.trial):
            for _ in range(_ATTEMPTS):
                lease = self._lease(namespace, said.trial)
                record = self._record(experiment, said.trial)
                if lease is not None and lease.holder == said.client:
                    said.was_heeded(lease)
                if not record.state.is_active or lease is None or lease.holder != said.client or not lease.is_open:
                    return self._completed_before(experiment, record, lease, said.client, outcome)
                noted = self._taken_down(experiment, lease, said)
                if noted is None:
                    continue
                reason = "Infeasible" if outcome is Outcome.INFEASIBLE else "Broken"
                if self._write(namespace, said.trial, noted.end_patch(outcome.value, reason, message)) is not None:
                    return self._ended(experiment, said.trial)
        raise Conflict(f"trial {said.trial!r} changes all the time; say it again")

    def _completed_before(
        self, experiment: Experiment, record: TrialRecord, lease: TrialLease | None, client: str, outcome: Outcome
    ) -> TrialRecord:
        """Return the record of a trial that its client, or somebody else, has ended already.

        Raises:
            Conflict: It is another client's, or ended otherwise.
        """
        if lease is not None and lease.outcome and lease.holder == client and record.state.is_active:
            if lease.outcome == outcome.value:
                return self._ended(experiment, record.name)
            raise Conflict(f"trial {record.name!r} has ended otherwise ({lease.outcome})")
        if record.state.is_active and record.stopping is not None:
            return self._ended(experiment, record.name)
        if record.state.is_active:
            raise Conflict(self._lost(experiment, record.name, client, lease).reason)
        failed = record.state is TrialState.FAILED
        if record.state in _ENDED_BY_OTHERS or failed == (outcome is not Outcome.COMPLETED):
            return record
        raise Conflict(f"trial {record.name!r} has ended otherwise ({record.state}): {record.message or record.reason}")

    def _ended(self, experiment: Experiment, trial: str) -> TrialRecord:
        """Return a trial's record once the operator has taken its end down.

        Raises:
            StoreUnavailable: It has not; what was said is kept, and may be said again.
        """
        until = time.monotonic() + _TO_END
        while (record := self._record(experiment, trial)).state.is_active:
            if time.monotonic() > until:
                raise StoreUnavailable(
                    f"how trial {trial!r} ended is noted, but its operator has not taken it down yet; ask again"
                )
            time.sleep(0.05)
        return record

    # -- looking ------------------------------------------------------------------------------------------------------

    def _experiment(self, namespace: str, name: str) -> Experiment:
        """Return an experiment.

        Raises:
            NotFound: There is none.
            Conflict: Its trials are jobs.
        """
        found = self._experiments.get(namespace, name)
        if not is_run_by_callers(found):
            raise Conflict(f"the trials of experiment {name!r} are made from its template, and run by the cluster")
        return found

    def _leases(self, experiment: Experiment) -> list[TrialLease]:
        selector = label_selector({kinds.EXPERIMENT_UID_LABEL: experiment.metadata.uid or ""})
        found, _ = self._client.list(LEASES, experiment.metadata.namespace, label_selector=selector)
        return [TrialLease.of(each) for each in found]

    def _lease(self, namespace: str, trial: str) -> TrialLease | None:
        try:
            return TrialLease.of(self._client.get(LEASES, trial, namespace))
        except NotFound:
            return None

    def _records(self, experiment: Experiment) -> list[TrialRecord]:
        return self._experiments.trials(
            experiment.metadata.namespace or "", experiment.metadata.name, states=[TrialState.RUNNING]
        )

    def _record(self, experiment: Experiment, trial: str) -> TrialRecord:
        return self._experiments.trial(experiment.metadata.namespace or "", experiment.metadata.name, trial)

    @contextlib.contextmanager
    def _one_at_a_time(self, namespace: str, trial: str) -> Iterator[None]:
        """Keep two reports of one trial from being given one number."""
        with self._lock:
            if len(self._busy) > _MOST_BUSY:
                self._busy = {key: lock for key, lock in self._busy.items() if lock.locked()}
            lock = self._busy.setdefault((namespace, trial), threading.Lock())
        with lock:
            yield


def _hand_on(asked: Future[T], answer: Future[T]) -> None:
    """Give an answer to whoever waits for it, if they still do."""
    if asked.cancelled():
        answer.cancel()
    if not answer.set_running_or_notify_cancel():
        return
    error = asked.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(asked.result())


def _place(experiment: Experiment, trial: str) -> dict[str, str]:
    metadata = experiment.metadata
    return {"namespace": metadata.namespace or "", "experiment_id": metadata.uid or "", "name": trial}


def _why_not_more(experiment: Experiment) -> str:
    status, spec = experiment.status, experiment.spec
    running = (status.trials_running or 0) + (status.trials_pending or 0) if status else 0
    if running < (spec.parallel_trial_count or 1):
        return "the next trials are on their way from the algorithm"
    return f"{running} trials run, and parallelTrialCount is {spec.parallel_trial_count or 1}"


def _now() -> datetime:
    return datetime.now(UTC)
