"""Parquet as it is written to a place that takes pieces of bytes, and read again."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from katib.errors import StoreUnavailable
from katib.store.archive.layout import POINT_COLUMNS
from katib.store.export.arrow_files import ARROW_TYPES

import pyarrow as pa  # after ours, which says what to install  # isort: skip
from pyarrow import parquet  # isort: skip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["POINT_SCHEMA", "RUN_SCHEMA", "ParquetTable", "parquet_pieces"]

_TIME: Final = pa.timestamp("us", tz="UTC")
_TEXTS: Final = pa.map_(pa.string(), pa.string())
_METRIC: Final = pa.struct(
    [
        ("name", pa.string()),
        ("count", pa.int64()),
        ("latest", pa.float64()),
        ("latest_text", pa.string()),
        ("latest_time", _TIME),
        ("latest_step", pa.int64()),
        ("first_text", pa.string()),
        ("first_step", pa.int64()),
        ("min", pa.float64()),
        ("min_text", pa.string()),
        ("max", pa.float64()),
        ("max_text", pa.string()),
    ]
)

POINT_SCHEMA: Final = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in POINT_COLUMNS])
RUN_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("batch", "namespace", "id", "name", "project_id", "project")),
        *((name, pa.string()) for name in ("experiment_id", "experiment", "parent_id", "root_of")),
        ("index", pa.int64()),
        *((name, pa.string()) for name in ("state", "reason", "message", "description", "owner")),
        *((name, _TIME) for name in ("created", "began", "started", "ended", "deleted")),
        ("parameters", _TEXTS),
        ("metrics", pa.list_(_METRIC)),
        ("tags", _TEXTS),
        # JSON, as these have no shape of their own.
        *((name, pa.string()) for name in ("properties", "datasets", "artifacts", "comments")),
        *((name, pa.string()) for name in ("code", "environment", "place", "search")),
        ("first_point", pa.int64()),
        ("points", pa.int64()),
        ("complete", pa.bool_()),
    ]
)


class _Sink:
    """A file that is written and never read: what was written is taken from it piece by piece."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def parquet_pieces(schema: Any, groups: Iterable[Sequence[Sequence[Any]]]) -> Iterator[bytes]:
    """Yield a Parquet file.

    Args:
        schema: Its columns.
        groups: The values of some rows each, column by column; a group is in memory at a time.
    """
    sink = _Sink()
    with parquet.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for group in groups:
            # NaN is a number of its own here, not another way to say that there is none.
            arrays = [
                pa.array(values, field.type, from_pandas=False) for values, field in zip(group, schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            yield from sink.taken()
    yield from sink.taken()


class ParquetTable:
    """A Parquet file that was written by ``parquet_pieces``.

    Args:
        file: It stays open.
        name: What it is called.

    Raises:
        StoreUnavailable: It is damaged, or none of ours.
    """

    def __init__(self, file: IO[bytes], name: str, schema: Any) -> None:
        self._name = name
        try:
            self._file = parquet.ParquetFile(file)
            fits = set(schema.names) <= set(self._file.schema_arrow.names)
        except (pa.ArrowException, OSError) as error:
            raise StoreUnavailable(f"the file {name} of the archive is damaged: {error}") from error
        if not fits:
            raise StoreUnavailable(f"the file {name} is none of an archive: it has other columns")

    def rows(self, first: int = 0, count: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield some of its rows, or all; a row group is in memory at a time."""
        end = self._file.metadata.num_rows if count is None else first + count
        start = 0
        for number in range(self._file.num_row_groups):
            following = start + self._file.metadata.row_group(number).num_rows
            if start < end and following > first:
                begin = max(first - start, 0)
                yield from self._group(number).slice(begin, min(end, following) - start - begin).to_pylist()
            start = following

    def _group(self, number: int) -> Any:
        try:
            return self._file.read_row_group(number)
        except (pa.ArrowException, OSError) as error:
            raise StoreUnavailable(f"the file {self._name} of the archive is damaged: {error}") from error
