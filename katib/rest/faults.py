"""What a failure is over HTTP: from the table in ``katib.errors`` to a status, before an API gives it the body its clients know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from katib.errors import InvalidInput, KatibError, Retry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Fault", "Refused", "fault_of"]

_PAUSE_SECONDS = "1"


@dataclass(frozen=True, slots=True)
class Fault:
    """A failed call.

    Attributes:
        status: Of HTTP.
        code: What kind of failure it is, in the API's words; by default gRPC's.
        message: For people.
        headers: Sent along.
        problems: Of what the caller sent: field, message, for APIs that tell them apart.
    """

    status: int
    code: str
    message: str
    headers: Mapping[str, str] | None = None
    problems: Sequence[Mapping[str, str]] = ()


class Refused(Exception):
    """Ends a call with a fault that is known already, such as one that only HTTP or one API has."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def fault_of(error: KatibError) -> Fault:
    """Return what an error is where an API has no other idea."""
    message = str(error)
    if isinstance(error, InvalidInput) and len(error.problems) == 1 and not error.problems[0].path:
        message = error.problems[0].message
    headers = (
        {"Retry-After": _PAUSE_SECONDS} if error.retry is Retry.LATER and error.http_status in {429, 503} else None
    )
    if error.http_status == 401:  # noqa: PLR2004 - HTTP's number
        headers = {"WWW-Authenticate": "Bearer"}
    problems = (
        [{"field": problem.path, "message": str(problem).removeprefix("document: ")} for problem in error.problems]
        if isinstance(error, InvalidInput)
        else []
    )
    return Fault(error.http_status, error.grpc_code, message, headers, problems)
