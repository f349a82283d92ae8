"""Projects: names, ids and facts of what belongs together, each namespace for itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.tracking.records import DEFAULT_PROJECT, Facts, Node, NodeKind
from katib.testing.store_promises.specimens import AWKWARD
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_project, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking
    from katib.testing.store_promises.base import Place

__all__ = ["ProjectPromises"]


class ProjectPromises(TrackingPromises):
    """What the methods about projects do."""

    def test_a_project_comes_back(self, place: Place, tracking: Tracking) -> None:
        """By id and by name, with everything, also from another opening of the store."""
        before = datetime.now(UTC)
        facts = Facts({"team": AWKWARD, "empty": ""}, {"cost": 1.5, "λ": [1, None, {"a": AWKWARD}], "yes": True})
        made = tracking.create_project(AWKWARD, description=AWKWARD, facts=facts)
        assert (made.namespace, made.name, made.description, made.owner) == ("team-a", AWKWARD, AWKWARD, "ann")
        assert made.facts == facts
        assert before <= made.created == made.updated <= datetime.now(UTC)
        assert made.deleted is None
        with self.opener(place) as again:
            seen = again.tracking("team-a")
            assert seen.project(made.id) == seen.project_named(AWKWARD) == made
            assert seen.find_projects().items == (made,)

    def test_a_name_is_taken_once_in_a_namespace(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """In another one it is free; so are names that differ in case or in blanks."""
        made = tracking.create_project("vision")
        with pytest.raises(Conflict, match="vision"):
            tracking.create_project("vision")
        others = [tracking.create_project(name).id for name in ("Vision", "vision ", "vísion")]
        elsewhere = trackings.tracking("team-b").create_project("vision")
        assert len({made.id, elsewhere.id, *others}) == 5
        with pytest.raises(Conflict, match="vision"):
            tracking.update_project(others[0], name="vision")
        assert tracking.update_project(made.id, name="vision").name == "vision"

    def test_a_deleted_project_keeps_its_name(self, tracking: Tracking) -> None:
        """It has to be restored or purged before another one gets it."""
        made = tracking.create_project("vision")
        tracking.delete(Node(NodeKind.PROJECT, made.id))
        with pytest.raises(Conflict, match="restore"):
            tracking.create_project("vision")
        assert tracking.project_named("vision").deleted is not None

    def test_a_project_is_made_once_under_a_chosen_id(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Whatever else the second call says; another namespace learns only that the id is in use."""
        made = tracking.create_project("vision", project_id="abc")
        assert made.id == "abc"
        assert tracking.create_project("other", project_id="abc") == made
        with pytest.raises(Conflict, match="in use"):
            trackings.tracking("team-b").create_project("vision", project_id="abc")
        for odd in ("", "a b", "x" * 33, "ä", "../a"):
            with pytest.raises(InvalidInput):
                tracking.create_project("new", project_id=odd)

    def test_the_default_project_is_made_once(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """In each namespace that asks."""
        made = tracking.default_project()
        assert made.name == DEFAULT_PROJECT
        assert tracking.default_project() == made
        assert trackings.tracking("team-b").default_project().id != made.id

    def test_a_project_is_changed(self, tracking: Tracking) -> None:
        """Only what is named."""
        made = tracking.create_project("vision", description="first")
        changed = tracking.update_project(made.id, description="second")
        assert (changed.name, changed.description, changed.created) == ("vision", "second", made.created)
        assert changed.updated >= made.updated
        assert tracking.update_project(made.id, name="sight").description == "second"
        with pytest.raises(NotFound):
            tracking.project_named("vision")

    @pytest.mark.parametrize("name", ["", "x" * 256], ids=len)
    def test_a_name_is_neither_empty_nor_endless(self, tracking: Tracking, name: str) -> None:
        """Nothing is made."""
        with pytest.raises(InvalidInput):
            tracking.create_project(name)
        assert tracking.find_projects().items == ()

    def test_facts_of_a_project_are_set_and_removed(self, tracking: Tracking) -> None:
        """By name, or all."""
        node = Node(NodeKind.PROJECT, a_project(tracking))
        tracking.set_facts(node, Facts({"a": "1", "b": "2"}, {"x": 1, "y": "text"}))
        tracking.set_facts(node, Facts({"a": "3"}, {"x": {"deep": [0.1]}}))
        assert tracking.project(node.id).facts == Facts({"a": "3", "b": "2"}, {"x": {"deep": [0.1]}, "y": "text"})
        tracking.delete_facts(node, tags=["a", "absent"], properties=["y"])
        assert tracking.project(node.id).facts == Facts({"b": "2"}, {"x": {"deep": [0.1]}})
        tracking.delete_facts(node, tags=None)
        assert tracking.project(node.id).facts == Facts({}, {"x": {"deep": [0.1]}})

    def test_projects_of_another_namespace_are_not_found(
        self, trackings: OpenTrackingStore, tracking: Tracking
    ) -> None:
        """Whatever is asked of them."""
        project = a_project(tracking)
        other = trackings.tracking("team-b", actor="ann")
        node = Node(NodeKind.PROJECT, project)
        for call in (
            lambda: other.project(project),
            lambda: other.project_named("vision"),
            lambda: other.update_project(project, name="mine"),
            lambda: other.set_facts(node, Facts({"a": "b"})),
            lambda: other.delete_facts(node, tags=None),
            lambda: other.delete(node),
            lambda: other.restore(node),
            lambda: other.create_search("search", project_id=project),
            lambda: a_run(other, project_id=project),
        ):
            with pytest.raises(NotFound):
                call()
        assert other.find_projects().items == ()
        assert other.audit() == []
