"""Records of artifacts: one for each path of a run, an output of the run."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.tracking.records import ArtifactState, LineageEdge, Node, NodeKind
from katib.testing.store_promises.specimens import AWKWARD
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["ArtifactPromises"]

WORKERS = 4
SHA256 = "0123456789abcdef" * 4
LONG_PATH = "/".join(["ä" * 120] * 4)
"""As long as paths may be: more than an index takes."""


class ArtifactPromises(TrackingPromises):
    """What ``put_artifact``, ``artifact``, ``artifacts`` and ``delete_artifact`` do."""

    def test_an_artifact_comes_back(self, tracking: Tracking) -> None:
        """With every field, by its path and with its run."""
        run = a_run(tracking)
        before = datetime.now(UTC)
        made = tracking.put_artifact(
            run,
            LONG_PATH,
            type="MODEL",
            uri=f"s3://bucket/{AWKWARD}\udcff",
            state=ArtifactState.STORED,
            size=2**63 - 1,
            sha256=SHA256.upper(),
            content_type="application/octet-stream",
            metadata={"framework": AWKWARD, "layers": [1, None, float("inf")]},
        )
        assert (made.run_id, made.path, made.type, made.state) == (run, LONG_PATH, "MODEL", ArtifactState.STORED)
        assert made.uri == f"s3://bucket/{AWKWARD}\\udcff"
        assert (made.size, made.sha256, made.content_type) == (2**63 - 1, SHA256, "application/octet-stream")
        assert made.metadata == {"framework": AWKWARD, "layers": [1, None, float("inf")]}
        assert before <= made.created <= datetime.now(UTC)
        assert tracking.artifact(run, LONG_PATH) == made
        assert tracking.artifacts(run) == [made]
        assert tracking.run(run).artifacts == (made,)

    def test_artifacts_are_in_the_order_of_their_paths(self, tracking: Tracking) -> None:
        """Those of each run are its own."""
        run, other = a_run(tracking), a_run(tracking)
        for path in ("b", "a/b", "B", "ä", "a"):
            tracking.put_artifact(run, path, state=ArtifactState.PENDING)
        tracking.put_artifact(other, "a", state=ArtifactState.PENDING)
        assert [file.path for file in tracking.artifacts(run)] == ["B", "a", "a/b", "b", "ä"]
        assert [len(found.artifacts) for found in tracking.runs([other, run, a_run(tracking)])] == [1, 5, 0]

    def test_the_record_of_a_path_is_replaced(self, tracking: Tracking) -> None:
        """Its id and when it was made stay; where it shall not be replaced, nothing is."""
        run = a_run(tracking)
        first = tracking.put_artifact(run, "model", state=ArtifactState.PENDING, metadata={"a": 1})
        second = tracking.put_artifact(run, "model", state=ArtifactState.STORED, size=0, sha256=SHA256)
        assert (second.id, second.created) == (first.id, first.created)
        assert (second.state, second.size, second.sha256, second.metadata) == (ArtifactState.STORED, 0, SHA256, {})
        with pytest.raises(Conflict, match="model"):
            tracking.put_artifact(run, "model", state=ArtifactState.PENDING, replace=False)
        assert tracking.artifacts(run) == [second]

    def test_paths_that_look_the_same_are_the_same(self, tracking: Tracking) -> None:
        """As files have them."""
        run = a_run(tracking)
        tracking.put_artifact(run, "o\u0308", state=ArtifactState.PENDING)
        tracking.put_artifact(run, "\u00f6", state=ArtifactState.STORED)
        assert [(file.path, file.state) for file in tracking.artifacts(run)] == [("\u00f6", ArtifactState.STORED)]

    @pytest.mark.parametrize(
        "path",
        ["", "/", "/etc/passwd", "a/../b", "..", "a//b", "a\\b", "a\x00b", "\udcff", "a" * 256, "a/" * 600 + "a"],
    )
    def test_a_path_that_leads_elsewhere_is_refused(self, tracking: Tracking, path: str) -> None:
        """Wherever one is given."""
        run = a_run(tracking)
        with pytest.raises(InvalidInput):
            tracking.put_artifact(run, path, state=ArtifactState.PENDING)
        with pytest.raises(InvalidInput):
            tracking.artifact(run, path)
        with pytest.raises(InvalidInput):
            tracking.delete_artifact(run, path)

    @pytest.mark.parametrize(
        "fields",
        [
            {"size": -1},
            {"size": 2**63},
            {"sha256": "abc"},
            {"sha256": "g" * 64},
            {"type": "t" * 256},
            {"content_type": "t" * 256},
            {"metadata": {"a": object()}},
            {"state": ArtifactState.LINK},
        ],
        ids=" ".join,
    )
    def test_an_artifact_that_cannot_be_is_refused(self, tracking: Tracking, fields: dict[str, Any]) -> None:
        """And leaves nothing."""
        run = a_run(tracking)
        with pytest.raises(InvalidInput):
            tracking.put_artifact(run, "model", **{"state": ArtifactState.STORED, **fields})
        assert tracking.artifacts(run) == []

    def test_an_artifact_is_an_output_of_its_run_until_it_is_deleted(self, tracking: Tracking) -> None:
        """Then what was made from it is made from it no longer."""
        run, reader = a_run(tracking), a_run(tracking)
        file = tracking.put_artifact(run, "model", state=ArtifactState.LINK, uri="https://example.org/model")
        of_run, of_file = Node(NodeKind.RUN, run), Node(NodeKind.ARTIFACT, file.id)
        assert tracking.upstream(of_file) == [LineageEdge(of_run, of_file)]
        tracking.add_lineage([LineageEdge(of_file, Node(NodeKind.RUN, reader))])
        tracking.delete_artifact(run, "model")
        with pytest.raises(NotFound):
            tracking.artifact(run, "model")
        with pytest.raises(NotFound):
            tracking.delete_artifact(run, "model")
        with pytest.raises(NotFound):
            tracking.upstream(of_file)
        assert tracking.downstream(of_run) == []
        assert tracking.upstream(Node(NodeKind.RUN, reader)) == []
        again = tracking.put_artifact(run, "model", state=ArtifactState.PENDING)
        assert again.id != file.id

    def test_artifacts_of_another_namespace_are_not_found(
        self, trackings: OpenTrackingStore, tracking: Tracking
    ) -> None:
        """By their run."""
        run = a_run(tracking)
        file = tracking.put_artifact(run, "model", state=ArtifactState.PENDING)
        other = trackings.tracking("team-b")
        for call in (
            lambda: other.artifact(run, "model"),
            lambda: other.artifacts(run),
            lambda: other.delete_artifact(run, "model"),
            lambda: other.put_artifact(run, "model", state=ArtifactState.STORED),
        ):
            with pytest.raises(NotFound):
                call()
        assert tracking.artifacts(run) == [file]

    def test_a_deleted_run_takes_no_artifacts(self, tracking: Tracking) -> None:
        """What it has can be read."""
        run = a_run(tracking)
        file = tracking.put_artifact(run, "model", state=ArtifactState.PENDING)
        tracking.delete(Node(NodeKind.RUN, run))
        with pytest.raises(Conflict, match="deleted"):
            tracking.put_artifact(run, "model", state=ArtifactState.STORED)
        with pytest.raises(Conflict, match="deleted"):
            tracking.delete_artifact(run, "model")
        assert tracking.artifacts(run) == [file]

    def test_every_change_of_artifacts_is_in_the_audit(self, tracking: Tracking) -> None:
        """And what changed nothing is not."""
        run = a_run(tracking)
        for state in (ArtifactState.PENDING, ArtifactState.STORED, ArtifactState.STORED):
            file = tracking.put_artifact(run, "model", state=state, uri="\udcff")
        tracking.delete_artifact(run, "model")
        entries = tracking.audit(node=Node(NodeKind.ARTIFACT, file.id))
        assert [(entry.action, entry.details["path"]) for entry in entries] == [
            ("create", "model"),
            ("update", "model"),
            ("delete", "model"),
        ]

    def test_those_who_watch_see_that_a_run_has_an_artifact_more(self, tracking: Tracking) -> None:
        """Or one less."""
        run = a_run(tracking)
        cursor, _ = tracking.changed_runs(0)
        tracking.put_artifact(run, "model", state=ArtifactState.PENDING)
        cursor, changed = tracking.changed_runs(cursor)
        assert changed == [run]
        tracking.delete_artifact(run, "model")
        assert tracking.changed_runs(cursor)[1] == [run]

    def test_many_writers_of_one_path_leave_one_record(self, trackings: OpenTrackingStore) -> None:
        """And those of a run's other paths one each."""
        run = a_run(trackings.tracking("team-a"))
        start = threading.Barrier(WORKERS)

        def write(worker: int) -> None:
            tracking = trackings.tracking("team-a")
            start.wait()
            for number in range(10):
                tracking.put_artifact(run, "shared", state=ArtifactState.STORED, size=worker)
                tracking.put_artifact(run, f"{worker}/{number}", state=ArtifactState.STORED)

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(write, range(WORKERS)))
        files = trackings.tracking("team-a").artifacts(run)
        own = {f"{worker}/{number}" for worker in range(WORKERS) for number in range(10)}
        assert {file.path for file in files} == {"shared", *own}
        assert len(files) == len(own) + 1
