"""What a worker remembers of many searches, the least recently used of which go first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from katib.errors import InvalidInput, Problem
from katib.rpc import v1beta1 as wire
from katib.rpc.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Sessions"]


class Sessions:
    """Sessions by the bytes of their experiments.

    Experiments of one name in two namespaces may have the same bytes; their trials tell them apart. One that was deleted and made again
    begins without trials. Should two searches meet in one session after all, that costs time and changes no answer, as a session
    follows the trials it is given.

    Args:
        limit: What all of them together may take, in bytes. The one that was used last stays in any case.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_use: dict[Session, bytes] = {}
        self._by_experiment: dict[bytes, list[Session]] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._by_use)

    def take(self, experiment: bytes, trials: Sequence[bytes]) -> Session:
        """Return the session for a call, out of here: one whose call fails half-way is not put back.

        Raises:
            InvalidInput: These bytes are no experiment, or one that cannot be searched.
        """
        for session in self._by_experiment.get(experiment, ()):
            if session.knows_some_of(trials):
                self._drop(session)
                return session
        try:
            message = wire.Experiment.FromString(experiment)
        except DecodeError as error:
            raise InvalidInput([Problem("experiment", f"is no protobuf message: {error}")]) from None
        return Session(message)

    def put(self, experiment: bytes, session: Session) -> None:
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
