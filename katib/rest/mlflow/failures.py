"""What our errors are called in MLflow, and faults that only MLflow has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.errors import Conflict, InvalidInput, NotFound
from katib.rest.faults import Fault, Refused, fault_of

if TYPE_CHECKING:
    from katib.errors import KatibError

__all__ = ["already_exists", "does_not_exist", "invalid", "mlflow_fault", "unknown_endpoint"]

_CODES: Final = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    413: "INVALID_PARAMETER_VALUE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def mlflow_fault(error: KatibError) -> Fault:
    """Return what an error is to MLflow's client."""
    fault = fault_of(error)
    match error:
        # To MLflow, what does not fit the state of a run is a wrong value as well.
        case InvalidInput() | Conflict():
            return Fault(400, "INVALID_PARAMETER_VALUE", fault.message)
        case NotFound():
            return Fault(404, "RESOURCE_DOES_NOT_EXIST", fault.message)
    return Fault(fault.status, _CODES.get(fault.status, "INTERNAL_ERROR"), fault.message, fault.headers)


def unknown_endpoint(fault: Fault) -> Fault:
    """Return the fault of a path that is none; the client looks for this code where it has another path to try."""
    return Fault(
        fault.status, "ENDPOINT_NOT_FOUND", f"{fault.message}; docs/mlflow.md lists what there is", fault.headers
    )


def invalid(message: str) -> InvalidInput:
    """Return the error of a value that cannot be."""
    return InvalidInput(message)


def does_not_exist(message: str) -> NotFound:
    """Return the error of a thing that is not there."""
    return NotFound(message)


def already_exists(message: str) -> Refused:
    """Return the fault of a name that is taken; the client looks for its code."""
    return Refused(Fault(400, "RESOURCE_ALREADY_EXISTS", message))
