"""From what ends a gRPC call to an error of ours, for clients; the other direction is ``katib.rpc.status``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from katib.errors import (
    Conflict,
    Denied,
    InvalidInput,
    NotFound,
    Overloaded,
    Problem,
    RemoteFault,
    StoreUnavailable,
    Unauthenticated,
    Unsupported,
)

if TYPE_CHECKING:
    from katib.errors import KatibError

__all__ = ["store_error"]

_DETAILS: Final = "grpc-status-details-bin"
_AWAY: Final = {
    grpc.StatusCode.UNAVAILABLE: "does not answer",
    grpc.StatusCode.DEADLINE_EXCEEDED: "did not answer in time",
    grpc.StatusCode.CANCELLED: "was being asked when the client was closed",
}
_CUT_OFF: Final = re.compile(
    r"(?i)rst_stream|goaway|stream removed|connection (reset|closed)|socket closed|broken pipe"
)
_ERRORS: Final[dict[grpc.StatusCode, type[KatibError]]] = {
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.PERMISSION_DENIED: Denied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNIMPLEMENTED: Unsupported,
}


def store_error(address: str, error: Any, *, what: str = "the store") -> KatibError:
    """Return what a failed call of a store server is.

    Args:
        address: The server, for messages.
        error: A ``grpc.RpcError`` with a code.
        what: Another server, for messages.
    """
    code, text = error.code(), error.details() or ""
    if code in _AWAY:
        return StoreUnavailable(f"{what} at {address} {_AWAY[code]}: {text}")
    if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN) and _CUT_OFF.search(text):
        return StoreUnavailable(f"the connection to {what} at {address} broke off: {text}")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidInput(_problems(error) or text)
    if code in _ERRORS:
        return _ERRORS[code](f"{what} at {address}: {text}")
    return RemoteFault(f"{what} at {address} failed: {code.name}: {text}")


def _problems(error: Any) -> list[Problem]:
    """Return the faults of the request that an answer names, as far as it does."""
    found = error_details_pb2.BadRequest()
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS:
            continue
        try:
            details = status_pb2.Status.FromString(value).details
            if details and details[0].Unpack(found):
                break
        except DecodeError:
            continue
    return [Problem(violation.field, violation.description) for violation in found.field_violations]
