"""What an object storage answers when it does not do what was asked, in our words.

The library's own text is never passed on: it holds addresses, which hold keys where they are signed, and a page of debugging.
"""

from __future__ import annotations

import re
from typing import Final

from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from katib.errors import Conflict, Denied, InvalidInput, KatibError, NotFound, StoreUnavailable, Unsupported

__all__ = ["LIBRARY_ERRORS", "storage_error"]

LIBRARY_ERRORS: Final = (BaseError, FileNotFoundError, OSError, ValueError, NotImplementedError)

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,60})</Code>")
_ISSUER: Final = re.compile(r"169\.254\.(169\.254|170\.\d+)|metadata\.google|oauth2")
"""Where credentials are asked for when none were given; whoever refuses there is not the storage."""
_OURS: Final = range(400, 500)
_LATER: Final = frozenset({408, 409, 425, 429})


def storage_error(error: Exception, place: str, key: str = "") -> KatibError:
    """Return what went wrong at a place, for whoever can act on it."""
    text = str(error)
    found = _STATUS.search(text)
    status = int(found[1]) if found else None
    code = _CODE.search(text)
    said = " ".join(str(part) for part in (status, code and f"({code[1]})") if part)
    if code and code[1] in {"NoSuchBucket", "ContainerNotFound"}:
        return StoreUnavailable(f"{place} is not there: make the bucket first")
    if _ISSUER.search(text):
        return Denied(f"no credentials for {place} were found: set them in the environment or in its URL")
    if isinstance(error, AlreadyExistsError | PreconditionError):
        return Conflict(f"there is an artifact {key} already, and it was not to be replaced")
    if isinstance(error, FileNotFoundError):
        return NotFound(f"there is no artifact {key}")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in {401, 403}:
        return Denied(f"{place} refuses the credentials or what was asked with them: {said or 'not allowed'}")
    if isinstance(error, InvalidPathError):
        return InvalidInput(f"{place} cannot hold a file of the name {key!a}")
    if isinstance(error, NotSupportedError | NotImplementedError):
        return Unsupported(f"{place} cannot do this")
    return _unavailable(text, status, said, place)


def _unavailable(text: str, status: int | None, said: str, place: str) -> KatibError:
    if status in _OURS and status not in _LATER:
        return InvalidInput(f"{place} does not take the request: {said}; are region and endpoint right?")
    if status is not None:
        return StoreUnavailable(f"{place} is not available: it answered {said}")
    if "kind: Timeout" in text:
        return StoreUnavailable(f"{place} is not available: it did not answer in time")
    if "kind: Connect" in text:
        return StoreUnavailable(f"{place} is not available: no connection")
    return StoreUnavailable(f"{place} is not available: the connection broke, or what it answered made no sense")
