"""Events and requests: told once and counted, asked once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from katib.testing.store_promises.base import Place, Promises
from katib.testing.store_promises.specimens import AWKWARD, recorded

if TYPE_CHECKING:
    from katib.store.protocol import Store

__all__ = ["EventPromises"]


class EventPromises(Promises):
    """What ``record_event``, ``events``, ``answer``, ``request`` and their like do."""

    def test_an_event_comes_back(self, store: Store) -> None:
        """With when it was recorded."""
        uid = recorded(store)
        before = datetime.now(UTC)
        store.record_event(uid, "TrialFailed", AWKWARD, kind="Warning", trial="search-0000")
        (event,) = store.events(uid)
        assert (event.reason, event.message, event.kind, event.trial) == (
            "TrialFailed",
            AWKWARD,
            "Warning",
            "search-0000",
        )
        assert event.count == 1
        assert before <= event.first == event.last <= datetime.now(UTC)
        assert event.first.tzinfo is UTC

    def test_the_same_again_is_counted(self, store: Store) -> None:
        """Once kept, with the first time and the last."""
        uid = recorded(store)
        for _ in range(3):
            store.record_event(uid, "Reason", "message")
        (event,) = store.events(uid)
        assert event.count == 3
        assert event.first <= event.last

    def test_what_differs_is_kept_apart(self, store: Store) -> None:
        """Each of reason, message, kind and trial makes a difference, and so does where one ends."""
        uid = recorded(store)
        store.record_event(uid, "A", "b")
        store.record_event(uid, "Ab", "")
        store.record_event(uid, "A", "c")
        store.record_event(uid, "A", "b", kind="Warning")
        store.record_event(uid, "A", "b", trial="search-0000")
        store.record_event(uid, "A", "b", trial="")
        assert [event.count for event in store.events(uid)] == [1] * 6
        assert store.events(recorded(store, "other")) == []

    def test_events_are_in_the_order_of_their_last_time(self, store: Store) -> None:
        """A repeated one moves to the end; a limit keeps the most recent ones."""
        uid = recorded(store)
        for reason in ("A", "B", "C", "A"):
            store.record_event(uid, reason, "message")
        assert [event.reason for event in store.events(uid)] == ["B", "C", "A"]
        assert [event.reason for event in store.events(uid, limit=2)] == ["C", "A"]
        assert store.events(uid, limit=0) == []

    def test_events_of_one_trial(self, store: Store) -> None:
        """Without those of the experiment and of other trials."""
        uid = recorded(store)
        for trial in (None, "a", "b", "a"):
            store.record_event(uid, f"Of{trial}", "message", trial=trial)
        assert [event.trial for event in store.events(uid, "a")] == ["a"]
        assert [event.trial for event in store.events(uid)] == [None, "b", "a"]
        assert store.events(uid, "a", limit=1)[0].count == 2
        assert store.events(uid, "none") == []

    def test_lone_surrogates_in_events_come_back_escaped(self, store: Store) -> None:
        """And count as the same again."""
        uid = recorded(store)
        for _ in range(2):
            store.record_event(uid, "Reason", "\udcff", trial="\udcff")
        (event,) = store.events(uid, "\udcff")
        assert (event.message, event.trial, event.count) == ("\\udcff", "\\udcff", 2)

    def test_an_answer_is_kept_with_the_change_it_belongs_to(self, store: Store, place: Place) -> None:
        """By namespace and id; another process sees it; the one kept last counts; what is undone takes it along."""
        assert store.answer("team", "r-1") is None
        store.keep_answer("team", "r-1", "a", {"begun": True})
        store.keep_answer("team", "r-1", "b", {"said": "\udcff", "count": 1})
        store.keep_answer("team", "r" * 1_000, "c", {})
        with self.opener(place) as again:
            assert again.answer("team", "r-1") == ("b", {"said": "\\udcff", "count": 1})
            assert again.answer("team", "r" * 1_000) == ("c", {})
            assert again.answer("others", "r-1") is None

        def undone() -> None:
            with store.transaction():
                store.keep_answer("team", "r-2", "d", {})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            undone()
        assert store.answer("team", "r-2") is None

    def test_requests_are_kept_until_cleared(self, store: Store, place: Place) -> None:
        """Oldest first, each once; another process sees them."""
        uid, other = recorded(store), recorded(store, "other")
        assert store.requests(uid) == []
        store.request(uid, "stop")
        store.request(uid, "kill")
        store.request(uid, "stop")
        store.request(other, "kill")
        with self.opener(place) as again:
            assert again.requests(uid) == ["stop", "kill"]
            again.clear_requests(uid)
        assert store.requests(uid) == []
        assert store.requests(other) == ["kill"]
        store.request(uid, "kill")
        store.request(uid, "stop")
        assert store.requests(uid) == ["kill", "stop"]
