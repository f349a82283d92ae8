"""Runs that are the best of many in several metrics, and runs that are like another one. Reads only, in the caller's transaction.

What is compared is read for all runs of the scope, as plain columns; records are made of those that are returned.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select

from katib.errors import InvalidInput, Problem
from katib.store.sql.documents import load
from katib.store.sql.keys import digest_of
from katib.store.sql.schema import experiments, metrics, summaries
from katib.store.sql.text import storable
from katib.store.sql.tracking.finding import find_run_keys
from katib.store.sql.tracking.parameter_rows import parameters_of
from katib.store.sql.tracking.run_parts import read_run, runs_by_key
from katib.store.sql.tracking.scope import chunks, run_key
from katib.store.sql.values import unpack
from katib.store.tracking.pareto import SIGNS, check_objectives, pareto_front
from katib.store.tracking.protocol import ALL_PARTS
from katib.store.tracking.records import RunPart, RunScope
from katib.store.tracking.similarity import distances

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope
    from katib.store.tracking.records import Run

__all__ = ["MOST_SIMILAR", "pareto_runs", "similar_runs"]

MOST_SIMILAR: Final = 1_000

_PAGE: Final = 1_000
_LOGARITHMIC: Final = ("logUniform", "logNormal")
_DISTRIBUTION: Final = "optuna.distribution."
_METRIC: Final = select(metrics.c.id).where(metrics.c.digest == bindparam("digest"))
_VALUES: Final = select(summaries.c.trial_id, summaries.c.latest_value, summaries.c.latest_kind).where(
    summaries.c.metric_id == bindparam("metric"), summaries.c.trial_id.in_(bindparam("runs", expanding=True))
)
_SPEC: Final = select(experiments.c.spec).where(experiments.c.id == bindparam("experiment"))


def pareto_runs(
    connection: Connection,
    scope: Scope,
    objectives: Sequence[tuple[str, str]],
    run_scope: RunScope,
    *,
    parts: Collection[RunPart] = ALL_PARTS,
    now: datetime,
) -> list[Run]:
    """Return the runs that no other run beats in all objectives, by their latest values.

    Raises:
        InvalidInput: The objectives are none.
    """
    check_objectives(objectives)
    keys = _all_keys(connection, scope, run_scope, now)
    points: dict[int, tuple[float, ...]] = dict.fromkeys(sorted(keys), ())
    for name, direction in objectives:
        metric = connection.execute(_METRIC, {"digest": digest_of(storable(name))}).scalar()
        values: dict[int, float] = {}
        for some in chunks(list(points)) if metric is not None else ():
            for run, value, kind in connection.execute(_VALUES, {"metric": metric, "runs": some}):
                number = unpack(value, kind)
                if number is not None:
                    values[run] = SIGNS[direction] * number
        points = {run: (*point, values[run]) for run, point in points.items() if run in values}
    left = list(points)
    best = [left[index] for index in pareto_front(list(points.values()))]
    found = runs_by_key(connection, best, parts)
    return [found[key] for key in best]


def similar_runs(
    connection: Connection,
    scope: Scope,
    run_id: str,
    *,
    limit: int,
    run_scope: RunScope | None,
    parts: Collection[RunPart] = ALL_PARTS,
    now: datetime,
) -> list[tuple[Run, float]]:
    """Return the runs that are most like one in their parameters, with their distances, the nearest first.

    Raises:
        InvalidInput: The limit is none.
        NotFound: The run is not there.
    """
    if not 1 <= limit <= MOST_SIMILAR:
        raise InvalidInput([Problem("limit", f"has to be 1 to {MOST_SIMILAR:,}", limit)])
    key = run_key(connection, scope, run_id)
    run = read_run(connection, scope, run_id, frozenset({RunPart.PARAMETERS, RunPart.PROPERTIES}))
    if run_scope is None:
        run_scope = (
            RunScope(project_ids=(run.project_id,), roots_only=True)
            if run.experiment_id is None
            else RunScope(experiment_ids=(run.experiment_id,))
        )
    others = [other for other in _all_keys(connection, scope, run_scope, now) if other != key.key]
    given = parameters_of(connection, others)
    logarithmic = _logarithmic(connection, key.experiment, run)
    apart = distances(run.parameters, [given.get(other, ()) for other in others], logarithmic=logarithmic)
    nearest = sorted(zip(apart, others, strict=True))[:limit]
    found = runs_by_key(connection, [other for _, other in nearest], parts)
    return [(found[other], distance) for distance, other in nearest]


def _all_keys(connection: Connection, scope: Scope, run_scope: RunScope, now: datetime) -> list[int]:
    keys: list[int] = []
    cursor: str | None = None
    while True:
        page, cursor = find_run_keys(connection, scope, "", "", run_scope, limit=_PAGE, cursor=cursor, now=now)
        keys += page
        if cursor is None:
            return keys


def _logarithmic(connection: Connection, experiment: int | None, run: Run) -> set[str]:
    """Return the parameters that are searched on a logarithmic scale, as the spec of the experiment says, or the study of Optuna's."""
    found: set[str] = set()
    spec = None if experiment is None else connection.execute(_SPEC, {"experiment": experiment}).scalar()
    for parameter in (load(spec).get("parameters") or []) if spec else []:
        space = parameter.get("feasibleSpace") or {}
        if space.get("distribution") in _LOGARITHMIC:
            found.add(parameter["name"])
    for name, kept in run.facts.properties.items():
        if name.startswith(_DISTRIBUTION) and _is_log(kept):
            found.add(name.removeprefix(_DISTRIBUTION))
    return found


def _is_log(kept: Any) -> bool:
    """Whether what Optuna's storage keeps of a parameter says so: its place, its value, and its distribution as Optuna writes it."""
    try:
        attributes = json.loads(kept[2])["attributes"]
        return attributes.get("log") is True
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        return False
