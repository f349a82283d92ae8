"""Watches: looked for once for all, each as fast as it is read, and no more kept than the latest of each thing."""

import asyncio
import functools
import threading
from datetime import UTC, datetime

import pytest

from katib.api.base import Condition, ObjectMeta
from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.errors import Denied, KatibError, NotFound, Overloaded, StoreUnavailable
from katib.experiments.protocol import Changes
from katib.rpc import experiments_v1 as wire
from katib.rpc import experiments_watch
from katib.rpc.experiments_watch import Watched, Watches

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENCE = 30


def looped(test):
    """Run a test in a loop of its own."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(experiments_watch, "_LOOK_SECONDS", 0.005)


class Place:
    """Experiments that only change; whoever asks is told what changed after their cursor."""

    def __init__(self):
        self._lock = threading.Lock()
        self._log = []
        self.looks = 0
        self.fault = None

    def put(self, name, *, trials=None, state="Running", uid="u1"):
        condition = Condition(type=state)
        experiment = Experiment(
            metadata=ObjectMeta(name=name, namespace="team-a", uid=uid),
            spec=ExperimentSpec(max_trial_count=trials),
            status=ExperimentStatus(conditions=[condition]),
        )
        with self._lock:
            self._log.append(("experiment", name, experiment))

    def put_trial(self, name, index, state=TrialState.RUNNING):
        record = TrialRecord(index, f"{name}-{index}", state, (("x", "1"),), NOON)
        with self._lock:
            self._log.append(("trial", name, record))

    def remove(self, name, uid="u1"):
        with self._lock:
            self._log.append(("deleted", name, ("team-a", name, uid)))

    def changes(self, namespace, name, cursor):
        assert namespace == "team-a"
        with self._lock:
            self.looks += 1
            if self.fault is not None:
                raise self.fault
            seen = int(cursor or 0)
            log, end = self._log[seen:], len(self._log)
            there = {each[1] for each in self._log if each[0] == "experiment"}
        if name is not None and name not in there:
            raise NotFound(f"there is no experiment {name!r}")
        found = {"experiment": {}, "trial": {}, "deleted": {}}
        for kind, of, thing in log:
            if name in (None, of) and (kind != "trial" or name):
                key = thing.name if kind == "trial" else of
                found[kind].pop(key, None)
                found[kind][key] = thing
                if kind == "deleted":
                    found["experiment"].pop(of, None)
        return Changes(
            str(end),
            tuple(found["experiment"].values()),
            tuple(found["trial"].values()),
            tuple(found["deleted"].values()) if cursor else (),
        )


class Reader:
    """Somebody who watches, and can be told to read no further."""

    def __init__(self, watches, place, name="", *, trials=False, until_over=False, recognise=None):
        self.messages = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.news = asyncio.Event()

        async def nobody():
            return None

        self.task = asyncio.create_task(
            watches.follow(
                Watched(place, "team-a", name, trials), self.send, until_over=until_over, recognise=recognise or nobody
            )
        )

    async def send(self, data):
        await self.reading.wait()
        self.messages.append(wire.WatchExperimentsResponse.FromString(data))
        self.news.set()

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE):
            while not condition(self):
                self.news.clear()
                await self.news.wait()

    @property
    def told(self):
        """What was told, in short."""
        found = []
        for message in self.messages:
            kind = message.WhichOneof("change")
            if kind == "experiment":
                found.append((message.experiment.name, message.experiment.max_trial_count))
            elif kind == "trial":
                found.append((message.trial.name, wire.TrialState.Name(message.trial.state)))
            elif kind == "deleted":
                found.append(("deleted", message.deleted.name))
            else:
                found.append("synced")
        return found


@pytest.fixture
def watches():
    watches = Watches(most=20)
    yield watches
    watches.close()


@pytest.fixture
def place():
    return Place()


async def ended(reader):
    async with asyncio.timeout(PATIENCE):
        await reader.task


@looped
async def test_what_there_is_comes_first_and_then_what_changes(watches, place):
    place.put("a", trials=1)
    place.put("b", trials=1)
    reader = Reader(watches, place)
    await reader.until(lambda it: "synced" in it.told)
    assert reader.told == [("a", 1), ("b", 1), "synced"]
    place.put("a", trials=2)
    await reader.until(lambda it: len(it.told) == 4)
    place.remove("b")
    await reader.until(lambda it: len(it.told) == 5)
    assert reader.told[3:] == [("a", 2), ("deleted", "b")]
    late = Reader(watches, place)
    await late.until(lambda it: "synced" in it.told)
    assert late.told == [("a", 2), "synced"]


@looped
async def test_nothing_is_something_too(watches, place):
    reader = Reader(watches, place)
    await reader.until(lambda it: it.told == ["synced"])


@looped
async def test_many_are_told_of_one_look(watches, place):
    place.put("a", trials=1)
    readers = [Reader(watches, place, "a") for _ in range(20)]
    for reader in readers:
        await reader.until(lambda it: "synced" in it.told)
    assert len(watches._hubs) == 1
    place.put("a", trials=2)
    for reader in readers:
        await reader.until(lambda it: it.told[-1] == ("a", 2))
    [hub] = watches._hubs.values()
    assert len({id(thing.message) for thing in hub._things.values()}) == 1
    with pytest.raises(Overloaded, match="20 calls"):
        await Reader(watches, place).task


@looped
async def test_who_reads_slowly_gets_the_latest_and_holds_nobody_up(watches, place):
    place.put("a", trials=0)
    slow, quick = Reader(watches, place, "a", trials=True), Reader(watches, place, "a", trials=True)
    for reader in (slow, quick):
        await reader.until(lambda it: "synced" in it.told)
    slow.reading.clear()
    for number in range(1, 300):
        place.put("a", trials=number)
        place.put_trial("a", number % 3)
        if number % 30 == 0:
            await quick.until(lambda it, number=number: ("a", number) in it.told)
    place.put("a", trials=300)
    await quick.until(lambda it: ("a", 300) in it.told)
    [hub] = watches._hubs.values()
    assert len(hub._things) == 4
    assert len(hub._order) <= 2 * 4 + 65
    slow.reading.set()
    await slow.until(lambda it: ("a", 300) in it.told)
    # One may have been on its way, and each of the four things once after it.
    assert len(slow.told) <= 2 + 1 + 4
    assert len(quick.told) >= 10


@looped
async def test_it_is_looked_only_while_somebody_watches(watches, place):
    place.put("a")
    reader = Reader(watches, place, "a")
    await reader.until(lambda it: "synced" in it.told)
    reader.task.cancel()
    await asyncio.wait({reader.task})
    assert not watches._hubs
    await asyncio.sleep(0.02)  # a look may have been on its way
    looks = place.looks
    await asyncio.sleep(0.05)
    assert place.looks == looks


@looped
async def test_one_that_is_not_there(watches, place):
    with pytest.raises(NotFound, match="nothing"):
        await Reader(watches, place, "nothing").task


@pytest.mark.parametrize("again", [False, True])
@looped
async def test_one_that_is_deleted_ends_its_watch(watches, place, again):
    place.put("a", trials=1)
    reader = Reader(watches, place, "a")
    await reader.until(lambda it: "synced" in it.told)
    if again:
        with place._lock:
            place._log += [("deleted", "a", ("team-a", "a", "u1"))]
        place.put("a", trials=9, uid="u2")
    else:
        place.remove("a")
    await ended(reader)
    assert reader.told[-1] == ("deleted", "a")
    assert ("a", 9) not in reader.told


@looped
async def test_one_that_vanishes_ends_its_watch_as_well(watches, place):
    place.put("a", trials=1)
    reader = Reader(watches, place, "a")
    await reader.until(lambda it: "synced" in it.told)
    place.fault = NotFound("gone")
    await ended(reader)
    assert reader.told[-1] == ("deleted", "a")


@looped
async def test_a_watch_can_end_with_its_experiment(watches, place):
    place.put("a", trials=1)
    place.put_trial("a", 0)
    reader = Reader(watches, place, "a", trials=True, until_over=True)
    on = Reader(watches, place, "a", trials=True)
    for each in (reader, on):
        await each.until(lambda it: "synced" in it.told)
    place.put("a", trials=1, state="Succeeded")
    place.put_trial("a", 0, TrialState.SUCCEEDED)
    await ended(reader)
    assert reader.told[-1] == ("a-0", "TRIAL_SUCCEEDED")
    assert not on.task.done()
    late = Reader(watches, place, "a", trials=True, until_over=True)
    await ended(late)
    assert sorted(map(str, late.told)) == sorted(map(str, [("a", 1), ("a-0", "TRIAL_SUCCEEDED"), "synced"]))


@looped
async def test_a_store_that_is_away_for_a_moment_is_not_seen(watches, place):
    place.put("a", trials=1)
    reader = Reader(watches, place, "a")
    await reader.until(lambda it: "synced" in it.told)
    place.fault = StoreUnavailable("locked")
    looks = place.looks
    async with asyncio.timeout(PATIENCE):
        while place.looks < looks + 3:  # noqa: ASYNC110 - it is another thread that looks
            await asyncio.sleep(0.005)
    place.put("a", trials=2)
    place.fault = None
    await reader.until(lambda it: ("a", 2) in it.told)


@pytest.mark.parametrize("fault", [StoreUnavailable("locked"), Denied("no"), ZeroDivisionError("oh")])
@looped
async def test_what_does_not_pass_is_told(watches, place, fault, monkeypatch):
    monkeypatch.setattr(experiments_watch, "_PATIENCE", 0.02)
    place.put("a", trials=1)
    reader = Reader(watches, place, "a")
    await reader.until(lambda it: "synced" in it.told)
    place.fault = fault
    with pytest.raises(KatibError, match=str(fault)):
        await ended(reader)
    place.fault = None
    again = Reader(watches, place, "a")
    await again.until(lambda it: "synced" in it.told)


@looped
async def test_a_token_that_is_good_no_longer_ends_the_watch(watches, place, monkeypatch):
    monkeypatch.setattr(experiments_watch, "_RECOGNISE_SECONDS", 0.01)
    place.put("a")

    async def refuse():
        raise Denied("not any more")

    reader = Reader(watches, place, "a", recognise=refuse)
    with pytest.raises(Denied, match="not any more"):
        await ended(reader)
    assert "synced" in reader.told


@looped
async def test_a_server_that_stops_says_so(watches, place):
    place.put("a")
    reader = Reader(watches, place, "a")
    await reader.until(lambda it: "synced" in it.told)
    watches.close()
    with pytest.raises(StoreUnavailable, match="stopping"):
        await ended(reader)
    with pytest.raises(StoreUnavailable, match="stopping"):
        await Reader(watches, place, "a").task


@looped
async def test_what_came_and_went_unseen_is_forgotten(watches, place):
    place.put("keep")
    reader = Reader(watches, place)
    await reader.until(lambda it: "synced" in it.told)
    for number in range(200):
        place.put(f"e-{number}")
        await reader.until(lambda it, number=number: (f"e-{number}", 0) in it.told)
        place.remove(f"e-{number}")
        await reader.until(lambda it, number=number: ("deleted", f"e-{number}") in it.told)
    [hub] = watches._hubs.values()
    assert len(hub._things) < 100


@looped
async def test_who_reads_nothing_while_much_comes_and_goes_begins_anew(watches, place, monkeypatch):
    monkeypatch.setattr(experiments_watch, "_MOST_GONE", 10)
    place.put("keep")
    slow, quick = Reader(watches, place), Reader(watches, place)
    for reader in (slow, quick):
        await reader.until(lambda it: "synced" in it.told)
    slow.reading.clear()
    for number in range(100):
        place.put(f"e-{number}")
        await quick.until(lambda it, number=number: (f"e-{number}", 0) in it.told)
        place.remove(f"e-{number}")
        await quick.until(lambda it, number=number: ("deleted", f"e-{number}") in it.told)
    [hub] = watches._hubs.values()
    assert len(hub._things) < 100
    slow.reading.set()
    with pytest.raises(Overloaded, match="take the watch up again"):
        await ended(slow)
    assert not quick.task.done()
