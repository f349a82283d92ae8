"""Writes runs into an archive, as a purge wants it: read page by page, and never more than a page in memory."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from katib.errors import Denied, NotFound, StoreUnavailable
from katib.store.archive.layout import POINTS, RUNS, file_of
from katib.store.tracking.records import ArchiveWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from katib.store.artifacts import ArtifactStore
    from katib.store.protocol import Observed
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import ArchiveBatch, Metric, Run

__all__ = ["Archive"]

_ROWS: Final = 50_000
"""Points in memory at a time, and in one group of a file."""

_PAGE: Final = 10_000
_RUNS_TOGETHER: Final = 100
_PLAIN: Final = (
    *("id", "name", "project_id", "project", "experiment_id", "experiment", "parent_id", "root_of", "index"),
    *("reason", "message", "description", "owner", "created", "began", "started", "ended"),
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class _OvertakenError(Exception):
    """Another purge has written the batch, so that not all of it may be there to be read."""


class Archive(ArchiveWriter):
    """The archive of one namespace.

    Args:
        tracking: Where runs are read.
        place: Where files go.

    Raises:
        Unsupported: The extra ``export`` is not installed.
    """

    def __init__(self, tracking: Tracking, place: ArtifactStore) -> None:
        from katib.store.archive import parquet_pieces

        self._parquet = parquet_pieces
        self._tracking = tracking
        self._place = place
        self._points: dict[str, tuple[int, int]] = {}
        """Of each run of the batch: its first row, and how many it has."""

    @override
    def write_points(self, batch: ArchiveBatch) -> None:
        self._points = {}
        self._put(batch, POINTS, self._parquet.parquet_pieces(self._parquet.POINT_SCHEMA, self._point_groups(batch)))

    @override
    def write_runs(self, batch: ArchiveBatch) -> None:
        self._put(batch, RUNS, self._parquet.parquet_pieces(self._parquet.RUN_SCHEMA, self._run_groups(batch)))

    def _put(self, batch: ArchiveBatch, kind: str, pieces: Iterable[bytes]) -> None:
        path = file_of(batch.namespace, batch.project_id, kind, batch.id)
        try:
            self._place.put(path, self._checked(batch, pieces), content_type="application/vnd.apache.parquet")
        except _OvertakenError:
            return
        except (StoreUnavailable, Denied) as error:
            raise type(error)(
                f"the archive {self._place.place}: {error}; what is not in it was not purged: purge again"
            ) from error

    def _checked(self, batch: ArchiveBatch, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces of a file that may be stored once all of them are there: what was read had not begun to go."""
        try:
            yield from pieces
        except NotFound:
            if not self._tracking.is_archived(batch.id):
                raise
            raise _OvertakenError from None
        if self._tracking.is_archived(batch.id):
            raise _OvertakenError

    # -- points -------------------------------------------------------------------------------------------------------

    def _point_groups(self, batch: ArchiveBatch) -> Iterator[list[Sequence[Any]]]:
        rows: list[tuple[Any, ...]] = []
        for row in self._point_rows(batch):
            rows.append(row)
            if len(rows) == _ROWS:
                yield list(zip(*rows, strict=True))
                rows = []
        if rows:
            yield list(zip(*rows, strict=True))

    def _point_rows(self, batch: ArchiveBatch) -> Iterator[tuple[Any, ...]]:
        start = 0
        for runs in self._runs(batch):
            for run, observed in self._observed(runs):
                own = (batch.id, run.id, run.name, run.experiment, run.project)
                count = 0
                for point in observed:
                    yield *own, *_point(point)
                    count += 1
                self._points[run.id] = start, count
                start += count

    def _runs(self, batch: ArchiveBatch) -> Iterator[list[Run]]:
        for start in range(0, len(batch.runs), _RUNS_TOGETHER):
            yield self._tracking.runs([run.id for run in batch.runs[start : start + _RUNS_TOGETHER]])

    def _observed(self, runs: Sequence[Run]) -> Iterator[tuple[Run, Iterable[Observed]]]:
        """Yield runs with what they reported, metric by metric; small runs are read together."""
        together: list[Run] = []
        points = 0
        for run in runs:
            count = sum(metric.count for metric in run.metrics)
            if together and points + count > _ROWS:
                yield from self._read_together(together)
                together, points = [], 0
            if count > _ROWS:
                yield run, self._read_paged(run)
            else:
                together.append(run)
                points += count
        if together:
            yield from self._read_together(together)

    def _read_together(self, runs: Sequence[Run]) -> Iterator[tuple[Run, Iterable[Observed]]]:
        names = sorted({metric.name for run in runs for metric in run.metrics})
        keys = [run.id for run in runs]
        found = [self._tracking.series_of_runs(keys, name) for name in names]
        for run in runs:
            yield run, [point for series in found for point in series.get(run.id, ())]

    def _read_paged(self, run: Run) -> Iterator[Observed]:
        for name in sorted(metric.name for metric in run.metrics):
            last = None
            while True:
                page = self._tracking.series(run.id, name, after_sequence=last, limit=_PAGE)
                yield from page
                if len(page) < _PAGE:
                    break
                last = page[-1].sequence

    # -- runs ---------------------------------------------------------------------------------------------------------

    def _run_groups(self, batch: ArchiveBatch) -> Iterator[list[Sequence[Any]]]:
        deleted = {run.id: run.deleted for run in batch.runs}
        for runs in self._runs(batch):
            rows = [self._record(batch, run, deleted[run.id]) for run in runs]
            if rows:
                yield [[row[name] for row in rows] for name in self._parquet.RUN_SCHEMA.names]

    def _record(self, batch: ArchiveBatch, run: Run, deleted: datetime | None) -> dict[str, Any]:
        first, points = self._points.get(run.id, (0, 0))
        search = None if run.root_of is None else self._tracking.search(run.root_of)
        return {
            **{name: getattr(run, name) for name in _PLAIN},
            "batch": batch.id,
            "namespace": run.namespace,
            "state": run.state.value,
            "deleted": deleted,
            "parameters": [(parameter.name, parameter.text) for parameter in run.parameters],
            "metrics": [_metric(metric) for metric in run.metrics],
            "tags": sorted(run.facts.tags.items()),
            "properties": _json(dict(run.facts.properties)),
            "datasets": _json(run.datasets),
            "artifacts": _json(run.artifacts),
            "comments": _json(self._tracking.comments(run.id)),
            "code": _json(run.code),
            "environment": _json(run.environment),
            "place": _json(run.place),
            "search": _json(search),
            "first_point": first,
            "points": points,
            # Not so where a purge without an archive had begun with it.
            "complete": points == sum(metric.count for metric in run.metrics),
        }


def _point(point: Observed) -> tuple[Any, ...]:
    time = None if point.time is None else (point.time - _EPOCH) // _MICROSECOND
    exact = point.value is not None and point.text == repr(point.value)
    return point.name, point.sequence, point.step, time, point.value, None if exact else point.text


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "count": metric.count,
        "latest": metric.value,
        "latest_text": metric.latest,
        "latest_time": metric.latest_time,
        "latest_step": metric.latest_step,
        "first_text": metric.first,
        "first_step": metric.first_step,
        "min": metric.min_value,
        "min_text": metric.min,
        "max": metric.max_value,
        "max_text": metric.max,
    }


def _json(value: Any) -> str | None:
    """Return records as JSON, None for nothing."""
    if value is None:
        return None
    plain = [asdict(item) for item in value] if isinstance(value, (list, tuple)) else value
    return json.dumps(asdict(plain) if is_dataclass(plain) and not isinstance(plain, type) else plain, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return str(value)
