"""What requests of the store's API have in common, as what the store is asked; every fault is told with its field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.metrics.sample import Sample
from katib.rpc import store_v1 as wire
from katib.rpc.tracking_values import LIFECYCLES, NODE_KINDS, read_time, read_values
from katib.store.tracking.protocol import ALL_PARTS
from katib.store.tracking.records import Facts, Lifecycle, LineageEdge, Log, Node, NodeKind, RunPart, RunScope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sized

__all__ = [
    "FACT_KINDS",
    "LIFE_KINDS",
    "LINEAGE_KINDS",
    "RunMask",
    "at_most",
    "check_keys",
    "node_of",
    "page_size",
    "read_edges",
    "read_facts",
    "read_log",
    "read_samples",
    "read_scope",
    "required",
]

MOST_ON_A_PAGE: Final = 1000
_PAGE: Final = 100
_MOST_PROBLEMS: Final = 20
_MOST_KEYS: Final = 1000

FACT_KINDS: Final = frozenset({NodeKind.PROJECT, NodeKind.EXPERIMENT, NodeKind.RUN, NodeKind.DATASET})
"""What has tags and properties."""
LIFE_KINDS: Final = frozenset({NodeKind.PROJECT, NodeKind.EXPERIMENT, NodeKind.RUN})
"""What can be deleted and restored."""
LINEAGE_KINDS: Final = frozenset({NodeKind.RUN, NodeKind.DATASET_VERSION, NodeKind.ARTIFACT})
"""What is made of something."""
_PARTS: Final = {
    "parameters": RunPart.PARAMETERS,
    "metrics": RunPart.METRICS,
    "tags": RunPart.TAGS,
    "properties": RunPart.PROPERTIES,
    "datasets": RunPart.DATASETS,
    "artifacts": RunPart.ARTIFACTS,
    "code": RunPart.PROVENANCE,
    "environment": RunPart.PROVENANCE,
    "place": RunPart.PROVENANCE,
}


def required(message: Any, *fields: str) -> None:
    """Refuse a message some of whose texts are empty.

    Raises:
        InvalidInput: They are.
    """
    problems = [Problem(field, "is required") for field in fields if not getattr(message, field)]
    if problems:
        raise InvalidInput(problems)


def at_most(field: str, wanted: int, most: int, default: int) -> int:
    """Return a number that a request asks for, where 0 asks for the default.

    Raises:
        InvalidInput: It is negative or too large.
    """
    if not 0 <= wanted <= most:
        raise InvalidInput([Problem(field, f"must be 1 to {most:,}, or 0 for {default}", wanted)])
    return wanted or default


def page_size(request: Any) -> int:
    """Return how many records a page has."""
    return at_most("page_size", request.page_size, MOST_ON_A_PAGE, _PAGE)


def read_facts(message: Any) -> Facts:
    """Return the tags and properties of a message."""
    return Facts(tags=dict(message.tags), properties=read_values(message.properties))


def read_samples(observations: Collection[wire.Observation]) -> list[Sample]:
    """Return observations as the store takes them.

    Raises:
        InvalidInput: Some are none; the first few of them are told.
    """
    samples: list[Sample] = []
    problems: list[Problem] = []
    for number, observation in enumerate(observations):
        where = f"observations[{number}]."
        text = observation.text
        if not text and observation.HasField("value"):
            text = repr(observation.value)
        if not observation.metric:
            problems.append(Problem(f"{where}metric", "is required"))
        if not text:
            problems.append(Problem(f"{where}text", "is required, or a value"))
        try:
            time = read_time(observation, "time", where=where)
        except InvalidInput as error:
            problems.extend(error.problems)
            time = None
        if len(problems) >= _MOST_PROBLEMS:
            break
        samples.append(
            Sample(observation.metric, text, time, observation.step if observation.HasField("step") else None)
        )
    if problems:
        raise InvalidInput(problems)
    return samples


def read_log(message: Any, *, replaces: bool = False) -> Log:
    """Return what a message logs to a run."""
    return Log(
        samples=read_samples(message.observations),
        parameters=dict(sorted(message.parameters.items())),  # a map has no order of its own
        facts=read_facts(message),
        replace=replaces,
    )


def node_of(node: wire.Node, kinds: Collection[NodeKind] | None = None, *, field: str = "node") -> Node:
    """Return what a message refers to.

    Args:
        node: The message.
        kinds: Those that are meant here; None for all.
        field: Where it is.

    Raises:
        InvalidInput: It refers to nothing, or to something of another kind.
    """
    kind = NODE_KINDS.read(node.kind, f"{field}.kind")
    if kinds is not None and kind not in kinds:
        names = ", ".join(sorted(wire.NodeKind.Name(NODE_KINDS.number(each)) for each in kinds))
        raise InvalidInput([Problem(f"{field}.kind", f"must be one of {names}", wire.NodeKind.Name(node.kind))])
    if not node.id:
        raise InvalidInput([Problem(f"{field}.id", "is required")])
    return Node(kind, node.id)


def read_edges(edges: Iterable[wire.LineageEdge]) -> list[LineageEdge]:
    """Return edges between what is made of something.

    Raises:
        InvalidInput: One has no such ends.
    """
    return [
        LineageEdge(
            input=node_of(edge.input, LINEAGE_KINDS, field=f"edges[{number}].input"),
            output=node_of(edge.output, LINEAGE_KINDS, field=f"edges[{number}].output"),
        )
        for number, edge in enumerate(edges)
    ]


def read_scope(scope: wire.RunScope, default: Lifecycle = Lifecycle.ACTIVE) -> RunScope:
    """Return which runs are meant.

    Raises:
        InvalidInput: They are told by too many ids.
    """
    for field in ("project_ids", "experiment_ids", "parent_ids", "run_ids"):
        check_keys(f"scope.{field}", getattr(scope, field))
    return RunScope(
        project_ids=tuple(scope.project_ids),
        experiment_ids=tuple(scope.experiment_ids),
        parent_ids=tuple(scope.parent_ids),
        run_ids=tuple(scope.run_ids),
        roots_only=scope.roots_only,
        lifecycle=LIFECYCLES.read_or(scope.lifecycle, "scope.lifecycle", default),
    )


def check_keys(field: str, keys: Sized, most: int = _MOST_KEYS) -> None:
    """Refuse more ids, names or the like than one request has.

    Raises:
        InvalidInput: There are more.
    """
    if len(keys) > most:
        raise InvalidInput([Problem(field, f"must be at most {most:,}, these are {len(keys):,}")])


class RunMask:
    """Which fields of runs are wanted.

    Args:
        request: With a ``read_mask``.

    Attributes:
        parts: What has to be read for them.

    Raises:
        InvalidInput: A path is no field of a run.
    """

    def __init__(self, request: Any) -> None:
        paths = set(request.read_mask.paths)
        self._fields: frozenset[str] | None = None
        self.parts: frozenset[RunPart] = ALL_PARTS
        if not paths or "*" in paths:
            return
        known = wire.Run.DESCRIPTOR.fields_by_name
        problems = [Problem("read_mask", "is no field of a run", path) for path in sorted(paths) if path not in known]
        if problems:
            raise InvalidInput(problems[:_MOST_PROBLEMS])
        self._fields = frozenset(paths)
        self.parts = frozenset(_PARTS[path] for path in paths if path in _PARTS)

    def applied(self, message: wire.Run) -> wire.Run:
        """Return a run without the fields that are not wanted."""
        if self._fields is not None:
            for field, _ in message.ListFields():
                if field.name not in self._fields:
                    message.ClearField(field.name)
        return message
