"""Scalars of YAML without quotes, typed as Kubernetes' tools type them, which still know how they were written."""

from __future__ import annotations

import math
import re
from typing import Any, Final

__all__ = ["PlainText", "WrittenFloat", "WrittenInt", "plain_value", "shortened"]

_LONGEST_NUMBER: Final = 400
"""Characters; more than any double written out in full, and far from where Python refuses to print an integer."""

_INT = re.compile(r"[-+]?(0b_*[01][01_]*|0o?[0-7_]*[0-7]_*|0x_*[0-9a-fA-F][0-9a-fA-F_]*|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}


class PlainText(str):
    """Text that stood in the file without quotes; for a placeholder that decides whether it becomes a number."""

    __slots__ = ()


class WrittenInt(int):
    """A whole number that was written in another way than it prints, such as ``010``; ``text`` is what was written."""

    text: str


class WrittenFloat(float):
    """A number that was written in another way than it prints, such as ``3.10``; ``text`` is what was written."""

    text: str


def plain_value(text: str) -> Any:
    """Return what a scalar without quotes stands for.

    Raises:
        ValueError: It is a number, but none that a document can hold; the message says why.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is no number that JSON has; put it in quotes if it is meant as text")
    if not (text[0] in "+-." or text[0].isdecimal()):
        return PlainText(text)  # nearly all text, without a look at expressions
    if _INT.fullmatch(text):
        return _whole(text)
    if _FLOAT.fullmatch(text):
        _refuse_long_number(text)
        number = float(text)
        if math.isinf(number):
            raise ValueError(f"the number {text} is larger than a double can hold")
        if repr(number) == text:
            return number
        written = WrittenFloat(number)
        written.text = text
        return written
    return PlainText(text)


def _whole(text: str) -> int:
    _refuse_long_number(text)
    digits = text.replace("_", "")
    body = digits.lstrip("+-")
    if len(body) > 1 and body[0] == "0" and body[1].isdecimal():
        digits = digits.replace("0", "0o", 1)
    number = int(digits, 0)
    if str(number) == text:
        return number
    written = WrittenInt(number)
    written.text = text
    return written


def _refuse_long_number(text: str) -> None:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"the number {shortened(text)} has {len(text)} characters, at most {_LONGEST_NUMBER} are read")


def shortened(text: str) -> str:
    """Return enough of a text to recognise it."""
    return text if len(text) <= 60 else f"{text[:59]}…"  # noqa: PLR2004 - about a line
