"""Lineage: what was made from what, however long the way and however many the writers, and nothing from itself."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.tracking.records import ArtifactState, LineageEdge, Node, NodeKind
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.store.tracking.protocol import Tracking

__all__ = ["LineagePromises"]

WORKERS = 4
ROUNDS = 15
LONG = 1_200
"""More steps than MySQL and MariaDB make in one query unless they are asked to."""


def run_nodes(tracking: Tracking, count: int) -> list[Node]:
    """Record some runs and return them as nodes."""
    with tracking.transaction():
        return [Node(NodeKind.RUN, a_run(tracking)) for _ in range(count)]


def version_nodes(tracking: Tracking, count: int) -> list[Node]:
    """Record some versions of one dataset and return them as nodes."""
    project = a_project(tracking, f"of {count} versions")
    with tracking.transaction():
        return [
            Node(NodeKind.DATASET_VERSION, tracking.add_dataset_version(project, "data", str(number)).id)
            for number in range(count)
        ]


def chain(nodes: Sequence[Node]) -> list[LineageEdge]:
    """Return the edges by which each was made from the one before."""
    return [LineageEdge(*pair) for pair in itertools.pairwise(nodes)]


class LineagePromises(TrackingPromises):
    """What ``add_lineage``, ``delete_lineage``, ``upstream``, ``downstream`` and ``common_ancestors`` do."""

    def test_edges_come_back_nearest_first(self, tracking: Tracking) -> None:
        """From both ends, through nodes of every kind, and no further than asked for."""
        run, reader = run_nodes(tracking, 2)
        (version,) = version_nodes(tracking, 1)
        file = Node(NodeKind.ARTIFACT, tracking.put_artifact(run.id, "model", state=ArtifactState.LINK, uri="x://y").id)
        tracking.add_lineage([LineageEdge(file, reader), LineageEdge(version, run)])
        way = chain([version, run, file, reader])
        assert tracking.downstream(version) == way
        assert tracking.upstream(reader) == way[::-1]
        for depth in (1, 2, 3, 100):
            assert tracking.downstream(version, depth=depth) == way[:depth]
            assert tracking.upstream(reader, depth=depth) == way[::-1][:depth]
        assert tracking.downstream(file) == way[2:]
        assert tracking.upstream(version) == []
        with pytest.raises(InvalidInput):
            tracking.upstream(reader, depth=0)

    def test_every_edge_comes_back_once(self, tracking: Tracking) -> None:
        """However many ways lead over it: here there are 2^20."""
        layers = [run_nodes(tracking, 1), *([*pair] for pair in [run_nodes(tracking, 2) for _ in range(20)])]
        edges = [LineageEdge(one, other) for near, far in itertools.pairwise(layers) for one in near for other in far]
        tracking.add_lineage(edges)
        found = tracking.downstream(layers[0][0])
        assert sorted(found) == sorted(edges)
        assert found[:2] == sorted(edges[:2])
        assert len(tracking.upstream(layers[-1][0])) == len(edges) - 2

    def test_edges_are_stored_once_and_deleted_when_they_are_there(self, tracking: Tracking) -> None:
        """Both as often as one likes."""
        one, two, three = run_nodes(tracking, 3)
        edges = chain([one, two, three])
        tracking.add_lineage([])
        for some in (edges[:1], edges, [*edges, *edges]):
            tracking.add_lineage(some)
        assert tracking.downstream(one) == edges
        for _ in range(2):
            tracking.delete_lineage([edges[0], LineageEdge(one, three), LineageEdge(one, Node(NodeKind.RUN, "0" * 32))])
        assert tracking.downstream(one) == []
        assert tracking.downstream(two) == edges[1:]
        actions = [entry.action for entry in tracking.audit(limit=10_000) if "lineage" in entry.action]
        assert actions == ["add-lineage", "add-lineage", "delete-lineage"]

    def test_nothing_is_made_from_itself(self, tracking: Tracking) -> None:
        """In one step or in many; of a call that tries, nothing is stored."""
        nodes = run_nodes(tracking, 4)
        tracking.add_lineage(chain(nodes))
        spare = run_nodes(tracking, 3)
        for circle in (
            [LineageEdge(spare[0], spare[0])],
            [LineageEdge(nodes[1], nodes[0])],
            [LineageEdge(nodes[3], nodes[0])],
            [LineageEdge(nodes[3], spare[0]), LineageEdge(spare[0], spare[1]), LineageEdge(spare[1], nodes[2])],
            [*chain(spare), LineageEdge(spare[2], spare[0])],
        ):
            with pytest.raises(Conflict, match="made from itself"):
                tracking.add_lineage(circle)
        assert tracking.downstream(nodes[0]) == chain(nodes)
        assert [tracking.downstream(node) for node in spare] == [[], [], []]
        tracking.add_lineage([LineageEdge(nodes[0], nodes[3]), LineageEdge(nodes[1], nodes[3])])
        tracking.delete_lineage([LineageEdge(nodes[0], nodes[1]), LineageEdge(nodes[0], nodes[3])])
        tracking.add_lineage([LineageEdge(nodes[3], nodes[0])])
        assert [edge.input for edge in tracking.upstream(nodes[0], depth=1)] == [nodes[3]]

    def test_common_ancestors(self, tracking: Tracking) -> None:
        """Nearest first; a node is none of its own."""
        root, left, right, shared, one, two = run_nodes(tracking, 6)
        tracking.add_lineage(
            [
                LineageEdge(root, left),
                LineageEdge(root, right),
                LineageEdge(left, one),
                LineageEdge(right, two),
                LineageEdge(shared, one),
                LineageEdge(shared, two),
            ]
        )
        assert tracking.common_ancestors([one, two]) == [shared, root]
        assert tracking.common_ancestors([one, one]) == [*sorted([left, shared]), root]
        assert tracking.common_ancestors([one, left]) == [root]
        assert tracking.common_ancestors([one, two, shared]) == []
        for nodes in ([], [root] * 101):
            with pytest.raises(InvalidInput):
                tracking.common_ancestors(nodes)

    def test_nodes_that_are_not_there(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Are not found, nor are those of another namespace; nothing of the call is stored."""
        mine, more = run_nodes(tracking, 2)
        other = trackings.tracking("team-b")
        (theirs,) = run_nodes(other, 1)
        for stranger in (theirs, *(Node(kind, "0" * 32) for kind in (NodeKind.RUN, NodeKind.ARTIFACT))):
            with pytest.raises(NotFound, match=stranger.id):
                tracking.add_lineage([LineageEdge(mine, more), LineageEdge(mine, stranger)])
            with pytest.raises(NotFound):
                tracking.upstream(stranger)
            with pytest.raises(NotFound):
                tracking.common_ancestors([mine, stranger])
        for broken in ("", "\x00", "\udcff", "x" * 300):
            with pytest.raises(NotFound):
                tracking.downstream(Node(NodeKind.DATASET_VERSION, broken))
        with pytest.raises(InvalidInput, match="project"):
            tracking.add_lineage([LineageEdge(mine, Node(NodeKind.PROJECT, tracking.default_project().id))])
        assert tracking.downstream(mine) == []
        tracking.add_lineage([LineageEdge(mine, more)])
        other.delete_lineage([LineageEdge(mine, more)])
        assert tracking.downstream(mine) == [LineageEdge(mine, more)]

    def test_a_long_way(self, tracking: Tracking) -> None:
        """Is found as a whole, and so is the circle that would close it."""
        nodes = version_nodes(tracking, LONG)
        way = chain(nodes)
        tracking.add_lineage(way)
        assert tracking.downstream(nodes[0]) == way
        assert tracking.upstream(nodes[-1]) == way[::-1]
        assert tracking.downstream(nodes[0], depth=LONG // 2) == way[: LONG // 2]
        assert tracking.common_ancestors([nodes[-1], nodes[-2]]) == nodes[-3::-1]
        with pytest.raises(Conflict, match="made from itself"):
            tracking.add_lineage([LineageEdge(nodes[-1], nodes[0])])

    def test_no_two_writers_close_a_circle(self, trackings: OpenTrackingStore) -> None:
        """Each adds an edge that the others' edges would close: one of them is refused, and only one."""
        tracking = trackings.tracking("team-a")
        rounds = [run_nodes(tracking, WORKERS) for _ in range(ROUNDS)]
        start = threading.Barrier(WORKERS)

        def write(worker: int) -> list[bool]:
            mine = trackings.tracking("team-a", actor=f"worker {worker}")
            added = []
            for nodes in rounds:
                start.wait()
                try:
                    mine.add_lineage([LineageEdge(nodes[worker], nodes[(worker + 1) % WORKERS])])
                except Conflict:
                    added.append(False)
                else:
                    added.append(True)
            return added

        with ThreadPoolExecutor(WORKERS) as pool:
            added = list(pool.map(write, range(WORKERS)))
        assert [sum(of_round) for of_round in zip(*added, strict=True)] == [WORKERS - 1] * ROUNDS
        assert all(len(tracking.downstream(node)) < WORKERS for nodes in rounds for node in nodes)

    def test_a_run_never_uses_what_another_writer_makes_of_it(self, trackings: OpenTrackingStore) -> None:
        """One of the two is refused."""
        tracking = trackings.tracking("team-a")
        runs, versions = run_nodes(tracking, ROUNDS), version_nodes(tracking, ROUNDS)
        start = threading.Barrier(2)

        def write(worker: int) -> list[bool]:
            mine, done = trackings.tracking("team-a"), []
            for run, version in zip(runs, versions, strict=True):
                start.wait()
                try:
                    if worker:
                        mine.use_dataset(run.id, version.id, role="training")
                    else:
                        mine.add_lineage([LineageEdge(run, version)])
                except Conflict:
                    done.append(False)
                else:
                    done.append(True)
            return done

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(write, range(2)))
        assert [sum(of_round) for of_round in zip(*done, strict=True)] == [1] * ROUNDS
        used = [bool(run.datasets) for run in tracking.runs([node.id for node in runs])]
        assert used == done[1]
