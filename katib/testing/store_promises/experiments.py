"""Experiments: identity, versions, status, lists, deletion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from katib.api.experiment import ExperimentSpec, ExperimentStatus
from katib.errors import Conflict, InvalidInput, NotFound
from katib.testing.store_promises.base import Place, Promises
from katib.testing.store_promises.specimens import an_experiment, full_status, recorded, reports, trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.store.protocol import Store

__all__ = ["ExperimentPromises"]


class ExperimentPromises(Promises):
    """What ``experiment``, ``experiments``, ``save_status``, ``update_spec`` and ``delete_experiment`` do."""

    def test_a_new_experiment_gets_its_identity(self, store: Store) -> None:
        """Uid, creation time, namespace, generation and resource version are the store's to give."""
        before = datetime.now(UTC)
        made = store.create_experiment(an_experiment())
        assert made.metadata.uid
        assert made.metadata.namespace == "default"
        assert made.metadata.generation == 1
        assert made.metadata.resource_version
        created = made.metadata.creation_timestamp
        assert created is not None
        assert created.utcoffset() == UTC.utcoffset(None)
        assert before <= created <= datetime.now(UTC)
        assert made.status == ExperimentStatus()

    def test_an_experiment_comes_back_as_it_was_given(self, store: Store, place: Place) -> None:
        """Spec, labels and fields nobody here reads are kept, also for another process."""
        given = an_experiment()
        made = store.create_experiment(given)
        store.close()
        with self.opener(place) as again:
            found = again.experiment("default", "search")
        assert found == made
        assert found.spec == given.spec
        assert found.metadata.labels == given.metadata.labels
        assert found.metadata.annotations == given.metadata.annotations
        assert found.to_document()["metadata"]["managedFields"] == [{"a": 1}]

    def test_identity_in_a_given_document_is_not_trusted(self, store: Store) -> None:
        """A document copied out of a store or a cluster makes a new experiment, with an empty status."""
        first = store.create_experiment(an_experiment())
        copy = first.model_copy(deep=True)
        copy.metadata.name = "copy"
        copy.status = full_status()
        made = store.create_experiment(copy)
        assert made.metadata.uid != first.metadata.uid
        assert made.status == ExperimentStatus()

    def test_a_name_is_taken_once_per_namespace(self, store: Store) -> None:
        """The same name in another namespace is another experiment."""
        first = store.create_experiment(an_experiment())
        with pytest.raises(Conflict, match="search"):
            store.create_experiment(an_experiment())
        other = store.create_experiment(an_experiment(namespace="other"))
        assert other.metadata.uid != first.metadata.uid
        assert store.experiment("default", "search") == first
        assert store.experiment("other", "search") == other

    def test_names_differ_when_any_of_their_bytes_does(self, store: Store) -> None:
        """In case, in blanks at the end, in how an accent is written."""
        names = ["search", "Search", "search ", "sé", "se\u0301", "se", "🧪", "🧫", "a\x00", "a\x1a0"]
        uids = [recorded(store, name) for name in names]
        for name, uid in zip(names, uids, strict=True):
            assert store.experiment("default", name).metadata.uid == uid
            store.record_trials(uid, [trial(index, name=other) for index, other in enumerate(names)])
            assert [store.trial(uid, other).index for other in names] == list(range(len(names)))
        for namespace in ("Default", "default "):
            assert store.experiments(namespace) == []
        assert sorted(names) == sorted(item.name for item in store.experiments())

    def test_names_longer_than_any_database_takes_are_refused(self, store: Store) -> None:
        """Of namespaces, experiments and trials; nothing is recorded."""
        for name, namespace in [("x" * 256, "default"), ("x", "🧪" * 256)]:
            with pytest.raises(InvalidInput, match="256 characters"):
                store.create_experiment(an_experiment(name, namespace))
        uid = store.create_experiment(an_experiment("🧪" * 255, "λ" * 255)).metadata.uid or ""
        with pytest.raises(InvalidInput, match="256 characters"):
            store.record_trials(uid, [trial(0), trial(1, name="x" * 256)])
        assert store.trials(uid) == []
        store.record_trials(uid, [trial(0, name="🧪" * 255)])
        assert store.trial(uid, "🧪" * 255).index == 0
        assert len(store.experiments()) == 1

    def test_an_experiment_needs_a_name(self, store: Store) -> None:
        """Nothing is recorded without one."""
        with pytest.raises(InvalidInput, match=r"metadata\.name"):
            store.create_experiment(an_experiment(name=""))
        assert store.experiments() == []

    @pytest.mark.parametrize("name", ["other", "", "\udcff", "search\x00", "SEARCH", "%"])
    def test_an_unknown_name_is_not_found(self, store: Store, name: str) -> None:
        """Whatever a command line may hold."""
        recorded(store)
        with pytest.raises(NotFound):
            store.experiment("default", name)
        with pytest.raises(NotFound):
            store.experiment(name, "search")

    def test_an_unknown_uid_is_not_found(self, store: Store) -> None:
        """By every method that takes one."""
        uid = "\udcff"
        calls: list[Callable[[], object]] = [
            lambda: store.save_status(uid, ExperimentStatus()),
            lambda: store.update_spec(uid, ExperimentSpec()),
            lambda: store.record_trials(uid, [trial(0)]),
            lambda: store.record_trials(uid, []),
            lambda: store.trials(uid),
            lambda: store.trial(uid, "search-0000"),
            lambda: store.count_trials(uid),
            lambda: store.changes(uid, 0),
            lambda: store.save_job(uid, "search-0000", {}),
            lambda: store.job(uid, "search-0000"),
            lambda: store.append_observations(uid, "search-0000", reports(1), first_sequence=0),
            lambda: store.collector_state(uid, "search-0000"),
            lambda: store.series(uid, "search-0000"),
            lambda: store.summaries(uid, "search-0000"),
            lambda: store.record_event(uid, "Reason", "message"),
            lambda: store.events(uid),
            lambda: store.request(uid, "stop"),
            lambda: store.requests(uid),
            lambda: store.clear_requests(uid),
        ]
        for call in calls:
            with pytest.raises(NotFound):
                call()

    def test_a_status_comes_back_with_its_microseconds(self, store: Store) -> None:
        """And moves the resource version, not the generation."""
        made = store.create_experiment(an_experiment())
        store.save_status(made.metadata.uid or "", full_status())
        found = store.experiment("default", "search")
        assert found.status == full_status()
        assert found.metadata.resource_version != made.metadata.resource_version
        assert found.metadata.generation == 1
        assert store.experiments()[0].status == full_status()

    def test_an_edit_counts_the_generation_up(self, store: Store) -> None:
        """And shows in lists."""
        made = store.create_experiment(an_experiment())
        edited = made.spec.model_copy(update={"max_trial_count": 99})
        store.update_spec(made.metadata.uid or "", edited, resource_version=made.metadata.resource_version)
        found = store.experiment("default", "search")
        assert found.spec == edited
        assert found.metadata.generation == 2
        assert found.metadata.resource_version != made.metadata.resource_version
        assert store.experiments()[0].max_trials == 99

    def test_an_edit_of_an_old_version_is_refused(self, store: Store) -> None:
        """What was written in between stays."""
        made = store.create_experiment(an_experiment())
        uid = made.metadata.uid or ""
        store.update_spec(uid, made.spec.model_copy(update={"max_trial_count": 99}))
        with pytest.raises(Conflict):
            store.update_spec(uid, made.spec, resource_version=made.metadata.resource_version)
        found = store.experiment("default", "search")
        assert found.spec.max_trial_count == 99
        assert found.metadata.generation == 2

    def test_lists_are_in_order_and_by_namespace(self, store: Store) -> None:
        """By namespace, then by name."""
        for namespace, name in [("b", "x"), ("a", "z"), ("b", "a"), ("a", "y")]:
            store.create_experiment(an_experiment(name, namespace))
        everything = [(item.namespace, item.name) for item in store.experiments()]
        assert everything == [("a", "y"), ("a", "z"), ("b", "a"), ("b", "x")]
        assert [item.name for item in store.experiments("b")] == ["a", "x"]
        assert store.experiments("none") == []

    def test_versions_are_those_of_the_experiments(self, store: Store) -> None:
        """In the order of lists, of one name or of all; each change of an experiment gives it another one."""
        for namespace, name in [("b", "x"), ("a", "x"), ("a", "z")]:
            store.create_experiment(an_experiment(name, namespace))
        known = store.versions()
        assert [(each.namespace, each.name) for each in known] == [("a", "x"), ("a", "z"), ("b", "x")]
        for each in known:
            metadata = store.experiment(each.namespace, each.name).metadata
            assert (each.uid, each.version) == (metadata.uid, metadata.resource_version)
        assert store.versions("a") == known[:2]
        assert store.versions(None, "x") == [known[0], known[2]]
        assert store.versions("a", "z") == [known[1]]
        assert store.versions("a", "none") == store.versions("none") == []
        store.save_status(known[0].uid, full_status())
        store.update_spec(known[1].uid, an_experiment().spec)
        store.delete_experiment(known[2].uid)
        changed = store.versions()
        assert [each.uid for each in changed] == [known[0].uid, known[1].uid]
        assert all(new.version != old.version for new, old in zip(changed, known, strict=False))

    def test_a_list_says_what_a_table_shows(self, store: Store) -> None:
        """Also of an experiment without algorithm and budget."""
        made = store.create_experiment(an_experiment())
        bare = an_experiment("bare").model_copy(update={"spec": ExperimentSpec()})
        store.create_experiment(bare)
        empty, full = store.experiments()
        assert (full.name, full.uid, full.created) == (
            "search",
            made.metadata.uid,
            made.metadata.creation_timestamp,
        )
        assert (full.algorithm, full.max_trials, full.status) == ("random", 12, ExperimentStatus())
        assert (empty.algorithm, empty.max_trials) == ("", None)

    def test_deleting_takes_everything_along(self, store: Store) -> None:
        """A successor of the same name starts with nothing; a neighbour keeps all."""
        uid, neighbour = recorded(store, trials=2), recorded(store, "neighbour", trials=2)
        for owner in (uid, neighbour):
            store.save_job(owner, "search-0000", {"a": 1})
            store.append_observations(owner, "search-0000", reports(3), first_sequence=0, checkpoint={"at": 3})
            store.record_event(owner, "Reason", "message", trial="search-0000")
            store.request(owner, "stop")
        store.delete_experiment(uid)
        with pytest.raises(NotFound):
            store.experiment("default", "search")
        with pytest.raises(NotFound):
            store.trials(uid)
        again = recorded(store)
        assert again != uid
        assert store.trials(again) == []
        assert store.changes(again, 0)[1] == []
        assert store.events(again) == []
        assert store.requests(again) == []
        store.record_trials(again, [trial(0)])
        assert store.job(again, "search-0000") is None
        assert store.collector_state(again, "search-0000") == (None, 0)
        assert store.series(again, "search-0000") == []
        assert store.summaries(again, "search-0000") == {}
        assert store.count_trials(neighbour) == 2
        assert store.job(neighbour, "search-0000") == {"a": 1}
        assert len(store.series(neighbour, "search-0000")) == 3
        assert store.collector_state(neighbour, "search-0000") == ({"at": 3}, 3)
        assert len(store.events(neighbour)) == 1
        assert store.requests(neighbour) == ["stop"]

    def test_deleting_again_is_fine(self, store: Store) -> None:
        """Also what never was."""
        uid = recorded(store)
        store.delete_experiment(uid)
        store.delete_experiment(uid)
        store.delete_experiment("never")
        assert store.experiments() == []
