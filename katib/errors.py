"""Everything that can go wrong, and who may do something about it.

The tree, with what a caller may do about each::

    KatibError
    ├── InvalidInput            the user changes the input
    │   ├── InvalidExperiment       an Experiment document, one Problem per fault
    │   └── InvalidSettings         an algorithm's or early stopper's settings
    ├── NotFound                the name is wrong, or the thing was deleted
    ├── Conflict                it exists already, or another process holds it
    ├── Denied                  the caller may not
    ├── Unauthenticated         nobody knows who the caller is
    ├── Unsupported             right, but not in this mode or without this extra
    ├── AlgorithmError          an algorithm broke its contract or crashed
    ├── RunnerError             a trial could not be started, watched or stopped
    ├── Overloaded              ask again later
    ├── StoreUnavailable        the database is away, busy or full
    ├── RemoteFault             another program answered nonsense, or failed at this one call
    ├── DeadlineExceeded        it took longer than the caller allows
    └── Interrupted             the user said stop

The retry policy and the code of each outside world (gRPC, HTTP, process exit, Kubernetes Event reason) belong to the type,
so no caller decides them again; ``tests/unit/test_errors.py`` checks that the table is total.
This module imports nothing of the project and nothing heavy.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AlgorithmError",
    "Conflict",
    "DeadlineExceeded",
    "Denied",
    "Interrupted",
    "InvalidExperiment",
    "InvalidInput",
    "InvalidSettings",
    "KatibError",
    "NotFound",
    "Overloaded",
    "Problem",
    "RemoteFault",
    "Retry",
    "RunnerError",
    "StoreUnavailable",
    "Unauthenticated",
    "Unsupported",
]


class Retry(enum.Enum):
    """Who may try the same call again."""

    NEVER = "never"
    """The same call fails again: something must change first."""
    LATER = "later"
    """The same call may succeed after a pause; it is idempotent."""


class KatibError(Exception):
    """Base of every error this project raises on purpose.

    The message is a sentence for the person who can act on it; it never needs a traceback to be understood.
    """

    retry: ClassVar[Retry] = Retry.NEVER
    grpc_code: ClassVar[str] = "INTERNAL"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    event_reason: ClassVar[str] = "InternalError"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in one place of the user's input.

    Attributes:
        path: Where, as the user would find it: ``spec.parameters[2].feasibleSpace.min``. Empty for the whole document.
        message: What is wrong and what is allowed, as a sentence without a final full stop.
        value: The offending value as written, or None where there is none to show (a missing field).
        hint: A fix to try, such as ``did you mean 'maxTrialCount'?``; empty when there is no good guess.
        line: 1-based line in the source text when it is known.
        katib_text: What Katib's own services say of this fault, word for word; empty where they say nothing.
    """

    path: str
    message: str
    value: object = None
    hint: str = ""
    line: int | None = None
    katib_text: str = ""

    def __str__(self) -> str:
        where = _shorten(self.path, 200) or "document"
        if self.line is not None:
            where = f"{where} (line {self.line})"
        shown = "" if self.value is None else f" (got {_shorten(repr(self.value))})"
        hint = f"; {self.hint}" if self.hint else ""
        return f"{where}: {_shorten(self.message, 1_000)}{shown}{hint}"


def _shorten(text: str, limit: int = 120) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


class InvalidInput(KatibError):
    """What the user wrote cannot be accepted; carries every problem found, not the first."""

    grpc_code = "INVALID_ARGUMENT"
    http_status = 422
    exit_code = 2
    event_reason = "Invalid"

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems: tuple[Problem, ...] = (
            (Problem(path="", message=problems),) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


class InvalidExperiment(InvalidInput):
    """An Experiment document breaks the format or asks for the impossible."""


class InvalidSettings(InvalidInput):
    """An algorithm or early stopper does not take these settings for this experiment."""


class NotFound(KatibError):
    """Nothing of that name is here."""

    grpc_code = "NOT_FOUND"
    http_status = 404
    exit_code = 3
    event_reason = "NotFound"


class Conflict(KatibError):
    """It exists already, was changed meanwhile, or is held by another process."""

    grpc_code = "ALREADY_EXISTS"
    http_status = 409
    exit_code = 4
    event_reason = "Conflict"


class Denied(KatibError):
    """The caller is not allowed to do this."""

    grpc_code = "PERMISSION_DENIED"
    http_status = 403
    exit_code = 5
    event_reason = "Denied"


class Unauthenticated(KatibError):
    """The caller did not say who it is, or with a token that nobody knows."""

    grpc_code = "UNAUTHENTICATED"
    http_status = 401
    exit_code = 11
    event_reason = "Unauthenticated"


class Unsupported(KatibError):
    """A right request that this mode cannot serve; the message names the mode or the extra that can."""

    grpc_code = "UNIMPLEMENTED"
    http_status = 501
    exit_code = 6
    event_reason = "Unsupported"


class AlgorithmError(KatibError):
    """An algorithm crashed or answered with something outside its contract."""

    grpc_code = "INTERNAL"
    http_status = 500
    exit_code = 7
    event_reason = "AlgorithmFailed"


class RunnerError(KatibError):
    """A trial's job could not be started, watched or stopped; the trial's own failure is not this."""

    grpc_code = "FAILED_PRECONDITION"
    http_status = 500
    exit_code = 8
    event_reason = "RunnerFailed"


class Overloaded(KatibError):
    """Too much at once; the request was not started."""

    retry = Retry.LATER
    grpc_code = "RESOURCE_EXHAUSTED"
    http_status = 429
    exit_code = 9
    event_reason = "Overloaded"


class StoreUnavailable(KatibError):
    """The database cannot be reached, is locked beyond patience, or has no space left."""

    retry = Retry.LATER
    grpc_code = "UNAVAILABLE"
    http_status = 503
    exit_code = 10
    event_reason = "StoreUnavailable"


class RemoteFault(KatibError):
    """Another program is there, and fails at this one call or answers what it never should."""

    grpc_code = "INTERNAL"
    http_status = 502
    exit_code = 12
    event_reason = "RemoteFault"


class DeadlineExceeded(KatibError):
    """The caller's time ran out before the work was done."""

    retry = Retry.LATER
    grpc_code = "DEADLINE_EXCEEDED"
    http_status = 504
    exit_code = 124
    event_reason = "DeadlineExceeded"


class Interrupted(KatibError):
    """The user asked to stop; what was recorded stays and can be resumed."""

    grpc_code = "CANCELLED"
    http_status = 499
    exit_code = 130
    event_reason = "Interrupted"
