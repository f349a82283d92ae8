"""One search as a worker remembers it between two calls: what was decoded, the history made of it, and the algorithm.

Everything here can be thrown away at any time. A call is answered from its request alone; what is remembered is only looked up by
the bytes that stand for it.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from katib.algorithm import call, registry
from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.rpc import v1beta1 as wire
from katib.rpc.trial_message import decode_placed_trial, decode_trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from katib.rpc.search import Search
    from katib.rpc.trial_message import WireTrial
    from katib.space.point import Point

__all__ = ["Session"]

_ORDER = attrgetter("order")
_FORGOTTEN: Final = 100
"""So many versions of trials that were replaced may lie around before they are looked for."""
_BYTES_OF_EXPERIMENT: Final = 60_000
_BYTES_PER_BYTE: Final = 9
"""What is remembered of a trial takes so many times the bytes of its message (measured by tests/benchmarks/bench_suggestion_memory.py)."""


class Session:
    """A search and what is known of it.

    Args:
        search: What is searched, checked.

    Raises:
        InvalidInput: It cannot be searched.
        AlgorithmError: Its algorithm cannot be loaded or made.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._begin()
        self._decoded: dict[bytes, WireTrial] = {}
        self._size = 0

    def _begin(self) -> None:
        self.algorithm = registry.create(self._search.experiment, self._search.seed)
        self.history = History()
        self._known: list[WireTrial] = []
        self._issued = 0

    @property
    def size(self) -> int:
        """An estimate of the memory this takes, in bytes."""
        return _BYTES_OF_EXPERIMENT + self._size * _BYTES_PER_BYTE

    def knows_some_of(self, trials: Sequence[bytes]) -> bool:
        """Whether these are trials of the same search as last time, as far as a few of them tell."""
        if not trials or not self._decoded:
            return not trials and not self._decoded
        step = max(len(trials) // 8, 1)
        return any(trial in self._decoded for trial in trials[::step])

    def suggest(self, trials: Sequence[bytes], count: int, issued: int) -> wire.GetSuggestionsReply:
        """Return the next points.

        Args:
            trials: All there are, as bytes.
            count: How many points are wanted, at most.
            issued: How many were wanted before; some of those may be no trials any more.
        """
        if issued < self._issued:
            self._begin()  # the search began again, or this is another one whose experiment has the same bytes
        self._issued = issued
        self.learn(trials)
        self.history.issued(issued)
        return self._reply(suggest(self.algorithm, self.history, count))

    def learn(self, trials: Iterable[bytes]) -> None:
        """Make the history that of these trials and no others."""
        decoded = self._decoded
        found: dict[str, WireTrial] = {}
        for data in trials:
            trial = decoded.get(data)
            if trial is None:
                trial = decoded[data] = self._decode(data)
                self._size += len(data)
                if trial.ignored:
                    call.note("ignored-trial", f"trial {trial.name!r} is not of this search: {trial.ignored}")
            if trial.past is not None:
                found[trial.name] = trial
        self._forget(trials, len(found))
        ordered = sorted(found.values(), key=_ORDER)
        known, names = self._known, [trial.name for trial in ordered]
        if names[: len(known)] != [trial.name for trial in known] or _moved(known, ordered):
            known = self._rebuilt(ordered)
        for index, trial in enumerate(ordered):
            if (index >= len(known) or known[index] is not trial) and trial.past is not None:
                self.history.record(trial.past if self._search.exact else replace(trial.past, index=index))
        self._known = ordered

    def _decode(self, data: bytes) -> WireTrial:
        problem = self.algorithm.problem
        names = [objective.name for objective in problem.objectives]
        if self._search.exact:
            return decode_placed_trial(data, problem.space, names)
        return decode_trial(data, problem.space, names, self.algorithm.labels_from_name)

    def _rebuilt(self, ordered: Sequence[WireTrial]) -> list[WireTrial]:
        """Begin a new history, with a new algorithm unless all that was told to the old one is still so."""
        points = {trial.name: trial.past.point for trial in ordered if trial.past}
        if all(trial.past is None or points.get(trial.name) == trial.past.point for trial in self._known):
            self.history = History()  # the same trials in another order, such as those that have started since
            self._known = []
        else:
            self._begin()
        return []

    def _forget(self, trials: Iterable[bytes], count: int) -> None:
        if len(self._decoded) > 2 * count + _FORGOTTEN:
            self._decoded = {data: self._decoded[data] for data in trials}
            self._size = sum(map(len, self._decoded))

    def _reply(self, points: Sequence[Point]) -> wire.GetSuggestionsReply:
        reply = wire.GetSuggestionsReply()
        for point in points:
            assigned = reply.parameter_assignments.add(
                trial_name=self.algorithm.trial_name(point), labels=dict(point.labels)
            )
            for item in point.assignments():
                assigned.assignments.add(name=item.name, value=item.value)
        return reply


def _moved(known: Sequence[WireTrial], ordered: Sequence[WireTrial]) -> bool:
    """Whether a trial that says its place says another one than before."""
    return any(
        old is not new and old.past and new.past and old.past.index != new.past.index
        for old, new in zip(known, ordered, strict=False)
    )
