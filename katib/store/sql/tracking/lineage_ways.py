"""Walks along lineage: what lies before or behind some nodes, as the database finds it, and what a set of edges says.

Few steps are made one query each. All of them are one recursive query that finds nodes, each once, and then their edges: one that also
counted the steps would meet a node again for every way there is to it, and there may be more of those than atoms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sqlalchemy import bindparam, select

from katib.store.sql.tracking.lineage_nodes import NodeKey, nodes_by_kind
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import lineage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement, Connection, Select

__all__ = ["Edge", "distances", "edges_beyond", "next_edges", "node_in_circle"]

Edge: TypeAlias = tuple[NodeKey, NodeKey]
"""What something was made from, and what was made from it."""

_FEW_STEPS: Final = 16
_columns = lineage.c


class _Way(NamedTuple):
    """The queries of one direction."""

    one_step: Select[Any]
    all_steps: Select[Any]


def _way(
    near: tuple[ColumnElement[str], ColumnElement[int]], far: tuple[ColumnElement[str], ColumnElement[int]]
) -> _Way:
    edges = select(_columns.input_kind, _columns.input_id, _columns.output_kind, _columns.output_id)
    (near_kind, near_id), (far_kind, far_id) = near, far
    from_seeds = (near_kind == bindparam("kind")) & near_id.in_(bindparam("keys", expanding=True))
    seeds = select(near_kind.label("kind"), near_id.label("id")).where(from_seeds)
    reached = seeds.cte("reached", recursive=True)
    here = (near_kind == reached.c.kind) & (near_id == reached.c.id)
    reached = reached.union(select(far_kind, far_id).join(reached, here))
    here = (near_kind == reached.c.kind) & (near_id == reached.c.id)
    return _Way(one_step=edges.where(from_seeds), all_steps=edges.join(reached, here))


_INPUT = (_columns.input_kind, _columns.input_id)
_OUTPUT = (_columns.output_kind, _columns.output_id)
_WAYS: Final = {True: _way(_OUTPUT, _INPUT), False: _way(_INPUT, _OUTPUT)}


def next_edges(connection: Connection, nodes: Iterable[NodeKey], *, up: bool) -> set[Edge]:
    """Return the edges that lead to nodes (``up``), or away from them."""
    return _edges(connection, _WAYS[up].one_step, nodes)


def edges_beyond(
    connection: Connection, nodes: Collection[NodeKey], *, up: bool, depth: int | None = None
) -> set[Edge]:
    """Return all edges on the ways to nodes (``up``), or away from them, at most ``depth`` edges long; maybe some further ones."""
    found: set[Edge] = set()
    if depth is not None and depth <= _FEW_STEPS:
        seen, here = set(nodes), set(nodes)
        for _ in range(depth):
            step = next_edges(connection, here, up=up)
            here = {edge[0 if up else 1] for edge in step} - seen
            seen |= here
            found |= step
            if not here:
                break
        return found
    _allow_many_steps(connection)
    expanded: set[NodeKey] = set()
    for kind, keys in nodes_by_kind(nodes).items():
        for some in chunks(keys):
            new = [(kind, key) for key in some if (kind, key) not in expanded]
            if new:
                step = _edges(connection, _WAYS[up].all_steps, new)
                expanded |= {edge[1 if up else 0] for edge in step}
                found |= step
    return found


def _edges(connection: Connection, query: Select[Any], nodes: Iterable[NodeKey]) -> set[Edge]:
    return {
        ((input_kind, input_id), (output_kind, output_id))
        for kind, keys in nodes_by_kind(nodes).items()
        for some in chunks(keys)
        for input_kind, input_id, output_kind, output_id in connection.execute(query, {"kind": kind, "keys": some})
    }


def _allow_many_steps(connection: Connection) -> None:
    """Lift the bound of MySQL and MariaDB: after 1,000 steps the one fails, and the other returns what it has."""
    if connection.dialect.name == "mysql":
        mariadb = getattr(connection.dialect, "is_mariadb", False)
        bound = "max_recursive_iterations" if mariadb else "cte_max_recursion_depth"
        connection.exec_driver_sql(f"SET SESSION {bound} = 4294967295")


def distances(edges: Iterable[Edge], start: NodeKey, *, up: bool) -> dict[NodeKey, int]:
    """Return how many edges away from a node each other one is that can be reached from it; the node itself is 0 away."""
    near, far = (1, 0) if up else (0, 1)
    beyond: dict[NodeKey, list[NodeKey]] = {}
    for edge in edges:
        beyond.setdefault(edge[near], []).append(edge[far])
    found = {start: 0}
    here = [start]
    while here:
        there: list[NodeKey] = []
        for node in here:
            for other in beyond.get(node, ()):
                if other not in found:
                    found[other] = found[node] + 1
                    there.append(other)
        here = there
    return found


def node_in_circle(edges: Iterable[Edge]) -> NodeKey | None:
    """Return a node that can be reached from itself, or None where there is none."""
    outputs: dict[NodeKey, list[NodeKey]] = {}
    waiting_for: dict[NodeKey, int] = {}
    for given, made in set(edges):
        outputs.setdefault(given, []).append(made)
        waiting_for[made] = waiting_for.get(made, 0) + 1
    ready = [node for node in outputs if node not in waiting_for]
    while ready:
        for made in outputs.pop(ready.pop(), ()):
            waiting_for[made] -= 1
            if not waiting_for[made]:
                del waiting_for[made]
                ready.append(made)
    if not waiting_for:
        return None
    # Whatever still waits does so for a circle: going back along what waits ends up in one.
    waits_for = {made: given for given, some in outputs.items() for made in some}
    node, seen = next(iter(waiting_for)), set()
    while node not in seen:
        seen.add(node)
        node = waits_for[node]
    return node
