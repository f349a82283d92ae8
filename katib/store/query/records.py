"""What a filter means, in plain Python over plain records: the reference for the SQL, and enough for lists in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from katib.store.query.tree import (
    And,
    Between,
    Compare,
    Contains,
    In,
    IsNan,
    IsNull,
    Like,
    Not,
    Or,
    Reading,
)
from katib.store.query.values import OPERATORS, micros_of, span
from katib.store.query.vocabulary import Entity, Type
from katib.store.query.wildcards import matches, segments
from katib.store.sql.values import micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from katib.store.query.tree import Comparison, Field, Filter, Operator, Value

__all__ = ["MetricRecord", "Record", "TypedText", "passes", "stored"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Stored: TypeAlias = "str | float | None"
"""As a database would keep it: times and durations are microseconds."""


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """What is known of one metric of a run; None is a report that is no number.

    Attributes:
        count: How many reports.
        steps: The last report at each step.
    """

    last: float | None
    first: float | None = None
    min: float | None = None
    max: float | None = None
    count: int = 1
    steps: Mapping[int, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TypedText:
    """A value as it was given, and as a number where it is one."""

    text: str
    number: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One thing to be found: a run, an experiment or a project.

    Attributes:
        id: Unique among those it is listed with.
        attributes: By their one name; what is missing or None is not there.
    """

    id: int
    attributes: Mapping[str, str | float | datetime | timedelta | None] = field(default_factory=dict)
    metrics: Mapping[str, MetricRecord] = field(default_factory=dict)
    parameters: Mapping[str, TypedText] = field(default_factory=dict)
    properties: Mapping[str, TypedText] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[Mapping[str, str | None]] = ()


def passes(tree: Filter, record: Record, *, now: datetime = _EPOCH) -> bool:
    """Return whether a record passes a filter.

    Args:
        tree: From ``parse_filter``.
        record: The thing.
        now: What ``now`` means in the filter.
    """
    if isinstance(tree, And):
        return all(passes(item, record, now=now) for item in tree.items)
    if isinstance(tree, Or):
        return any(passes(item, record, now=now) for item in tree.items)
    if isinstance(tree, Not):
        return not passes(tree.item, record, now=now)
    values = [value for value in stored(record, tree.field) if value is not None]
    if isinstance(tree, IsNull):
        return bool(values) == tree.negated
    return any(_holds(tree, value, now) for value in values)


def stored(record: Record, of: Field) -> list[Stored]:
    """Return the values of a field of a record; only a dataset's can be several."""
    if of.entity is Entity.ATTRIBUTE:
        value = record.attributes.get(of.key)
        if isinstance(value, datetime):
            return [micros(value)]
        return [micros_of(value) if isinstance(value, timedelta) else value]
    if of.entity is Entity.TAG:
        return [record.tags.get(of.key)]
    if of.entity is Entity.DATASET:
        return [dataset.get(of.key) for dataset in record.datasets]
    if of.entity is Entity.METRIC:
        metric = record.metrics.get(of.key)
        return [] if metric is None else [_reading(metric, of)]
    typed = (record.parameters if of.entity is Entity.PARAMETER else record.properties).get(of.key)
    return [] if typed is None else [typed.number if of.reading is Reading.NUMBER else typed.text]


def _reading(metric: MetricRecord, of: Field) -> float | None:
    if of.reading is Reading.STEP:
        return metric.steps.get(of.step) if of.step is not None else None
    readings: dict[Reading, float | None] = {
        Reading.VALUE: metric.last,
        Reading.FIRST: metric.first,
        Reading.MIN: metric.min,
        Reading.MAX: metric.max,
        Reading.COUNT: metric.count,
    }
    return readings[of.reading]


def _holds(tree: Comparison, value: str | float, now: datetime) -> bool:
    """Return whether a comparison holds of a value that is there."""
    if isinstance(tree, Compare):
        return _compares(tree.field, tree.operator, value, tree.value, now)
    if isinstance(tree, Between):
        inside = _compares(tree.field, ">=", value, tree.low, now) and _compares(
            tree.field, "<=", value, tree.high, now
        )
        return inside != tree.negated
    if isinstance(tree, In):
        return (value in tree.values) != tree.negated
    if isinstance(tree, Like | Contains):
        ignores_case = isinstance(tree, Like) and tree.ignores_case
        return matches(str(value), segments(tree), ignores_case=ignores_case) != tree.negated
    if isinstance(tree, IsNan):
        return (isinstance(value, float) and math.isnan(value)) != tree.negated
    raise TypeError(tree)


def _compares(of: Field, operator: Operator, value: str | float, wanted: Value, now: datetime) -> bool:
    if of.type in {Type.TEXT, Type.NUMBER}:
        return bool(OPERATORS[operator](value, wanted))
    if operator == "!=":
        return not _compares(of, "=", value, wanted, now)
    found = span(operator, wanted, now)
    if found is None or isinstance(value, str):
        return False
    start, end = found
    return (start is None or value >= start) and (end is None or value < end)
