"""What is watched for who asks for changes, and for how long: the numbers of threads, and what a cursor of elsewhere is answered with."""

import json
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "tests" / "unit" / "kube"))

from fake_api_server import FakeApiServer, status  # noqa: E402 - found by the line above
from kube_world import kubeconfig, until  # noqa: E402

from katib.errors import Denied, InvalidInput, NotFound, StoreUnavailable  # noqa: E402
from katib.kube.connection import Connection  # noqa: E402
from katib.operator import cluster_changes as module  # noqa: E402
from katib.operator.cluster_changes import Watches  # noqa: E402
from katib.operator.cluster_client import ClusterClient  # noqa: E402


class Experiments(FakeApiServer):
    """Experiments of one namespace, listed and watched; there are no trials."""

    def __init__(self):
        self.denied = ""
        super().__init__()
        self.on_request = self._answer

    def _answer(self, handler, verb, query):
        path = handler.path.partition("?")[0]
        if self.denied and self.denied in path:
            handler.answer(403, status(403, "Forbidden", f"{self.denied} is forbidden: cannot list resource"))
        elif path.endswith("/trials") and verb == "watch":
            handler.begin_stream()
            with self.changed:
                epoch = self.epoch
                while self.epoch == epoch:
                    self.changed.wait(timeout=30)
            handler.end_stream()
        elif path.endswith("/trials"):
            handler.answer(200, {"kind": "List", "metadata": {"resourceVersion": str(self.version)}, "items": []})
        elif path.endswith("/experiments") and verb == "get":
            self.list(handler, query)
        else:
            return False
        return True

    def add(self, name):
        made = self.put(name)
        made |= {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "spec": {"parallelTrialCount": 1}}
        return made


@pytest.fixture
def api():
    server = Experiments()
    yield server
    server.stop()


@pytest.fixture
def watches(api, tmp_path):
    connection = Connection.open(kubeconfig=kubeconfig(api.url, tmp_path), context=None, user_agent="test")
    watches = Watches(ClusterClient(connection, request_timeout=5))
    yield watches
    watches.close()


def watching():
    return sum(thread.name.startswith("reflector-") for thread in threading.enumerate())


def names(changes):
    return [each.metadata.name for each in changes.experiments]


def test_one_watch_of_a_namespace_is_for_all_of_its_experiments(api, watches):
    for name in ("a", "b", "c"):
        api.add(name)
    before = watching()
    assert names(watches.changes("team", None, "")) == ["a", "b", "c"]
    for name in ("a", "b", "c"):
        assert names(watches.changes("team", name, "")) == [name]
    assert watching() - before == 4


def test_a_watch_that_nobody_asks_ends_and_begins_anew(api, watches, monkeypatch):
    monkeypatch.setattr(module, "_UNASKED", 0.2)
    api.add("a")
    before = watching()
    cursor = watches.changes("team", None, "").cursor
    until(lambda: watching() == before)
    until(lambda: not any(thread.name == "watched-experiments" for thread in threading.enumerate()))
    again = watches.changes("team", None, cursor)
    assert names(again) == ["a"], "a cursor of the watch before is answered with everything"
    assert again.cursor != cursor


def test_what_was_made_and_deleted_by_others_is_told(api, watches):
    api.add("a")
    cursor = watches.changes("team", None, "").cursor
    api.add("b")
    found = []

    def told(what):
        nonlocal cursor
        changes = watches.changes("team", None, cursor)
        cursor = changes.cursor
        found.extend(what(changes))
        return found

    assert names(watches.changes("team", "b", "")) == ["b"], "also before the news of it have come"
    until(lambda: told(names))
    assert found == ["b"]
    found.clear()
    gone = api.objects["a"]["metadata"]["uid"]
    api.delete("a")
    until(lambda: told(lambda changes: changes.deleted))
    assert found == [("team", "a", gone)]


def test_what_cannot_be_watched_is_told_at_once_and_leaves_nothing(api, watches):
    before = watching()
    with pytest.raises(NotFound, match="none"):
        watches.changes("team", "none", "")
    api.add("a")
    for denied in ("experiments", "trials"):
        api.denied = denied
        with pytest.raises(Denied, match=f"{denied} is forbidden"):
            watches.changes("elsewhere" if denied == "experiments" else "team", "a", "")
    for nonsense in ("nonsense", "{}", "0123abcd.1,", "0123abcd.", "\0"):
        with pytest.raises(InvalidInput, match="cursor"):
            watches.changes("team", None, nonsense)
    watches.close()
    until(lambda: watching() == before)


def test_a_server_that_falls_silent_is_told_of_and_old_news_are_not_given_for_new(api, watches, monkeypatch):
    api.add("a")
    cursor = watches.changes("team", None, "").cursor
    monkeypatch.setattr(module, "_STALE", 0.0)
    time.sleep(0.01)
    with pytest.raises(StoreUnavailable, match="cannot be watched"):
        watches.changes("team", None, cursor)
    monkeypatch.undo()
    assert json.dumps(names(watches.changes("team", None, cursor))) == "[]"
