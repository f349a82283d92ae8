"""A place in a list as an opaque text: the values of the sort keys and the id of the last thing on a page.

It grants nothing: whoever changes one reads another part of the same list. It is refused beside another order than its own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.store.query.order import Order, Part

__all__ = ["LONGEST_CURSOR", "decode_cursor", "encode_cursor"]

LONGEST_CURSOR: Final = 65_536
"""Characters: eight texts of the length that is sorted by, in the widest alphabet, are a third of it."""

_VERSION: Final = 1
_INT64: Final = 2**63


def encode_cursor(order: Order, place: Sequence[Part]) -> str:
    """Return the cursor of a place, which is as ``sort_values`` and the SQL of a page give it."""
    values = [kind(value) for kind, value in zip(order.kinds, place, strict=True)]
    document = json.dumps(
        [_VERSION, _digest(order), values], separators=(",", ":"), allow_nan=False, ensure_ascii=False
    )
    return base64.urlsafe_b64encode(document.encode()).rstrip(b"=").decode("ascii")


def decode_cursor(order: Order, cursor: str, *, what: str = "page_token") -> tuple[Part, ...]:
    """Return the place a cursor stands for.

    Raises:
        InvalidInput: It is no cursor of ours, or one of a list in another order.
    """
    document = _document(cursor)
    if document is None:
        raise InvalidInput([Problem(what, "is no page token of this service: pass one on as it came")])
    if document[1] != _digest(order):
        raise InvalidInput([Problem(what, "belongs to a list in another order; ask for the first page of this one")])
    values = document[2]
    kinds = order.kinds
    if not isinstance(values, list) or len(values) != len(kinds) or not all(map(_is_of, values, kinds)):
        raise InvalidInput([Problem(what, "is damaged: ask for the first page again")])
    return tuple(kind(value) for kind, value in zip(kinds, values, strict=True))


def _document(cursor: str) -> list[Any] | None:
    if len(cursor) > LONGEST_CURSOR or not cursor.isascii():
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        document = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        return None
    right = isinstance(document, list) and len(document) == 3 and document[0] == _VERSION  # noqa: PLR2004
    return document if right else None


def _digest(order: Order) -> str:
    return hashlib.sha256(str(order).encode()).hexdigest()[:16]


def _is_of(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    if kind is int:
        return isinstance(value, int) and -_INT64 <= value < _INT64
    if kind is float:
        return isinstance(value, float) and math.isfinite(value)
    return isinstance(value, str) and _is_storable(value)


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
