"""Ask and tell for every experiment of a store whose trials are run by callers: finds who drives it, and what became of what is over."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from katib.engine.status import over
from katib.errors import Conflict, InvalidInput, KatibError, Overloaded, StoreUnavailable
from katib.experiments.asking import check_asking
from katib.experiments.over import suggested_of_over
from katib.experiments.protocol import HeldTrial, Outcome, StopOrder, Suggested
from katib.local.runtime import WORKERS, runtime_of
from katib.local.worker_driver import WorkerDriver
from katib.local.worker_leases import holder_of, known_again, reports_of
from katib.local.worker_search import ClientReport, check_end

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import Measurement
    from katib.local.home import Home
    from katib.store.full_store import FullStore

__all__ = ["WorkerExperiments"]

_LET_GO_SECONDS: Final = 10.0
_MOST_READING: Final = 1_024


class WorkerExperiments:
    """The experiments whose trials callers run, in this process; implements ``WorkerTrials``.

    Args:
        home: Where the right to drive an experiment is kept.
        store: Open for as long as this is.
    """

    def __init__(self, home: Home, store: FullStore) -> None:
        self._home = home
        self._store = store
        self._lock = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="over")
        self._reading = 0
        self._drivers: dict[str, WorkerDriver] = {}
        self._uids: dict[tuple[str, str], str] = {}

    # -- whoever hosts them -------------------------------------------------------------------------------------------

    def host(self, experiment: Experiment) -> None:
        """Drive an experiment; one that is driven here already is left alone."""
        uid = experiment.metadata.uid or ""
        key = (experiment.metadata.namespace or "default", experiment.metadata.name)
        with self._lock:
            if uid in self._drivers:
                return
            driver = WorkerDriver(self._home, self._store, experiment, ended=self._ended)
            self._drivers[uid] = driver
            self._uids[key] = uid
        driver.start()

    def is_hosted(self, uid: str) -> bool:
        """Whether an experiment is driven here."""
        with self._lock:
            return uid in self._drivers

    def stop(self, uid: str, *, at_once: bool = False) -> None:
        """End an experiment; with ``at_once`` without waiting for those who run its trials."""
        driver = self._of(uid)
        if driver is not None:
            driver.stop(at_once=at_once)

    def edited(self, uid: str) -> None:
        """Heed that the store has another spec of an experiment."""
        driver = self._of(uid)
        if driver is not None:
            driver.look()

    def release(self, uid: str) -> None:
        """Drive an experiment no longer; returns when another process may."""
        driver = self._of(uid)
        if driver is not None:
            driver.leave()
            driver.join(_LET_GO_SECONDS)

    def close(self) -> None:
        """Drive nothing any more; clients are told to ask again, and find what they hold when somebody drives it."""
        with self._lock:
            drivers = list(self._drivers.values())
        for driver in drivers:
            driver.leave()
        for driver in drivers:
            driver.join(_LET_GO_SECONDS)

    def _of(self, uid: str) -> WorkerDriver | None:
        with self._lock:
            return self._drivers.get(uid)

    def _ended(self, uid: str) -> None:
        with self._lock:
            self._drivers.pop(uid, None)
            self._uids = {key: known for key, known in self._uids.items() if known != uid}

    # -- clients ------------------------------------------------------------------------------------------------------

    def suggest(
        self, namespace: str, experiment: str, client_id: str, *, count: int = 1, lease: float = 60.0, wait: float = 0.0
    ) -> Future[Suggested]:
        """Give a client trials to run; see ``WorkerTrials``."""
        return self._ask(
            namespace,
            experiment,
            partial(check_asking, client_id, lease=lease, count=count),
            lambda driver: driver.suggest(client_id, count=count, lease=lease, wait=max(wait, 0.0)),
            suggested_of_over,
        )

    def heartbeat(
        self, namespace: str, experiment: str, client_id: str, trials: Sequence[str] = (), *, lease: float = 60.0
    ) -> Future[list[HeldTrial]]:
        """Renew leases; see ``WorkerTrials``."""
        return self._ask(
            namespace,
            experiment,
            partial(check_asking, client_id, lease=lease),
            lambda driver: driver.heartbeat(client_id, trials, lease),
            lambda found: [
                HeldTrial(name, lost=True, should_stop=True, reason=_over_sentence(found)) for name in trials
            ],
        )

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
        """Record values of metrics; see ``WorkerTrials``."""
        said = ClientReport(trial, client_id, measurements, request_id)

        def without(found: Experiment) -> StopOrder:
            self._store.trial(found.metadata.uid or "", trial)
            if self._was_heeded(found, said):
                return StopOrder(should_stop=True, reason=_over_sentence(found))
            raise Conflict(f"trial {trial!r} takes no more values: {_over_sentence(found)}")

        return self._ask(
            namespace,
            experiment,
            partial(check_asking, client_id, measurements=measurements),
            lambda driver: driver.report(said),
            without,
        )

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
        """Record how a trial ended; see ``WorkerTrials``."""
        said = ClientReport(trial, client_id, measurements, request_id, outcome, message)

        def without(found: Experiment) -> TrialRecord:
            uid = found.metadata.uid or ""
            record = self._store.trial(uid, trial)
            self._was_heeded(found, said)
            check_end(record, holder_of(self._store.job(uid, trial)), client_id, outcome)
            return record

        return self._ask(
            namespace,
            experiment,
            partial(check_asking, client_id, measurements=measurements),
            lambda driver: driver.complete(said, outcome),
            without,
        )

    def should_stop(self, namespace: str, experiment: str, trial: str, client_id: str) -> Future[StopOrder]:
        """Say whether to go on with a trial; see ``WorkerTrials``."""

        def without(found: Experiment) -> StopOrder:
            self._store.trial(found.metadata.uid or "", trial)
            return StopOrder(should_stop=True, reason=_over_sentence(found))

        return self._ask(
            namespace,
            experiment,
            partial(check_asking, client_id),
            lambda driver: driver.should_stop(trial, client_id),
            without,
        )

    def _was_heeded(self, experiment: Experiment, said: ClientReport) -> bool:
        """Whether a report was heeded before its experiment was over.

        Raises:
            Conflict: Something else was said with its request id.
        """
        if not said.request_id:
            return False
        checkpoint, _ = self._store.collector_state(experiment.metadata.uid or "", said.trial)
        return known_again(reports_of(checkpoint), said.request_id, said.digest)

    def _ask(
        self,
        namespace: str,
        experiment: str,
        check: Callable[[], None],
        of_driver: Callable[[WorkerDriver], Future[Any] | None],
        of_over: Callable[[Experiment], Any],
    ) -> Future[Any]:
        """Ask who drives an experiment; or, if it is over, answer from what is recorded. Waits for nothing."""
        try:
            check()
        except InvalidInput as error:
            return _failed(error)
        with self._lock:
            driver = self._drivers.get(self._uids.get((namespace, experiment), ""))
        asked = None if driver is None else of_driver(driver)
        if asked is not None:
            return asked
        with self._lock:
            if self._reading >= _MOST_READING:
                return _failed(
                    Overloaded(f"{self._reading} calls about experiments that are over wait already; ask again")
                )
            self._reading += 1
            reading = self._reader.submit(self._answer_over, namespace, experiment, of_over)
        reading.add_done_callback(self._has_read)
        return reading

    def _answer_over(self, namespace: str, experiment: str, of_over: Callable[[Experiment], Any]) -> Any:
        found = self._store.experiment(namespace, experiment)
        _check_run_by_callers(found)
        if not over(found.status):
            raise StoreUnavailable(f"nobody drives experiment {experiment!r} at this moment: ask again")
        return of_over(found)

    def _has_read(self, _: Future[Any]) -> None:
        with self._lock:
            self._reading -= 1


def _check_run_by_callers(experiment: Experiment) -> None:
    if runtime_of(experiment) != WORKERS:
        raise Conflict(
            f"the trials of experiment {experiment.metadata.name!r} are run by its template, not by callers: "
            "create an experiment without a trialTemplate for that"
        )


def _over_sentence(experiment: Experiment) -> str:
    current = experiment.status.conditions[-1] if experiment.status and experiment.status.conditions else None
    return f"experiment {experiment.metadata.name!r} is over{f': {current.message}' if current else ''}"


def _failed(error: KatibError) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
