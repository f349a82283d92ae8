"""Chooses where the database begins to look for runs, because databases guess how many pass a condition on another table, badly.

A page in order of time or of a metric is soon full where many runs pass: then those next in order are looked at first. Where few do,
the search begins with the metric or parameter that fewest runs pass, which an index counts. Every way finds the same; only the time
differs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, func, literal, select

from katib.store.query.cursor import decode_cursor
from katib.store.query.pages import page_of
from katib.store.query.to_sql import Source, compile_filter
from katib.store.query.tree import And, Between, Compare, Reading
from katib.store.query.vocabulary import Entity
from katib.store.sql.schema import summaries, trials
from katib.store.sql.tracking.run_fields import among
from katib.store.sql.tracking_tables import parameters
from katib.store.sql.values import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, FromClause

    from katib.store.query.order import Order
    from katib.store.query.tree import Comparison, Field, Filter, SortKey
    from katib.store.sql.tracking.run_fields import RunFields

__all__ = ["RunSearch"]

_FIRST: Final = 250
"""So many runs next in the order of a metric are looked at first."""

_NEAR: Final = 4_000
"""So many runs next in order are looked at before anything is counted."""

_FEW: Final = 8_000
"""Runs that pass a condition, where it is better to look at each of them than at all runs of a project."""

_BETWEEN: Final = 1_000
"""More rows than others add between two statements, where these do not see the same state."""

_BEFORE_NUMBERS: Final = {False: Kind.NEGATIVE_INFINITY, True: Kind.POSITIVE_INFINITY}
"""What comes before finite numbers in an order that descends or not."""


class _Start(NamedTuple):
    """Rows of another table to begin with.

    Attributes:
        rows: An alias of the table.
        condition: Which of its rows.
        column: Which of its columns is looked at.
        tree: What of the filter is left.
        sorted_by: The field that the column is, where the order begins with it.
        most: There are no more rows than that; None where nobody counted.
    """

    rows: FromClause
    condition: ColumnElement[bool]
    column: str
    tree: Filter
    sorted_by: Field | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class RunSearch:
    """One search for runs.

    Attributes:
        projects: Keys of the projects; None where there are too many to name.
        conditions: What else of the scope holds.
    """

    connection: Connection
    fields: RunFields
    tree: Filter
    now: datetime
    projects: Sequence[int] | None
    conditions: list[ColumnElement[bool]]

    def page(self, order: Order, *, limit: int, cursor: str | None) -> tuple[list[int], str | None]:
        """Return the keys on a page, and the cursor of the next one."""
        for start in self._next_in_order(order, limit, cursor):
            found = self._read(order, limit, cursor, start)
            if found[1] is not None:
                return found
        return self._read(order, limit, cursor, self._fewest())

    def count(self) -> int:
        """Return how many pass."""
        start = self._fewest()
        table, fields, tree, within = self._begun(start)
        if start is None:
            fields = replace(fields, one_by_one=False)
        condition = compile_filter(tree, fields, now=self.now)
        statement = select(func.count()).select_from(table).where(condition, within)
        return int(self.connection.execute(statement).scalar_one())

    def _within(self) -> ColumnElement[bool]:
        if self.projects is None:
            return and_(*self.conditions)
        return and_(among(trials.c.project_id, self.projects), *self.conditions)

    def _begun(
        self, start: _Start | ColumnElement[bool] | None
    ) -> tuple[FromClause, RunFields, Filter, ColumnElement[bool]]:
        if start is None:
            return trials, self.fields, self.tree, self._within()
        if not isinstance(start, _Start):
            return trials, self.fields, self.tree, and_(start, self._within())
        columns = [start.rows.c.trial_id, start.rows.c[start.column]]
        kind = start.rows.c.get("latest_kind")
        if kind is not None:
            columns.append(kind)
        first = select(*columns).where(start.condition)
        # PostgreSQL takes a subquery with a limit or an offset as it is, and does not begin with the order after all. A limit also tells
        # it how few there are: guessing a hundred times as many, it went through all runs of the project in their order for each.
        unlimited = start.most is None
        first = first.suffix_with("OFFSET 0", dialect="postgresql") if unlimited else first.limit(start.most)
        begun = first.subquery("begun")
        fields = replace(self.fields, run=begun.c.trial_id)
        if start.sorted_by is not None:
            fields = replace(fields, found={start.sorted_by: Source(begun.c[start.column], begun.c.get("latest_kind"))})
        return begun.join(trials, trials.c.id == begun.c.trial_id), fields, start.tree, self._within()

    def _read(
        self, order: Order, limit: int, cursor: str | None, start: _Start | ColumnElement[bool] | None
    ) -> tuple[list[int], str | None]:
        table, fields, tree, within = self._begun(start)
        if start is None and not _is_by_time(order):
            fields = replace(fields, one_by_one=False)
        page = page_of(table, fields, tree, order, limit=limit, after=cursor, now=self.now, scope=within)
        rows = self.connection.execute(page.statement).all()
        return page.ids(rows), page.next_cursor(rows)

    def _next_in_order(self, order: Order, limit: int, cursor: str | None) -> Iterator[_Start | ColumnElement[bool]]:
        """Yield the runs next in an order that an index has, first some of them, then more."""
        if self.projects is None or len(self.projects) != 1:
            return
        key = order.keys[0]
        place = None if cursor is None else decode_cursor(order, cursor)
        if key.field.entity is Entity.METRIC and key.field.reading is Reading.VALUE:
            if place is None or tuple(place[:2]) == (0, 0):
                for size in (max(_FIRST, 2 * limit), max(_NEAR, 2 * limit)):
                    found = self._next_by_metric(key, size, None if place is None else float(place[2]))
                    if found is None:
                        return
                    yield found
        elif _is_by_time(order) and self.tree != And(()):
            newest = select(trials.c.began).where(self._within())
            if place is not None:
                newest = newest.where(trials.c.began <= place[1])
            newest = newest.order_by(trials.c.began.desc(), trials.c.id.desc()).offset(_NEAR).limit(1)
            began = self.connection.execute(newest).scalar()
            if began is not None:
                yield trials.c.began >= began

    def _next_by_metric(self, key: SortKey, size: int, last: float | None) -> _Start | None:
        """Return so many runs next after a finite number; None where infinities come before, or there are no more than that."""
        rows, of_metric = self._of_metric(key.field)
        before = (
            select(literal(1)).where(of_metric, rows.c.latest_kind == int(_BEFORE_NUMBERS[key.descending])).limit(1)
        )
        if last is None and self.connection.execute(before).scalar() is not None:
            return None
        value = rows.c.latest_value
        condition = and_(of_metric, rows.c.latest_kind == int(Kind.FINITE))
        if last is not None:
            condition = and_(condition, value <= last if key.descending else value >= last)
        ordered = select(value).where(condition).order_by(value.desc() if key.descending else value)
        end = self.connection.execute(ordered.offset(size).limit(1)).scalar()
        if end is None:
            return None
        condition = and_(condition, value >= end if key.descending else value <= end)
        return _Start(rows, condition, value.name, self.tree, key.field)

    def _of_metric(self, field: Field) -> tuple[FromClause, ColumnElement[bool]]:
        rows = summaries.alias()
        of_it = and_(among(rows.c.project_id, self.projects or ()), rows.c.metric_id == self.fields.metric_key(field))
        return rows, of_it

    def _fewest(self) -> _Start | None:
        """Return the start with the fewest rows, if they are few."""
        fewest, best = _FEW + 1, None
        for start in self._starts():
            some = select(literal(1)).select_from(start.rows).where(start.condition).limit(fewest).subquery()
            count = self.connection.execute(select(func.count()).select_from(some)).scalar_one()
            if count < fewest:
                fewest, best = count, start._replace(most=count + _BETWEEN)
        return best

    def _starts(self) -> Iterator[_Start]:
        items = self.tree.items if isinstance(self.tree, And) else (self.tree,)
        for number, item in enumerate(items):
            if not isinstance(item, Compare | Between) or not _is_range(item):
                continue
            rest = And(items[:number] + items[number + 1 :])
            field = item.field
            if field.entity is Entity.METRIC and field.reading is Reading.VALUE and self.projects is not None:
                rows, of_it = self._of_metric(field)
                infinite = [int(Kind.POSITIVE_INFINITY), int(Kind.NEGATIVE_INFINITY)]
                strange = select(literal(1)).where(of_it, rows.c.latest_kind.in_(infinite)).limit(1)
                if self.connection.execute(strange).scalar() is not None:
                    continue  # they may pass too, and are elsewhere in the index
                of_it = and_(of_it, rows.c.latest_kind == int(Kind.FINITE))
                value = rows.c.latest_value
            elif field.entity is Entity.PARAMETER and field.reading is Reading.NUMBER:
                rows = parameters.alias()
                of_it = rows.c.parameter_id == self.fields.parameter_key(field)
                value = rows.c.number
            else:
                continue
            passes = compile_filter(item, replace(self.fields, found={field: Source(value)}), now=self.now)
            yield _Start(rows, and_(of_it, passes), value.name, rest)


def _is_by_time(order: Order) -> bool:
    """Whether runs come in the order of an index, so that a page may be full before all are looked at."""
    return order.keys[0].field.key == "start_time" and order.keys[0].descending


def _is_range(item: Comparison) -> bool:
    """Whether what passes is a range of an index."""
    return not (isinstance(item, Compare) and item.operator == "!=") and not (
        isinstance(item, Between) and item.negated
    )
