"""Reads an archive again: runs one after another, with what they reported."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from katib.store.archive.layout import POINTS, RUNS, namespace_folder
from katib.store.protocol import Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from katib.store.archive.parquet_pieces import ParquetTable
    from katib.store.artifacts import ArtifactStore

__all__ = ["ArchiveRecord", "read_archive"]


@dataclass(frozen=True, slots=True)
class ArchiveRecord:
    """One run of an archive.

    Attributes:
        record: Its columns by name (``docs/retention.md``).
    """

    record: Mapping[str, Any]
    _points: Callable[[], Iterator[Observed]] = field(repr=False)

    def points(self) -> Iterator[Observed]:
        """Yield what it reported, metric by metric in the order of reporting; those of one run after another are read quickest."""
        return self._points()


def read_archive(
    place: str | Path | ArtifactStore, *, namespace: str | None = None, project_id: str | None = None
) -> Iterator[ArchiveRecord]:
    """Yield the runs of an archive.

    Example::

        for run in read_archive("s3://bucket/archive", namespace="team-a"):
            print(run.record["name"], [point.value for point in run.points()])

    Args:
        place: As ``open_artifacts`` has it, or what that returned.
        namespace: Only of this one.
        project_id: Only of this project of the namespace.

    Raises:
        Unsupported: The extra ``export`` is not installed.
        StoreUnavailable, Denied: The archive cannot be read, or a file of it is damaged.
    """
    from katib.store.artifacts import ArtifactStore, open_artifacts

    store = place if isinstance(place, ArtifactStore) else open_artifacts(place)
    folder = "" if namespace is None else namespace_folder(namespace)
    if folder and project_id is not None:
        folder = f"{folder}/{project_id}"
    latest = _Latest(store)
    for path in _files(store, folder):
        kind, project = path.split("/")[-2], path.split("/")[-3]
        if kind == RUNS and project_id in {None, project}:
            yield from _batch(store, path, latest)


def _files(store: ArtifactStore, folder: str) -> Iterator[str]:
    after = None
    while True:
        page = store.list(folder, recursive=True, after=after)
        yield from (entry.path for entry in page.entries if entry.path.count("/") == 3)  # noqa: PLR2004 - of an archive
        after = page.next
        if after is None:
            return


def _batch(store: ArtifactStore, path: str, latest: _Latest) -> Iterator[ArchiveRecord]:
    from katib.store.archive.parquet_pieces import RUN_SCHEMA

    head, _, name = path.rsplit("/", 2)
    beside = f"{head}/{POINTS}/{name}"

    def points(row: Mapping[str, Any]) -> Iterator[Observed]:
        if row["points"]:
            yield from map(_observed, latest.of(beside).rows(row["first_point"], row["points"]))

    for row in [*_opened(store, path, RUN_SCHEMA).rows()]:
        own = {name: _plain(value) for name, value in row.items()}
        metrics = [{name: _plain(value) for name, value in metric.items()} for metric in row["metrics"]]
        record = own | {"parameters": dict(row["parameters"]), "tags": dict(row["tags"]), "metrics": metrics}
        yield ArchiveRecord(record, partial(points, record))


def _opened(store: ArtifactStore, path: str, schema: Any) -> ParquetTable:
    """Return a file of an archive, as a copy that goes when nobody has it any more: Parquet is read from its end."""
    from katib.store.archive.parquet_pieces import ParquetTable

    file = _copy(store, path)
    try:
        table = ParquetTable(file, path, schema)
    except BaseException:
        file.close()
        raise
    weakref.finalize(table, file.close)
    return table


class _Latest:
    """The points that were asked for last, so that those of one batch are copied once and no more than one copy is kept."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._path = ""
        self._table: ParquetTable | None = None

    def of(self, path: str) -> ParquetTable:
        from katib.store.archive.parquet_pieces import POINT_SCHEMA

        if self._table is None or path != self._path:
            self._table = None
            self._table, self._path = _opened(self._store, path, POINT_SCHEMA), path
        return self._table


def _copy(store: ArtifactStore, path: str) -> IO[bytes]:
    """Return a file of its own, as Parquet is read from its end."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asks closes it
    try:
        with store.open(path) as reader:
            for piece in reader:
                file.write(piece)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def _observed(row: Mapping[str, Any]) -> Observed:
    text, value = row["text"], row["value"]
    return Observed(
        sequence=row["sequence"],
        name=row["metric"],
        text=repr(value) if text is None else text,
        value=value,
        time=_plain(row["time"]),
        step=row["step"],
    )


def _plain(value: Any) -> Any:
    """Return a value as the store has it: times with Python's own UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
