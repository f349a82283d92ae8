"""What an export is before it has a form: typed columns and batches of their values, never all rows at once."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from katib.store.tracking.protocol import WHOLE_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import FlatRun, RunScope

__all__ = ["ROWS", "Batch", "Column", "ColumnType", "Selection", "Table"]

ROWS = 2_000
"""Runs that are read at a time, and rows that are in memory at a time."""

Batch: TypeAlias = "list[Sequence[Any]]"
"""The values of some rows, column by column; None where there is none."""


class ColumnType(enum.Enum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    TIME = "time"
    """Microseconds since 1970, UTC."""


class Column(NamedTuple):
    """One column."""

    name: str
    type: ColumnType


class Table(Protocol):
    """Rows to be written; ``batches`` may be asked for once."""

    @property
    def columns(self) -> Sequence[Column]:
        """Its columns, in their order."""

    def batches(self) -> Iterator[Batch]:
        """Yield the rows."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs are exported.

    Attributes:
        filter: As ``docs/store-queries.md`` has it.
        order_by: Likewise; empty for the store's own order.
        scope: Which runs are looked through.
    """

    filter: str = ""
    order_by: str = ""
    scope: RunScope = field(default=WHOLE_NAMESPACE)

    def pages(self, tracking: Tracking) -> Iterator[tuple[FlatRun, ...]]:
        """Yield the runs page by page; one that starts to match meanwhile may be in it or not, and none is in it twice."""
        cursor = None
        while True:
            page = tracking.flat_runs(self.filter, self.order_by, scope=self.scope, limit=ROWS, cursor=cursor)
            if page.items:
                yield page.items
            cursor = page.cursor
            if cursor is None:
                return
