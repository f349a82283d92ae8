"""What an API server can answer instead of the object, as types; its own sentence is always part of the text.

Each belongs to a type of ``katib.errors`` and has its row of the table. What a caller can act on beyond the type, such as
the causes of a refusal, is in ``status``: the server's ``Status`` document as it came.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from katib import errors
from katib.errors import KatibError, Problem, Retry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "AlreadyExists",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "NotFound",
    "NotLeading",
    "ServerAway",
    "StrangeAnswer",
    "TooManyRequests",
    "Unauthenticated",
    "UnknownKind",
    "error_of_answer",
    "error_of_status",
    "has_cause",
    "retry_after",
]

_LONGEST_SAID: Final = 2_000
_MOST_CAUSES: Final = 50


class _Answered(KatibError):
    """Holds what the server said, for callers that look closer."""

    status: Mapping[str, Any] = {}
    code: int = 0
    after: float | None = None
    """Seconds that the server asks to wait for."""


class NotFound(_Answered, errors.NotFound):
    """No object of that name."""


class UnknownKind(NotFound):
    """The server does not serve this kind: its CRD is not there, or not yet."""


class AlreadyExists(_Answered, errors.Conflict):
    """An object of that name is there."""


class Conflict(_Answered, errors.Conflict):
    """The object was changed meanwhile, or the field has another owner."""


class NotLeading(errors.Conflict):
    """Another process leads, or may; this one does not write."""


class Forbidden(_Answered, errors.Denied):
    """The server does not let this account do it, or a quota is used up, or the namespace is ending."""


class Unauthenticated(_Answered, errors.Unauthenticated):
    """The server does not know these credentials."""


class Invalid(_Answered, errors.InvalidInput):
    """The server does not accept the document; its causes are the problems, its own sentence is the text."""

    def __init__(self, text: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(problems or text)
        self.args = (text,)


class Gone(_Answered, errors.NotFound):
    """The version asked for is older than what the server remembers."""


class TooManyRequests(_Answered, errors.Overloaded):
    """The server has too much to do; the request was not started."""


class ServerAway(_Answered, errors.RemoteFault):
    """The server cannot be reached, did not answer in time, or fails.

    Attributes:
        maybe_done: Whether the request may have been carried out all the same.
    """

    retry: ClassVar[Retry] = Retry.LATER
    grpc_code = "UNAVAILABLE"
    http_status = 503

    def __init__(self, message: str, *, maybe_done: bool = True) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class StrangeAnswer(_Answered, errors.RemoteFault):
    """The server answers with what an API server never should."""


def error_of_answer(what: str, code: int, body: bytes, headers: Mapping[str, str]) -> KatibError:
    """Return the error of an HTTP answer that is no success.

    Args:
        what: Was asked, such as ``GET pods default/a``.
        code: Of HTTP.
        body: Of the answer.
        headers: Of the answer.
    """
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        said = " ".join(body[:_LONGEST_SAID].decode("utf-8", "replace").split())
        # A path that the server does not know is answered in plain text: no object is missing, but the kind.
        status = {"kind": "Status", "code": code, "message": said, "reason": "UnknownPath"}
    error = error_of_status(what, status, code=code)
    if isinstance(error, _Answered):
        header = _seconds(headers.get("Retry-After"))
        error.after = header if header is not None else error.after
    return error


def error_of_status(what: str, status: Mapping[str, Any], *, code: int | None = None) -> KatibError:
    """Return the error that a ``Status`` document stands for."""
    given = status.get("code")
    code = code or (given if isinstance(given, int) else 0)
    reason = str(status.get("reason") or "")
    said = str(status.get("message") or reason or "no reason given")[:_LONGEST_SAID]
    error = _typed(code, reason, f"{what}: {said}", status)
    error.status = status
    error.code = code
    error.after = _seconds(_details(status).get("retryAfterSeconds"))
    return error


def _typed(code: int, reason: str, text: str, status: Mapping[str, Any]) -> _Answered:  # noqa: PLR0911 (a table)
    match code, reason:
        case 404, "UnknownPath":
            return UnknownKind(text)
        case 404, _:
            return NotFound(text)
        case 409, "AlreadyExists":
            return AlreadyExists(text)
        case 409, _:
            return Conflict(text)
        case 401, _:
            return Unauthenticated(text)
        case 403, _:
            return Forbidden(text)
        case ((400 | 413 | 422), _):
            return Invalid(text, _problems(status))
        case 410, _:
            return Gone(text)
        case 429, _:
            return TooManyRequests(text)
        case _ if code >= 500:  # noqa: PLR2004 (HTTP's)
            return ServerAway(f"{text} ({code})")
        case _:
            return StrangeAnswer(f"{text} ({code})")


def _problems(status: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(str(each.get("field") or ""), str(each.get("message") or each.get("reason")))
        for each in _causes(status)
    ]


def _details(status: Mapping[str, Any]) -> Mapping[str, Any]:
    details = status.get("details")
    return details if isinstance(details, dict) else {}


def _causes(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    causes = _details(status).get("causes")
    return [each for each in causes[:_MOST_CAUSES] if isinstance(each, dict)] if isinstance(causes, list) else []


def has_cause(error: BaseException, reason: str) -> bool:
    """Tell whether the server names this among the causes, such as ``NamespaceTerminating``."""
    return isinstance(error, _Answered) and any(each.get("reason") == reason for each in _causes(error.status))


def retry_after(error: BaseException) -> float | None:
    """Return the seconds that the server asks to wait for."""
    return error.after if isinstance(error, _Answered) else None


def _seconds(value: Any) -> float | None:
    """Return a number of seconds; a date, which no API server sends, is none."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if 0 <= seconds < float("inf") else None
