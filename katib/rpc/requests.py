"""From a request's bytes to its message. What is none is the caller's fault, which gRPC's own decoding would call the server's."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from katib.errors import InvalidInput, Problem

__all__ = ["decoded"]

M = TypeVar("M", bound=Message)


def decoded(kind: type[M], request: bytes, path: str = "") -> M:
    """Return a request, or what stands at a path of it, as a message.

    Raises:
        InvalidInput: It is none.
    """
    try:
        return kind.FromString(request)
    except DecodeError as error:
        what = "is" if path else "the request is"
        raise InvalidInput([Problem(path, f"{what} no {kind.DESCRIPTOR.name}: {error}")]) from None
