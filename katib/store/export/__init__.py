"""Runs out of the store: as CSV, JSON, Parquet and Arrow files, and as tables in memory.

``write`` streams and needs memory for one page; ``to_arrow`` and ``to_pandas`` return all of it. ``docs/export.md`` says what the columns
are. Parquet, Arrow and pandas need the extra ``export``, which is imported when one of them is asked for.
"""

from __future__ import annotations

import enum
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any

from katib.store.export.points import PointTable
from katib.store.export.tables import Selection
from katib.store.export.wide import WideTable
from katib.store.tracking.protocol import WHOLE_NAMESPACE

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from katib.store.export.text_files import TextFile
    from katib.store.tracking.protocol import Tracking, TrackingStore
    from katib.store.tracking.records import RunScope

__all__ = ["Form", "Selection", "to_arrow", "to_pandas", "write", "write_text"]


class Form(enum.StrEnum):
    """What can be written."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def is_binary(self) -> bool:
        """Whether it is no text."""
        return self in {Form.PARQUET, Form.ARROW}


def _table(tracking: Tracking, selection: Selection, *, points: bool) -> AbstractContextManager[WideTable | PointTable]:
    return nullcontext(PointTable(tracking, selection)) if points else WideTable(tracking, selection)


def write(tracking: Tracking, selection: Selection, form: Form, file: IO[bytes], *, points: bool = False) -> None:
    """Write Parquet or Arrow.

    Raises:
        InvalidInput: The filter or the order is none.
        Unsupported: The extra ``export`` is not installed.
        OSError: The file, or the temporary one, cannot be written.
    """
    from katib.store.export.arrow_files import write_arrow, write_parquet

    with _table(tracking, selection, points=points) as table:
        (write_parquet if form is Form.PARQUET else write_arrow)(file, table)


def write_text(tracking: Tracking, selection: Selection, form: Form, file: TextFile, *, points: bool = False) -> None:
    """Write CSV, JSON or JSON Lines.

    Raises:
        InvalidInput: The filter or the order is none.
        OSError: The file, or the temporary one, cannot be written.
    """
    from katib.store.export.text_files import write_csv, write_json, write_jsonl

    writers = {Form.CSV: write_csv, Form.JSON: write_json, Form.JSONL: write_jsonl}
    with _table(tracking, selection, points=points) as table:
        writers[form](file, table)


def to_arrow(
    store: TrackingStore,
    *,
    namespace: str = "default",
    filter: str = "",  # noqa: A002 - what it is
    order_by: str = "",
    scope: RunScope = WHOLE_NAMESPACE,
    points: bool = False,
) -> Any:
    """Return runs as a ``pyarrow.Table``, one row each; or, with ``points``, one row for each report of each metric.

    Example::

        with open_store("katib.db") as store:
            table = to_arrow(store, filter="metrics.loss < 0.1")

    Raises:
        InvalidInput: The filter or the order is none.
        Unsupported: The extra ``export`` is not installed.
    """
    from katib.store.export.arrow_files import arrow_table

    selection = Selection(filter, order_by, scope)
    with _table(store.tracking(namespace), selection, points=points) as table:
        return arrow_table(table)


def to_pandas(
    store: TrackingStore,
    *,
    namespace: str = "default",
    filter: str = "",  # noqa: A002
    order_by: str = "",
    scope: RunScope = WHOLE_NAMESPACE,
    points: bool = False,
) -> Any:
    """Return what ``to_arrow`` does as a ``pandas.DataFrame``.

    Example::

        with open_store("katib.db") as store:
            frame = to_pandas(store, filter="params.optimizer = 'adam'")
            frame.sort_values("metrics.loss.latest")

    Raises:
        InvalidInput: The filter or the order is none.
        Unsupported: The extra ``export`` is not installed.
    """
    from importlib.util import find_spec

    from katib.errors import Unsupported

    table = to_arrow(store, namespace=namespace, filter=filter, order_by=order_by, scope=scope, points=points)
    if find_spec("pandas") is None:
        raise Unsupported("a data frame needs the extra 'export': pip install 'katib[export]'")
    return table.to_pandas()
