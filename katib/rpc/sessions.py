"""What a worker remembers of many searches, the least recently used of which go first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from katib.rpc.session import Session

__all__ = ["Sessions"]


class Sessions:
    """Sessions by what stands for their experiments, such as their bytes.

    Experiments of one name in two namespaces may have the same bytes; their trials tell them apart. One that was deleted and made again
    begins without trials. Should two searches meet in one session after all, that costs time and changes no answer, as a session
    follows the trials it is given.

    Args:
        limit: What all of them together may take, in bytes. The one that was used last stays in any case.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_use: dict[Session, Hashable] = {}
        self._by_experiment: dict[Hashable, list[Session]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._by_use)

    def take(self, experiment: Hashable, trials: Sequence[bytes], begin: Callable[[], Session]) -> Session:
        """Return the session for a call, out of here: one whose call fails half-way is not put back.

        Args:
            experiment: What stands for it.
            trials: All there are.
            begin: Makes a new session where there is none.
        """
        for session in self._by_experiment.get(experiment, ()):
            if session.knows_some_of(trials):
                self._drop(session)
                return session
        return begin()

    def put(self, experiment: Hashable, session: Session) -> None:
        """Remember a session as the one that was used last, and forget others when there is too much."""
        self._by_use[session] = experiment
        self._by_experiment.setdefault(experiment, []).append(session)
        self._size += session.size
        while self._size > self._limit and len(self._by_use) > 1:
            self._drop(next(iter(self._by_use)))

    def _drop(self, session: Session) -> None:
        experiment = self._by_use.pop(session)
        self._size -= session.size
        alike = self._by_experiment[experiment]
        alike.remove(session)
        if not alike:
            del self._by_experiment[experiment]
