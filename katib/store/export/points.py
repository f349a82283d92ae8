"""One row for each report of each metric of each run; a run is read piece by piece, so one of any length fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from katib.store.export.tables import Column, ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.export.tables import Batch, Selection
    from katib.store.tracking.protocol import Tracking

__all__ = ["PointTable"]

_PIECE: Final = 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class PointTable:
    """Reports as rows: ``value`` as a number, and what was reported in ``text`` where it is a word.

    Args:
        tracking: Is read while batches are taken.
        selection: Which runs.
    """

    columns: Final = (
        Column("run", ColumnType.TEXT),
        Column("name", ColumnType.TEXT),
        Column("metric", ColumnType.TEXT),
        Column("step", ColumnType.INTEGER),
        Column("time", ColumnType.TIME),
        Column("value", ColumnType.NUMBER),
        Column("text", ColumnType.TEXT),
    )

    def __init__(self, tracking: Tracking, selection: Selection) -> None:
        self._tracking = tracking
        self._selection = selection

    def batches(self) -> Iterator[Batch]:
        """Yield reports, those of each run and metric in the order of reporting."""
        rows: list[tuple[Any, ...]] = []
        for row in self._rows():
            rows.append(row)
            if len(rows) == _PIECE:
                yield list(zip(*rows, strict=True))
                rows = []
        if rows:
            yield list(zip(*rows, strict=True))

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        for runs in self._selection.pages(self._tracking):
            for run in runs:
                for metric in sorted(run.metrics):
                    yield from self._series(run.id, run.name, metric)

    def _series(self, run: str, name: str, metric: str) -> Iterator[tuple[Any, ...]]:
        last = None
        while True:
            piece = self._tracking.series(run, metric, after_sequence=last, limit=_PIECE)
            for found in piece:
                time = None if found.time is None else (found.time - _EPOCH) // _MICROSECOND
                yield run, name, metric, found.step, time, found.value, None if found.value is not None else found.text
            if len(piece) < _PIECE:
                return
            last = piece[-1].sequence
