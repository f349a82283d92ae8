"""Random trees, records and orders of the corners where databases, Python and people differ."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from katib.store.query.order import Order
from katib.store.query.records import MetricRecord, Record, TypedText
from katib.store.query.tree import (
    And,
    Between,
    Compare,
    Contains,
    Field,
    FromNow,
    In,
    IsNan,
    IsNull,
    Like,
    Milliseconds,
    Moment,
    Not,
    Or,
    Reading,
    SortKey,
)
from katib.store.query.vocabulary import DATASET_KEYS, Entity, Type
from katib.store.sql.values import micros

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

NUMBERS = st.sampled_from([
    0.0, -0.0, 1.0, -1.0, 0.1, 1e-300, 5e-324, -1e-300, 1.7976931348623157e308, 2.0**53, 2.0**53 + 2, 2.0**53 - 1, math.inf, -math.inf,
])  # fmt: skip
REPORTED = NUMBERS | st.just(math.nan) | st.none()
FINITE = NUMBERS.filter(math.isfinite)
TEXTS = st.sampled_from([
    "", "a", "A", "a ", " a", "a  ", "ab", "aB", "b", "é", "É", "日本", "a%b", "a_b", "axb", "a*b", "a?b", "[a]", "a!b", "a\\b", "a\nb",
    "'", '"', "`", "'\"`", "10", "9", "1e-05", "İ", "ß", "😀", "e\u0301",
])  # fmt: skip
KEYS = st.sampled_from(
    ["loss", "a.b", "a b", "é", "x`y", "x\"y'z`", "", "min", "NOT", "a\\b", "line\nbreak", "train/loss", "a'"]
)
SOME_KEYS = st.sampled_from(["loss", "a b"])
TIMES = st.sampled_from([NOW - timedelta(microseconds=offset) for offset in (0, 1, 999, 1000, 1001, 7_200_000_000)])
DURATIONS = st.sampled_from([
    timedelta(microseconds=1), timedelta(seconds=90), timedelta(hours=1, microseconds=500), timedelta(days=400), timedelta(milliseconds=1),
])  # fmt: skip
STEPS = st.sampled_from([0, 1, 100, -5, 2**63 - 1, -(2**63)])

_OF_METRICS = [Reading.VALUE, Reading.FIRST, Reading.MIN, Reading.MAX, Reading.COUNT]


SOME_ATTRIBUTES = (
    ("run_name", Type.TEXT), ("status", Type.TEXT), ("start_time", Type.TIME), ("end_time", Type.TIME),
    ("duration", Type.DURATION), ("index", Type.NUMBER),
)  # fmt: skip


@st.composite
def fields(draw, keys=KEYS, entities=tuple(Entity), attributes=SOME_ATTRIBUTES):
    entity = draw(st.sampled_from(entities))
    if entity is Entity.ATTRIBUTE:
        return Field(entity, *draw(st.sampled_from(attributes)))
    if entity is Entity.DATASET:
        return Field(entity, draw(st.sampled_from(DATASET_KEYS)), Type.TEXT)
    key = draw(keys)
    if entity is Entity.METRIC:
        if draw(st.booleans()):
            return Field(entity, key, Type.NUMBER, draw(st.sampled_from(_OF_METRICS)))
        return Field(entity, key, Type.NUMBER, Reading.STEP, draw(STEPS))
    if entity.is_typed_by_use and draw(st.booleans()):
        return Field(entity, key, Type.NUMBER, Reading.NUMBER)
    return Field(entity, key, Type.TEXT)


MILLISECONDS = st.sampled_from([micros(NOW) // 1000 + offset for offset in (0, -1, 0.5, -0.25, 1, 10**13, -(10**15))])
_VALUES = {
    Type.TEXT: TEXTS,
    Type.NUMBER: NUMBERS,
    Type.TIME: TIMES.map(lambda time: Moment(micros(time)))
    | MILLISECONDS.map(Milliseconds)
    | DURATIONS.map(lambda duration: FromNow(-duration))
    | st.just(FromNow(timedelta()))
    | DURATIONS.map(FromNow),
    Type.DURATION: DURATIONS,
}
PATTERNS = st.lists(
    st.sampled_from(["%", "_", "a", "A", "b", "é", "日", "*", "?", "[", "!", "\\", " ", "\n"]), max_size=6
).map("".join)
ESCAPABLE = st.lists(st.sampled_from(["%", "_", "a", "!%", "!_", "!!", "b", "[", "\\"]), max_size=5).map("".join)


@st.composite
def comparisons(draw, keys=KEYS, entities=tuple(Entity), attributes=SOME_ATTRIBUTES):
    field = draw(fields(keys, entities, attributes))
    negated = draw(st.booleans())
    values = _VALUES[field.type]
    kinds = ["null", "compare"]
    kinds += ["in", "like", "escape", "contains"] if field.type is Type.TEXT else ["between"]
    kinds += ["in", "nan"] if field.type is Type.NUMBER else []
    kind = draw(st.sampled_from(kinds))
    if kind == "null":
        return IsNull(field, negated)
    if kind == "compare":
        operators = ["=", "!="] if field.type is Type.TEXT else ["=", "!=", "<", "<=", ">", ">="]
        return Compare(field, draw(st.sampled_from(operators)), draw(values))
    if kind == "in":
        return In(field, tuple(draw(st.lists(values, min_size=1, max_size=3))), negated)
    if kind == "like":
        return Like(field, draw(PATTERNS | TEXTS), "", draw(st.booleans()), negated)
    if kind == "escape":
        return Like(field, draw(ESCAPABLE), "!", draw(st.booleans()), negated)
    if kind == "contains":
        return Contains(field, draw(TEXTS), negated)
    return IsNan(field, negated) if kind == "nan" else Between(field, draw(values), draw(values), negated)


def trees(keys=KEYS, entities=tuple(Entity), attributes=SOME_ATTRIBUTES):
    return st.just(And(())) | inner_trees(keys, entities, attributes)


def inner_trees(keys, entities, attributes):
    return st.recursive(
        comparisons(keys, entities, attributes),
        lambda items: (
            st.builds(And, st.lists(items, min_size=2, max_size=3).map(tuple))
            | st.builds(Or, st.lists(items, min_size=2, max_size=3).map(tuple))
            | st.builds(Not, items)
        ),
        max_leaves=6,
    )


METRICS = st.builds(
    MetricRecord,
    last=REPORTED,
    first=REPORTED,
    min=REPORTED,
    max=REPORTED,
    count=st.integers(1, 3),
    steps=st.dictionaries(STEPS, REPORTED, max_size=3),
)
TYPED = st.builds(TypedText, TEXTS, st.none() | FINITE)
DATASETS = st.fixed_dictionaries({key: st.none() | TEXTS for key in DATASET_KEYS})


def record_of(number, parts):
    attributes, metrics, parameters, properties, tags, datasets = parts
    return Record(number, attributes, metrics, parameters, properties, tags, datasets)


ATTRIBUTES = st.fixed_dictionaries(
    {
        "run_name": st.none() | TEXTS,
        "status": st.none() | TEXTS,
        "user_id": st.none() | TEXTS,
        "start_time": st.none() | TIMES,
        "end_time": st.none() | TIMES,
        "duration": st.none() | DURATIONS,
        "index": st.none() | FINITE,
    }
)
RECORDS = st.lists(
    st.tuples(
        ATTRIBUTES,
        st.dictionaries(SOME_KEYS, METRICS, max_size=2),
        st.dictionaries(SOME_KEYS, TYPED, max_size=2),
        st.dictionaries(SOME_KEYS, TYPED, max_size=2),
        st.dictionaries(SOME_KEYS, TEXTS, max_size=2),
        st.lists(DATASETS, max_size=2),
    ),
    min_size=1,
    max_size=8,
).map(lambda all_parts: [record_of(number, parts) for number, parts in enumerate(all_parts)])

SORTABLE = tuple(entity for entity in Entity if entity is not Entity.DATASET)


def orders(entities=SORTABLE, attributes=SOME_ATTRIBUTES):
    keys = st.builds(SortKey, fields(SOME_KEYS, entities, attributes), st.booleans())
    return st.builds(Order, st.lists(keys, max_size=4, unique_by=lambda key: key.field).map(tuple), st.booleans())


ORDERS = orders()
