"""Drives many experiments in threads of this process, each until it is over or this process lets it go.

Nothing is decided here: whatever ends a driver, what the store says of its experiment decides whether it is driven again. One that
cannot be driven says so in its events and its condition, is tried again later, and is no concern of the others.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.api.experiment import ExperimentStatus
from katib.engine.conditions import with_condition
from katib.engine.status import over
from katib.errors import Conflict, KatibError, NotFound, RunnerError, StoreUnavailable
from katib.local.driver import Driver

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.api.experiment import Experiment
    from katib.local.home import Home
    from katib.store.full_store import FullStore

__all__ = ["HostedDrivers", "is_at_rest"]

_LOGGER: Final = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
"""Seconds until an experiment that could not be driven is tried again; doubled each time."""
_OTHERS_PAUSE: Final = 1.0
"""Seconds until it is looked again whether another process still drives it."""
_LET_GO_SECONDS: Final = 20.0


def is_at_rest(status: ExperimentStatus | None) -> bool:
    """Whether an experiment is over and nothing of it waits or runs."""
    return over(status) and status is not None and not status.trials_running and not status.trials_pending


class HostedDrivers:
    """The drivers of this process; any number of threads may use it.

    Args:
        home: Where trials put their files.
        store: Open for as long as this is.
        tracking_uri: As for ``Driver``.
    """

    def __init__(self, home: Home, store: FullStore, *, tracking_uri: str | None = None) -> None:
        self._home = home
        self._store = store
        self._tracking_uri = tracking_uri
        self._lock = threading.Lock()
        self._hosted: dict[str, _Hosted] = {}
        self._closed = False

    def host(self, experiment: Experiment) -> None:
        """Drive an experiment; one that is driven here already looks at once at what was asked of it."""
        uid = experiment.metadata.uid or ""
        with self._lock:
            if self._closed:
                return
            hosted = self._hosted.get(uid)
            if hosted is None:
                hosted = self._hosted[uid] = _Hosted(self._driver, self._store, experiment, self._ends)
                hosted.start()
                return
            hosted.again = True
        hosted.look()

    def is_hosted(self, uid: str) -> bool:
        """Whether an experiment is driven here, or is to be as soon as it can."""
        with self._lock:
            return uid in self._hosted

    def uids(self) -> set[str]:
        """Return which experiments are driven here."""
        with self._lock:
            return set(self._hosted)

    def end(self, uid: str) -> None:
        """End what runs of an experiment that was deleted by somebody who does not know who drives it; asked again, at once."""
        with self._lock:
            hosted = self._hosted.get(uid)
        if hosted is not None:
            hosted.end()

    def release(self, uid: str) -> None:
        """Drive an experiment no longer; its trials run on."""
        with self._lock:
            hosted = self._hosted.get(uid)
        if hosted is not None:
            hosted.leave()
            hosted.join(_LET_GO_SECONDS)

    def close(self) -> None:
        """Let go of all of them; their trials run on, and whoever drives them next takes those over."""
        with self._lock:
            self._closed = True
            hosted = list(self._hosted.values())
        for each in hosted:
            each.leave()
        deadline = time.monotonic() + _LET_GO_SECONDS
        for each in hosted:
            each.join(max(deadline - time.monotonic(), 0.0))

    def _driver(self, experiment: Experiment) -> Driver:
        return Driver(self._home, self._store, experiment, tracking_uri=self._tracking_uri)

    def _ends(self, hosted: _Hosted, *, for_good: bool) -> bool:
        """Forget a thread that has nothing to do, unless it was given something in this moment."""
        with self._lock:
            if hosted.again and not for_good:
                hosted.again = False
                return False
            self._hosted.pop(hosted.uid, None)
            return True


class _Hosted:
    """One experiment in one thread.

    Attributes:
        again: It was asked for since its thread looked at the store last.
    """

    def __init__(
        self,
        make: Callable[[Experiment], Driver],
        store: FullStore,
        experiment: Experiment,
        ends: Callable[..., bool],
    ) -> None:
        self._make = make
        self._store = store
        self._namespace = experiment.metadata.namespace or "default"
        self._name = experiment.metadata.name
        self.uid = experiment.metadata.uid or ""
        self.again = False
        self._ends = ends
        self._lock = threading.Lock()
        self._left = False
        self._wakeup = threading.Event()
        self._driver: Driver | None = None
        # Whoever ends this process without a word leaves trials that run on, as with any other end.
        self._thread = threading.Thread(target=self._work, name=f"driver-{self._name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended."""
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def leave(self) -> None:
        """Let go of the experiment."""
        with self._lock:
            self._left = True
            if self._driver is not None:
                self._driver.leave()
        self._wakeup.set()

    def end(self) -> None:
        """End what runs of the experiment."""
        with self._lock:
            if self._driver is not None:
                self._driver.request_stop()

    def look(self) -> None:
        """Look now at what was asked."""
        with self._lock:
            if self._driver is not None:
                self._driver.look()
        self._wakeup.set()

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        while not self._left:
            self._wakeup.clear()
            wait = _OTHERS_PAUSE
            try:
                if not self._drive():
                    if self._ends(self, for_good=False):
                        return
                    continue
                pause = _FIRST_PAUSE
                continue
            except Conflict:
                pass  # another process drives it
            except KatibError as error:
                wait, pause = pause, min(pause * 2, _LONGEST_PAUSE)
                _LOGGER.warning("experiment %s: %s", self._name, error)
                self._say(error)
            except Exception as error:  # the others go on, and this one says why it does not
                wait, pause = pause, min(pause * 2, _LONGEST_PAUSE)
                _LOGGER.exception("experiment %s: a fault in its driver", self._name)
                self._say(RunnerError(f"its driver broke: {type(error).__name__}: {error}"))
            self._wakeup.wait(wait)
        self._ends(self, for_good=True)

    def _drive(self) -> bool:
        """Drive the experiment for as long as that goes; returns False where there is nothing to drive."""
        try:
            experiment = self._store.experiment(self._namespace, self._name)
            if experiment.metadata.uid != self.uid or is_at_rest(experiment.status):
                return False
            driver = self._make(experiment)
            with self._lock:
                self._driver = driver
                if self._left:
                    driver.leave()
            try:
                driver.run()
            finally:
                with self._lock:
                    self._driver = None
        except NotFound:
            return False
        return True

    def _say(self, error: KatibError) -> None:
        """Tell people why the experiment does not go on, where the store can be told at all."""
        if isinstance(error, StoreUnavailable):
            return
        with contextlib.suppress(KatibError), self._store.transaction():
            found = self._store.experiment(self._namespace, self._name)
            status = found.status or ExperimentStatus()
            if found.metadata.uid != self.uid:
                return
            self._store.record_event(self.uid, error.event_reason, str(error), kind="Warning")
            if not over(status):
                message = f"Experiment cannot be run at this moment, and is tried again: {error}"
                conditions = with_condition(
                    status.conditions, "Restarting", error.event_reason, message, datetime.now(UTC)
                )
                self._store.save_status(self.uid, status.model_copy(update={"conditions": conditions}))
