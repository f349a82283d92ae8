"""A query once it is understood: names resolved, literals typed. Values only, so trees can be compared, kept and printed.

Two-valued: a comparison of something that is not there is false, and ``NOT`` of it true; there is no third answer as in SQL.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from katib.store.query.vocabulary import Entity, Type

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

__all__ = [
    "And",
    "Between",
    "Compare",
    "Comparison",
    "Contains",
    "Field",
    "Filter",
    "FromNow",
    "In",
    "IsNan",
    "IsNull",
    "Like",
    "Milliseconds",
    "Moment",
    "Not",
    "Operator",
    "Or",
    "Reading",
    "SortKey",
    "Value",
    "fields_of",
]

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]


class Reading(enum.Enum):
    """Which value of a field is meant where it has several; the value is the function that says so."""

    VALUE = "last"
    """The last report of a metric; the text of a parameter; the one value of anything else."""
    FIRST = "first"
    MIN = "min"
    MAX = "max"
    COUNT = "count"
    STEP = "at_step"
    NUMBER = "number"
    """A parameter or property as a number; there is none where its text is no number."""


@dataclass(frozen=True, slots=True)
class Field:
    """Where a value is found.

    Attributes:
        key: The name within the entity; an attribute's one name, never an alias.
        type: What its values are.
        step: The training step, for ``Reading.STEP``.
    """

    entity: Entity
    key: str
    type: Type
    reading: Reading = Reading.VALUE
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant, in microseconds since 1970 (UTC)."""

    microseconds: int


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """A time as MLflow counts it; what it is compared with is cut to milliseconds first, as MLflow stores times."""

    number: float


@dataclass(frozen=True, slots=True)
class FromNow:
    """An instant so long after the moment of asking; before it when negative."""

    offset: timedelta


Value: TypeAlias = "str | float | Moment | Milliseconds | FromNow | timedelta"


@dataclass(frozen=True, slots=True)
class Compare:
    """A value beside another; ``!=`` holds where there is a value that differs, NaN included."""

    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Between:
    """Both ends belong to the range."""

    field: Field
    low: Value
    high: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class In:
    """One of several values."""

    field: Field
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Like:
    """A text matched as a whole: ``%`` is any characters, ``_`` any one.

    Attributes:
        escape: The character that makes the next one of the pattern mean itself; empty for none, as in MLflow.
        ignores_case: Of the letters A to Z.
    """

    field: Field
    pattern: str
    escape: str = ""
    ignores_case: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Contains:
    """A text that has another in it."""

    field: Field
    text: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsNull:
    """There is no such value."""

    field: Field
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsNan:
    """The value is no number, though a metric reported it; negated: there is a value and it is not NaN."""

    field: Field
    negated: bool = False


Comparison: TypeAlias = Compare | Between | In | Like | Contains | IsNull | IsNan


@dataclass(frozen=True, slots=True)
class And:
    """All hold; with no items it is the empty filter, which everything passes."""

    items: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one holds."""

    items: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    item: Filter


Filter: TypeAlias = "Comparison | And | Or | Not"


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of an order; NaN comes after all numbers and what is not there last, in either direction, as in MLflow."""

    field: Field
    descending: bool = False


def fields_of(tree: Filter) -> Iterator[Field]:
    """Yield the field of each comparison, again where it is compared again."""
    if isinstance(tree, And | Or):
        for item in tree.items:
            yield from fields_of(item)
    elif isinstance(tree, Not):
        yield from fields_of(tree.item)
    else:
        yield tree.field
