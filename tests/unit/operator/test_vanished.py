"""Which experiments the store is told of as gone: those of this cluster that a whole list lacks, and never any other."""

import threading
from types import SimpleNamespace

import pytest

from katib.errors import StoreUnavailable, Unsupported
from katib.kube.errors import Forbidden, ServerAway
from katib.operator import vanished as module
from katib.operator.vanished import Vanished
from katib.store.tracking.recording import OpenExperiment

UID = "3f0c"


def there(*uids):
    return [{"metadata": {"uid": uid}} for uid in uids]


class ApiServer:
    """Lists what it has, a page for each; fails where it is told to."""

    def __init__(self):
        self.uids, self.asked = [], []
        self.failure = self.denied = None

    def get(self, resource, name):
        self.asked.append((resource.plural, name))
        if self.denied:
            raise self.denied
        return {"metadata": {"uid": UID}}

    def pages(self, resource, namespace):
        self.asked.append((resource.plural, namespace))
        for uid in self.uids:
            yield SimpleNamespace(starts_over=False, items=there(uid))
        if self.failure:
            raise self.failure


class StoreDouble:
    def __init__(self):
        self.experiments, self.asked = [], []
        self.failure = None

    def open_experiments(self, cluster, namespace):
        self.asked.append((cluster, namespace))
        if self.failure:
            raise self.failure
        yield from (OpenExperiment("team", uid, f"search-{uid}") for uid in self.experiments)


class RecorderDouble:
    def __init__(self):
        self.cluster, self.told = "", []

    def deleted(self, namespace, uid):
        self.told.append((namespace, uid))


class World:
    def __init__(self, namespace=None):
        self.server, self.store, self.recorder = ApiServer(), StoreDouble(), RecorderDouble()
        self.cached, self.leading = [], True
        self.vanished = Vanished(
            self.server,
            namespace,
            store=self.store,
            recorder=self.recorder,
            experiments=SimpleNamespace(items=lambda: there(*self.cached)),
            is_leading=lambda: self.leading,
        )


@pytest.fixture
def world():
    return World()


def test_what_the_api_server_does_not_have_is_told(world):
    world.store.experiments = ["a", "b", "c"]
    world.cached, world.server.uids = ["a"], ["a", "b"]
    assert world.vanished.look() == 1
    assert world.recorder.told == [("team", "c")], "b is newer than the cache"
    assert world.store.asked == [(UID, None)]


def test_a_cluster_is_known_by_kube_system_and_a_namespace_by_itself(world):
    world.vanished.look()
    assert (world.recorder.cluster, world.server.asked[0]) == (UID, ("namespaces", "kube-system"))
    narrow = World("team")
    narrow.vanished.look()
    assert (narrow.server.asked[0], narrow.store.asked) == (("namespaces", "team"), [(UID, "team")])


def test_where_nothing_is_missing_nothing_is_listed(world):
    world.store.experiments = world.cached = ["a"]
    assert world.vanished.look() == 0
    assert ("experiments", None) not in world.server.asked


@pytest.mark.parametrize("what", ["a list that breaks off", "the store", "a right", "another leads"])
def test_nothing_is_told_where_something_is_not_known(world, what):
    world.store.experiments = ["a", "b"]
    world.server.uids = ["a"]
    if what == "a list that breaks off":
        world.server.failure = ServerAway("it is away")
    elif what == "the store":
        world.store.failure = StoreUnavailable("it is away")
    elif what == "a right":
        world.server.denied = Forbidden("may not get namespaces")
    else:
        world.leading = False
    if what == "another leads":
        assert world.vanished.look() == 0
    else:
        with pytest.raises((ServerAway, StoreUnavailable, Forbidden)):
            world.vanished.look()
    assert world.recorder.told == []


def test_very_many_are_told_in_several_looks(world, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 2)
    world.store.experiments = ["a", "b", "c"]
    assert world.vanished.look() == 2
    world.store.experiments = ["c"]
    assert world.vanished.look() == 1
    assert [uid for _, uid in world.recorder.told] == ["a", "b", "c"]


def test_it_goes_on_looking_and_says_a_trouble_once(world, monkeypatch, caplog):
    monkeypatch.setattr(module, "_PAUSES", (0.001, 0.002))
    monkeypatch.setattr(module, "_EVERY", 0.001)
    world.store.failure = Unsupported("the store is of an older version")
    looks = threading.Semaphore(0)
    ask = world.store.open_experiments

    def open_experiments(*asked):
        looks.release()
        if len(world.store.asked) == 3:
            world.store.failure, world.store.experiments = None, ["gone"]
        yield from ask(*asked)

    world.store.open_experiments = open_experiments
    world.vanished.start()
    for _ in range(6):
        assert looks.acquire(timeout=20)
    world.vanished.stop()
    assert ("team", "gone") in world.recorder.told
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        "experiments that are deleted while no operator runs stay as they were in the store: the store is of an older version"
    ]
