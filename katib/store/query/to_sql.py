"""Makes a filter an expression of SQLAlchemy's, for whatever tables: ``Fields`` says where each field stands.

Nothing is written as text: every literal is a bound parameter. Every expression made here is true or false and never NULL, so
that NOT means the same as in ``records``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import Double, and_, exists, false, literal, not_, or_, select, true

from katib.store.query.text_match import text_matches
from katib.store.query.tree import And, Between, Compare, Contains, In, IsNan, IsNull, Like, Not, Or
from katib.store.query.values import OPERATORS, span
from katib.store.query.vocabulary import Type
from katib.store.query.wildcards import segments
from katib.store.sql.values import Kind, unpack

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from katib.store.query.tree import Comparison, Field, Filter, Operator, Value

__all__ = ["Fields", "Source", "compile_filter"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS: Final = (Kind.FINITE, Kind.NAN, Kind.POSITIVE_INFINITY, Kind.NEGATIVE_INFINITY)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of a field stand.

    Attributes:
        value: A text that is compared byte by byte, a double, or whole microseconds; NULL where there is none.
        kind: A ``Kind`` beside a double that may be NaN or infinite; None where all are finite.
        rows: The child table that has it, a new alias for each source; None where it stands in the row that is searched. At most
            one row is there, except for datasets.
        matching: Which of its rows belong to the row that is searched, and to the key.
        always: Whether every row that is searched has a value; then an order by it can run along an index.
        one_by_one: Whether the child table is looked into for one row that is searched after the other. PostgreSQL joins the tables
            otherwise, which is slower wherever the rows that are searched come in the order asked for and a page is soon full.
    """

    value: ColumnElement[Any]
    kind: ColumnElement[Any] | None = None
    rows: FromClause | None = None
    matching: ColumnElement[bool] | None = None
    always: bool = False
    one_by_one: bool = False


class Fields(Protocol):
    """The tables behind the things that are searched."""

    @property
    def id(self) -> ColumnElement[int]:
        """A number that is there for each thing and unique among them."""

    def source(self, field: Field) -> Source:
        """Return where a field stands.

        Raises:
            Unsupported: These tables have no such field.
        """


def compile_filter(tree: Filter, fields: Fields, *, now: datetime = _EPOCH) -> ColumnElement[bool]:
    """Return the condition under which a row passes a filter.

    Example::

        select(trials.c.name).where(compile_filter(parse_filter(text, RUNS), fields, now=now))

    Args:
        tree: From ``parse_filter``.
        fields: Where everything stands.
        now: What ``now`` means in the filter.
    """
    if isinstance(tree, And):
        return and_(true(), *(compile_filter(item, fields, now=now) for item in tree.items))
    if isinstance(tree, Or):
        return or_(false(), *(compile_filter(item, fields, now=now) for item in tree.items))
    if isinstance(tree, Not):
        return not_(compile_filter(tree.item, fields, now=now))
    source = fields.source(tree.field)
    if isinstance(tree, IsNull):
        there = _in_rows(source, _is_there(source))
        return there if tree.negated else not_(there)
    condition = _condition(tree, source, now)
    if _is_negated(tree):
        condition = not_(condition)
    return _in_rows(source, and_(_is_there(source), condition))


def _is_negated(tree: Comparison) -> bool:
    if isinstance(tree, Compare):
        return tree.operator == "!="
    return tree.negated


def _in_rows(source: Source, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    if source.rows is None:
        return condition
    of_it = source.matching if source.matching is not None else true()
    rows = select(literal(1)).select_from(source.rows).where(of_it, condition)
    if source.one_by_one:
        rows = rows.suffix_with("OFFSET 0", dialect="postgresql")
    return exists(rows)


def _is_there(source: Source) -> ColumnElement[bool]:
    if source.always:
        return true()
    if source.kind is None:
        return source.value.is_not(None)
    # A row of an outer join, or a run without a result yet, may have no kind.
    return and_(source.kind.is_not(None), source.kind.in_([int(kind) for kind in _NUMBERS]))


def _condition(tree: Comparison, source: Source, now: datetime) -> ColumnElement[bool]:
    """Return the condition on a value that is there; of a negated comparison, the one that is negated."""
    if isinstance(tree, Compare):
        return _compared(tree.field, "=" if tree.operator == "!=" else tree.operator, source, tree.value, now)
    if isinstance(tree, Between):
        return and_(
            _compared(tree.field, ">=", source, tree.low, now), _compared(tree.field, "<=", source, tree.high, now)
        )
    if isinstance(tree, In):
        return _in(tree, source)
    if isinstance(tree, Like | Contains):
        return text_matches(source.value, segments(tree), ignores_case=isinstance(tree, Like) and tree.ignores_case)
    if isinstance(tree, IsNan):
        return source.kind == int(Kind.NAN) if source.kind is not None else false()
    raise TypeError(tree)


def _in(tree: In, source: Source) -> ColumnElement[bool]:
    if tree.field.type is Type.TEXT:
        return source.value.in_(tree.values)
    finite = [value for value in tree.values if isinstance(value, float) and value - value == 0]
    others = [_number("=", source, value) for value in tree.values if isinstance(value, float) and value not in finite]
    listed: ColumnElement[bool] = source.value.in_([_double(value) for value in finite]) if finite else false()
    if source.kind is not None:
        listed = and_(source.kind == int(Kind.FINITE), listed)
    return or_(listed, *others)


def _double(value: float) -> ColumnElement[Any]:
    return literal(float(value), Double())


def _compared(field: Field, operator: Operator, source: Source, value: Value, now: datetime) -> ColumnElement[bool]:
    if field.type is Type.TEXT:
        return source.value == value
    if field.type is Type.NUMBER:
        return _number(operator, source, value if isinstance(value, int | float) else 0.0)
    found = span(operator, value, now)
    if found is None:
        return false()
    start, end = found
    return and_(
        true(),
        *([source.value >= start] if start is not None else []),
        *([source.value < end] if end is not None else []),
    )


def _number(operator: Operator, source: Source, value: float) -> ColumnElement[bool]:
    compare: Any = OPERATORS[operator]
    is_finite = value - value == 0
    # Beside an infinity all finite numbers are alike.
    finite = compare(source.value, _double(value)) if is_finite else true() if compare(0.0, value) else false()
    if source.kind is None:
        return finite
    special = [int(kind) for kind in _NUMBERS[1:] if compare(unpack(None, kind), value)]
    finite = and_(source.kind == int(Kind.FINITE), finite)
    return or_(finite, source.kind.in_(special)) if special else finite
