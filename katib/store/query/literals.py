"""Reads the values of a query as the type of the field beside them wants them."""

from __future__ import annotations

import ast
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from katib.api.duration import parse_duration
from katib.errors import InvalidInput
from katib.store.query.tree import FromNow, Milliseconds, Moment
from katib.store.query.vocabulary import Type
from katib.store.sql.values import micros, moment

if TYPE_CHECKING:
    from katib.store.query.scanner import Quoted, Scanner
    from katib.store.query.tree import Value

__all__ = ["read_text", "read_value", "sees_number", "text_in_list"]

_LONGEST_EXACT: Final = 18
"""Digits of a whole number of milliseconds that is still a date."""


def sees_number(scanner: Scanner) -> bool:
    """Return whether a number comes next (which is not taken)."""
    place, was = scanner.place, scanner.was
    found = scanner.number() is not None
    scanner.place, scanner.was = place, was
    return found


def read_text(scanner: Scanner, of: str) -> Quoted:
    """Take a quoted text.

    Raises:
        InvalidInput: Something else comes.
    """
    start = scanner.place
    quoted = scanner.quoted()
    if quoted is None:
        given = scanner.number() or scanner.name()
        hint = f"write '{given}'" if given and "'" not in given else ""
        raise scanner.fault(f"{of} is compared with a quoted text", at=start, until=start + len(given), hint=hint)
    return quoted


def text_in_list(quoted: Quoted) -> str:
    r"""Return what a text means inside a list, where MLflow reads it as Python does: ``'a\'b'``."""
    if not quoted.source.startswith(("'", '"')) or not ("\\" in quoted.text or quoted.source[0] in quoted.text):
        return quoted.text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that Python does not know, which stay as they are
        try:
            return str(ast.literal_eval(quoted.source))
        except (SyntaxError, ValueError):
            return quoted.text


def read_value(scanner: Scanner, wanted: Type, of: str) -> Value:
    """Take a value of a type.

    Raises:
        InvalidInput: Something else comes.
    """
    if wanted is Type.TEXT:
        return read_text(scanner, of).text
    if wanted is Type.NUMBER:
        return _number(scanner, of)
    return _time(scanner, of) if wanted is Type.TIME else _duration(scanner, of)


def _number(scanner: Scanner, of: str) -> float:
    start = scanner.place
    text = scanner.number()
    if text is not None:
        return float(text)
    if scanner.keyword("NAN"):
        raise scanner.fault(
            "nothing is equal to NaN or beside it: write IS NAN or IS NOT NAN", at=start, until=start + 3
        )
    quoted = scanner.quoted()
    given = quoted.source if quoted else scanner.name()
    hint = "leave the quotes out" if quoted else ""
    raise scanner.fault(f"{of} is compared with a number", at=start, until=start + len(given), hint=hint)


def _time(scanner: Scanner, of: str) -> Moment | Milliseconds | FromNow:
    start = scanner.place
    if scanner.keyword("NOW"):
        return _from_now(scanner)
    text = scanner.number()
    if text is not None:
        exact = text.lstrip("+-").isdecimal() and len(text) <= _LONGEST_EXACT
        return Milliseconds(int(text) if exact else float(text))
    quoted = scanner.quoted()
    if quoted is not None:
        try:
            time = datetime.fromisoformat(quoted.text.strip())
            since = micros(time if time.tzinfo else time.replace(tzinfo=UTC))
            moment(since)
        except (ValueError, OverflowError):
            raise scanner.fault(
                f"{quoted.text[:60]!r} is no date: write '2026-01-31', '2026-01-31 12:30' or '2026-01-31T12:30:00Z'",
                at=start,
                until=start + len(quoted.source),
            ) from None
        return Moment(since)
    given = scanner.duration() or scanner.name()
    raise scanner.fault(
        f"{of} is compared with a quoted date, milliseconds since 1970, or now - 2h", at=start, until=start + len(given)
    )


def _from_now(scanner: Scanner) -> FromNow:
    sign = 1 if scanner.symbol("+") else -1 if scanner.symbol("-") else 0
    return FromNow(sign * _duration(scanner, "now")) if sign else FromNow(timedelta())


def _duration(scanner: Scanner, of: str) -> timedelta:
    start = scanner.place
    quoted = scanner.quoted()
    text = quoted.text if quoted else scanner.duration()
    if text is None:
        given = scanner.number() or scanner.name()
        hint = f"did you mean {given}s?" if given[:1].isdecimal() else ""
        said = "expected a duration after now" if of == "now" else f"{of} is compared with a duration"
        raise scanner.fault(f"{said}, such as 90s or 1h30m", at=start, until=start + len(given), hint=hint)
    try:
        return parse_duration(text)
    except InvalidInput as error:
        raise scanner.fault(error.problems[0].message, at=start, until=scanner.place) from None
