"""Drives one experiment whose trials are run by callers: hears them, plans, makes it durable, and answers them.

One turn takes everything that clients sent since the last one and makes it durable in one transaction; only then is anybody answered.
So sixteen clients cost one commit and not sixteen. Whatever a turn changes in memory and cannot record is forgotten: everything is read
anew from the store, and the clients are told to ask again.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.errors import KatibError, RunnerError, StoreUnavailable
from katib.local.worker_search import STATUS_SECONDS, ClientReport, WorkerSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from katib.api.experiment import Experiment
    from katib.engine.plan import Plan
    from katib.engine.trial import TrialRecord
    from katib.experiments.protocol import HeldTrial, Outcome, StopOrder, Suggested
    from katib.local.home import Home
    from katib.store.full_store import FullStore

__all__ = ["WorkerDriver"]

_LOGGER: Final = logging.getLogger(__name__)
_QUICK_SECONDS: Final = 0.003
"""An algorithm that answers within this costs no commit of its own."""
_PAUSE_SECONDS: Final = 0.5
_LOOK_SECONDS: Final = 0.5
"""How often the store is asked whether another process wants this experiment to end."""
_STOPPING: Final = "the server is stopping: ask again"


@dataclass(slots=True)
class _Call:
    """Something a client asked for.

    Attributes:
        act: Does it, in the driver's thread and in a transaction; told whether there is no more time to wait. None: it waits; a
            function: the answer comes with those of others, after ``flush``.
        future: The client's.
        asks: It wants trials, which come after everything else.
        until: When it waits no longer, by the monotonic clock.
    """

    act: Callable[[WorkerSearch, bool], Any]
    future: Future[Any]
    asks: bool = False
    until: float = 0.0


_Answered = list[tuple[_Call, Any, KatibError | None]]


class WorkerDriver:
    """One experiment's trials in clients' hands, for as long as its thread runs.

    Args:
        home: Where the right to drive an experiment is kept.
        store: Open for as long as this is.
        experiment: As the store has it.
        ended: Called from the thread as its last act, with the uid.
    """

    def __init__(self, home: Home, store: FullStore, experiment: Experiment, *, ended: Callable[[str], None]) -> None:
        self._home = home
        self._store = store
        self.uid = experiment.metadata.uid or ""
        self._name = experiment.metadata.name
        self._namespace = experiment.metadata.namespace or "default"
        self._ended = ended
        self._inbox: queue.SimpleQueue[_Call] = queue.SimpleQueue()
        self._wakeup = threading.Event()
        self._lock = threading.Lock()
        self._closed = False
        self._finished = False
        self._leaving = False
        self._stops = 0
        self._next_look = 0.0
        self._waiting: list[_Call] = []
        self.fault: KatibError | None = None
        self._thread = threading.Thread(target=self._work, name=f"workers-{self._name}", daemon=True)

    # -- from any thread ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def leave(self) -> None:
        """Let go of the experiment, which somebody else may drive then; clients are told to ask again."""
        self._leaving = True
        self._wakeup.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended."""
        self._thread.join(timeout)

    def stop(self, *, at_once: bool = False) -> None:
        """End the experiment: clients are told to end what they run, and with ``at_once`` are not waited for."""
        self._stops = max(self._stops, 2 if at_once else 1)
        self._wakeup.set()

    def look(self) -> None:
        """Look now at what was asked in the store."""
        self._wakeup.set()

    def suggest(self, client: str, *, count: int, lease: float, wait: float) -> Future[Suggested] | None:
        """Give a client trials."""
        return self._submit(
            lambda search, last: search.suggest(client, count, lease, last=last),
            asks=True,
            until=time.monotonic() + wait,
        )

    def heartbeat(self, client: str, trials: Sequence[str], lease: float) -> Future[list[HeldTrial]] | None:
        """Renew leases."""
        return self._submit(lambda search, _: search.heartbeat(client, trials, lease))

    def report(self, report: ClientReport) -> Future[StopOrder] | None:
        """Record values."""
        return self._submit(lambda search, _: search.report(report))

    def complete(self, report: ClientReport, how: Outcome) -> Future[TrialRecord] | None:
        """Record how a trial ended."""
        return self._submit(lambda search, _: search.complete(report, how))

    def should_stop(self, trial: str, client: str) -> Future[StopOrder] | None:
        """Say whether to go on."""
        return self._submit(lambda search, _: search.should_stop(trial, client))

    def _submit(
        self, act: Callable[[WorkerSearch, bool], Any], *, asks: bool = False, until: float = 0.0
    ) -> Future[Any] | None:
        """Have it done in the driver's thread; None where the experiment is over, so that its record says it all."""
        call = _Call(act, Future(), asks, until)
        with self._lock:
            if self._finished:
                return None
            if self._closed:
                call.future.set_exception(self.fault or StoreUnavailable(_STOPPING))
            else:
                self._inbox.put(call)
        self._wakeup.set()
        return call.future

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with self._home.driving(self.uid, self._name) as make_sure_folder_is_there:
                while not self._leaving:
                    try:
                        self._drive(make_sure_folder_is_there)
                        break
                    except StoreUnavailable as error:
                        _LOGGER.warning("experiment %s: %s", self._name, error)
                        self._fail(error)
                        time.sleep(_PAUSE_SECONDS)
        except KatibError as error:
            self.fault = error
            _LOGGER.warning("experiment %s cannot be driven: %s", self._name, error)
        except Exception as error:  # the clients are to know, and the other experiments go on
            self.fault = RunnerError(f"experiment {self._name!r} broke: {type(error).__name__}: {error}")
            _LOGGER.exception("experiment %s: a fault in the server", self._name)
        finally:
            with self._lock:
                self._closed = True
            self._fail(self.fault or StoreUnavailable(_STOPPING))
            self._ended(self.uid)

    def _fail(self, error: KatibError) -> None:
        """Answer all that wait with a failure."""
        for call in [*self._waiting, *self._received()]:
            _answer(call.future, error=error)
        self._waiting.clear()

    def _received(self) -> list[_Call]:
        calls = []
        with contextlib.suppress(queue.Empty):
            while True:
                calls.append(self._inbox.get_nowait())
        return calls

    def _drive(self, make_sure_folder_is_there: Callable[[], None]) -> None:
        """Drive the experiment from what the store has of it, until it is over."""
        experiment = self._store.experiment(self._namespace, self._name)
        with WorkerSearch(self._store, experiment, self._wakeup.set) as search:
            while not self._leaving:
                self._wakeup.clear()
                make_sure_folder_is_there()
                decided = self._turn(search)
                if decided.finished:
                    with self._lock:
                        self._closed = self._finished = True
                    self._turn(search)  # for those who asked meanwhile
                    return
                self._sleep(search, decided)

    def _hear_requests(self, search: WorkerSearch) -> None:
        """Hear what others ask of this experiment (inside a transaction, so that its status follows what was heard)."""
        self._next_look = time.monotonic() + _LOOK_SECONDS
        requests = self._store.requests(self.uid)
        if "reload" in requests:
            self._store.clear_requests(self.uid)  # what else was asked is heeded by this same transaction
            if search.heed(self._store.experiment(self._namespace, self._name)):
                self._stops = 0  # it was resumed, which forgot the stops before
        self._stops = max(self._stops, _stops_of(requests))
        search.stop(self._stops)

    def _sleep(self, search: WorkerSearch, decided: Plan) -> None:
        """Wait until something happens, is due, or was asked by another process; whoever only looks writes nothing."""
        now = time.monotonic()
        moments = [call.until for call in self._waiting]
        if search.first_end is not None:
            moments.append(search.first_end)
        if search.unsaved_since is not None:
            moments.append(search.unsaved_since + STATUS_SECONDS)
        if decided.wake_at is not None:
            moments.append(now + (decided.wake_at - datetime.now(UTC)).total_seconds())
        due = min(moments, default=math.inf)
        while not self._wakeup.wait(max(min(due, self._next_look) - time.monotonic(), 0.0)):
            now = time.monotonic()
            if now >= due:
                return
            if now >= self._next_look:
                self._next_look = now + _LOOK_SECONDS
                requests = self._store.requests(self.uid)
                if "reload" in requests or _stops_of(requests) > self._stops:
                    return

    def _turn(self, search: WorkerSearch) -> Plan:
        """Do what was asked for and what is due, make it durable, and answer."""
        calls = [*self._waiting, *self._received()]
        self._waiting = calls  # whoever is in it is answered, whatever happens
        answered: _Answered = []
        with self._store.transaction():
            self._hear_requests(search)
            later = [(call, _do(call, search, answered, last=True)) for call in calls if not call.asks]
            search.flush()
            for call, answer in later:
                if callable(answer):
                    _make(call, answer, answered)
            search.take_in()
            decided = search.settle()
            # Whoever has gone would hold a trial until its lease ends, and three of them would have lost it without ever seeing it.
            asking = [call for call in calls if call.asks and not call.future.cancelled()]
            # A quick algorithm's points are recorded with the end of the trial that made room for them.
            quick = search.answers_in < _QUICK_SECONDS
            if calls and quick and search.ask(decided) and self._answers_quickly(search):
                decided = search.settle()
            now = time.monotonic()
            for call in asking:
                _do(call, search, answered, last=call.until <= now or search.is_over)
            if asking:
                decided = search.settle()
            search.write(decided)
        done = {id(call) for call, _, _ in answered}
        self._waiting = [call for call in calls if id(call) not in done and not call.future.cancelled()]
        for call, result, error in answered:
            _answer(call.future, result, error)
        search.ask(decided)
        search.ask_stopper()
        return decided

    def _answers_quickly(self, search: WorkerSearch) -> bool:
        """Wait a moment for the algorithm, and take in its points if they come."""
        end = time.monotonic() + _QUICK_SECONDS
        came = False
        while not came and search.is_computing and (left := end - time.monotonic()) > 0:
            self._wakeup.wait(left)
            self._wakeup.clear()
            came = search.take_points()
        if not self._inbox.empty() or search.has_stopper or self._leaving or self._stops:
            self._wakeup.set()  # what woke this up may have been somebody else
        return came


def _do(call: _Call, search: WorkerSearch, answered: _Answered, *, last: bool) -> Any:
    """Begin what was asked for; returns what makes the answer, if that is not there yet."""
    made: list[Any] = []
    _make(call, lambda: made.append(call.act(search, last)), answered, only_errors=True)
    if made and made[0] is not None and not callable(made[0]):
        answered.append((call, made[0], None))
    return made[0] if made else None


def _make(call: _Call, make: Callable[[], Any], answered: _Answered, *, only_errors: bool = False) -> None:
    try:
        result = make()
    except StoreUnavailable:
        raise
    except KatibError as error:
        answered.append((call, None, error))
    else:
        if not only_errors:
            answered.append((call, result, None))


def _stops_of(requests: Collection[str]) -> int:
    """Return what was asked as a number of stops: the second one waits for nobody."""
    return 2 if "kill" in requests else 1 if "stop" in requests else 0


def _answer(future: Future[Any], result: Any = None, error: BaseException | None = None) -> None:
    if not future.set_running_or_notify_cancel():
        return  # nobody waits for it any more
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
