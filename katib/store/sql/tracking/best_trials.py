"""Which trials of an experiment are not among its best, for policies that keep those. Reads only, in the caller's transaction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, select

from katib.api.trial import TrialState
from katib.store.sql.documents import load
from katib.store.sql.keys import digest_of
from katib.store.sql.schema import experiments, metrics, summaries, trials
from katib.store.sql.text import storable
from katib.store.sql.values import unpack
from katib.store.tracking.records import ExperimentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Connection

__all__ = ["trials_beyond_best"]

_SIGNS: Final = {"minimize": 1, "maximize": -1}
_READINGS: Final = {
    "latest": (summaries.c.latest_value, summaries.c.latest_kind),
    "min": (summaries.c.min_value, summaries.c.min_kind),
    "max": (summaries.c.max_value, summaries.c.max_kind),
}
_FAILED: Final = {TrialState.FAILED.value, TrialState.METRICS_UNAVAILABLE.value}
_ACTIVE: Final = [state.value for state in TrialState if state.is_active]

_searches, _runs = experiments.c, trials.c
_EXPERIMENTS = (
    select(_searches.id, _searches.uid, _searches.kind, _searches.objective, _searches.objective_type, _searches.spec)
    .join(trials, _runs.id == _searches.root_id)
    .where(
        _searches.deleted.is_(None),
        _searches.objective != "",
        _searches.objective_type.in_(list(_SIGNS)),
        (_searches.kind != ExperimentKind.KATIB.value) | _runs.state.not_in(_ACTIVE),
    )
    .order_by(_searches.id)
)
_METRIC = select(metrics.c.id).where(metrics.c.digest == bindparam("digest"))


def trials_beyond_best(
    connection: Connection, condition: ColumnElement[bool], keep: int | None
) -> Iterator[tuple[str, list[str]]]:
    """Yield experiments and those of their finished trials that are not among the best so many, by id.

    Only experiments with an objective are looked at; of those we drive, only the ones that are over, as the others need every trial. A
    trial that failed, and one without a number, is worse than any other.
    """
    if keep is None:
        return
    for row in connection.execute(_EXPERIMENTS.where(condition)).all():
        strategy = "max" if row.objective_type == "maximize" else "min"
        if row.kind == ExperimentKind.KATIB.value:
            strategy = _strategy(row.spec, row.objective, strategy)
        key = connection.execute(_METRIC, {"digest": digest_of(storable(row.objective))}).scalar()
        ranked = _ranked(connection, row.id, _Objective(key, _SIGNS[row.objective_type], strategy))
        yield row.uid, ranked[keep:]


class _Objective(NamedTuple):
    """What trials are ranked by.

    Attributes:
        metric: Its key; None where it was never reported.
        sign: 1 where less is better.
        reading: Which of ``latest``, ``min`` and ``max``.
    """

    metric: int | None
    sign: int
    reading: str


def _strategy(spec: str, metric: str, default: str) -> str:
    strategies = (load(spec).get("objective") or {}).get("metricStrategies") or []
    found = next((item.get("value") for item in strategies if item.get("name") == metric), default)
    return found if found in _READINGS else "latest"


def _ranked(connection: Connection, experiment: int, objective: _Objective) -> list[str]:
    """Return the finished trials of an experiment, the best first."""
    value, kind = _READINGS[objective.reading]
    of_metric = (summaries.c.trial_id == _runs.id) & (summaries.c.metric_id == objective.metric)
    query: Any = (
        select(_runs.uid, _runs.state, _runs.trial_index, value.label("value"), kind.label("kind"))
        .outerjoin(summaries, of_metric)
        .where(_runs.experiment_id == experiment, _runs.deleted.is_(None), _runs.state.not_in(_ACTIVE))
    )

    def rank(row: Any) -> tuple[bool, bool, float, int]:
        number = None if row.kind is None else unpack(row.value, row.kind)
        index = row.trial_index or 0
        if number is None or math.isnan(number):
            return True, row.state in _FAILED, 0.0, index
        return False, row.state in _FAILED, objective.sign * number, index

    return [row.uid for row in sorted(connection.execute(query).all(), key=rank)]
