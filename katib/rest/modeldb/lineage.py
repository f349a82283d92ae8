"""What was made from what: runs and versions of datasets."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

from katib.rest.answers import answer
from katib.rest.modeldb.failures import invalid
from katib.store.tracking.records import LineageEdge, Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.rest.modeldb.fields import Fields
    from katib.store.tracking.protocol import Tracking

__all__ = ["add", "delete", "find_inputs", "find_inputs_and_outputs", "find_outputs"]

_TYPES: Final = ("UNKNOWN", "EXPERIMENT_RUN", "DATASET_VERSION")
_KINDS: Final = {"EXPERIMENT_RUN": NodeKind.RUN, "DATASET_VERSION": NodeKind.DATASET_VERSION}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
_MOST: Final = 10_000
"""Edges in one request: every input with every output."""
_MOST_ITEMS: Final = 100


async def add(asked: Asked) -> Response:
    """Record that every output was made from every input; what is there is fine."""
    edges = _edges(asked)
    await asked.write(lambda tracking: tracking.add_lineage(edges))
    return answer({"status": True})


async def delete(asked: Asked) -> Response:
    """Forget that; what is not there is fine."""
    edges = _edges(asked)
    await asked.write(lambda tracking: tracking.delete_lineage(edges))
    return answer({"status": True})


async def find_inputs(asked: Asked) -> Response:
    """Return what each item was made from directly."""
    nodes = _items(asked)
    return answer({"inputs": await asked.read(lambda tracking: [_inputs(asked, tracking, node) for node in nodes])})


async def find_outputs(asked: Asked) -> Response:
    """Return what was made from each item directly."""
    nodes = _items(asked)
    return answer({"outputs": await asked.read(lambda tracking: [_outputs(asked, tracking, node) for node in nodes])})


async def find_inputs_and_outputs(asked: Asked) -> Response:
    """Return both."""
    nodes = _items(asked)

    def look(tracking: Tracking) -> dict[str, Any]:
        return {
            "inputs": [_inputs(asked, tracking, node) for node in nodes],
            "outputs": [_outputs(asked, tracking, node) for node in nodes],
        }

    return answer(await asked.read(look))


def _inputs(asked: Asked, tracking: Tracking, node: Node) -> dict[str, Any]:
    return _entries(asked, (edge.input for edge in tracking.upstream(node, depth=1)))


def _outputs(asked: Asked, tracking: Tracking, node: Node) -> dict[str, Any]:
    return _entries(asked, (edge.output for edge in tracking.downstream(node, depth=1)))


def _entries(asked: Asked, nodes: Iterable[Node]) -> dict[str, Any]:
    """Return nodes as entries; files of runs have no place there."""
    return {
        "items": [
            {"type": _NAMES[node.kind], "external_id": asked.shown(node.id)} for node in nodes if node.kind in _NAMES
        ]
    }


def _edges(asked: Asked) -> list[LineageEdge]:
    inputs, outputs = ([_node(asked, entry) for entry in asked.fields.messages(name)] for name in ("input", "output"))
    if not inputs or not outputs:
        raise invalid("input", "and output have something in them")
    if len(inputs) * len(outputs) > _MOST:
        raise invalid("input", f"and output make more than {_MOST:,} edges")
    return [LineageEdge(input=source, output=made) for source, made in product(inputs, outputs)]


def _items(asked: Asked) -> list[Node]:
    found = [_node(asked, entry.message("entry") or entry) for entry in asked.fields.messages("items")]
    if len(found) > _MOST_ITEMS:
        raise invalid("items", f"has more than {_MOST_ITEMS} items")
    return found


def _node(asked: Asked, entry: Fields) -> Node:
    """Return what an entry means: a typed id, or a run as later versions of ModelDB write it."""
    if entry.has("experiment_run"):
        return Node(NodeKind.RUN, asked.local(entry.required("experiment_run")))
    kind = _KINDS.get(entry.one_of("type", _TYPES))
    if kind is None:
        raise entry.wrong("type", "has to be EXPERIMENT_RUN or DATASET_VERSION")
    return Node(kind, asked.local(entry.required("external_id")))
