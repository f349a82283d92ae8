"""What the server and its workers say to each other: one task, one outcome, each behind its length.

Both ends are this project's own processes, a parent and its child on a pipe, so what is sent is pickled.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.algorithm.call import Note
    from katib.errors import Problem

__all__ = ["HEADER", "READY", "Failure", "Kind", "Outcome", "Task", "framed", "length_of", "unframed"]

HEADER: Final = struct.Struct(">Q")
READY: Final = b"ready"
"""The payload of the first outcome of every worker."""


class Kind(Enum):
    """What a worker can do."""

    SUGGEST = "GetSuggestions"
    VALIDATE = "ValidateAlgorithmSettings"
    RULES = "GetEarlyStoppingRules"
    VALIDATE_STOPPER = "ValidateEarlyStoppingSettings"


@dataclass(frozen=True, slots=True)
class Task:
    """One call.

    Attributes:
        kind: Which one.
        request: Its message.
        seconds: How long the caller waits.
        curves: For rules, the objective's values over time by trial name.
    """

    kind: Kind
    request: bytes
    seconds: float
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer.

    Attributes:
        code: The name of a gRPC status code.
        message: A sentence for the caller.
        problems: For bad input, each fault.
        details: A traceback for the log; empty for what was foreseen.
    """

    code: str
    message: str
    problems: tuple[Problem, ...] = ()
    details: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: a reply's message or a failure.

    Attributes:
        reply: The message, empty after a failure.
        failure: Why there is none.
        notes: What the algorithm said about its answer.
    """

    reply: bytes = b""
    failure: Failure | None = None
    notes: tuple[Note, ...] = ()


def framed(what: Task | Outcome) -> bytes:
    """Return the bytes to send."""
    content = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(content)) + content


def length_of(header: bytes) -> int:
    """Return how many bytes follow a header."""
    return int(HEADER.unpack(header)[0])


def unframed(content: bytes) -> Any:
    """Return what was sent."""
    return pickle.loads(content)  # noqa: S301 - from our own parent or child
