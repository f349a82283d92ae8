"""Pages of MLflow's searches: as large as the client asks for, out of the store's smaller ones, and never too large for memory."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from katib.errors import InvalidInput
from katib.store.tracking.records import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from katib.rest.mlflow.fields import Fields
    from katib.store.tracking.records import Found

__all__ = ["lifecycle_of", "pages"]

T = TypeVar("T")

_ROWS_AT_ONCE: Final = 1_000
_MOST_BYTES: Final = 48 << 20
"""About so many of JSON in one answer; the client asks for the rest by itself."""
_TOKEN: Final = re.compile(r"([0-9]{1,18})\.(.{1,4096})", re.DOTALL)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LIFECYCLES: Final = {
    None: Lifecycle.ACTIVE,
    "ACTIVE_ONLY": Lifecycle.ACTIVE,
    "DELETED_ONLY": Lifecycle.DELETED,
    "ALL": Lifecycle.ALL,
    "1": Lifecycle.ACTIVE,
    "2": Lifecycle.DELETED,
    "3": Lifecycle.ALL,
}


def lifecycle_of(fields: Fields, name: str) -> Lifecycle:
    """Return which records MLflow's view type means, by its name or its number.

    Raises:
        InvalidInput: It is none.
    """
    value = fields.document.get(name)
    found = _LIFECYCLES.get(None if value is None else str(value))
    if found is None:
        raise InvalidInput(f"Invalid value {str(value)[:80]!r} for parameter '{name}' supplied.")
    return found


async def pages(
    page: Callable[[int, str | None, datetime], Awaitable[Found[T]]],
    message: Callable[[T], dict[str, Any]],
    *,
    most: int,
    token: str | None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Return messages of up to ``most`` records, and the token of what comes after them.

    Args:
        page: Of so many records, after a cursor, where ``now`` in a filter is that time.
        token: Of the page before; it also holds the time that ``now`` is on all of them.

    Raises:
        InvalidInput: The token is none of ours.
    """
    now, cursor = _read(token)
    found: list[dict[str, Any]] = []
    size = 0
    while True:
        part = await page(min(_ROWS_AT_ONCE, most - len(found)), cursor, now)
        for record in part.items:
            made = message(record)
            found.append(made)
            size += _size(made)
        cursor = part.cursor
        if cursor is None or len(found) >= most or size > _MOST_BYTES:
            break
    return found, None if cursor is None else f"{(now - _EPOCH) // timedelta(microseconds=1)}.{cursor}"


def _read(token: str | None) -> tuple[datetime, str | None]:
    if not token:
        return datetime.now(UTC), None
    parts = _TOKEN.fullmatch(token)
    try:
        if parts is not None:
            return _EPOCH + timedelta(microseconds=int(parts[1])), parts[2]
    except OverflowError:
        pass
    raise InvalidInput("page_token is not one that this server gave")


def _size(value: Any) -> int:
    """Return about how many bytes a message has as JSON."""
    if isinstance(value, dict):
        return sum(len(name) + 6 + _size(below) for name, below in value.items())
    if isinstance(value, list):
        return sum(map(_size, value)) + 2
    return len(value) if isinstance(value, str) else 16
