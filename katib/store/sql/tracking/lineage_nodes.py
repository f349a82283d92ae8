"""The nodes of lineage: from ids to keys within one namespace, many at a time, and back. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sqlalchemy import bindparam, select

from katib.errors import InvalidInput, NotFound, Problem
from katib.store.sql.schema import trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.scope import chunks
from katib.store.sql.tracking_tables import artifacts, dataset_versions, datasets, projects
from katib.store.tracking.records import Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Select, Table

    from katib.store.sql.tracking.scope import Scope

__all__ = ["NodeKey", "hold_nodes", "known_nodes", "node_ids", "nodes_by_kind", "required_nodes"]

NodeKey: TypeAlias = tuple[str, int]
"""A node as the table of lineage has it: the value of its kind, and its key."""


class _Kind(NamedTuple):
    """How the nodes of one kind are found."""

    keys: Select[Any]
    ids: Select[Any]
    hold: Select[Any]


def _kind(table: Table, keys: Select[Any]) -> _Kind:
    some = table.c.id.in_(bindparam("keys", expanding=True))
    return _Kind(
        keys=keys.where(
            table.c.uid.in_(bindparam("uids", expanding=True)), projects.c.namespace == bindparam("namespace")
        ),
        ids=select(table.c.id, table.c.uid).where(some),
        # In one order for all writers, so that no two wait for each other.
        hold=select(table.c.id).where(some).order_by(table.c.id).with_for_update(read=True, key_share=True),
    )


_KINDS: Final = {
    NodeKind.ARTIFACT: _kind(
        artifacts,
        select(artifacts.c.uid, artifacts.c.id)
        .join(trials, trials.c.id == artifacts.c.trial_id)
        .join(projects, projects.c.id == trials.c.project_id),
    ),
    NodeKind.DATASET_VERSION: _kind(
        dataset_versions,
        select(dataset_versions.c.uid, dataset_versions.c.id)
        .join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
        .join(projects, projects.c.id == datasets.c.project_id),
    ),
    NodeKind.RUN: _kind(trials, select(trials.c.uid, trials.c.id).join(projects, projects.c.id == trials.c.project_id)),
}


def known_nodes(connection: Connection, scope: Scope, nodes: Iterable[Node]) -> dict[Node, NodeKey]:
    """Return the keys of nodes; those that are not there are left out.

    Raises:
        InvalidInput: One is of a kind that has no lineage.
    """
    wanted: dict[NodeKind, set[str]] = {}
    for node in nodes:
        if node.kind not in _KINDS:
            kinds = ", ".join(kind.value for kind in _KINDS)
            raise InvalidInput([Problem("node", f"a {node.kind.value} has no lineage, only {kinds}", node.id)])
        if node.id.isascii() and node.id.isalnum():  # nothing else is an id, and no database is asked for it
            wanted.setdefault(node.kind, set()).add(node.id)
    namespace = storable(scope.namespace)
    return {
        Node(kind, uid): (kind.value, key)
        for kind, uids in wanted.items()
        for some in chunks(sorted(uids))
        for uid, key in connection.execute(_KINDS[kind].keys, {"uids": some, "namespace": namespace})
    }


def required_nodes(connection: Connection, scope: Scope, nodes: Iterable[Node]) -> dict[Node, NodeKey]:
    """Return the keys of nodes, or raise NotFound for one that is not there."""
    wanted = list(nodes)
    found = known_nodes(connection, scope, wanted)
    for node in wanted:
        if node not in found:
            what = node.kind.value.replace("-", " ")
            raise NotFound(f"namespace {scope.namespace!r} has no {what} with the id {node.id!r}")
    return found


def nodes_by_kind(nodes: Iterable[NodeKey]) -> dict[str, list[int]]:
    """Return the keys of each kind, in order."""
    found: dict[str, list[int]] = {}
    for kind, key in sorted(set(nodes)):
        found.setdefault(kind, []).append(key)
    return found


def hold_nodes(connection: Connection, nodes: Iterable[NodeKey]) -> None:
    """Keep nodes from being removed until the transaction ends, or raise NotFound where one just was.

    Lineage has no foreign keys (a column refers to one of three tables), so this is what keeps its edges from pointing nowhere.
    """
    by_kind = nodes_by_kind(nodes)
    for kind in sorted(
        by_kind, key=lambda kind: kind != NodeKind.RUN
    ):  # those first: who removes an artifact locks its run
        for some in chunks(by_kind[kind]):
            held = connection.execute(_KINDS[NodeKind(kind)].hold, {"keys": some}).all()
            if len(held) != len(some):
                raise NotFound(f"a {kind.replace('-', ' ')} was removed meanwhile")


def node_ids(connection: Connection, nodes: Iterable[NodeKey]) -> dict[NodeKey, Node]:
    """Return nodes by key; those that are not there are left out."""
    return {
        (kind, key): Node(NodeKind(kind), uid)
        for kind, keys in nodes_by_kind(nodes).items()
        for some in chunks(keys)
        for key, uid in connection.execute(_KINDS[NodeKind(kind)].ids, {"keys": some})
    }
