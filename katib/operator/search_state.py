"""What the operator knows of one experiment between two looks at it; all of it can be made anew from the cluster's objects."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from katib.engine.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.api.experiment import Experiment
    from katib.engine.trial import TrialRecord
    from katib.operator.conversation import Conversation
    from katib.operator.stopping_early import EarlyStopping

__all__ = ["SearchState", "SearchStates"]


@dataclass(slots=True)
class SearchState:
    """One experiment.

    Attributes:
        experiment: Admitted, of the generation it was admitted at; its status is the newest that was written.
        ledger: Its trials.
        conversation: With its suggestion service.
        stopping: Its early stopper, if it has one.
        issued: How many indices were given away, those of trials that are gone included.
        written_status: The status as it was written last, to write only what changed.
        written_suggestion: Likewise, of the Suggestion.
        write_after: Not before this moment (monotonic) are counters written again.
        unwritten: Whether something changed since the status was written.
        written_wait: What the written status says it waits for.
        wait_told: What an event said it waits for.
        wait_since: Since when it waits (monotonic).
    """

    experiment: Experiment
    ledger: Ledger
    conversation: Conversation
    stopping: EarlyStopping | None = None
    issued: int = 0
    written_status: dict[str, Any] | None = None
    written_suggestion: dict[str, Any] | None = None
    write_after: float = 0.0
    unwritten: bool = True
    written_wait: str = ""
    wait_told: str = ""
    wait_since: float = field(default_factory=time.monotonic)

    @property
    def next_index(self) -> int:
        """The index of the next new trial."""
        return max(self.issued, self.ledger.next_index)

    def record(self, records: Iterable[TrialRecord]) -> None:
        """Take in new states of trials, and hand them to those who learn from them."""
        changed = []
        for record in records:
            known = self.ledger.trial(record.name) if record.name in self.ledger else None
            if known == record or (known is not None and not record.supersedes(known)):
                continue
            self.ledger.record(record)
            changed.append(record)
        self.issued = max(self.issued, self.ledger.next_index)
        self.conversation.record(changed)
        if self.stopping is not None:
            self.stopping.record(changed)

    def close(self) -> None:
        """Let the thread of its early stopper end."""
        if self.stopping is not None:
            self.stopping.close()


class SearchStates:
    """The states of all experiments by uid, and which of their trials changed since they were looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_uid: dict[str, SearchState] = {}
        self._dirty: dict[tuple[str, str], set[str]] = {}

    def get(self, uid: str) -> SearchState | None:
        """Return a state; None for an experiment that was not looked at yet."""
        with self._lock:
            return self._by_uid.get(uid)

    def put(self, uid: str, state: SearchState) -> None:
        """Keep a state."""
        with self._lock:
            self._by_uid[uid] = state

    def drop(self, uid: str) -> SearchState | None:
        """Forget an experiment, and return what was known of it."""
        with self._lock:
            return self._by_uid.pop(uid, None)

    def changed(self, key: tuple[str, str], trial: str) -> None:
        """Note that a trial of an experiment changed."""
        with self._lock:
            self._dirty.setdefault(key, set()).add(trial)

    def take_changed(self, key: tuple[str, str]) -> set[str]:
        """Return which trials of an experiment changed since this was asked."""
        with self._lock:
            return self._dirty.pop(key, set())
