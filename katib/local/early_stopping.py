"""Asks an experiment's early stopper which running trials to stop, without ever making the driver wait.

The stopper lives in one worker thread together with its history and its curves, so nothing it reads changes under it and one that is
slow, or never answers, costs nothing but its verdicts. Only trials that reported something new are looked at, or all that run when
another one has ended. ``Watcher`` itself is used from the driver's thread only.
"""

from __future__ import annotations

import math
import queue
import threading
import traceback
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from katib.algorithm.early_stopper import EarlyStopper
from katib.algorithm.history import History
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.history import past_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from katib.api.experiment import ExperimentSpec
    from katib.engine.trial import TrialRecord

__all__ = ["MESSAGE", "Judgement", "Verdict", "Watcher"]

MESSAGE: Final = "Trial is early stopped"
"""Katib's words; the reason follows them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One trial that is to be stopped.

    Attributes:
        name: The trial.
        attempt: Which run of it was judged.
        sentence: Why.
    """

    name: str
    attempt: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the stopper said, or the sentence of its failure; ``details`` is the traceback of one that nobody planned for."""

    verdicts: tuple[Verdict, ...] = ()
    rules: tuple[EarlyStoppingRule, ...] = ()
    error: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    """What happened since the last one."""

    changed: tuple[TrialRecord, ...]
    forgotten: tuple[str, ...]
    ended_before: tuple[str, ...]
    values: dict[str, array[float]]


@dataclass(slots=True)
class _Seen:
    """What the worker knows."""

    history: History = field(default_factory=History)
    curves: dict[str, array[float]] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


class Watcher:
    """One experiment's conversation with its early stopper.

    Args:
        stopper: A fresh instance.
        spec: The defaulted spec, to translate trials into history.
        wake: Called from the worker thread when there is a verdict, never after ``close``.
        stored: Returns what a trial reported of a metric, trial and metric being given; called from the worker thread.
    """

    def __init__(
        self,
        stopper: EarlyStopper,
        spec: ExperimentSpec,
        *,
        wake: Callable[[], None],
        stored: Callable[[str, str], Sequence[float | None]],
    ) -> None:
        self.metric = stopper.problem.objectives[0].name
        self._stopper = stopper
        self._spec = spec
        self._wake = wake
        self._stored = stored
        self._closed = False
        self._lock = threading.Lock()
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._judgements: queue.SimpleQueue[Judgement] = queue.SimpleQueue()
        self._changed: dict[str, TrialRecord] = {}
        self._forgotten: dict[str, None] = {}
        self._ended_before: list[str] = []
        self._values: dict[str, array[float]] = {}
        self._news = False
        self._asked = False
        self._rules: tuple[EarlyStoppingRule, ...] = ()
        # It cannot be interrupted, and nothing is lost when the process ends in the middle of it.
        self._thread = threading.Thread(target=self._work, name="early-stopping", daemon=True)
        self._thread.start()

    @property
    def rules(self) -> tuple[EarlyStoppingRule, ...]:
        """The rules that a new trial takes along, as they were known last."""
        return self._rules

    @property
    def is_judging(self) -> bool:
        """Whether an answer is being worked out now."""
        return self._asked

    def record(self, records: Iterable[TrialRecord]) -> None:
        """Tell the stopper, with the next question, what became of these trials."""
        for record in records:
            self._changed[record.name] = record
            self._news = self._news or not record.state.is_active

    def report(self, name: str, values: Sequence[float | None]) -> None:
        """Tell the stopper, with the next question, what a trial reported of the objective; None for what is no number."""
        if values:
            known = self._values.setdefault(name, array("d"))
            known.extend(_numbers(values))
            self._news = True

    def recall(self, name: str) -> None:
        """Have the stopper read the curve of a trial that ended before this run; there may be thousands."""
        self._ended_before.append(name)
        self._news = True

    def forget(self, name: str) -> None:
        """Drop a trial's curve: it is run again from its beginning."""
        self._values.pop(name, None)
        self._forgotten[name] = None

    def ask(self) -> None:
        """Have the stopper look at what is new, unless it is still busy or nothing is."""
        if self._asked or not self._news:
            return
        self._asked = True
        self._questions.put(
            _Question(tuple(self._changed.values()), tuple(self._forgotten), tuple(self._ended_before), self._values)
        )
        self._changed, self._forgotten, self._ended_before, self._values = {}, {}, [], {}
        self._news = False

    def take(self) -> Judgement | None:
        """Return the answer if it has come."""
        try:
            judgement = self._judgements.get_nowait()
        except queue.Empty:
            return None
        self._asked = False
        if not judgement.error:
            self._rules = judgement.rules
        return judgement

    def close(self) -> None:
        """Let the worker end; a computation under way is left to itself."""
        with self._lock:  # what ``wake`` uses may be gone at any moment after this
            self._closed = True
        self._questions.put(None)

    # -- in the worker thread ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        seen = _Seen()
        while (question := self._questions.get()) is not None:
            judgement = self._judge(seen, question)
            self._judgements.put(judgement)
            if judgement.verdicts or judgement.error:
                with self._lock:
                    if not self._closed:
                        self._wake()

    def _judge(self, seen: _Seen, question: _Question) -> Judgement:
        try:
            self._learn(seen, question)
            names = question.values if all(record.state.is_active for record in question.changed) else seen.curves
            running = [trial.name for trial in seen.history.running() if trial.state is TrialState.RUNNING]
            verdicts = []
            for name in running:
                if name in names and name in seen.curves:
                    sentence = self._stopper.verdict(seen.history, seen.curves, name)
                    if sentence is not None:
                        verdicts.append(Verdict(name, seen.attempts[name], str(sentence)))
            return Judgement(tuple(verdicts), self._checked_rules(seen))
        except Exception as error:  # noqa: BLE001 - a plug-in may raise anything; it costs an event and no trial
            name = type(self._stopper).name
            said = f"early stopper {name!r} failed, and stopped nothing: {type(error).__name__}: {error}"
            return Judgement(error=said, details=traceback.format_exc())

    def _learn(self, seen: _Seen, question: _Question) -> None:
        for name in question.forgotten:
            seen.curves.pop(name, None)
        for name, values in question.values.items():
            if name in seen.curves:
                seen.curves[name].extend(values)
            else:
                seen.curves[name] = values
        seen.unread += question.ended_before
        space = self._stopper.problem.space
        for record in question.changed:
            seen.attempts[record.name] = record.attempt
            seen.history.record(past_trial(record, space, self._spec))
        while seen.unread and not self._closed:  # one that cannot be read now is read next time
            name = seen.unread[-1]
            if reported := self._stored(name, self.metric):
                seen.curves[name] = array("d", _numbers(reported))
            seen.unread.pop()

    def _checked_rules(self, seen: _Seen) -> tuple[EarlyStoppingRule, ...]:
        rules = tuple(self._stopper.rules(seen.history, seen.curves))
        if not all(isinstance(rule, EarlyStoppingRule) for rule in rules):
            message = "its rules are no EarlyStoppingRules"
            raise TypeError(message)
        return rules


def _numbers(values: Iterable[float | None]) -> Iterator[float]:
    return (math.nan if value is None else value for value in values)
