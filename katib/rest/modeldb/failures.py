"""What our errors are called in ModelDB: its clients look at the HTTP status and at gRPC's number for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.rest.faults import Fault, fault_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.errors import KatibError

__all__ = ["fault_body", "invalid", "modeldb_fault", "taken", "unknown_operation"]

_NUMBERS: Final = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}


def modeldb_fault(error: KatibError) -> Fault:
    """Return what an error is to ModelDB's clients, which know 400 for everything that is wrong in a request."""
    fault = fault_of(error)
    return Fault(400, fault.code, fault.message, fault.headers) if fault.status == 422 else fault  # noqa: PLR2004


def fault_body(fault: Fault) -> dict[str, Any]:
    """Return what a failed call is answered with."""
    return {"code": _NUMBERS.get(fault.code, 2), "message": fault.message, "error": fault.message}


def unknown_operation(fault: Fault) -> Fault:
    """Return the fault of an operation that ModelDB may have and that is not here; 404 would say that some *thing* is not there."""
    if fault.status != 404:  # noqa: PLR2004 - HTTP's number
        return fault
    message = f"{fault.message}; docs/modeldb.md lists the part of ModelDB's API that is here"
    return Fault(501, "UNIMPLEMENTED", message, fault.headers)


def invalid(path: str, message: str, value: Any = None) -> InvalidInput:
    """Return the error of a field that cannot be."""
    return InvalidInput([Problem(path, message, value)])


def taken(what: str, names: Iterable[str]) -> str:
    """Return the message of a conflict about names that are in use."""
    shown = ", ".join(repr(name[:80]) for name in sorted(names)[:5])
    return f"the run has the {what} {shown} already; delete it first to give it another value"
