"""Comments: everybody adds, and changes only their own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from katib.errors import Conflict, Denied, InvalidInput, NotFound
from katib.store.tracking.records import Node, NodeKind
from katib.testing.store_promises.specimens import AWKWARD
from katib.testing.store_promises.tracking_base import OpenTrackingStore, TrackingPromises, a_run

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking

__all__ = ["CommentPromises"]


class CommentPromises(TrackingPromises):
    """What ``add_comment``, ``edit_comment``, ``delete_comment`` and ``comments`` do."""

    def test_comments_come_back(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """Oldest first, with who said it and when."""
        run, other = a_run(tracking), a_run(tracking)
        before = datetime.now(UTC)
        first = tracking.add_comment(run, AWKWARD + "\udcff")
        second = trackings.tracking("team-a", actor="bob").add_comment(run, "b" * 65_536)
        tracking.add_comment(other, "elsewhere")
        assert tracking.comments(run) == [first, second]
        assert (first.run_id, first.author, first.text, first.edited) == (run, "ann", AWKWARD + "\\udcff", None)
        assert second.author == "bob"
        assert before <= first.created <= second.created <= datetime.now(UTC)

    def test_a_comment_is_edited_by_its_author(self, trackings: OpenTrackingStore, tracking: Tracking) -> None:
        """The same text again is no edit."""
        run = a_run(tracking)
        made = tracking.add_comment(run, "first")
        assert tracking.edit_comment(made.id, "first") == made
        edited = tracking.edit_comment(made.id, "second")
        assert (edited.id, edited.text, edited.created) == (made.id, "second", made.created)
        assert edited.edited is not None
        assert made.created <= edited.edited <= datetime.now(UTC)
        other = trackings.tracking("team-a", actor="bob")
        with pytest.raises(Denied, match="ann"):
            other.edit_comment(made.id, "third")
        with pytest.raises(Denied, match="ann"):
            other.delete_comment(made.id)
        assert tracking.comments(run) == [edited]
        tracking.delete_comment(made.id)
        assert tracking.comments(run) == []
        for call in (lambda: tracking.edit_comment(made.id, "x"), lambda: tracking.delete_comment(made.id)):
            with pytest.raises(NotFound):
                call()

    def test_a_comment_is_added_once_under_a_chosen_id(self, tracking: Tracking) -> None:
        """On its run; on another one the id is in use."""
        run, other = a_run(tracking), a_run(tracking)
        made = tracking.add_comment(run, "text", comment_id="abc")
        assert tracking.add_comment(run, "other", comment_id="abc") == made
        with pytest.raises(Conflict):
            tracking.add_comment(other, "text", comment_id="abc")
        assert (tracking.comments(run), tracking.comments(other)) == ([made], [])

    @pytest.mark.parametrize("text", ["", " \n", "c" * 65_537], ids=len)
    def test_a_comment_says_something_and_not_too_much(self, tracking: Tracking, text: str) -> None:
        """Also when it is edited."""
        run = a_run(tracking)
        made = tracking.add_comment(run, "text")
        with pytest.raises(InvalidInput):
            tracking.add_comment(run, text)
        with pytest.raises(InvalidInput):
            tracking.edit_comment(made.id, text)
        assert tracking.comments(run) == [made]

    def test_comments_of_another_namespace_are_not_found(
        self, trackings: OpenTrackingStore, tracking: Tracking
    ) -> None:
        """Even by a person of the same name; nor is what can be no id."""
        run = a_run(tracking)
        made = tracking.add_comment(run, "text")
        other = trackings.tracking("team-b", actor="ann")
        for call in (
            lambda: other.comments(run),
            lambda: other.add_comment(run, "text"),
            lambda: other.edit_comment(made.id, "x"),
            lambda: other.delete_comment(made.id),
            lambda: tracking.delete_comment("\x00"),
            lambda: tracking.delete_comment(""),
            lambda: tracking.delete_comment(made.id.upper() + "A"),
        ):
            with pytest.raises(NotFound):
                call()
        assert tracking.comments(run) == [made]

    def test_a_deleted_run_takes_no_comments(self, tracking: Tracking) -> None:
        """What was said can be read."""
        run = a_run(tracking)
        made = tracking.add_comment(run, "text")
        tracking.delete(Node(NodeKind.RUN, run))
        for call in (
            lambda: tracking.add_comment(run, "text"),
            lambda: tracking.edit_comment(made.id, "x"),
            lambda: tracking.delete_comment(made.id),
        ):
            with pytest.raises(Conflict, match="deleted"):
                call()
        assert tracking.comments(run) == [made]

    def test_every_change_of_comments_is_in_the_audit(self, tracking: Tracking) -> None:
        """Without what was said."""
        run = a_run(tracking)
        made = tracking.add_comment(run, "secret")
        tracking.edit_comment(made.id, "secret")
        tracking.edit_comment(made.id, "secrets")
        tracking.delete_comment(made.id)
        entries = tracking.audit(node=Node(NodeKind.RUN, run))[1:]
        assert [(entry.action, entry.details) for entry in entries] == [
            (action, {"comment": made.id}) for action in ("comment", "edit-comment", "delete-comment")
        ]
