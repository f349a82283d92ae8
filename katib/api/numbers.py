"""Numbers as the format writes them: text that parses, prints shortest, and parses back equal."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation

__all__ = ["format_float", "parse_decimal", "parse_float", "parse_int"]

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_LONGEST = 64
"""More characters than any double needs; a longer text is a mistake or an attack."""


def parse_decimal(text: str) -> Decimal | None:
    """Return the exact value of a finite decimal number, or None; so too where a double would be infinite, or 0 when it is not."""
    text = text.strip()
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of more digits than there are numbers
        return None
    double = float(number)
    return None if math.isinf(double) or (double == 0) != (number == 0) else number


def parse_float(text: str) -> float | None:
    """Return the value of a finite decimal number, or None (hexadecimal, infinite and NaN are none)."""
    number = parse_decimal(text)
    return None if number is None else float(number)


def parse_int(text: str) -> int | None:
    """Return the value of a whole number (``10``, ``1e3``, ``5.0``) that fits 64 bits, or None."""
    number = parse_decimal(text)
    if number is None or abs(number) >= 2**63 or number != number.to_integral_value():
        return None
    return int(number)


def format_float(value: float) -> str:
    """Return the shortest text that parses back to the same double, as Katib's services print it: ``0.01``, ``5.0``, ``1e-07``."""
    return repr(value)
