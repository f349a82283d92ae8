"""Tells the store what happens, in the background: experiments and trials outlive the cluster's objects there.

What is to be told is kept by name, the newest state only, so that a store that is away for long costs no more memory than the trials
themselves; nothing waits for it. Whatever was not told when an operator ends is told by the next one, which tells all there is.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Conflict, Denied, KatibError, NotFound, Retry, Unauthenticated
from katib.local.runtime import of_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.rpc.store_client import StoreClient

__all__ = ["Recorder"]

_LOGGER: Final = logging.getLogger(__name__)
_EVERY: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class _Batch:
    """Trials of one experiment that are told in one call."""

    experiment: Experiment
    records: list[TrialRecord]
    jobs: dict[str, Mapping[str, Any]]
    places: dict[str, Mapping[str, str]]


class Recorder:
    """Records into the store.

    Args:
        client: The store.
        all_trials: Returns every trial of an experiment, by its uid, for a store that knows nothing of it any more.

    Attributes:
        cluster: With which experiments are marked, as several clusters may record in one store; empty while it is not known.
        trouble: Why the store did not take the last record, as a sentence; empty when it did.
    """

    def __init__(
        self, client: StoreClient, *, all_trials: Callable[[str], Iterable[TrialRecord]] = lambda _uid: ()
    ) -> None:
        self._client = client
        self._all_trials = all_trials
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._experiments: dict[str, Experiment] = {}
        self._known: dict[str, Experiment] = {}
        self._trials: dict[str, dict[str, TrialRecord]] = {}
        self._jobs: dict[str, Mapping[str, Any]] = {}
        self._places: dict[str, Mapping[str, str]] = {}
        self._deleted: dict[str, str] = {}
        self._version = 0
        self.cluster = ""
        self.trouble = ""
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Tell what is left, if that can be done quickly, and end."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout)

    @property
    def waiting(self) -> int:
        """How many things the store was not told yet."""
        with self._lock:
            return len(self._experiments) + len(self._deleted) + sum(map(len, self._trials.values()))

    def experiment(self, experiment: Experiment) -> None:
        """Record an experiment's spec and status."""
        with self._lock:
            self._experiments[experiment.metadata.uid or ""] = of_cluster(experiment, self.cluster)
        self._wake.set()

    def trials(self, experiment: Experiment, records: Iterable[TrialRecord]) -> None:
        """Record trials."""
        uid = experiment.metadata.uid or ""
        with self._lock:
            self._known[uid] = of_cluster(experiment, self.cluster)
            self._trials.setdefault(uid, {}).update((record.name, record) for record in records)
        self._wake.set()

    def run(self, name: str, *, job: Mapping[str, Any] | None = None, place: Mapping[str, str] | None = None) -> None:
        """Add to a trial, with its next record, its job and where it runs."""
        with self._lock:
            if job is not None:
                self._jobs[name] = job
            if place:
                self._places[name] = place

    def deleted(self, namespace: str, uid: str) -> None:
        """Record that the cluster's object of an experiment is gone."""
        with self._lock:
            self._deleted[uid] = namespace
        self._wake.set()

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        pause = _EVERY
        while True:
            self._wake.wait()
            self._wake.clear()
            stopping = self._stop.is_set()
            if self._tell():
                pause = _EVERY
            else:
                pause = min(pause * 2, _LONGEST_PAUSE)
                self._wake.set()
            if stopping:
                return
            self._stop.wait(pause)

    def _tell(self) -> bool:
        """Tell all there is; returns whether that went well."""
        with self._lock:
            experiments, self._experiments = self._experiments, {}
        for uid, experiment in experiments.items():
            self._known[uid] = experiment
            version = self._next_version()
            if not self._told(partial(self._client.record_experiment, experiment, version)):
                with self._lock:
                    for left, other in experiments.items():
                        self._experiments.setdefault(left, other)
                return False
        return self._tell_trials() and self._tell_deleted()

    def _tell_trials(self) -> bool:
        with self._lock:
            uids = list(self._trials)
        for uid in uids:
            while (batch := self._take_batch(uid)) is not None:
                if not self._told(partial(self._send, batch)):
                    self._put_back(batch)
                    return False
        return True

    def _take_batch(self, uid: str) -> _Batch | None:
        with self._lock:
            waiting = self._trials.get(uid) or {}
            records = [waiting.pop(name) for name in list(waiting)[:_BATCH]]
            if not waiting:
                self._trials.pop(uid, None)
            if not records:
                return None
            names = [record.name for record in records]
            return _Batch(
                self._known[uid],
                records,
                {name: self._jobs.pop(name) for name in names if name in self._jobs},
                {name: self._places.pop(name) for name in names if name in self._places},
            )

    def _put_back(self, batch: _Batch) -> None:
        """Keep what was not told, where nothing newer has come."""
        with self._lock:
            waiting = self._trials.setdefault(batch.experiment.metadata.uid or "", {})
            for record in batch.records:
                waiting.setdefault(record.name, record)
            self._jobs = {**batch.jobs, **self._jobs}
            self._places = {**batch.places, **self._places}

    def _send(self, batch: _Batch) -> None:
        experiment = batch.experiment
        try:
            self._client.record_trials(experiment, batch.records, jobs=batch.jobs, places=batch.places)
        except NotFound:  # the store was emptied, or is one from before: it is told everything again
            self._client.record_experiment(experiment, self._next_version())
            every = {record.name: record for record in self._all_trials(experiment.metadata.uid or "")}
            every.update((record.name, record) for record in batch.records)
            self._client.record_trials(experiment, list(every.values()), jobs=batch.jobs, places=batch.places)

    def _tell_deleted(self) -> bool:
        with self._lock:
            deleted, self._deleted = self._deleted, {}
        for uid, namespace in deleted.items():
            if not self._told(partial(self._client.mark_deleted, namespace, uid)):
                with self._lock:
                    self._deleted = {**deleted, **self._deleted}
                return False
            self._known.pop(uid, None)
        return True

    def _told(self, call: Callable[[], None]) -> bool:
        """Make a call; what the store refuses for good is logged and let go, as asking again would not help."""
        try:
            call()
        except KatibError as error:
            # A conflict may be with what is being purged; a token may be mended.
            if error.retry is Retry.LATER or isinstance(error, (Conflict, Denied, Unauthenticated)):
                _LOGGER.warning("the store did not take a record, it is told again: %s", error)
                self.trouble = f"the store does not take records: {error}"
                return False
            _LOGGER.warning("the store refused a record, which it will never have: %s", error)
        except Exception:
            _LOGGER.exception("a record could not be told to the store")
        self.trouble = ""
        return True

    def _next_version(self) -> int:
        """Return a number that grows, also from one operator to the next."""
        self._version = max(self._version + 1, time.time_ns() // 1000)
        return self._version
