"""What several runs have in common and what not: a pure function of their records, and the call that reads them."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, NotFound, Problem
from katib.store.sql.tracking.run_parts import read_runs
from katib.store.tracking.records import Comparison, RunPart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope
    from katib.store.tracking.records import DatasetUse, Json, Run

__all__ = ["LEAST_RUNS", "MOST_RUNS", "compare", "comparison"]

LEAST_RUNS: Final = 2
MOST_RUNS: Final = 100

_PARTS: Final = frozenset(RunPart) - {RunPart.ARTIFACTS}
_ABSENT: Final = object()
"""What a run has where it has nothing: not None, which a property may be."""


def compare(connection: Connection, scope: Scope, run_ids: Sequence[str]) -> Comparison:
    """Return what two to 100 runs have in common and what not.

    Raises:
        InvalidInput: Fewer runs, or more.
        NotFound: One is not there.
    """
    if not LEAST_RUNS <= len(run_ids) <= MOST_RUNS:
        raise InvalidInput(
            [Problem("run_ids", f"{LEAST_RUNS} to {MOST_RUNS} runs can be compared, these are {len(run_ids)}")]
        )
    found = {run.id: run for run in read_runs(connection, scope, list(dict.fromkeys(run_ids)), _PARTS)}
    missing = [run_id for run_id in run_ids if run_id not in found]
    if missing:
        raise NotFound(f"namespace {scope.namespace!r} has no run with the id {missing[0]!r}")
    return comparison([found[run_id] for run_id in run_ids])


def comparison(runs: Sequence[Run]) -> Comparison:
    """Return what runs have in common and what not.

    Parameters are the same where their texts are, or where both are numbers of the same value (``0.1`` and ``1e-1``); everything else
    is compared as JSON. Of a metric its last value counts. Names are in the order of the kinds and of first appearance.
    """
    of_runs = [dict(_facts(run)) for run in runs]
    equal: dict[str, Json] = {}
    different: dict[str, tuple[Json, ...]] = {}
    for name in _names(of_runs):
        values = [facts.get(name, _ABSENT) for facts in of_runs]
        first = values[0]
        same = _same_number_or_text if name.startswith("params.") else _same_json
        if first is not _ABSENT and all(other is not _ABSENT and same(first, other) for other in values[1:]):
            equal[name] = first
        else:
            different[name] = tuple(None if value is _ABSENT else value for value in values)
    return Comparison(tuple(run.id for run in runs), equal, different)


def _names(of_runs: Sequence[Mapping[str, Json]]) -> list[str]:
    """Return every name once: kind by kind as one run has them, and within a kind in the order of first appearance."""
    kinds = {kind: number for number, kind in enumerate(_KINDS)}
    names = dict.fromkeys(name for facts in of_runs for name in facts)
    return sorted(names, key=lambda name: kinds[name.partition(".")[0]])  # sorting is stable


_KINDS: Final = ("state", "params", "metrics", "tags", "properties", "datasets", "code", "environment")


def _facts(run: Run) -> Iterator[tuple[str, Json]]:
    yield "state", run.state.value
    for parameter in run.parameters:
        yield f"params.{parameter.name}", parameter.text
    for metric in run.metrics:
        yield f"metrics.{metric.name}", metric.latest if metric.value is None else metric.value
    for name, text in run.facts.tags.items():
        yield f"tags.{name}", text
    for name, value in run.facts.properties.items():
        yield f"properties.{name}", value
    yield from _by_role(run.datasets)
    yield from _flat("code", run.code)
    yield from _flat("environment", run.environment)


def _by_role(uses: Iterable[DatasetUse]) -> Iterator[tuple[str, Json]]:
    """Yield the versions used in each role, as ``name@digest``: the content counts, not the number that a project gave it."""
    versions: dict[str, list[str]] = {}
    for use in uses:
        versions.setdefault(use.role, []).append(f"{use.version.name}@{use.version.digest}")
    for role, found in versions.items():
        yield f"datasets.{role}" if role else "datasets", sorted(found)


def _flat(name: str, document: Mapping[str, Json] | None) -> Iterator[tuple[str, Json]]:
    """Yield the leaves of a document under dotted names; lists and empty mappings are leaves."""
    waiting: list[tuple[str, Any]] = [(f"{name}.{key}", value) for key, value in (document or {}).items()]
    waiting.reverse()
    while waiting:
        at, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [(f"{at}.{key}", inner) for key, inner in reversed(value.items())]
        else:
            yield at, value


def _same_json(one: Json, other: Json) -> bool:
    return _text(one) == _text(other)


def _text(value: Json) -> str:
    """Return JSON in which equal values are written equally; in Python NaN is not itself, and True is 1."""
    return json.dumps(value, sort_keys=True)


def _same_number_or_text(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return Decimal(one) == Decimal(other)  # exactly: as doubles, 2^53 and 2^53 + 1 would be the same
    except InvalidOperation:
        return False
