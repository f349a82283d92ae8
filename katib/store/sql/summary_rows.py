"""Summaries of metrics as rows: read as folds, written back after more reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from katib.store.protocol import Summary
from katib.store.sql.key_lists import ByLists
from katib.store.sql.keys import IN_LIMIT, trial_key, trial_keys
from katib.store.sql.row_inserts import RowInsert
from katib.store.sql.schema import metrics, summaries, trials
from katib.store.sql.values import pack
from katib.store.summary import Fold, reported_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

__all__ = ["read_folds", "read_summaries", "read_summaries_of", "write_folds"]

_columns = summaries.c
_OF_TRIAL = _columns.trial_id == bindparam("trial")
# Folds go on from what was reported: no database gives every number back (MySQL has no subnormal ones).
_READ_FOLDED = (
    _columns.first,
    _columns.first_time,
    _columns.first_step,
    _columns.latest,
    _columns.latest_time,
    _columns.latest_step,
    _columns.min,
    _columns.max,
    _columns.count,
)
_WRITE_FOLDED = (
    *_READ_FOLDED,
    _columns.first_value,
    _columns.first_kind,
    _columns.latest_value,
    _columns.latest_kind,
    _columns.min_value,
    _columns.min_kind,
    _columns.max_value,
    _columns.max_kind,
)
_FOLDS = select(_columns.trial_id, _columns.metric_id, *_READ_FOLDED).where(
    _columns.trial_id.in_(bindparam("trials", expanding=True)),
    _columns.metric_id.in_(bindparam("metrics", expanding=True)),
)
_INSERT = RowInsert(
    summaries,
    computed={
        "project_id": lambda given: (
            select(trials.c.project_id).where(trials.c.id == given["trial_id"]).scalar_subquery()
        )
    },
)
_UPDATE = (
    update(summaries)
    .where(_columns.trial_id == bindparam("trial"), _columns.metric_id == bindparam("metric"))
    .values({column.name: bindparam(column.name) for column in _WRITE_FOLDED})
)
_SUMMARIES_OF = ByLists(
    lambda among: (
        select(
            _columns.trial_id,
            metrics.c.name,
            _columns.first,
            _columns.latest,
            _columns.min,
            _columns.max,
            _columns.count,
        )
        .join(metrics)
        .where(among(_columns.trial_id, "trials"))
        .order_by(_columns.first_sequence)
    )
)
_SUMMARIES = (
    select(metrics.c.name, _columns.first, _columns.latest, _columns.min, _columns.max, _columns.count)
    .join(metrics)
    .where(_OF_TRIAL)
    .order_by(_columns.first_sequence)
)


def read_folds(connection: Connection, series: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Fold]:
    """Return where the summaries stand, by trial and metric; those without a report are absent."""
    metric_ids: dict[int, list[int]] = {}
    for trial, metric in series:
        metric_ids.setdefault(trial, []).append(metric)
    trials: dict[tuple[int, ...], list[int]] = {}  # those of an experiment have the same metrics
    for trial, wanted in metric_ids.items():
        trials.setdefault(tuple(sorted(wanted)), []).append(trial)
    return {
        (row["trial_id"], row["metric_id"]): Fold(
            first=row["first"],
            first_time=row["first_time"],
            first_step=row["first_step"],
            latest=row["latest"],
            latest_time=row["latest_time"],
            latest_step=row["latest_step"],
            latest_value=reported_number(row["latest"]),
            min=row["min"],
            min_value=reported_number(row["min"]),
            max=row["max"],
            max_value=reported_number(row["max"]),
            count=row["count"],
        )
        for shared, sharing in trials.items()
        for some_trials in _chunks(sharing)
        for some_metrics in _chunks(shared)
        for row in connection.execute(_FOLDS, {"trials": some_trials, "metrics": some_metrics}).mappings()
    }


def _chunks(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(keys), IN_LIMIT):
        yield keys[start : start + IN_LIMIT]


def write_folds(
    connection: Connection,
    folds: Mapping[tuple[int, int], Fold],
    first_sequences: Mapping[tuple[int, int], int],
) -> None:
    """Write summaries back.

    Args:
        folds: By trial and metric.
        first_sequences: Of the series that had no summary before, the number of the first report.
    """
    new = [
        {"trial_id": series[0], "metric_id": series[1], "first_sequence": sequence, **_row(folds[series])}
        for series, sequence in first_sequences.items()
    ]
    known = [
        {"trial": series[0], "metric": series[1], **_row(fold)}
        for series, fold in folds.items()
        if series not in first_sequences
    ]
    if new:
        _INSERT.execute(connection, new)
    if known:
        connection.execute(_UPDATE, known)


def _row(fold: Fold) -> dict[str, Any]:
    first_value, first_kind = pack(reported_number(fold.first))
    latest_value, latest_kind = pack(fold.latest_value)
    min_value, min_kind = pack(fold.min_value)
    max_value, max_kind = pack(fold.max_value)
    return {
        "first": fold.first,
        "first_time": fold.first_time,
        "first_step": fold.first_step,
        "first_value": first_value,
        "first_kind": first_kind,
        "latest": fold.latest,
        "latest_time": fold.latest_time,
        "latest_step": fold.latest_step,
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


def read_summaries(connection: Connection, uid: str, trial: str) -> dict[str, Summary]:
    """Return all summaries of a trial by metric, in the order of first report."""
    key = trial_key(connection, uid, trial)
    return {
        name: Summary(first=first, latest=latest, min=least, max=greatest, count=count)
        for name, first, latest, least, greatest, count in connection.execute(_SUMMARIES, {"trial": key})
    }


def read_summaries_of(connection: Connection, uid: str, names: Sequence[str]) -> dict[str, dict[str, Summary]]:
    """Return all summaries of several trials, by trial and metric; one without reports has none."""
    keys = trial_keys(connection, uid, names)
    found: dict[str, dict[str, Summary]] = {name: {} for name in names}
    of_key = {key: name for name, key in keys.items()}
    for key, name, first, latest, least, greatest, count in _SUMMARIES_OF.rows(connection, {"trials": list(of_key)}):
        found[of_key[key]][name] = Summary(first=first, latest=latest, min=least, max=greatest, count=count)
    return found
