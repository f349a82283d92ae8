"""Sharing: any number of threads and processes at once, and nothing is lost, doubled or seen by halves."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from katib.api.trial import TrialState
from katib.errors import Conflict
from katib.testing.store_promises.base import Place, Promises
from katib.testing.store_promises.specimens import an_experiment, recorded, reports, trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.store.protocol import Store

__all__ = ["SharingPromises"]

NAME = "search-0000"
WORKERS = 4
ROUNDS = 25


def _write(store: Store, uid: str, worker: int) -> None:
    """Record trials of one's own and count the same event as everyone."""
    for number in range(ROUNDS):
        index = worker * ROUNDS + number
        with store.transaction():
            store.record_trials(uid, [trial(index)])
            store.append_observations(uid, f"search-{index:04d}", reports(2), first_sequence=0)
        store.record_event(uid, "Same", "words")
        store.record_trials(uid, [trial(index, TrialState.RUNNING)])


def _write_in_process(opener: Callable[[Place], Store], place: Place, uid: str, worker: int) -> None:
    with opener(place) as store:
        _write(store, uid, worker)


def _open_in_process(opener: Callable[[Place], Store], place: Place, worker: int) -> None:
    with opener(place) as store:
        store.create_experiment(an_experiment(f"of-{worker}"))


class SharingPromises(Promises):
    """What holds when several use one store."""

    def test_threads_share_a_store(self, store: Store) -> None:
        """Writers take turns; nobody is told that the database is locked."""
        uid = recorded(store)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda worker: _write(store, uid, worker), range(WORKERS)))
        self._check(store, uid)

    def test_processes_share_a_store(self, store: Store, place: Place) -> None:
        """While this one reads: it sees each change once, and whole."""
        uid = recorded(store)
        workers = [self._process(_write_in_process, place, uid, worker) for worker in range(WORKERS)]
        cursor, latest = 0, {}
        while any(worker.is_alive() for worker in workers):
            cursor, found = store.changes(uid, cursor)
            for record in found:
                latest[record.index] = record
                assert store.summaries(uid, record.name)["loss"].count == 2
        assert [worker.exitcode for worker in workers] == [0] * WORKERS
        latest.update((record.index, record) for record in store.changes(uid, cursor)[1])
        assert [latest[index] for index in sorted(latest)] == store.trials(uid)
        self._check(store, uid)

    def test_processes_make_a_store_together(self, place: Place) -> None:
        """Whoever comes first creates it, the others wait."""
        workers = [self._process(_open_in_process, place, worker) for worker in range(WORKERS)]
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0] * WORKERS
        with self.opener(place) as store:
            assert [item.name for item in store.experiments()] == [f"of-{worker}" for worker in range(WORKERS)]

    def test_one_of_many_gets_the_name(self, store: Store) -> None:
        """The others are told that it is taken."""
        start = threading.Barrier(WORKERS)

        def create(_worker: int) -> bool:
            start.wait()
            try:
                store.create_experiment(an_experiment())
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(WORKERS) as pool:
            assert sum(pool.map(create, range(WORKERS))) == 1
        assert len(store.experiments()) == 1

    def test_a_batch_from_two_sides_is_stored_once(self, store: Store) -> None:
        """A collector that was believed dead and its successor report the same lines."""
        uid = recorded(store, trials=1)
        samples = reports(200)

        def collect(_worker: int) -> None:
            for at in range(0, 200, 10):
                store.append_observations(uid, NAME, samples[at : at + 10], first_sequence=at)

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(collect, range(WORKERS)))
        assert [item.text for item in store.series(uid, NAME)] == [sample.text for sample in samples]
        assert store.summaries(uid, NAME)["loss"].count == 200

    def test_a_change_is_never_missed(self, store: Store) -> None:
        """The cursor passes no number whose transaction is still open."""
        uid = recorded(store)
        done = threading.Event()

        def write(worker: int) -> None:
            for number in range(ROUNDS):
                with store.transaction():
                    store.record_trials(uid, [trial(2 * (worker * ROUNDS + number))])
                    store.record_trials(uid, [trial(2 * (worker * ROUNDS + number) + 1)])

        def follow() -> list[int]:
            cursor, seen = 0, []
            while True:
                last = done.is_set()
                cursor, found = store.changes(uid, cursor)
                assert len(found) % 2 == 0
                seen += [record.index for record in found]
                if last:
                    return seen

        with ThreadPoolExecutor(WORKERS + 1) as pool:
            follower = pool.submit(follow)
            list(pool.map(write, range(WORKERS)))
            done.set()
            assert sorted(follower.result()) == list(range(2 * WORKERS * ROUNDS))

    def _process(self, target: Callable[..., None], *arguments: object) -> Any:
        process = multiprocessing.get_context("spawn").Process(target=target, args=(type(self).opener, *arguments))
        process.start()
        return process

    @staticmethod
    def _check(store: Store, uid: str) -> None:
        total = WORKERS * ROUNDS
        assert store.trials(uid) == [trial(index, TrialState.RUNNING) for index in range(total)]
        assert all(len(store.series(uid, record.name)) == 2 for record in store.trials(uid))
        (event,) = store.events(uid)
        assert event.count == total
