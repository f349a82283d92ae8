"""What an algorithm may ask and say about the call it is answering, besides the history: time left, and what people should know.

Both are empty where nobody listens, as in a plain ``suggest``. Time is only for leaving out what would come too late; an answer that
depends on it is not the same on another machine, so an algorithm that uses it says so with ``note``.
"""

from __future__ import annotations

import contextlib
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Note", "answering", "note", "seconds_left"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something about an answer that people should know.

    Attributes:
        kind: A stable word to count by, such as ``reduced-model``.
        text: A sentence for the log.
    """

    kind: str
    text: str


@dataclass(slots=True)
class _Call:
    deadline: float | None
    notes: list[Note] = field(default_factory=list)


_CALL: ContextVar[_Call | None] = ContextVar("call", default=None)


@contextlib.contextmanager
def answering(seconds: float | None = None) -> Iterator[list[Note]]:
    """Answer a call within this block, in so many seconds; yields the list of what is noted."""
    call = _Call(None if seconds is None else time.monotonic() + seconds)
    token = _CALL.set(call)
    try:
        yield call.notes
    finally:
        _CALL.reset(token)


def seconds_left() -> float | None:
    """Return how long the caller still waits, perhaps less than nothing; None without a limit."""
    call = _CALL.get()
    return None if call is None or call.deadline is None else call.deadline - time.monotonic()


def note(kind: str, text: str) -> None:
    """Tell whoever runs this algorithm something about the answer; see ``Note``."""
    call = _CALL.get()
    if call is not None:
        call.notes.append(Note(kind, text))
