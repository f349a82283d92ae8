"""How values are compared, whoever compares them: times as ranges of microseconds, numbers by kind."""

from __future__ import annotations

import math
import operator as operators
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from katib.store.query.tree import FromNow, Milliseconds, Moment
from katib.store.sql.values import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from katib.store.query.tree import Operator, Value

__all__ = ["OPERATORS", "Span", "in_microseconds", "span"]

OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operators.eq,
    "!=": operators.ne,
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}

_LARGEST: Final = 2**62
"""Later than any time a database holds, and still one of its integers."""

Span = tuple[int | None, int | None]
"""From (inclusive) and before (exclusive), in microseconds; None is no end."""


def in_microseconds(value: Value, now: datetime) -> int:
    """Return a moment or a duration as the integer that is stored."""
    if isinstance(value, Moment):
        return value.microseconds
    if isinstance(value, FromNow):
        return _clamped(micros(now) + micros_of(value.offset))
    if isinstance(value, timedelta):
        return micros_of(value)
    raise TypeError(value)


def micros_of(duration: timedelta) -> int:
    """Return a duration in microseconds, exactly."""
    return duration // timedelta(microseconds=1)


def span(operator: Operator, value: Value, now: datetime) -> Span | None:
    """Return the times or durations for which a comparison other than ``!=`` holds; None where there are none.

    Milliseconds are compared with what a time is when it is cut to milliseconds, because that is all MLflow keeps of it.
    """
    if isinstance(value, Milliseconds):
        return _span_of_milliseconds(operator, value.number)
    exact = in_microseconds(value, now)
    return {
        "=": (exact, exact + 1),
        "<": (None, exact),
        "<=": (None, exact + 1),
        ">": (exact + 1, None),
        ">=": (exact, None),
    }[operator]


def _span_of_milliseconds(operator: Operator, number: float) -> Span | None:
    number = max(-_LARGEST, min(_LARGEST, number))
    floor, ceiling = math.floor(number), math.ceil(number)
    if operator == "=":
        return (_clamped(floor * 1000), _clamped(floor * 1000 + 1000)) if floor == ceiling else None
    if operator in {"<", ">="}:
        edge = _clamped(ceiling * 1000)
        return (None, edge) if operator == "<" else (edge, None)
    edge = _clamped(floor * 1000 + 1000)
    return (None, edge) if operator == "<=" else (edge, None)


def _clamped(microseconds: int) -> int:
    return max(-_LARGEST, min(_LARGEST, microseconds))
