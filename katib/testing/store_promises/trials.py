"""Trials and their jobs: recorded by index, paged, and followed by what changed."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from katib.api.trial import TrialState
from katib.errors import Conflict, NotFound
from katib.testing.store_promises.base import Place, Promises
from katib.testing.store_promises.specimens import AWKWARD, full_record, recorded, trial

if TYPE_CHECKING:
    from katib.engine.trial import TrialRecord
    from katib.store.protocol import Store

__all__ = ["TrialPromises"]


class TrialPromises(Promises):
    """What ``record_trials``, ``trials``, ``trial``, ``count_trials``, ``changes``, ``save_job``, ``job`` and ``jobs`` do."""

    def test_every_field_of_a_record_comes_back(self, store: Store, place: Place) -> None:
        """A field the specimen leaves at its default would prove nothing."""
        record = full_record()
        for field in dataclasses.fields(record):
            default = field.default_factory() if callable(field.default_factory) else field.default
            assert getattr(record, field.name) != default or field.name == "index", field.name
        uid = recorded(store)
        store.record_trials(uid, [record])
        store.close()
        with self.opener(place) as again:
            (found,) = again.trials(uid)
            assert again.trial(uid, record.name) == found
        assert found == record
        assert found.created.tzinfo is UTC

    def test_defaults_come_back(self, store: Store) -> None:
        """None stays None and empty stays empty."""
        uid = recorded(store)
        store.record_trials(uid, [trial(0)])
        assert store.trials(uid) == [trial(0)]

    def test_lone_surrogates_in_records_come_back_escaped(self, store: Store) -> None:
        """Text of a trial's output may hold any bytes; that must never fail the write."""
        uid = recorded(store)
        store.record_trials(
            uid, [trial(0, message="a\udcffb", labels={"k\udcff": "v\udcff"}, assignments=(("p", "\udcff"),))]
        )
        (found,) = store.trials(uid)
        assert found.message == "a\\udcffb"
        assert found.labels == {"k\\udcff": "v\\udcff"}
        assert found.assignments == (("p", "\\udcff"),)

    def test_replacing_leaves_nothing_of_the_old_record(self, store: Store) -> None:
        """Fields go back to empty too."""
        uid = recorded(store)
        store.record_trials(uid, [full_record()])
        plain = trial(0)
        store.record_trials(uid, [plain])
        assert store.trials(uid) == [plain]

    def test_the_last_of_one_index_counts(self, store: Store) -> None:
        """Within one call, for new trials and for known ones."""
        uid = recorded(store)
        for _ in range(2):
            store.record_trials(uid, [trial(0, message="first"), trial(1), trial(0, message="last")])
            assert [record.message for record in store.trials(uid)] == ["last", ""]

    @pytest.mark.parametrize(
        "wrong",
        [
            [trial(1, name="search-0000")],
            [trial(0, name="other")],
            [trial(2), trial(1, name="search-0000")],
            [trial(2), trial(3, name="search-0002")],
            [trial(2), trial(2, name="other")],
        ],
        ids=["name-taken", "index-renamed", "behind-a-good-one", "within-one-call", "index-twice"],
    )
    def test_index_and_name_belong_together_for_ever(self, store: Store, wrong: list[TrialRecord]) -> None:
        """A conflict records nothing, also not what came before it in the call."""
        uid = recorded(store)
        store.record_trials(uid, [trial(0)])
        cursor, _ = store.changes(uid, 0)
        with pytest.raises(Conflict):
            store.record_trials(uid, wrong)
        assert store.trials(uid) == [trial(0)]
        assert store.changes(uid, cursor) == (cursor, [])

    def test_names_and_indices_are_an_experiments_own(self, store: Store) -> None:
        """Two experiments may have the same ones."""
        first, second = recorded(store, trials=1), recorded(store, "second", trials=1)
        store.record_trials(second, [trial(0, message="second")])
        assert store.trial(first, "search-0000").message == ""
        assert store.trial(second, "search-0000").message == "second"

    def test_pages_join_without_gap(self, store: Store) -> None:
        """By index, whatever the order of recording."""
        uid = recorded(store)
        for index in (4, 0, 9, 2, 7):
            store.record_trials(uid, [trial(index)])
        seen: list[int] = []
        while page := store.trials(uid, after_index=seen[-1] if seen else None, limit=2):
            assert len(page) <= 2
            seen += [record.index for record in page]
        assert seen == [0, 2, 4, 7, 9]
        assert store.trials(uid, limit=0) == []

    def test_states_filter(self, store: Store) -> None:
        """Also together with a page; no state is no trial."""
        uid = recorded(store)
        states = list(TrialState)
        store.record_trials(uid, [trial(index, states[index % len(states)]) for index in range(2 * len(states))])
        wanted = {TrialState.FAILED, TrialState.RUNNING}
        found = store.trials(uid, states=wanted)
        assert [record.state for record in found] == 2 * sorted(wanted, key=states.index)
        assert store.trials(uid, states=wanted, after_index=found[0].index, limit=1) == found[1:2]
        assert store.trials(uid, states=[]) == []

    def test_counting(self, store: Store) -> None:
        """Replacing does not count."""
        uid = recorded(store, trials=3)
        store.record_trials(uid, [trial(1)])
        assert store.count_trials(uid) == 3

    def test_many_trials_at_once(self, store: Store) -> None:
        """More than any limit on the parameters of a statement."""
        uid = recorded(store, trials=2500)
        store.record_trials(uid, [trial(index, TrialState.RUNNING) for index in range(0, 5000, 2)])
        assert store.count_trials(uid) == 2500 + 1250
        assert len(store.trials(uid, states=[TrialState.RUNNING])) == 2500

    def test_an_unknown_trial_is_not_found(self, store: Store) -> None:
        """By every method that takes one."""
        uid = recorded(store, trials=1)
        recorded(store, "second", trials=2)
        for name in ("search-0001", "\udcff", ""):
            with pytest.raises(NotFound):
                store.trial(uid, name)
            with pytest.raises(NotFound):
                store.job(uid, name)
            with pytest.raises(NotFound):
                store.save_job(uid, name, {})
            with pytest.raises(NotFound):
                store.series(uid, name)

    def test_changes_come_once_each_and_oldest_first(self, store: Store) -> None:
        """A trial that changed twice is there once, as it is now."""
        uid = recorded(store)
        cursor, nothing = store.changes(uid, 0)
        assert nothing == []
        store.record_trials(uid, [trial(1), trial(0)])
        store.record_trials(uid, [trial(2)])
        store.record_trials(uid, [trial(0, TrialState.RUNNING)])
        cursor, found = store.changes(uid, cursor)
        assert [record.index for record in found] == [1, 2, 0]
        assert found[-1].state is TrialState.RUNNING
        assert store.changes(uid, cursor) == (cursor, [])
        store.record_trials(uid, [trial(1, TrialState.FAILED)])
        later, found = store.changes(uid, cursor)
        assert found == [trial(1, TrialState.FAILED)]
        assert later > cursor
        assert len(store.changes(uid, 0)[1]) == 3

    def test_changes_of_other_experiments_do_not_show(self, store: Store) -> None:
        """Though the cursor may be common to all."""
        first, second = recorded(store), recorded(store, "second")
        cursor, _ = store.changes(first, 0)
        store.record_trials(second, [trial(0)])
        assert store.changes(first, cursor)[1] == []

    @pytest.mark.parametrize(
        "job",
        [
            {},
            {"spec": {"args": [AWKWARD, None, 1, 1.5, True, {}]}, "λ": []},
            {"big": 2**80, "inf": math.inf, "deep": [[[[[]]]]]},
        ],
    )
    def test_a_job_comes_back(self, store: Store, job: dict[str, Any]) -> None:
        """The last one that was kept."""
        uid = recorded(store, trials=2)
        assert store.job(uid, "search-0000") is None
        store.save_job(uid, "search-0000", {"replaced": True})
        store.save_job(uid, "search-0000", job)
        assert store.job(uid, "search-0000") == job
        assert store.job(uid, "search-0001") is None

    def test_jobs_of_an_experiment_come_together(self, store: Store) -> None:
        """By name; trials without one and those of other experiments are absent."""
        uid, other = recorded(store, trials=3), recorded(store, "other", trials=1)
        for name in ("search-0000", "search-0002"):
            store.save_job(uid, name, {"of": name})
        store.save_job(other, store.trials(other)[0].name, {"of": "other"})
        assert store.jobs(uid) == {name: {"of": name} for name in ("search-0000", "search-0002")}
        with pytest.raises(NotFound):
            store.jobs("no-such-uid")

    def test_jobs_of_several_trials_are_kept_at_once(self, store: Store) -> None:
        """Those that are there are replaced; of a trial that is not there, none is kept."""
        uid = recorded(store, trials=3)
        names = [record.name for record in store.trials(uid)]
        store.save_job(uid, names[0], {"old": True})
        store.save_jobs(uid, {names[0]: {"new": 1}, names[2]: {"new": 2}})
        assert store.jobs(uid) == {names[0]: {"new": 1}, names[2]: {"new": 2}}
        with pytest.raises(NotFound):
            store.save_jobs(uid, {names[1]: {}, "nobody": {}})
        assert store.job(uid, names[1]) is None
        store.save_jobs(uid, {})
