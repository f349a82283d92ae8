"""Makes long series short enough to draw, in the database: what leaves it are as many points as a chart has room for.

A series is cut into parts of equal width along its steps, or its times where steps are missing, or the order of its reports where
times are missing too. Extremes of each part are kept, so no spike is lost.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import and_, bindparam, case, func, select

from katib.errors import InvalidInput, Problem
from katib.store.sql.keys import digest_of
from katib.store.sql.schema import metrics, observations
from katib.store.sql.text import storable
from katib.store.sql.tracking.scope import chunks, run_keys
from katib.store.sql.values import Kind, moment, unpack
from katib.store.tracking.records import ChartPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from katib.store.sql.tracking.scope import Scope

__all__ = ["MOST_POINTS", "MOST_RUNS", "charts"]

MOST_POINTS: Final = 2_000
MOST_RUNS: Final = 100

_WIDEST: Final = 2**62
"""Steps further apart than this are no steps that anyone counted, and no database subtracts them."""

_points = observations.c
_METRIC = select(metrics.c.id).where(metrics.c.digest == bindparam("digest"))
_OF_METRIC = _points.metric_id == bindparam("metric")
_OF_RUNS = and_(_points.trial_id.in_(bindparam("trials", expanding=True)), _OF_METRIC)
_OF_RUN = and_(_points.trial_id == bindparam("trial"), _OF_METRIC)
_STEPS = (
    select(
        _points.trial_id,
        func.count(),
        func.count(_points.step),
        func.min(_points.step),
        func.max(_points.step),
    )
    .where(_OF_RUNS)
    .group_by(_points.trial_id)
)
_TIMES = select(
    func.count(_points.time),
    func.min(_points.time),
    func.max(_points.time),
    func.min(_points.sequence),
    func.max(_points.sequence),
).where(_OF_RUN)
_AXES: Final[dict[str, ColumnElement[Any]]] = {
    "step": _points.step,
    "time": _points.time,
    "sequence": _points.sequence,
}
_WHOLE = select(_points.trial_id, _points.sequence, _points.step, _points.time, _points.value, _points.kind).where(
    _OF_RUNS
)

# By key and not joined: no database knows how few parts there will be.
_ENDS = select(_points.sequence, _points.step, _points.time, _points.value, _points.kind).where(
    _OF_RUN, _points.sequence.in_(bindparam("sequences", expanding=True))
)


class _Axis(NamedTuple):
    """What a series is cut along, and from where to where it goes."""

    column: str
    low: int
    high: int


def charts(
    connection: Connection, scope: Scope, run_ids: Sequence[str], metric: str, points: int
) -> dict[str, list[ChartPoint]]:
    """Return series of a metric with at most so many points each, of the runs that have it, in the order asked for.

    Raises:
        InvalidInput: Too many runs or points.
    """
    if not 1 <= points <= MOST_POINTS:
        raise InvalidInput([Problem("points", f"a chart has 1 to {MOST_POINTS:,} points", points)])
    wanted = list(dict.fromkeys(run_ids))
    if len(wanted) > MOST_RUNS:
        raise InvalidInput([Problem("run_ids", f"at most {MOST_RUNS} runs at once", len(wanted))])
    keys = run_keys(connection, scope, wanted)
    metric_key = connection.execute(_METRIC, {"digest": digest_of(storable(metric))}).scalar()
    if metric_key is None or not keys:
        return {}
    asked = {"trials": sorted(run.key for run in keys.values()), "metric": metric_key}
    short: dict[int, _Axis] = {}
    drawn: dict[int, list[ChartPoint]] = {}
    for trial, count, steps, first_step, last_step in connection.execute(_STEPS, asked).all():
        if steps == count and last_step - first_step < _WIDEST:
            axis = _Axis("step", first_step, last_step)
        else:
            axis = _without_steps(connection, trial, metric_key, count)
        if count <= points:
            short[trial] = axis
        else:
            drawn[trial] = _cut(connection, trial, metric_key, axis, points)
    if short:
        drawn |= _as_they_are(connection, short, metric_key)
    return {run_id: drawn[run.key] for run_id in wanted if (run := keys.get(run_id)) and run.key in drawn}


def _without_steps(connection: Connection, trial: int, metric: int, count: int) -> _Axis:
    asked = {"trial": trial, "metric": metric}
    times, first_time, last_time, first, last = connection.execute(_TIMES, asked).one()
    return _Axis("time", first_time, last_time) if times == count else _Axis("sequence", first, last)


def _as_they_are(connection: Connection, axes: dict[int, _Axis], metric: int) -> dict[int, list[ChartPoint]]:
    rows: dict[int, list[Any]] = {trial: [] for trial in axes}
    for row in connection.execute(_WHOLE, {"trials": sorted(axes), "metric": metric}):
        rows[row.trial_id].append(row)
    drawn = {}
    for trial, of_trial in rows.items():
        along = operator.attrgetter(axes[trial].column, "sequence")
        drawn[trial] = [
            _point(row.step, row.time, row.value, row.kind, least=row.value, greatest=row.value, count=1)
            for row in sorted(of_trial, key=along)
        ]
    return drawn


def _cut(connection: Connection, trial: int, metric: int, axis: _Axis, points: int) -> list[ChartPoint]:
    width = (axis.high - axis.low) // points + 1
    asked = {"trial": trial, "metric": metric, "low": axis.low, "width": width}
    parts = connection.execute(_CUTS[axis.column], asked).all()
    wanted = sorted({each for part in parts for each in (part.last, part.last_number) if each is not None})
    ends = {
        row.sequence: row
        for some in chunks(wanted)
        for row in connection.execute(_ENDS, {"trial": trial, "metric": metric, "sequences": some})
    }
    drawn = []
    for part in parts:
        last, number = ends[part.last], ends.get(part.last_number)
        value, kind = (None, None) if number is None else (number.value, number.kind)
        drawn.append(
            _point(last.step, last.time, value, kind, least=part.least, greatest=part.greatest, count=part.reports)
        )
    return drawn


def _cut_along(column: ColumnElement[Any]) -> Select[Any]:
    """Return the statement that cuts a series along a column; the last report of a part is the one that was stored last."""
    along = column - bindparam("low")
    part = along - along % bindparam("width")  # division means something else on each database, this does not
    is_number = case((_points.kind != int(Kind.WORD), _points.sequence))
    return (
        select(
            part.label("part"),
            func.max(_points.sequence).label("last"),
            func.max(is_number).label("last_number"),
            func.min(_points.value).label("least"),
            func.max(_points.value).label("greatest"),
            func.count().label("reports"),
        )
        .where(_OF_RUN)
        .group_by("part")
        .order_by("part")
    )


_CUTS: Final = {name: _cut_along(column) for name, column in _AXES.items()}


def _point(
    step: int | None,
    time: int | None,
    value: float | None,
    kind: int | None,
    *,
    least: float | None,
    greatest: float | None,
    count: int,
) -> ChartPoint:
    return ChartPoint(
        step=step,
        time=None if time is None else moment(time),
        value=None if kind is None else unpack(value, kind),
        min=least,
        max=greatest,
        count=count,
    )
