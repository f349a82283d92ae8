"""Deletion: what goes along, what comes back, and what is taken meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.tracking.records import Lifecycle, Log, Node, NodeKind, RunScope
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["DeletionPromises"]


def _runs(tracking: Tracking, lifecycle: Lifecycle = Lifecycle.ACTIVE) -> set[str]:
    """Return the runs that are there."""
    return {run.id for run in tracking.find_runs(scope=RunScope(lifecycle=lifecycle)).items}


def _run(run_id: str) -> Node:
    return Node(NodeKind.RUN, run_id)


def _experiment(experiment_id: str) -> Node:
    return Node(NodeKind.EXPERIMENT, experiment_id)


class DeletionPromises(TrackingPromises):
    """What ``delete`` and ``restore`` do."""

    def test_a_deleted_run_takes_all_below_it_along(self, tracking: Tracking) -> None:
        """And brings back exactly those: what was deleted before on its own stays deleted."""
        top, other = a_run(tracking), a_run(tracking)
        child = a_run(tracking, parent_id=top)
        sibling = a_run(tracking, parent_id=top)
        grandchild = a_run(tracking, parent_id=child)
        experiment = tracking.run(child).experiment_id or ""
        cursor, _ = tracking.changed_runs(0)
        tracking.delete(_run(sibling))
        tracking.delete(_run(top))
        assert _runs(tracking) == {other}
        assert _runs(tracking, Lifecycle.DELETED) == {top, child, sibling, grandchild}
        assert tracking.run(child).deleted == tracking.run(top).deleted == tracking.run(grandchild).deleted
        assert tracking.search(experiment).deleted is not None
        cursor, changed = tracking.changed_runs(cursor, scope=RunScope(lifecycle=Lifecycle.ALL))
        assert set(changed) == {top, child, sibling, grandchild}
        tracking.restore(_run(top))
        assert _runs(tracking) == {other, top, child, grandchild}
        assert tracking.search(experiment).deleted is None
        assert set(tracking.changed_runs(cursor)[1]) == {top, child, grandchild}
        tracking.restore(_run(sibling))
        assert _runs(tracking, Lifecycle.DELETED) == set()

    def test_deleting_again_changes_nothing(self, tracking: Tracking) -> None:
        """Nor does restoring again; each change is in the audit once."""
        run = a_run(tracking)
        tracking.delete(_run(run))
        deleted = tracking.run(run).deleted
        tracking.delete(_run(run))
        assert tracking.run(run).deleted == deleted
        tracking.restore(_run(run))
        tracking.restore(_run(run))
        assert [entry.action for entry in tracking.audit(node=_run(run))] == ["create", "delete", "restore"]

    def test_a_deleted_run_is_not_written(self, tracking: Tracking) -> None:
        """Until it is restored."""
        run = a_run(tracking)
        tracking.delete(_run(run))
        with pytest.raises(Conflict, match="restore"):
            tracking.log(run, Log(parameters={"lr": "1"}))
        with pytest.raises(Conflict, match="restore"):
            a_run(tracking, parent_id=run)
        tracking.restore(_run(run))
        tracking.log(run, Log(parameters={"lr": "1"}))

    def test_the_name_of_a_deleted_experiment_is_free(self, tracking: Tracking) -> None:
        """Whoever takes it keeps the old one from coming back."""
        project = a_project(tracking)
        first = tracking.create_search("digits", project_id=project)
        trial = a_run(tracking, experiment_id=first.id, name="one")
        tracking.delete(_experiment(first.id))
        assert tracking.search(first.id).name == "digits"
        assert tracking.run(first.run_id).deleted == tracking.run(trial).deleted == tracking.search(first.id).deleted
        with pytest.raises(NotFound):
            tracking.search_named(project, "digits")
        second = tracking.create_search("digits", project_id=project)
        with pytest.raises(Conflict, match="digits"):
            tracking.restore(_experiment(first.id))
        assert tracking.run(trial).deleted is not None
        tracking.update_search(second.id, name="letters")
        tracking.restore(_experiment(first.id))
        assert tracking.search_named(project, "digits").id == first.id
        assert tracking.run(trial).deleted is None

    def test_a_restored_parent_run_needs_no_name(self, tracking: Tracking) -> None:
        """Its experiment gets another title where its own is taken: parents may share names."""
        first = a_run(tracking, name="sweep")
        a_run(tracking, parent_id=first)
        tracking.delete(_run(first))
        second = a_run(tracking, name="sweep")
        a_run(tracking, parent_id=second)
        tracking.restore(_run(first))
        assert tracking.run(first).name == tracking.run(second).name == "sweep"
        assert {search.deleted for search in tracking.find_searches().items} == {None}

    def test_nothing_is_restored_below_what_is_deleted(self, tracking: Tracking) -> None:
        """The message says what to restore first."""
        project = a_project(tracking)
        top = a_run(tracking, project_id=project)
        child = a_run(tracking, parent_id=top)
        a_run(tracking, parent_id=child)
        inner = tracking.run(child).root_of or ""
        tracking.delete(_run(child))
        tracking.delete(_run(top))
        for node in (_run(child), _experiment(inner)):
            with pytest.raises(Conflict, match=r"experiment .* is deleted"):
                tracking.restore(node)
        tracking.restore(_run(top))
        tracking.delete(Node(NodeKind.PROJECT, project))
        for node in (_run(top), _run(child), _experiment(inner)):
            with pytest.raises(Conflict, match=r"project .* is deleted"):
                tracking.restore(node)

    def test_a_project_goes_with_everything_in_it(self, tracking: Tracking) -> None:
        """Its name stays taken, and everything comes back under its own name."""
        project, other = a_project(tracking), a_project(tracking, "audio")
        search = tracking.create_search("digits", project_id=project)
        gone = a_run(tracking, project_id=project)
        runs = {search.run_id, a_run(tracking, experiment_id=search.id), a_run(tracking, project_id=project)}
        kept = a_run(tracking, project_id=other)
        tracking.delete(_run(gone))
        node = Node(NodeKind.PROJECT, project)
        tracking.delete(node)
        tracking.delete(node)
        assert _runs(tracking) == {kept}
        assert [found.id for found in tracking.find_projects(lifecycle=Lifecycle.DELETED).items] == [project]
        assert [found.id for found in tracking.find_searches(lifecycle=Lifecycle.DELETED).items] == [search.id]
        with pytest.raises(Conflict, match="deleted"):
            tracking.create_project("vision")
        tracking.restore(node)
        assert _runs(tracking) == {kept, *runs}
        assert tracking.search_named(project, "digits").id == search.id
        assert tracking.run(gone).deleted is not None

    def test_other_records_are_not_deleted_this_way(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Nor what another namespace has, or nobody."""
        dataset = tracking.create_dataset(a_project(tracking), "digits")
        run = a_run(tracking)
        for change in (tracking.delete, tracking.restore):
            with pytest.raises(InvalidInput, match="projects, experiments and runs"):
                change(Node(NodeKind.DATASET, dataset.id))
        other = trackings.tracking("team-b")
        for kind in (NodeKind.PROJECT, NodeKind.EXPERIMENT, NodeKind.RUN):
            for call in (other.delete, other.restore):
                with pytest.raises(NotFound):
                    call(Node(kind, run))
        assert tracking.run(run).deleted is None
