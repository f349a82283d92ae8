"""Exports as Arrow: Parquet, Arrow's IPC files, and tables in memory. Without ``pyarrow`` it says what to install."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from katib.errors import Unsupported
from katib.store.export.tables import ColumnType

try:
    import pyarrow as pa
    from pyarrow import ipc, parquet
except ImportError as error:
    raise Unsupported(
        "Parquet, Arrow and pandas need the extra 'export': pip install 'katib[export]'; csv, json and jsonl need none"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.export.tables import Table

__all__ = ["ARROW_TYPES", "arrow_table", "write_arrow", "write_parquet"]

ARROW_TYPES = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.TIME: pa.timestamp("us", tz="UTC"),
}


def _schema(table: Table) -> Any:
    return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in table.columns])


def _record_batches(table: Table, schema: Any) -> Iterator[Any]:
    for batch in table.batches():
        # NaN is a number of its own here, not another way to say that there is none.
        arrays = [pa.array(values, field.type, from_pandas=False) for values, field in zip(batch, schema, strict=True)]
        yield pa.record_batch(arrays, schema=schema)


def arrow_table(table: Table) -> Any:
    """Return a ``pyarrow.Table``."""
    schema = _schema(table)
    return pa.Table.from_batches(_record_batches(table, schema), schema)


def write_parquet(file: IO[bytes], table: Table) -> None:
    """Write Parquet, a row group for each batch."""
    schema = _schema(table)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in _record_batches(table, schema):
            writer.write_batch(batch)


def write_arrow(file: IO[bytes], table: Table) -> None:
    """Write Arrow's IPC file format (Feather 2)."""
    schema = _schema(table)
    with ipc.new_file(file, schema) as writer:
        for batch in _record_batches(table, schema):
            writer.write_batch(batch)
