"""Summaries of metrics as rows: read as folds, written back after more reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from katib.store.protocol import Summary
from katib.store.sql.keys import IN_LIMIT
from katib.store.sql.schema import metrics, summaries
from katib.store.sql.values import pack, unpack
from katib.store.summary import Fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

__all__ = ["read_folds", "read_summaries", "write_folds"]

_columns = summaries.c
_OF_TRIAL = _columns.trial_id == bindparam("trial")
_FOLDED = (
    _columns.first,
    _columns.first_time,
    _columns.latest,
    _columns.latest_time,
    _columns.latest_value,
    _columns.latest_kind,
    _columns.min,
    _columns.min_value,
    _columns.min_kind,
    _columns.max,
    _columns.max_value,
    _columns.max_kind,
    _columns.count,
)
_FOLDS = select(_columns.metric_id, *_FOLDED).where(
    _OF_TRIAL, _columns.metric_id.in_(bindparam("metrics", expanding=True))
)
_INSERT = insert(summaries)
_UPDATE = (
    update(summaries)
    .where(_columns.trial_id == bindparam("trial"), _columns.metric_id == bindparam("metric"))
    .values({column.name: bindparam(column.name) for column in _FOLDED})
)
_SUMMARIES = (
    select(metrics.c.name, _columns.first, _columns.latest, _columns.min, _columns.max, _columns.count)
    .join(metrics)
    .where(_OF_TRIAL)
    .order_by(_columns.first_sequence)
)


def read_folds(connection: Connection, trial: int, metric_ids: Sequence[int]) -> dict[int, Fold]:
    """Return where the summaries of these metrics stand, by metric; those without a report are absent."""
    folds = {}
    for start in range(0, len(metric_ids), IN_LIMIT):
        parameters = {"trial": trial, "metrics": metric_ids[start : start + IN_LIMIT]}
        for row in connection.execute(_FOLDS, parameters).mappings():
            folds[row["metric_id"]] = Fold(
                first=row["first"],
                first_time=row["first_time"],
                latest=row["latest"],
                latest_time=row["latest_time"],
                latest_value=unpack(row["latest_value"], row["latest_kind"]),
                min=row["min"],
                min_value=unpack(row["min_value"], row["min_kind"]),
                max=row["max"],
                max_value=unpack(row["max_value"], row["max_kind"]),
                count=row["count"],
            )
    return folds


def write_folds(
    connection: Connection, trial: int, folds: Mapping[int, Fold], first_sequences: Mapping[int, int]
) -> None:
    """Write summaries back.

    Args:
        folds: By metric.
        first_sequences: Of the metrics that had no summary before, the number of the first report.
    """
    new = [
        {"trial_id": trial, "metric_id": metric, "first_sequence": sequence, **_row(folds[metric])}
        for metric, sequence in first_sequences.items()
    ]
    known = [
        {"trial": trial, "metric": metric, **_row(fold)}
        for metric, fold in folds.items()
        if metric not in first_sequences
    ]
    if new:
        connection.execute(_INSERT, new)
    if known:
        connection.execute(_UPDATE, known)


def _row(fold: Fold) -> dict[str, Any]:
    latest_value, latest_kind = pack(fold.latest_value)
    min_value, min_kind = pack(fold.min_value)
    max_value, max_kind = pack(fold.max_value)
    return {
        "first": fold.first,
        "first_time": fold.first_time,
        "latest": fold.latest,
        "latest_time": fold.latest_time,
        "latest_value": latest_value,
        "latest_kind": latest_kind,
        "min": fold.min,
        "min_value": min_value,
        "min_kind": min_kind,
        "max": fold.max,
        "max_value": max_value,
        "max_kind": max_kind,
        "count": fold.count,
    }


def read_summaries(connection: Connection, trial: int) -> dict[str, Summary]:
    """Return all summaries of a trial by metric, in the order of first report."""
    return {
        name: Summary(first=first, latest=latest, min=least, max=greatest, count=count)
        for name, first, latest, least, greatest, count in connection.execute(_SUMMARIES, {"trial": trial})
    }
