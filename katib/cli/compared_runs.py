"""From what the user wrote to the runs that are compared, and the table of what differs between them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from katib.cli.lookup import Kind, parse_reference
from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.query.printing import print_field, print_filter
from katib.store.query.tree import Compare, Field, IsNan, Reading
from katib.store.query.vocabulary import Entity, Type
from katib.store.tracking.records import RunPart, RunScope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Comparison, Run, SearchExperiment

__all__ = ["best_runs", "comparison_rows", "run_meant"]

_ID: Final = re.compile(r"[0-9a-f]{32}")
_ORDERS: Final = {"minimize": "ASC", "maximize": "DESC"}
_NAME: Final = Field(Entity.ATTRIBUTE, "run_name", Type.TEXT)
_NOTHING: Final = frozenset[RunPart]()


def run_meant(tracking: Tracking, word: str) -> Run:
    """Return the run that has a word as its name or its id; ``trial/NAME`` is the same.

    Raises:
        NotFound: There is none.
        Conflict: Several runs have the name.
    """
    name = word
    if "/" in word and word.partition("/")[0].lower() in {"trial", "trials", "tr"}:
        name = parse_reference([word]).names[0]
    elif word.lower().startswith(("exp/", "experiment/")):
        raise InvalidInput(f"{word!r} is an {Kind.EXPERIMENT}, and runs are compared; --best N takes its best trials")
    if _ID.fullmatch(name):
        found = tracking.runs([name], _NOTHING)
        if found:
            return found[0]
    named = tracking.find_runs(print_filter(Compare(_NAME, "=", name)), limit=3, parts=_NOTHING).items
    if len(named) > 1:
        told = ", ".join(f"{run.id} ({run.experiment or run.project})" for run in named[:2])
        raise Conflict(f"several runs are named {name!r}: say which one by its id ({told}{', …' * (len(named) > 2)})")  # noqa: PLR2004
    if not named:
        raise NotFound(f"namespace {tracking.namespace!r} has no run named {name!r}")
    return named[0]


def best_runs(tracking: Tracking, search: SearchExperiment, count: int) -> list[Run]:
    """Return the best trials of an experiment; with several objectives, those that no other one beats in all of them.

    Raises:
        InvalidInput: It has no objective.
        NotFound: Fewer than two of its trials have a result.
    """
    scope = RunScope(experiment_ids=[search.id])
    several = [
        (one["objectiveMetricName"], one["type"])
        for one in (search.spec or {}).get("objectives") or []
        if one.get("objectiveMetricName") and one.get("type") in _ORDERS
    ]
    if several:
        found = tracking.pareto_runs(several, scope=scope, parts=_NOTHING)[:count]
    else:
        if not search.objective or search.objective_type not in _ORDERS:
            raise InvalidInput(
                f"experiment {search.name!r} has no objective by which a trial is the best: name the runs"
            )
        metric = _objective(search)
        found = list(
            tracking.find_runs(
                print_filter(IsNan(metric, negated=True)),
                f"{print_field(metric)} {_ORDERS[search.objective_type]}",
                scope=scope,
                limit=count,
                parts=_NOTHING,
            ).items
        )
    if len(found) < 2:  # noqa: PLR2004 - one is like itself
        raise NotFound(f"experiment {search.name!r} has no two trials with a result: there is nothing to compare")
    return found


def _objective(search: SearchExperiment) -> Field:
    """Return the value that counts: the latest, the least or the greatest, as the experiment's strategy says."""
    objective = (search.spec or {}).get("objective") or {}
    strategies = {one.get("name"): one.get("value") for one in objective.get("metricStrategies") or []}
    reading = {"min": Reading.MIN, "max": Reading.MAX}.get(strategies.get(search.objective, ""), Reading.VALUE)
    return Field(Entity.METRIC, search.objective, Type.NUMBER, reading)


def comparison_rows(comparison: Comparison, *, equal: bool) -> Iterator[list[str]]:
    """Yield a row for each name that differs, and for those that do not where they are wanted."""
    for name, values in comparison.different.items():
        yield [name, *map(_cell, values)]
    if equal:
        for name, value in comparison.equal.items():
            yield [name, *[_cell(value)] * len(comparison.run_ids)]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False)
