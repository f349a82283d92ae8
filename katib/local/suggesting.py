"""Asks an experiment's algorithm for points without ever making the driver wait.

The algorithm lives in one worker thread together with its history, so nothing it reads changes under it: finished and new
trials are handed over with the next request. ``Suggester`` itself is used from the driver's thread only.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.engine.history import past_trial
from katib.engine.plan import SuggestionState
from katib.errors import KatibError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from katib.algorithm.algorithm import Algorithm
    from katib.api.experiment import ExperimentSpec
    from katib.engine.trial import TrialRecord
    from katib.space.point import Point

__all__ = ["Answer", "Suggester"]

_LAST_COMPUTATION: Final = 2.0
"""Seconds that a computation of a closed ``Suggester`` is waited for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the algorithm said: its points, or the sentence of its failure."""

    points: tuple[Point, ...] = ()
    error: str = ""
    details: str = ""
    """The traceback of a failure nobody planned for, for the log; empty otherwise."""
    seconds: float = 0.0
    """How long it took."""


@dataclass(frozen=True, slots=True)
class _Request:
    changed: tuple[TrialRecord, ...]
    count: int


class Suggester:
    """One experiment's conversation with its algorithm.

    Args:
        algorithm: A fresh instance.
        spec: The defaulted spec, to translate trials into the algorithm's history.
        wake: Called from the worker thread when an answer is there, never after ``close``.

    Attributes:
        last_seconds: How long the algorithm took for its last answer.
    """

    def __init__(self, algorithm: Algorithm, spec: ExperimentSpec, wake: Callable[[], None]) -> None:
        self._algorithm = algorithm
        self._spec = spec
        self._wake = wake
        self._closed = False
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._changed: dict[str, TrialRecord] = {}
        self._active: set[str] = set()
        self._ended = 0
        self._asked: tuple[int, int, int] | None = None  # count, active trials and ended trials when it was asked
        self._resting_at: int | None = None
        self._exhausted = False
        self._error = ""
        self.last_seconds = 0.0
        # A fit cannot be interrupted, and nothing is lost when the process ends in the middle of one.
        self._thread = threading.Thread(target=self._work, name="suggestions", daemon=True)
        self._thread.start()

    def record(self, records: Iterable[TrialRecord]) -> None:
        """Tell the algorithm, with the next request, what became of these trials."""
        for record in records:
            self._changed[record.name] = record
            if record.state.is_active:
                self._active.add(record.name)
            elif record.name in self._active:
                self._active.remove(record.name)
                self._ended += 1

    @property
    def state(self) -> SuggestionState:
        """What the engine needs to know. An algorithm that gave less than asked is asked again when a trial ends."""
        resting = self._resting_at is not None and self._resting_at == self._ended
        return SuggestionState(waiting=self._asked is not None or resting, exhausted=self._exhausted, error=self._error)

    @property
    def is_computing(self) -> bool:
        """Whether an answer is being worked out now."""
        return self._asked is not None

    def request(self, count: int) -> None:
        """Ask for ``count`` points; the answer is fetched with ``take``."""
        self._asked = (count, len(self._active), self._ended)
        self._resting_at = None
        self._requests.put(_Request(tuple(self._changed.values()), count))
        self._changed.clear()

    def take(self) -> Answer | None:
        """Return the answer if it has come, and learn from it whether there will be more."""
        try:
            answer = self._answers.get_nowait()
        except queue.Empty:
            return None
        self.last_seconds = answer.seconds
        if self._asked is not None:
            count, active, ended = self._asked
            if answer.error:
                self._error = answer.error
            elif not answer.points and not active:
                self._exhausted = True
            elif len(answer.points) < count:
                self._resting_at = ended
        self._asked = None
        return answer

    def close(self) -> None:
        """Let the worker end; a computation under way is left to itself."""
        with self._lock:  # what ``wake`` uses may be gone at any moment after this
            self._closed = True
        self._requests.put(None)

    def wait_ended(self) -> None:
        """Wait, after ``close``, for what mostly is under way then: a short computation, or the import of a library.

        A process that ends in the middle of an import may end with another exit code than its own.
        """
        self._thread.join(_LAST_COMPUTATION)

    def _work(self) -> None:
        history = History()
        while (request := self._requests.get()) is not None:
            began = time.monotonic()
            answer = self._answer(history, request)
            self._answers.put(replace(answer, seconds=time.monotonic() - began))
            with self._lock:
                if not self._closed:
                    self._wake()

    def _answer(self, history: History, request: _Request) -> Answer:
        try:
            space = self._algorithm.problem.space
            for record in request.changed:
                history.record(past_trial(record, space, self._spec))
            return Answer(points=tuple(suggest(self._algorithm, history, request.count)))
        except KatibError as error:
            return Answer(error=str(error))
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; the experiment ends with its words
            name = type(self._algorithm).name
            return Answer(
                error=f"algorithm {name!r} failed: {type(error).__name__}: {error}", details=traceback.format_exc()
            )
