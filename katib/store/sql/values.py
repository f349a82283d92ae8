"""How values of ours become values a database can hold, and come back equal: doubles, times, steps."""

from __future__ import annotations

import enum
import math
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["Kind", "micros", "moment", "pack", "stored_step", "unpack"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_STEP_LIMIT: Final = 2**63


class Kind(enum.IntEnum):
    """What a number is when the double beside it cannot say so (SQLite turns NaN into NULL, MySQL refuses it)."""

    FINITE = 0
    NAN = 1
    POSITIVE_INFINITY = 2
    NEGATIVE_INFINITY = 3
    WORD = 4
    """No number at all."""


def pack(value: float | None) -> tuple[float | None, Kind]:
    """Return a number as (finite double or None, kind); None is a word."""
    if value is None:
        return None, Kind.WORD
    if math.isfinite(value):
        return value, Kind.FINITE
    if math.isnan(value):
        return None, Kind.NAN
    return None, Kind.POSITIVE_INFINITY if value > 0 else Kind.NEGATIVE_INFINITY


_SPECIAL: Final = {
    Kind.NAN: math.nan,
    Kind.POSITIVE_INFINITY: math.inf,
    Kind.NEGATIVE_INFINITY: -math.inf,
    Kind.WORD: None,
}


def unpack(value: float | None, kind: int) -> float | None:
    """Return the number that was packed."""
    return value if kind == Kind.FINITE else _SPECIAL[Kind(kind)]


def micros(time: datetime) -> int:
    """Return an aware time as microseconds since 1970, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def moment(microseconds: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def stored_step(step: int | None) -> int | None:
    """Return a step that fits 64 bits; one that does not is no step anyone counted, and is left out."""
    return step if step is not None and -_STEP_LIMIT <= step < _STEP_LIMIT else None
