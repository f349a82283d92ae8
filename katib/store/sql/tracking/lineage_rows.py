"""What was made from what: edges between runs, versions of datasets and artifacts that never close a circle. In the caller's transaction.

Two writers could each add one half of a circle that neither of them sees. So whoever adds edges that might close one locks the row of
``counters`` that stands for the lineage of the namespace, and only then looks; new nodes have no edges yet and need no look.

Order of locks: the rows of runs, those of other nodes, that row, and the number of a change at last.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, insert, select

from katib.errors import Conflict, InvalidInput, Problem
from katib.store.sql.schema import counters
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.lineage_nodes import hold_nodes, known_nodes, node_ids, required_nodes
from katib.store.sql.tracking.lineage_ways import distances, edges_beyond, next_edges, node_in_circle
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import lineage
from katib.store.tracking.records import LineageEdge, Node

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.sql.tracking.lineage_nodes import NodeKey
    from katib.store.sql.tracking.lineage_ways import Edge
    from katib.store.sql.tracking.scope import Scope

__all__ = ["MOST_NODES", "add_edges", "add_lineage", "common_ancestors", "delete_lineage", "downstream", "upstream"]

MOST_NODES: Final = 100
"""Nodes whose common ancestors are looked for at once."""

_TOLD: Final = 10
_columns = lineage.c
_EDGE = (_columns.input_kind, _columns.input_id, _columns.output_kind, _columns.output_id)
# By what they lead to: most things are made of few. No list of whole edges, for which databases read the whole table.
_KNOWN = select(*_EDGE).where(
    _columns.output_kind == bindparam("output_kind"),
    _columns.output_id.in_(bindparam("output_ids", expanding=True)),
    _columns.input_kind == bindparam("input_kind"),
    _columns.input_id.between(bindparam("first_input"), bindparam("last_input")),
)
_INSERT = insert(lineage)
_DELETE = delete(lineage).where(*(column == bindparam(f"of_{column.name}") for column in _EDGE))
_LOCK = select(counters.c.value).where(counters.c.name == bindparam("name")).with_for_update()
_NEW_LOCK = insert(counters)


def add_lineage(connection: Connection, scope: Scope, edges: Iterable[LineageEdge]) -> None:
    """Insert edges that are not there.

    Raises:
        NotFound: A node is not there.
        Conflict: Something would be made from itself.
    """
    wanted = list(dict.fromkeys(edges))
    if not wanted:
        return
    keys = required_nodes(connection, scope, (node for edge in wanted for node in (edge.input, edge.output)))
    pairs = _pairs(wanted, keys)
    hold_nodes(connection, (node for edge in pairs for node in edge))
    new = add_edges(connection, scope, list(pairs))
    if new:
        _record(connection, scope, "add-lineage", [pairs[edge] for edge in new])


def add_edges(connection: Connection, scope: Scope, edges: Sequence[Edge], *, fresh: bool = False) -> list[Edge]:
    """Insert edges between nodes that nobody removes meanwhile, and return those that were not there.

    Args:
        fresh: What they lead to was inserted in this transaction.

    Raises:
        Conflict: Something would be made from itself.
    """
    if not fresh:
        _lock(connection, scope)
        there = _known(connection, edges)
        edges = [edge for edge in edges if edge not in there]
        _refuse_circles(connection, edges)
    if edges:
        connection.execute(_INSERT, [_row(edge) for edge in edges])
    return list(edges)


def _lock(connection: Connection, scope: Scope) -> None:
    """Keep other writers from the lineage of the namespace until the transaction ends."""
    name = f"lineage {hashlib.sha256(storable(scope.namespace).encode()).hexdigest()[:32]}"
    if connection.execute(_LOCK, {"name": name}).first() is None:
        connection.execute(_NEW_LOCK, {"name": name, "value": 0})


def _known(connection: Connection, edges: Iterable[Edge]) -> set[Edge]:
    """Return those of some edges that are stored."""
    by_kinds: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for (input_kind, given), (output_kind, made) in edges:
        by_kinds.setdefault((input_kind, output_kind), []).append((made, given))
    found: set[Edge] = set()
    for (input_kind, output_kind), pairs in by_kinds.items():
        for some in chunks(sorted(pairs)):
            inputs = [given for _, given in some]
            wanted = {
                "output_kind": output_kind,
                "output_ids": list(dict.fromkeys(made for made, _ in some)),
                "input_kind": input_kind,
                "first_input": min(inputs),
                "last_input": max(inputs),
            }
            asked = set(some)
            found |= {
                ((input_kind, given), (output_kind, made))
                for _, given, _, made in connection.execute(_KNOWN, wanted)
                if (made, given) in asked
            }
    return found


def _refuse_circles(connection: Connection, new: Sequence[Edge]) -> None:
    """Raise Conflict where new edges would close a circle with each other and with those that are stored."""
    inputs, outputs = {edge[0] for edge in new}, {edge[1] for edge in new}
    # A circle goes on behind an output and comes back to an input: most edges are of runs that made nothing yet.
    going_on = (outputs & inputs) | {edge[0] for edge in next_edges(connection, outputs, up=False)}
    coming_back = (inputs & outputs) | {edge[1] for edge in next_edges(connection, inputs, up=True)}
    if not going_on or not coming_back:
        return
    node = node_in_circle([*edges_beyond(connection, going_on, up=False), *new])
    if node is not None:
        found = node_ids(connection, [node])[node]
        raise Conflict(f"the {found.kind.value.replace('-', ' ')} {found.id!r} would be made from itself")


def _row(edge: Edge) -> dict[str, str | int]:
    (input_kind, input_id), (output_kind, output_id) = edge
    return {"input_kind": input_kind, "input_id": input_id, "output_kind": output_kind, "output_id": output_id}


def _pairs(edges: Iterable[LineageEdge], keys: Mapping[Node, NodeKey]) -> dict[Edge, LineageEdge]:
    """Return edges by their keys, without those that a node is not there for; in one order for all writers."""
    found = {
        (keys[edge.input], keys[edge.output]): edge for edge in edges if edge.input in keys and edge.output in keys
    }
    return dict(sorted(found.items()))


def delete_lineage(connection: Connection, scope: Scope, edges: Iterable[LineageEdge]) -> None:
    """Delete edges; those that are not there are fine."""
    wanted = set(edges)
    keys = known_nodes(connection, scope, {node for edge in wanted for node in (edge.input, edge.output)})
    pairs = _pairs(wanted, keys)
    there = sorted(_known(connection, pairs))
    if not there:
        return
    connection.execute(_DELETE, [{f"of_{name}": value for name, value in _row(edge).items()} for edge in there])
    _record(connection, scope, "delete-lineage", [pairs[edge] for edge in there])


def _record(connection: Connection, scope: Scope, action: str, edges: Sequence[LineageEdge]) -> None:
    """Write down which edges changed: of what they all lead to, where that is one thing."""
    outputs = {edge.output for edge in edges}
    told = [[edge.input.kind.value, edge.input.id, edge.output.kind.value, edge.output.id] for edge in edges[:_TOLD]]
    node = outputs.pop() if len(outputs) == 1 else None
    record_change(connection, scope, action, node, count=len(edges), edges=told)


def upstream(connection: Connection, scope: Scope, node: Node, *, depth: int | None = None) -> list[LineageEdge]:
    """Return every edge on the ways to a node, nearest first."""
    return _walk(connection, scope, node, depth, up=True)


def downstream(connection: Connection, scope: Scope, node: Node, *, depth: int | None = None) -> list[LineageEdge]:
    """Return every edge on the ways from a node, nearest first."""
    return _walk(connection, scope, node, depth, up=False)


def _walk(connection: Connection, scope: Scope, node: Node, depth: int | None, *, up: bool) -> list[LineageEdge]:
    if depth is not None and depth < 1:
        raise InvalidInput([Problem("depth", "is 1 for the nearest edges, or more", depth)])
    start = required_nodes(connection, scope, [node])[node]
    edges = edges_beyond(connection, [start], up=up, depth=depth)
    near = 1 if up else 0
    steps = distances(edges, start, up=up)
    nodes = node_ids(connection, (end for edge in edges for end in edge))
    ranks = {key: rank for rank, (_, key) in enumerate(sorted((found, key) for key, found in nodes.items()))}
    shown = [
        edge for edge in edges if edge[0] in nodes and edge[1] in nodes and (depth is None or steps[edge[near]] < depth)
    ]
    # As sorting pairs of a step and a LineageEdge would do, several times faster.
    ordered = sorted(shown, key=lambda edge: (steps[edge[near]], ranks[edge[0]], ranks[edge[1]]))
    return [LineageEdge(nodes[given], nodes[made]) for given, made in ordered]


def common_ancestors(connection: Connection, scope: Scope, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes from which all of these were made, nearest first: by the longest of the shortest ways to each.

    Raises:
        InvalidInput: None are given, or too many.
    """
    if not 1 <= len(nodes) <= MOST_NODES:
        raise InvalidInput([Problem("nodes", f"1 to {MOST_NODES} nodes have common ancestors, these are {len(nodes)}")])
    starts = set(required_nodes(connection, scope, nodes).values())
    edges = edges_beyond(connection, starts, up=True)
    farthest: dict[NodeKey, int] | None = None
    for start in sorted(starts):
        steps = distances(edges, start, up=True)
        del steps[start]  # nothing was made from itself
        if farthest is None:
            farthest = steps
        else:
            farthest = {key: max(step, steps[key]) for key, step in farthest.items() if key in steps}
    steps_of = farthest or {}
    found = node_ids(connection, steps_of)
    return [node for _, node in sorted((steps_of[key], node) for key, node in found.items())]
