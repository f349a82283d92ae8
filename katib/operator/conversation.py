"""One experiment's conversation with its suggestion service, which never makes the operator wait.

A request runs in a thread of a pool; its answer is taken when the experiment is looked at next. What the conversation knows can be
thrown away at any time: each request carries the whole history, and whether the service has more to give is found by asking again.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from katib.engine.plan import SuggestionState
from katib.errors import AlgorithmError, InvalidInput, KatibError, Unsupported
from katib.rpc.suggestion_client import EncodedHistory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.operator.composed_services import Readiness
    from katib.operator.suggestion_services import ExperimentService
    from katib.rpc.suggestion_client import SuggestionClient, Suggestions

__all__ = ["Conversation"]

_LOGGER: Final = logging.getLogger(__name__)
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


@dataclass(slots=True)
class _Asked:
    """A request under way: how many points it wants, and how many trials were active and had ended when it was made."""

    count: int
    active: int
    ended: int


class Conversation:
    """Asks for points, one request at a time.

    Args:
        client: The service.
        threads: Where requests wait for their answers.
        wake: Called from such a thread when there is something to take.
        deadline: Seconds that one request may take.
    """

    def __init__(
        self,
        client: SuggestionClient | ExperimentService,
        *,
        threads: Executor,
        wake: Callable[[], None],
        deadline: float,
    ) -> None:
        self._client = client
        self._threads = threads
        self._wake = wake
        self._deadline = deadline
        self._history = EncodedHistory()
        self._lock = threading.Lock()
        self._changed: dict[str, TrialRecord] = {}
        self._active: set[str] = set()
        self._ended = 0
        self._asked: _Asked | None = None
        self._answer: Suggestions | KatibError | None = None
        self._resting_at: int | None = None
        self._exhausted = False
        self._error = ""
        self._trouble = ""
        self._pause = _FIRST_PAUSE
        self._not_before = 0.0
        self.settings: tuple[tuple[str, str], ...] = ()

    def record(self, records: Iterable[TrialRecord]) -> None:
        """Tell the service, with the next request, what became of these trials."""
        for record in records:
            self._changed[record.name] = record
            if record.state.is_active:
                self._active.add(record.name)
            elif record.name in self._active:
                self._active.remove(record.name)
                self._ended += 1

    def forget(self, name: str) -> None:
        """Leave a trial out that is not there any more; what waited for its end does so no longer."""
        self._changed.pop(name, None)
        if name in self._active:
            self._active.remove(name)
            self._ended += 1
        self._history.forget(name)

    @property
    def state(self) -> SuggestionState:
        """What the engine needs to know. A service that gave less than asked is asked again when a trial has ended."""
        resting = self._resting_at is not None and self._resting_at == self._ended
        paused = time.monotonic() < self._not_before
        waiting = self._asked is not None or resting or paused
        return SuggestionState(waiting=waiting, exhausted=self._exhausted, error=self._error)

    @property
    def trouble(self) -> str:
        """Why the service did not answer the last request, as a sentence; empty when it did."""
        return self._trouble

    @property
    def retry_in(self) -> float | None:
        """Seconds until it may be asked again after a failure; None when there is nothing to wait for."""
        left = self._not_before - time.monotonic()
        return left if left > 0 else None

    @property
    def readiness(self) -> Readiness | None:
        """Whether the server that the experiment has for itself answers; None where it has none."""
        found: Readiness | None = getattr(self._client, "readiness", None)
        return found

    def hurry(self) -> None:
        """Ask at once again: what the last request failed at has changed."""
        self._not_before, self._pause = 0.0, _FIRST_PAUSE

    def rest(self) -> None:
        """Nothing is wanted of the service now: once its last failure would be made up for, nobody waits for it any more."""
        if self._trouble and self._asked is None and time.monotonic() >= self._not_before:
            self._trouble, self._pause = "", _FIRST_PAUSE

    def request(self, experiment: Experiment, count: int, issued: int) -> None:
        """Ask for ``count`` points; ``issued`` were given before."""
        with self._lock:
            self._asked = _Asked(count, len(self._active), self._ended)
            self._answer = None
        self._resting_at = None
        for record in self._changed.values():
            self._history.record(record)
        self._changed.clear()
        self._threads.submit(self._work, experiment, count, issued)

    def take(self) -> Suggestions | None:
        """Return the answer if it has come, and learn from it whether there will be more."""
        with self._lock:
            answer, asked = self._answer, self._asked
            if answer is None or asked is None:
                return None
            self._answer = self._asked = None
        if isinstance(answer, (InvalidInput, AlgorithmError, Unsupported)):
            self._error = str(answer)
            return None
        if isinstance(answer, KatibError):
            self._trouble = str(answer)
            self._not_before = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            return None
        self._trouble, self._pause = "", _FIRST_PAUSE
        self.settings = tuple({**dict(self.settings), **dict(answer.settings)}.items())
        if not answer.points and not asked.active:
            self._exhausted = True
        elif len(answer.points) < asked.count:
            self._resting_at = asked.ended
        return answer

    def begin_again(self) -> None:
        """Ask anew a service that had nothing more to give: the budget or the experiment changed."""
        self._exhausted, self._error, self._resting_at = False, "", None

    def _work(self, experiment: Experiment, count: int, issued: int) -> None:
        answer: Suggestions | KatibError
        try:
            answer = self._client.suggest(
                experiment,
                self._history,
                count=count,
                issued=issued,
                settings=self.settings,
                deadline=self._deadline,
            )
        except KatibError as error:
            answer = error
        except Exception as error:  # a fault of ours: it must not end the conversation without a word
            _LOGGER.exception("asking for suggestions failed")
            answer = AlgorithmError(f"asking for suggestions failed: {type(error).__name__}: {error}")
        with self._lock:
            self._answer = answer
        self._wake()
