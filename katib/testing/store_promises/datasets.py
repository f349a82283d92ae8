"""Datasets: versions are told apart by their content, numbered without gaps, and used by runs in roles."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.tracking.records import DatasetUse, Facts, LineageEdge, Node, NodeKind, RunPart
from katib.testing.store_promises.specimens import AWKWARD
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["DatasetPromises"]

WORKERS = 4
ROUNDS = 10


class DatasetPromises(TrackingPromises):
    """What ``create_dataset``, ``add_dataset_version`` and ``use_dataset`` do, and what reads them."""

    def test_a_dataset_comes_back(self, tracking: Tracking) -> None:
        """With its facts, and who recorded it when."""
        project = a_project(tracking)
        before = datetime.now(UTC)
        facts = Facts({"licence": "CC0"}, {"classes": [AWKWARD, None, 1.5]})
        made = tracking.create_dataset(project, "mnist", description=AWKWARD, facts=facts)
        assert (made.project_id, made.name, made.description, made.owner) == (project, "mnist", AWKWARD, "ann")
        assert made.facts == facts
        assert before <= made.created == made.updated <= datetime.now(UTC)
        assert tracking.dataset(made.id) == made

    def test_datasets_of_a_project_are_in_the_order_of_their_names(self, tracking: Tracking) -> None:
        """Each with its own facts."""
        project, other = a_project(tracking), a_project(tracking, "other")
        for name in ("b", "a", "B", "ä"):
            tracking.create_dataset(project, name, facts=Facts({"name": name}))
        tracking.create_dataset(other, "a")
        found = tracking.datasets(project)
        assert [dataset.name for dataset in found] == ["B", "a", "b", "ä"]
        assert [dataset.facts.tags["name"] for dataset in found] == ["B", "a", "b", "ä"]

    def test_a_dataset_is_recorded_once_under_a_chosen_id(self, tracking: Tracking) -> None:
        """Repeated, the call returns the first one, whatever it says."""
        project = a_project(tracking)
        made = tracking.create_dataset(project, "mnist", dataset_id="abc123")
        assert made.id == "abc123"
        assert tracking.create_dataset(project, "other", dataset_id="abc123") == made
        assert len(tracking.datasets(project)) == 1

    def test_a_dataset_needs_a_name_of_its_own(self, tracking: Tracking) -> None:
        """In its project; elsewhere the name is free."""
        project, other = a_project(tracking), a_project(tracking, "other")
        tracking.create_dataset(project, "mnist")
        with pytest.raises(Conflict, match="mnist"):
            tracking.create_dataset(project, "mnist")
        tracking.create_dataset(other, "mnist")
        for name in ("", "n" * 256):
            with pytest.raises(InvalidInput):
                tracking.create_dataset(project, name)
        assert [dataset.name for dataset in tracking.datasets(project)] == ["mnist"]

    def test_datasets_of_another_namespace_are_not_found(
        self, trackings: OpenTrackingStore, tracking: Tracking
    ) -> None:
        """By no id, and a chosen id that is theirs cannot be had."""
        project = a_project(tracking)
        version = tracking.add_dataset_version(project, "mnist", "d1")
        other = trackings.tracking("team-b", actor="bob")
        run = a_run(other)
        for call in (
            lambda: other.dataset(version.dataset_id),
            lambda: other.dataset_versions(version.dataset_id),
            lambda: other.dataset_version(version.id),
            lambda: other.datasets(project),
            lambda: other.create_dataset(project, "other"),
            lambda: other.add_dataset_version(project, "mnist", "d1"),
            lambda: other.add_dataset_version(other.default_project().id, "own", "d1", parent_id=version.id),
            lambda: other.use_dataset(run, version.id),
        ):
            with pytest.raises(NotFound):
                call()
        with pytest.raises(Conflict):
            other.create_dataset(other.default_project().id, "own", dataset_id=version.dataset_id)
        assert other.datasets(other.default_project().id) == []

    def test_a_version_comes_back(self, tracking: Tracking) -> None:
        """With every field, NaN in its profile and sizes up to 2^63 - 1."""
        project = a_project(tracking)
        first = tracking.add_dataset_version(project, "mnist", "d1")
        made = tracking.add_dataset_version(
            project,
            "mnist",
            "sha256:d2",
            uri=f"s3://bucket/{AWKWARD}",
            source_type="s3",
            size=2**63 - 1,
            rows=0,
            schema={"columns": [{"name": AWKWARD, "type": "double"}]},
            profile={"mean": float("nan"), "max": float("inf"), "sum": 2**70, "text": AWKWARD},
            parent_id=first.id,
        )
        read = tracking.dataset_version(made.id)
        assert repr(read) == repr(made)  # NaN is not equal to itself
        assert (read.name, read.number, read.digest, read.uri) == ("mnist", 2, "sha256:d2", f"s3://bucket/{AWKWARD}")
        assert (read.source_type, read.size, read.rows, read.parent_id) == ("s3", 2**63 - 1, 0, first.id)
        assert read.schema == {"columns": [{"name": AWKWARD, "type": "double"}]}
        assert repr(read.profile["mean"]) == "nan"
        assert (read.profile["max"], read.profile["sum"], read.profile["text"]) == (float("inf"), 2**70, AWKWARD)
        assert (first.size, first.rows, first.schema, first.profile, first.parent_id) == (None,) * 5

    def test_a_version_of_a_new_dataset_records_the_dataset(self, tracking: Tracking) -> None:
        """One of a known dataset changes when it was updated."""
        project = a_project(tracking)
        version = tracking.add_dataset_version(project, "mnist", "d1")
        (dataset,) = tracking.datasets(project)
        assert (dataset.id, dataset.name, dataset.owner) == (version.dataset_id, "mnist", "ann")
        tracking.add_dataset_version(project, "mnist", "d2")
        assert tracking.dataset(dataset.id).updated > dataset.updated

    def test_the_same_content_is_the_same_version(self, tracking: Tracking) -> None:
        """The first one is returned as it is."""
        project = a_project(tracking)
        first = tracking.add_dataset_version(project, "mnist", "d1", uri="here")
        tracking.add_dataset_version(project, "mnist", "d2")
        assert tracking.add_dataset_version(project, "mnist", "d1", uri="elsewhere") == first
        assert tracking.add_dataset_version(project, "other", "d1").dataset_id != first.dataset_id
        numbers = [(version.number, version.digest) for version in tracking.dataset_versions(first.dataset_id)]
        assert numbers == [(1, "d1"), (2, "d2")]

    @pytest.mark.parametrize(
        "fields",
        [
            {"size": -1},
            {"rows": -1},
            {"size": 2**63},
            {"rows": 2**63},
            {"source_type": "s" * 256},
            {"digest": ""},
            {"digest": "d" * 256},
            {"name": ""},
            {"schema": {"a": object()}},
            {"schema": {(1, 2): 3}},
            {"profile": [[[]]] * 2 + [b"bytes"]},
        ],
        ids=" ".join,
    )
    def test_a_version_that_cannot_be_is_refused(self, tracking: Tracking, fields: dict[str, Any]) -> None:
        """And leaves nothing, not even its dataset."""
        project = a_project(tracking)
        with pytest.raises(InvalidInput):
            tracking.add_dataset_version(project, **{"name": "mnist", "digest": "d1", **fields})
        assert tracking.datasets(project) == []

    def test_a_document_that_is_too_deep_is_refused(self, tracking: Tracking) -> None:
        """It could be written and never be read again."""
        project = a_project(tracking)
        deep: Any = {}
        for _ in range(200):
            deep = {"a": deep}
        with pytest.raises(InvalidInput, match="levels"):
            tracking.add_dataset_version(project, "mnist", "d1", schema=deep)

    def test_lone_surrogates_and_nul_in_versions(self, tracking: Tracking) -> None:
        """The first come back escaped, the second as it is, and both mean the same version again."""
        project = a_project(tracking)
        version = tracking.add_dataset_version(project, "m\udcff", "d\x00", uri="u\udcff\x00", schema=["\udcff\x00"])
        assert (version.name, version.digest, version.uri) == ("m\\udcff", "d\x00", "u\\udcff\x00")
        assert version.schema == ["\\udcff\x00"]
        assert tracking.add_dataset_version(project, "m\udcff", "d\x00") == version

    def test_a_run_uses_versions_in_roles(self, tracking: Tracking) -> None:
        """Some versions in several; read with the run, in the order of roles."""
        project = a_project(tracking)
        one, two = (tracking.add_dataset_version(project, "mnist", digest) for digest in ("d1", "d2"))
        run, other = a_run(tracking), a_run(tracking)
        tracking.use_dataset(run, two.id, role="validation", tags={AWKWARD: AWKWARD})
        tracking.use_dataset(run, one.id, role="training")
        tracking.use_dataset(run, one.id)
        expected = (DatasetUse(one, ""), DatasetUse(one, "training"), DatasetUse(two, "validation", {AWKWARD: AWKWARD}))
        assert tracking.run(run, {RunPart.DATASETS}).datasets == expected
        assert [found.datasets for found in tracking.runs([other, run])] == [(), expected]

    def test_the_same_use_again_changes_the_tags(self, tracking: Tracking) -> None:
        """None leaves them."""
        version = tracking.add_dataset_version(a_project(tracking), "mnist", "d1")
        run = a_run(tracking)
        for tags in ({"a": "1", "b": "2"}, {"a": "3"}, None):
            tracking.use_dataset(run, version.id, role="training", tags=tags)
        assert tracking.run(run).datasets == (DatasetUse(version, "training", {"a": "3"}),)
        with pytest.raises(InvalidInput):
            tracking.use_dataset(run, version.id, role="r" * 256)
        with pytest.raises(InvalidInput):
            tracking.use_dataset(run, version.id, tags={"": "a"})

    def test_what_a_run_used_is_an_input_of_it(self, tracking: Tracking) -> None:
        """And the parent of a version is an input of the version."""
        project = a_project(tracking)
        parent = tracking.add_dataset_version(project, "raw", "d0")
        version = tracking.add_dataset_version(project, "mnist", "d1", parent_id=parent.id)
        run = a_run(tracking)
        for role in ("training", "validation", "training"):
            tracking.use_dataset(run, version.id, role=role)
        assert tracking.upstream(Node(NodeKind.RUN, run)) == [
            LineageEdge(Node(NodeKind.DATASET_VERSION, version.id), Node(NodeKind.RUN, run)),
            LineageEdge(Node(NodeKind.DATASET_VERSION, parent.id), Node(NodeKind.DATASET_VERSION, version.id)),
        ]

    def test_a_run_uses_nothing_that_was_made_from_it(self, tracking: Tracking) -> None:
        """The use is refused whole."""
        version = tracking.add_dataset_version(a_project(tracking), "mnist", "d1")
        run = a_run(tracking)
        tracking.add_lineage([LineageEdge(Node(NodeKind.RUN, run), Node(NodeKind.DATASET_VERSION, version.id))])
        with pytest.raises(Conflict, match="made from itself"):
            tracking.use_dataset(run, version.id)
        assert tracking.run(run).datasets == ()

    def test_what_is_deleted_takes_no_datasets(self, tracking: Tracking) -> None:
        """Neither a run nor a project; what it has can be read."""
        project = a_project(tracking)
        version = tracking.add_dataset_version(project, "mnist", "d1")
        run = a_run(tracking)
        tracking.delete(Node(NodeKind.RUN, run))
        with pytest.raises(Conflict, match="deleted"):
            tracking.use_dataset(run, version.id)
        tracking.delete(Node(NodeKind.PROJECT, project))
        with pytest.raises(Conflict, match="deleted"):
            tracking.create_dataset(project, "other")
        with pytest.raises(Conflict, match="deleted"):
            tracking.add_dataset_version(project, "mnist", "d2")
        assert tracking.dataset_versions(version.dataset_id) == [version]

    def test_every_change_of_datasets_is_in_the_audit(self, tracking: Tracking) -> None:
        """And what changed nothing is not."""
        project = a_project(tracking)
        run = a_run(tracking)
        for _ in range(2):
            version = tracking.add_dataset_version(project, "mnist", "d1")
            tracking.use_dataset(run, version.id, role="training", tags={"a": "b"})
        found = [
            (entry.actor, entry.action)
            for node in (
                Node(NodeKind.DATASET, version.dataset_id),
                Node(NodeKind.DATASET_VERSION, version.id),
                Node(NodeKind.RUN, run),
            )
            for entry in tracking.audit(node=node)
        ]
        assert found == [("ann", "create"), ("ann", "create"), ("ann", "create"), ("ann", "use-dataset")]

    def test_many_writers_number_versions_without_gaps(self, trackings: OpenTrackingStore) -> None:
        """Some of them the same version at once: it is stored once."""
        project = a_project(trackings.tracking("team-a"))
        start = threading.Barrier(WORKERS)

        def write(worker: int) -> list[tuple[str, int]]:
            tracking = trackings.tracking("team-a", actor=f"worker {worker}")
            start.wait()
            return [
                (version.id, version.number)
                for number in range(ROUNDS)
                for digest in (f"shared {number}", f"{worker} {number}")
                for version in [tracking.add_dataset_version(project, "mnist", digest)]
            ]

        with ThreadPoolExecutor(WORKERS) as pool:
            written = [item for items in pool.map(write, range(WORKERS)) for item in items]
        tracking = trackings.tracking("team-a")
        (dataset,) = tracking.datasets(project)
        versions = tracking.dataset_versions(dataset.id)
        assert [version.number for version in versions] == list(range(1, ROUNDS * (WORKERS + 1) + 1))
        assert {version.id: version.number for version in versions} == dict(written)
