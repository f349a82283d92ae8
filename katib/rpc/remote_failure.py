"""From the status that a call to a suggestion server ended with to an error of ours: what a person reads, and who may try again.

The other direction of ``katib.rpc.status``. Nothing of what the other side says is believed; its words are only repeated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from katib.errors import (
    AlgorithmError,
    DeadlineExceeded,
    Denied,
    InvalidSettings,
    Overloaded,
    Problem,
    Unauthenticated,
    Unsupported,
)
from katib.rpc.experiment_message import experiment_path

if TYPE_CHECKING:
    from collections.abc import Collection

    from katib.errors import KatibError

__all__ = ["remote_failure"]

_LONGEST: Final = 2_000
_MOST_PROBLEMS: Final = 100
_DETAILS: Final = "grpc-status-details-bin"
_TOO_LARGE: Final = re.compile(r"(?i)message larger than max|metadata size exceeds")
"""What gRPC says, on either side, of what it does not let through; asking again is of no use."""
_CUT_OFF: Final = re.compile(r"(?i)rst_stream|goaway|connection (reset|closed)|socket closed|broken pipe")
_LATER: Final = {
    grpc.StatusCode.UNAVAILABLE: "cannot be reached",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "has too much to do",
    grpc.StatusCode.CANCELLED: "left the call",
    grpc.StatusCode.ABORTED: "left the call",
}


def remote_failure(
    error: grpc.RpcError, who: str, seconds: float, refusals: Collection[grpc.StatusCode] = ()
) -> KatibError:
    """Return what to raise for a call that failed.

    Args:
        error: As gRPC raised it.
        who: What was called, as a subject: ``the suggestion server at host:port``.
        seconds: How long the call was allowed to take.
        refusals: Codes that say, beside INVALID_ARGUMENT, that the experiment is not sound.
    """
    call: Any = error
    code, said = call.code(), _shortened(call.details() or "")
    end = f": {said}" if said else ""
    if code is grpc.StatusCode.INVALID_ARGUMENT or code in refusals:
        return InvalidSettings(_problems(call, said or f"{who} refused it without a reason"))
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(f"{who} did not answer within {seconds:.3g} s")
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE.search(said):
        return AlgorithmError(f"{who} and this client cannot send each other what is too large for one of them{end}")
    if code in _LATER:
        return Overloaded(f"{who} {_LATER[code]}{end}")
    if code is grpc.StatusCode.INTERNAL and _CUT_OFF.search(said):
        return Overloaded(f"the connection to {who} broke off{end}")
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Unauthenticated(f"{who} does not know who is asking{end}")
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return Denied(f"{who} may not be asked{end}")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Unsupported(f"{who} cannot do that{end}")
    return AlgorithmError(f"{who} failed ({code.name}){end}")


def _problems(call: Any, said: str) -> list[Problem]:
    """Return what the details name as wrong; the server's sentence where they name nothing."""
    found = []
    for violation in _violations(call):
        path = experiment_path(_shortened(violation.field))
        found.append(Problem(path, _shortened(violation.description) or said))
    if len(found) == 1:  # then the sentence is about it
        found = [Problem(found[0].path, found[0].message, katib_text=said)]
    return found or [Problem("spec.algorithm", said, katib_text=said)]


def _violations(call: Any) -> list[Any]:
    metadata = dict(call.trailing_metadata() or ())
    data = metadata.get(_DETAILS)
    bad = error_details_pb2.BadRequest()
    try:
        for detail in status_pb2.Status.FromString(data).details if isinstance(data, bytes) else ():
            if detail.Unpack(bad):
                return list(bad.field_violations[:_MOST_PROBLEMS])
    except DecodeError:
        pass
    return []


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
