"""Finds which reports are stored already, by what they say. Functions run in the caller's transaction."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam

from katib.store.sql.appended_rows import Row
from katib.store.sql.reported_places import KNOWN_ROWS, UNCLAIMED_ROWS, Place, text_of
from katib.store.sql.schema import observations, unclaimed_observations

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Select

__all__ = ["count_stored", "missing_rows"]

_MOST_PROBES: Final = 4_096
"""What one query may look for; beyond, each series is read from its first to its last time."""
_MOST_VALUES: Final = 500

_TABLES = {
    known: (query.add_columns(columns.trial_id), columns)
    for known, query, columns in (
        (True, KNOWN_ROWS.add_columns(observations.c.step), observations.c),
        (False, UNCLAIMED_ROWS, unclaimed_observations.c),
    )
}
_PROBES = {
    known: query.where(
        columns.trial_id.in_(bindparam("trials", expanding=True)),
        columns.metric_id.in_(bindparam("metrics", expanding=True)),
        columns.time.in_(bindparam("times", expanding=True)),
    )
    for known, (query, columns) in _TABLES.items()
}
_SERIES = {
    known: query.where(columns.trial_id == bindparam("trial"), columns.metric_id == bindparam("metric"))
    for known, (query, columns) in _TABLES.items()
}
_TIMED = {
    known: query.where(_TABLES[known][1].time.between(bindparam("since"), bindparam("until")))
    for known, query in _SERIES.items()
}
_TIMELESS_PROBES = {
    known: query.where(
        columns.trial_id.in_(bindparam("trials", expanding=True)),
        columns.metric_id.in_(bindparam("metrics", expanding=True)),
        columns.time.is_(None),
    )
    for known, (query, columns) in _TABLES.items()
}
_TIMELESS = {known: query.where(_TABLES[known][1].time.is_(None)) for known, query in _SERIES.items()}


def count_stored(
    connection: Connection, wanted: Mapping[Place, Iterable[Row]], *, with_steps: bool = False
) -> dict[Place, Counter[Row]]:
    """Return, for each series, how often rows are stored that have the metrics and the times of these (others may be among them).

    Args:
        with_steps: Whether rows that differ only in their steps are different ones; Katib's wire has no steps.
    """
    counts: dict[Place, Counter[Row]] = {place: Counter() for place in wanted}
    for kind in (True, False):
        times: dict[tuple[int, int], set[int]] = {}
        timeless: set[tuple[int, int]] = set()
        for place, rows in wanted.items():
            if place.known is not kind:
                continue
            for row in rows:
                if row.time is None:
                    timeless.add((place.key, row.metric))
                else:
                    times.setdefault((place.key, row.metric), set()).add(row.time)
        # A round trip to a server costs more than what it asks for; SQLite has none, and takes the wrong index for many values.
        for query, parameters in _queries(kind, times, timeless, one_for_all=connection.dialect.name != "sqlite"):
            for key, row in _rows(connection, query, parameters, known=kind):
                counts[Place(kind, key)][row if with_steps else row._replace(step=None)] += 1
    return counts


def _queries(
    known: bool,  # noqa: FBT001 - which table
    times: Mapping[tuple[int, int], set[int]],
    timeless: Collection[tuple[int, int]],
    *,
    one_for_all: bool,
) -> Iterator[tuple[Select[Any], dict[str, Any]]]:
    """Yield what to ask; most groups are small reports of many trials, which one query finds."""
    trials, metrics, moments = (
        sorted({trial for trial, _ in times}),
        sorted({metric for _, metric in times}),
        sorted(set().union(*times.values())),
    )
    values: Sequence[int] = (len(trials), len(metrics), len(moments))
    if (
        one_for_all
        and len(times) > 1
        and max(values) <= _MOST_VALUES
        and values[0] * values[1] * values[2] <= _MOST_PROBES
    ):
        yield _PROBES[known], {"trials": trials, "metrics": metrics, "times": moments}
    else:
        for (trial, metric), some in times.items():
            yield _TIMED[known], {"trial": trial, "metric": metric, "since": min(some), "until": max(some)}
    trials, metrics = sorted({trial for trial, _ in timeless}), sorted({metric for _, metric in timeless})
    if (
        one_for_all
        and max(len(trials), len(metrics)) <= _MOST_VALUES
        and 1 < len(trials) * len(metrics) <= _MOST_PROBES
    ):
        yield _TIMELESS_PROBES[known], {"trials": trials, "metrics": metrics}
        return
    for trial, metric in timeless:
        yield _TIMELESS[known], {"trial": trial, "metric": metric}


def _rows(
    connection: Connection, query: Select[Any], parameters: Mapping[str, Any], *, known: bool
) -> Iterator[tuple[int, Row]]:
    found: Iterable[Any] = connection.execute(query, parameters)
    if known:
        for metric, value, kind, text, time, _, step, trial in found:
            yield trial, Row(metric, text_of(value, kind, text), time, step)
    else:
        for metric, text, time, _, trial in found:
            yield trial, Row(metric, text, time)


def missing_rows(rows: Sequence[Row], counts: Counter[Row]) -> list[Row]:
    """Return the rows of one report that are not stored yet, and count them as stored."""
    seen: Counter[Row] = Counter()
    missing = []
    for row in rows:
        seen[row] += 1
        if seen[row] > counts[row]:
            counts[row] += 1
            missing.append(row)
    return missing
