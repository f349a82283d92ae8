"""Pages of a sorted list in SQL: by the place of the last thing seen, never by counting rows, so page 1,000 costs what page 1 does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy import Double, and_, case, func, literal, or_, select, true

from katib.errors import InvalidInput, Problem
from katib.store.query.cursor import decode_cursor, encode_cursor
from katib.store.query.order import SORTED_CHARACTERS
from katib.store.query.to_sql import compile_filter
from katib.store.query.vocabulary import Type
from katib.store.sql.values import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, FromClause, Select

    from katib.store.query.order import Order
    from katib.store.query.to_sql import Fields, Source
    from katib.store.query.tree import Filter, SortKey

__all__ = ["MOST_ROWS", "Page", "page_of"]

MOST_ROWS: Final = 5_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_Placed: TypeAlias = "tuple[ColumnElement[Any], ColumnElement[Any], bool]"
"""A part of a row's place, the same part of the place it is compared with, and whether it descends."""

_THERE: Final = literal(0)
"""The first part of a place in every row whose value is always there: nothing is sorted by it, as no index would fit then."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page, still to be asked for.

    Attributes:
        statement: Its rows are the parts of a place in the order, the id last. One row more than the page has is asked for, which
            says whether there is a next page.
        limit: How many rows the page has at most.
    """

    statement: Select[Any]
    order: Order
    limit: int

    def ids(self, rows: Sequence[Sequence[Any]]) -> list[int]:
        """Return the ids on the page."""
        return [row[-1] for row in rows[: self.limit]]

    def next_cursor(self, rows: Sequence[Sequence[Any]]) -> str | None:
        """Return the cursor of the page after this one, or None where this is the last."""
        return encode_cursor(self.order, tuple(rows[self.limit - 1])) if len(rows) > self.limit else None


def page_of(
    table: FromClause,
    fields: Fields,
    tree: Filter,
    order: Order,
    *,
    limit: int,
    after: str | None = None,
    now: datetime = _EPOCH,
    scope: ColumnElement[bool] | None = None,
) -> Page:
    """Return the statement for one page of the ids that pass a filter.

    Args:
        table: Whose rows are searched.
        fields: Where everything stands.
        tree: From ``parse_filter``.
        order: From ``parse_order``.
        limit: How many rows the page has at most.
        after: The cursor of the page before.
        now: What ``now`` means in the filter; the same for all pages of a list.
        scope: A condition that no filter may leave, such as a namespace.

    Raises:
        InvalidInput: The cursor is none of this list, or the limit is out of range.
    """
    if not 1 <= limit <= MOST_ROWS:
        raise InvalidInput([Problem("limit", f"a page has 1 to {MOST_ROWS:,} rows", limit)])
    parts: list[ColumnElement[Any]] = []
    joined: list[Source] = []
    for key in order.keys:
        source = fields.source(key.field)
        if source.rows is not None:
            joined.append(source)
        parts += _parts(key, source)
    parts.append(fields.id)
    statement = select(*(part.label(f"place_{index}") for index, part in enumerate(parts))).select_from(table)
    for source in joined:
        if source.rows is not None:
            statement = statement.outerjoin(source.rows, source.matching if source.matching is not None else true())
    statement = statement.where(compile_filter(tree, fields, now=now))
    if scope is not None:
        statement = statement.where(scope)
    directions = order.directions
    if after is not None:
        place = [literal(value, part.type) for part, value in zip(parts, decode_cursor(order, after), strict=True)]
        placed = [each for each in zip(parts, place, directions, strict=True) if each[0] is not _THERE]
        statement = statement.where(_after(placed))
        if len(placed) > 1:
            part, value, descends = placed[0]
            # Says nothing new, but is what databases look for an index with.
            statement = statement.where(part <= value if descends else part >= value)
    columns = [
        part.desc() if descends else part.asc()
        for part, descends in zip(parts, directions, strict=True)
        if part is not _THERE
    ]
    return Page(statement.order_by(*columns).limit(limit + 1), order, limit)


def _parts(key: SortKey, source: Source) -> list[ColumnElement[Any]]:
    if source.always and key.field.type in {Type.TIME, Type.DURATION}:
        return [_THERE, source.value]
    missing = case((source.value.is_(None), 1), else_=0)
    if key.field.type is Type.TEXT:
        start = func.substr(source.value, 1, SORTED_CHARACTERS, type_=source.value.type)
        return [missing, func.coalesce(start, literal("", source.value.type))]
    if key.field.type is not Type.NUMBER:
        return [missing, func.coalesce(source.value, 0)]
    number = func.coalesce(source.value, literal(0.0, Double()))
    if source.kind is None:
        # Never a bare constant, which MariaDB takes in ORDER BY for the number of a column.
        return [case((source.value.is_(None), 2), else_=0), case((source.value.is_(None), 0), else_=0), number]
    infinities = {int(Kind.POSITIVE_INFINITY): 1, int(Kind.NEGATIVE_INFINITY): -1}
    groups = {int(Kind.FINITE): 0, int(Kind.NAN): 1} | dict.fromkeys(infinities, 0)
    return [case(groups, value=source.kind, else_=2), case(infinities, value=source.kind, else_=0), number]


def _after(parts: Sequence[_Placed]) -> ColumnElement[bool]:
    """Return the condition of a row that comes after a place; by halves, because SQLite reads no deep nesting."""
    if len(parts) == 1:
        part, value, descends = parts[0]
        return part < value if descends else part > value
    first, second = parts[: len(parts) // 2], parts[len(parts) // 2 :]
    same = and_(*(part == value for part, value, _ in first))
    return or_(_after(first), and_(same, _after(second)))
