"""New runs with what is logged of them at once: however many there are, each kind of row is one write. In the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.store.sql.tracking import metric_rows, parameter_rows
from katib.store.sql.tracking.audit_rows import record_changes
from katib.store.sql.tracking.fact_rows import write_facts
from katib.store.sql.tracking.run_parts import runs_by_key
from katib.store.sql.tracking.run_rows import insert_run
from katib.store.sql.tracking.scope import Scope
from katib.store.tracking.protocol import ALL_PARTS, NO_FACTS
from katib.store.tracking.records import Node, NodeKind, RunChange, RunPart

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.tracking.records import Log, NewRun, Run

__all__ = ["create_run", "create_runs"]


def create_run(connection: Connection, scope: Scope, new: NewRun, parts: Collection[RunPart] = ALL_PARTS) -> Run:
    """Insert a run with what is logged at once, or return the one that has the id."""
    return create_runs(connection, [RunChange(scope.namespace, scope.actor, new)], parts)[0]


def create_runs(
    connection: Connection, changes: Sequence[RunChange], parts: Collection[RunPart] = ALL_PARTS
) -> list[Run]:
    """Insert runs in their order with what is logged of each, and return them; one whose id is there is as it was.

    Raises:
        KatibError: One of them cannot be inserted, and the transaction is of no use any more.
    """
    keys: list[int] = []
    logs: dict[int, Log] = {}
    told: list[tuple[Scope, Node]] = []
    for change in changes:
        scope = Scope(change.namespace, change.actor)
        key, uid = insert_run(connection, scope, change.new)
        keys.append(key)
        if uid is not None:
            logs[key] = change.new.log
            told.append((scope, Node(NodeKind.RUN, uid)))
    given = _write_first_logs(connection, logs)
    record_changes(connection, "create", told)
    wanted = set(parts) if len(logs) < len(set(keys)) else given.intersection(parts)
    runs = runs_by_key(connection, sorted(set(keys)), wanted)
    return [runs[key] for key in keys]


def _write_first_logs(connection: Connection, logs: Mapping[int, Log]) -> set[RunPart]:
    """Store what is logged with new runs, and return which parts they have now."""
    for log in logs.values():
        parameter_rows.check_names(log.parameters)
    parameter_rows.insert_parameters(connection, {key: log.parameters.items() for key, log in logs.items()})
    for key, log in logs.items():
        if log.facts != NO_FACTS:
            write_facts(connection, NodeKind.RUN, key, log.facts, are_new=True)
    metric_rows.first_samples(connection, {key: log.samples for key, log in logs.items() if log.samples})
    return {
        part
        for log in logs.values()
        for part, given in (
            (RunPart.PARAMETERS, log.parameters),
            (RunPart.TAGS, log.facts.tags),
            (RunPart.PROPERTIES, log.facts.properties),
            (RunPart.METRICS, log.samples),
        )
        if given
    }
