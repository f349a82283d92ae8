"""Transactions: one change or none, also within each other."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from katib.api.trial import TrialState
from katib.errors import Conflict, NotFound, StoreUnavailable
from katib.testing.store_promises.base import Place, Promises
from katib.testing.store_promises.specimens import an_experiment, full_status, recorded, reports, trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.protocol import Store

__all__ = ["TransactionPromises"]

NAME = "search-0000"


class _BrokenOffError(Exception):
    pass


@contextlib.contextmanager
def _broken_off(store: Store) -> Iterator[None]:
    """Open a transaction that fails when its block has ended."""
    with contextlib.suppress(_BrokenOffError), store.transaction():
        yield
        raise _BrokenOffError


class TransactionPromises(Promises):
    """What ``transaction`` and ``close`` do."""

    def test_a_transaction_is_seen_as_a_whole(self, store: Store, place: Place) -> None:
        """By its own thread at once, by others when it has ended."""
        uid = recorded(store)
        with self.opener(place) as other:
            with store.transaction():
                store.record_trials(uid, [trial(0)])
                store.save_status(uid, full_status())
                store.append_observations(uid, NAME, reports(1), first_sequence=0)
                assert store.count_trials(uid) == 1
                assert store.summaries(uid, NAME)["loss"].count == 1
                assert other.count_trials(uid) == 0
                assert other.experiment("default", "search").status != full_status()
            assert other.count_trials(uid) == 1
            assert other.experiment("default", "search").status == full_status()

    def test_a_failed_transaction_leaves_nothing(self, store: Store) -> None:
        """Of any kind of record."""
        uid = recorded(store, trials=1)
        store.append_observations(uid, NAME, reports(1), first_sequence=0, checkpoint={"at": 1})
        before = store.experiment("default", "search")
        cursor, _ = store.changes(uid, 0)
        with _broken_off(store):
            store.create_experiment(an_experiment("second"))
            store.record_trials(uid, [trial(0, TrialState.FAILED), trial(1)])
            store.save_job(uid, NAME, {})
            store.save_status(uid, full_status())
            store.append_observations(uid, NAME, reports(1, "new"), first_sequence=1, checkpoint={"at": 2})
            store.record_event(uid, "Reason", "message")
            store.request(uid, "stop")
        assert store.experiment("default", "search") == before
        assert [item.name for item in store.experiments()] == ["search"]
        assert store.trials(uid) == [trial(0)]
        assert store.changes(uid, cursor) == (cursor, [])
        assert store.job(uid, NAME) is None
        assert store.collector_state(uid, NAME) == ({"at": 1}, 1)
        assert list(store.summaries(uid, NAME)) == ["loss"]
        assert store.events(uid) == []
        assert store.requests(uid) == []
        # What the failed change had made is made again without trouble.
        store.append_observations(uid, NAME, reports(1, "new"), first_sequence=1)
        assert list(store.summaries(uid, NAME)) == ["loss", "new"]

    def test_a_block_inside_a_block_can_fail_alone(self, store: Store) -> None:
        """What was done before and after it stays."""
        uid = recorded(store)
        with store.transaction():
            store.record_trials(uid, [trial(0)])
            with _broken_off(store):
                store.record_trials(uid, [trial(0, TrialState.FAILED), trial(1)])
            with store.transaction():
                store.record_trials(uid, [trial(2)])
        assert store.trials(uid) == [trial(0), trial(2)]

    def test_a_failed_outer_block_takes_the_inner_along(self, store: Store) -> None:
        """Though the inner one ended well."""
        uid = recorded(store)
        with _broken_off(store), store.transaction():
            store.record_trials(uid, [trial(0)])
        assert store.trials(uid) == []

    def test_a_refused_call_can_be_caught_inside(self, store: Store) -> None:
        """It changed nothing, and the rest is kept."""
        uid = recorded(store, trials=1)
        with store.transaction():
            store.record_trials(uid, [trial(1)])
            with pytest.raises(Conflict):
                store.record_trials(uid, [trial(2), trial(3, name=NAME)])
            with pytest.raises(NotFound):
                store.save_job(uid, "none", {})
            with pytest.raises(Conflict):
                store.append_observations(uid, NAME, reports(1), first_sequence=7)
            with pytest.raises(Conflict):
                store.create_experiment(an_experiment())
            store.record_trials(uid, [trial(4)])
        assert [record.index for record in store.trials(uid)] == [0, 1, 4]

    def test_a_closed_store_says_so(self, place: Place) -> None:
        """Closing again is fine."""
        store = self.opener(place)
        store.close()
        store.close()
        for call in (store.experiments, lambda: store.create_experiment(an_experiment())):
            with pytest.raises(StoreUnavailable, match="closed"):
                call()
        with pytest.raises(StoreUnavailable, match="closed"), store.transaction():
            pass
