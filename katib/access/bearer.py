"""Finds the token in the headers of a call, in each of the ways that clients send one. Says nothing of whose it is.

No message repeats what was sent: it may be a secret that only stands in the wrong place.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from katib.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LONGEST_TOKEN", "is_token", "token_of"]

LONGEST_TOKEN: Final = 8_192
"""Characters; a service account's has one or two thousand."""
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""What RFC 6750 lets a token be."""
_LONGEST_HEADER: Final = 2 * LONGEST_TOKEN
_DEVELOPER_KEYS: Final = frozenset(
    {
        "grpc-metadata-developer_key",
        "grpc-metadata-developer-key",  # proxies drop names with underscores, so ModelDB's client sends both
        "developer_key",  # over gRPC itself
        "developer-key",
    }
)


def is_token(text: str) -> bool:
    """Return whether something can be sent as a token in every one of the ways."""
    return len(text) <= LONGEST_TOKEN and _TOKEN.fullmatch(text) is not None


def token_of(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> str | None:
    """Return the token of a call, or None when it has none.

    It is looked for in ``Authorization: Bearer TOKEN``, in ``Authorization: Basic`` (the password is the token, whoever the user),
    and in ModelDB's ``Grpc-Metadata-developer_key``.

    Args:
        headers: Of HTTP, or the metadata of gRPC, also as pairs; the case of their names does not matter.

    Raises:
        Unauthenticated: There is something, but it is no token; or there are two that differ.
    """
    found = set()
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        lowered = name.lower()
        if lowered == "authorization":
            found.add(_authorization(value))
        elif lowered in _DEVELOPER_KEYS and value.strip():
            found.add(_checked(value.strip(), "the developer key"))
    if len(found) > 1:
        raise Unauthenticated("the call has two tokens that differ: send one")
    return found.pop() if found else None


def _authorization(value: str) -> str:
    if len(value) > _LONGEST_HEADER:
        raise Unauthenticated(f"the Authorization header is too long: a token has at most {LONGEST_TOKEN} characters")
    scheme, _, rest = value.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return _checked(rest.strip(), "the token after Bearer")
        case "basic":
            return _checked(_password(rest.strip()), "the password, which is taken as the token,")
    raise Unauthenticated("the Authorization header must be 'Bearer TOKEN', or 'Basic' with the token as the password")


def _password(encoded: str) -> str:
    try:
        user_and_password = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthenticated("what follows Basic in the Authorization header is not USER:TOKEN in base64") from None
    _, colon, password = user_and_password.partition(":")
    if not colon:
        raise Unauthenticated("what follows Basic in the Authorization header is not USER:TOKEN in base64")
    return password


def _checked(token: str, what: str) -> str:
    if not is_token(token):
        raise Unauthenticated(
            f"{what} is no token: 1 to {LONGEST_TOKEN} letters, digits and any of - . _ ~ + /, with = only at the end"
        )
    return token
