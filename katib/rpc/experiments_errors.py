"""Failures of the experiments' API on the wire and back: beside gRPC's code, the very type of ``katib.errors``, with its problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from katib import errors
from katib.errors import InvalidInput, KatibError, Problem, StoreUnavailable
from katib.rpc.remote_errors import store_error
from katib.rpc.status import DOMAIN, status_of

if TYPE_CHECKING:
    from katib.rpc.status import Status

__all__ = ["failure_of", "status_for"]

_DETAILS: Final = "grpc-status-details-bin"
_TOO_LARGE: Final = "larger than max"
"""What gRPC says, on either side, of a message that it does not let through; asking again is of no use."""
_KINDS: Final[dict[str, type[KatibError]]] = {
    name: kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, KatibError)
}


def status_for(error: KatibError) -> Status:
    """Return what a caller gets for an error."""
    problems = error.problems if isinstance(error, InvalidInput) else ()
    kind = next(each.__name__ for each in type(error).__mro__ if _KINDS.get(each.__name__) is each)
    return status_of(error.grpc_code, str(error), problems, kind=kind, field=str)


def failure_of(address: str, error: Any) -> KatibError:
    """Return what a failed call is: the error that the server raised, or what gRPC says of a server that does not answer.

    Args:
        address: The server, for messages.
        error: A ``grpc.RpcError`` with a code.
    """
    found, info = _details(error)
    text = error.details() or ""
    kind = _KINDS.get(info.reason) if info.domain == DOMAIN else None
    if info.domain != DOMAIN and error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in text:
        return InvalidInput(f"the server at {address} and this client cannot send each other what is so large: {text}")
    if kind is None or error.code() is not grpc.StatusCode[kind.grpc_code]:
        return store_error(address, error, what="the server")
    if not issubclass(kind, InvalidInput):
        return kind(f"the server at {address} cannot do it now: {text}" if kind is StoreUnavailable else text)
    lines = dict(enumerate(info.metadata["lines"].split(","))) if "lines" in info.metadata else {}
    problems = [
        Problem(violation.field, violation.description, line=_line(lines.get(number, "")))
        for number, violation in enumerate(found.field_violations)
    ]
    return kind(problems or text)


def _line(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - digits


def _details(error: Any) -> tuple[Any, Any]:
    """Return the faults of the request and the kind of the failure that an answer names, as far as it does."""
    bad, info = error_details_pb2.BadRequest(), error_details_pb2.ErrorInfo()
    for key, value in error.trailing_metadata() or ():
        if key != _DETAILS:
            continue
        try:
            for detail in status_pb2.Status.FromString(value).details:
                detail.Unpack(bad)
                detail.Unpack(info)
        except DecodeError:
            continue
    return bad, info
