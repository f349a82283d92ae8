"""Writes a tree as text that parses to the same tree; what a saved view or a log shows."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from katib.store.query.tree import (
    And,
    Between,
    Compare,
    Contains,
    FromNow,
    In,
    IsNan,
    Like,
    Milliseconds,
    Moment,
    Not,
    Or,
    Reading,
)
from katib.store.query.vocabulary import Entity
from katib.store.sql.values import moment

if TYPE_CHECKING:
    from katib.store.query.tree import Comparison, Field, Filter, SortKey, Value

__all__ = ["print_field", "print_filter", "print_sort_key"]

_PLAIN: Final = re.compile(r"\w+(?:[./:@-]\w+)*")
_MICROSECOND: Final = timedelta(microseconds=1)


def print_filter(tree: Filter) -> str:
    """Return the text of a filter."""
    if isinstance(tree, And | Or):
        word = " AND " if isinstance(tree, And) else " OR "
        return word.join(_operand(item) for item in tree.items)
    return f"NOT {_operand(tree.item)}" if isinstance(tree, Not) else _comparison(tree)


def _operand(tree: Filter) -> str:
    return f"({print_filter(tree)})" if isinstance(tree, And | Or) else print_filter(tree)


def print_sort_key(key: SortKey) -> str:
    """Return the text of one key of an order."""
    return f"{print_field(key.field)} {'DESC' if key.descending else 'ASC'}"


def print_field(field: Field) -> str:
    """Return the text of a field."""
    named = field.key if field.entity is Entity.ATTRIBUTE else _named(field)
    if field.reading is Reading.VALUE:
        return named
    step = f", {field.step}" if field.reading is Reading.STEP else ""
    return f"{field.reading.value}({named}{step})"


def _named(field: Field) -> str:
    if _PLAIN.fullmatch(field.key):
        return f"{field.entity.value}.{field.key}"
    if "`" not in field.key and field.key.isprintable():
        return f"{field.entity.value}.`{field.key}`"
    return f"{field.entity.value}['{_escaped(field.key)}']"


def _escaped(text: str) -> str:
    return "".join(
        f"\\{character}"
        if character in "\\'"
        else character
        if character.isprintable()
        else f"\\u{{{ord(character):x}}}"
        for character in text
    )


def _text(text: str) -> str:
    if "\\" not in text and text.isprintable():
        for quote in ("'", '"'):
            if quote not in text:
                return f"{quote}{text}{quote}"
    return f"e'{_escaped(text)}'"


def _value(value: Value) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Moment):
        return f"'{moment(value.microseconds).isoformat()}'"
    if isinstance(value, Milliseconds):
        return _number(value.number)
    if isinstance(value, FromNow):
        if not value.offset:
            return "now"
        return f"now {'-' if value.offset < timedelta() else '+'} {_duration(abs(value.offset))}"
    return _duration(value) if isinstance(value, timedelta) else _number(value)


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 and value else repr(value)  # noqa: PLR2004


def _duration(value: timedelta) -> str:
    seconds, rest = divmod(value // _MICROSECOND, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{count}{unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if count]
    if rest or seconds:
        parts.append(f"{seconds}.{rest:06}s" if rest else f"{seconds}s")
    return "".join(parts)


def _comparison(tree: Comparison) -> str:
    field, negated = print_field(tree.field), "NOT " if getattr(tree, "negated", False) else ""
    if isinstance(tree, Compare):
        return f"{_beside_number(tree.field)} {tree.operator} {_value(tree.value)}"
    if isinstance(tree, Between):
        return f"{_beside_number(tree.field)} {negated}BETWEEN {_value(tree.low)} AND {_value(tree.high)}"
    if isinstance(tree, In):
        return f"{_beside_number(tree.field)} {negated}IN ({', '.join(map(_value, tree.values))})"
    if isinstance(tree, Contains):
        return f"{field} {negated}CONTAINS {_text(tree.text)}"
    if isinstance(tree, Like):
        escape = f" ESCAPE {_text(tree.escape)}" if tree.escape else ""
        return f"{field} {negated}{'ILIKE' if tree.ignores_case else 'LIKE'} {_text(tree.pattern)}{escape}"
    if isinstance(tree, IsNan):
        return f"{_beside_number(tree.field)} IS {negated}NAN"
    return f"{field} IS {negated}NULL"


def _beside_number(field: Field) -> str:
    """Return the text of a field beside a literal that says itself that it is a number."""
    return _named(field) if field.reading is Reading.NUMBER else print_field(field)
