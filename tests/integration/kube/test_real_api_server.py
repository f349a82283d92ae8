"""What the fake API server of the other tests claims, asked of a real one, and what no fake can claim."""

import signal
import threading
import time

import pytest
from kube_world import until

from katib.kube import errors
from katib.kube.event_recorder import EventRecorder
from katib.kube.reflector import Reflector
from katib.kube.resource import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, EVENTS


def named(name, namespace, **data):
    return {"metadata": {"name": name, "namespace": namespace, "labels": {"of": "test"}}, "data": data}


@pytest.fixture
def followed(client, namespace):
    told = []
    reflector = Reflector(
        client,
        CONFIG_MAPS,
        namespace=namespace,
        label_selector="of=test",
        on_change=lambda old, new: told.append(
            ("added" if old is None else "deleted" if new is None else "changed", (new or old)["metadata"]["name"])
        ),
    )
    reflector.told = told
    reflector.start()
    assert reflector.wait_synced(30)
    yield reflector
    reflector.stop()


def names(reflector):
    return sorted(obj["metadata"]["name"] for obj in reflector.items())


def test_life_of_an_object(client, namespace):
    made = client.create(CONFIG_MAPS, named("a", namespace, x="1"))
    with pytest.raises(errors.AlreadyExists, match="already exists"):
        client.create(CONFIG_MAPS, named("a", namespace))
    assert client.get(CONFIG_MAPS, "a", namespace)["metadata"]["uid"] == made["metadata"]["uid"]
    patched = client.merge_patch(CONFIG_MAPS, "a", {"data": {"y": "2"}}, namespace)
    assert patched["data"] == {"x": "1", "y": "2"}
    old = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"z": "3"}}
    with pytest.raises(errors.Conflict, match="has been modified"):
        client.merge_patch(CONFIG_MAPS, "a", old, namespace)
    operations = [{"op": "test", "path": "/data/x", "value": "1"}, {"op": "remove", "path": "/data/y"}]
    assert client.json_patch(CONFIG_MAPS, "a", operations, namespace)["data"] == {"x": "1"}
    with pytest.raises(errors.Invalid):
        client.json_patch(CONFIG_MAPS, "a", operations, namespace)
    assert not client.delete(CONFIG_MAPS, "a", namespace, uid="another")
    assert client.delete(CONFIG_MAPS, "a", namespace, uid=made["metadata"]["uid"])
    assert not client.delete(CONFIG_MAPS, "a", namespace)
    with pytest.raises(errors.NotFound, match='"a" not found'):
        client.get(CONFIG_MAPS, "a", namespace)


def test_apply_leaves_the_fields_of_others_and_takes_back_its_own(client, namespace):
    client.apply(CONFIG_MAPS, named("a", namespace, mine="1", dropped="1"))
    client.merge_patch(CONFIG_MAPS, "a", {"data": {"users": "1"}}, namespace, field_manager="user")
    assert client.apply(CONFIG_MAPS, named("a", namespace, mine="2"))["data"] == {"mine": "2", "users": "1"}
    with pytest.raises(errors.Conflict, match='conflict with "user"'):
        client.apply(CONFIG_MAPS, named("a", namespace, mine="2", users="2"), force=False)
    forced = client.apply(CONFIG_MAPS, named("a", namespace, mine="2", users="2"))
    assert forced["data"] == {"mine": "2", "users": "2"}


def test_edits_of_many_writers_are_all_kept(client, namespace, control_plane):
    """A user edits while the operator writes: each has its own fields."""
    client.apply(CONFIG_MAPS, named("a", namespace))

    def write(number):
        with control_plane.client() as writer:
            for i in range(10):
                if number % 2:
                    document = named("a", namespace, **{f"w{number}": str(i)})
                    writer.apply(CONFIG_MAPS, document, field_manager=f"w{number}")
                else:
                    writer.merge_patch(CONFIG_MAPS, "a", {"data": {f"w{number}": str(i)}}, namespace)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert client.get(CONFIG_MAPS, "a", namespace)["data"] == {f"w{number}": "9" for number in range(8)}


def test_refusal_says_where(client, namespace):
    with pytest.raises(errors.Invalid, match="lowercase RFC 1123") as caught:
        client.create(CONFIG_MAPS, named("Not_A_Name", namespace))
    assert [problem.path for problem in caught.value.problems] == ["metadata.name"]
    with pytest.raises(errors.NotFound, match="namespaces"):
        client.create(CONFIG_MAPS, named("a", "no-such-namespace"))


def test_pages_collection_and_selector(client, namespace):
    for i in range(11):
        client.create(CONFIG_MAPS, named(f"a{i}", namespace))
    client.create(CONFIG_MAPS, {"metadata": {"name": "other", "namespace": namespace}})
    before = client.requests.total(verb="list")
    items, version = client.list(CONFIG_MAPS, namespace, label_selector="of=test", limit=4)
    assert client.requests.total(verb="list") - before == 3
    assert len(items) == 11
    assert version.isdigit()
    client.delete_collection(CONFIG_MAPS, namespace, label_selector="of=test")
    assert [obj["metadata"]["name"] for obj in client.list(CONFIG_MAPS, namespace)[0]] == ["other"]


def test_page_that_etcd_forgot_starts_the_list_over(client, namespace, control_plane):
    for i in range(9):
        client.create(CONFIG_MAPS, named(f"a{i}", namespace))
    pages = client.pages(CONFIG_MAPS, namespace, limit=3)
    seen = [next(pages)]
    client.create(CONFIG_MAPS, named("late", namespace))
    control_plane.compact()
    control_plane.signal_server(signal.SIGKILL)  # its watch cache knows what etcd forgot
    control_plane.start_server()
    seen += pages
    assert [(page.starts_over, len(page.items)) for page in seen] == [(False, 3), (True, 10)]
    assert client.requests.total(verb="list", code=410) == 1


def test_watch_follows_and_writers_read_their_own_writes(client, namespace, followed):
    made = client.create(CONFIG_MAPS, named("a", namespace))
    followed.put(made)
    assert followed.get(namespace, "a")["metadata"]["uid"] == made["metadata"]["uid"]
    patched = client.merge_patch(CONFIG_MAPS, "a", {"data": {"x": "1"}}, namespace)
    followed.put(patched)
    assert followed.get(namespace, "a")["data"] == {"x": "1"}
    client.create(CONFIG_MAPS, {"metadata": {"name": "other", "namespace": namespace}})
    client.delete(CONFIG_MAPS, "a", namespace)
    until(lambda: names(followed) == [])
    followed.put(patched)
    assert names(followed) == []
    assert followed.told[0] == ("added", "a")
    assert followed.told[-1] == ("deleted", "a")
    assert "managedFields" not in str(followed.items())


def test_killed_server_that_forgot_meanwhile_costs_one_list(client, namespace, followed, control_plane):
    for name in "abc":
        client.create(CONFIG_MAPS, named(name, namespace))
    until(lambda: names(followed) == ["a", "b", "c"])
    assert followed.lists == 1
    control_plane.signal_server(signal.SIGKILL)
    before = client.requests.total(resource="configmaps")
    time.sleep(5)
    assert client.requests.total(resource="configmaps") - before <= 5
    with followed._stream_lock:
        held = followed._watch
    followed._watch = lambda: 0.2  # it does not come back before things have happened
    control_plane.start_server()
    client.delete(CONFIG_MAPS, "a", namespace)
    client.create(CONFIG_MAPS, named("d", namespace))
    for i in range(20):
        client.merge_patch(CONFIG_MAPS, "b", {"data": {"x": str(i)}}, namespace)
    control_plane.compact()
    followed._watch = held
    until(lambda: names(followed) == ["b", "c", "d"], 60)
    assert ("deleted", "a") in followed.told
    assert client.requests.total(verb="watch", resource="configmaps", code=410) <= 1
    assert followed.lists <= 2
    lists = followed.lists
    client.create(CONFIG_MAPS, named("e", namespace))
    until(lambda: "e" in names(followed))
    assert followed.lists == lists


def test_version_from_before_a_compaction_is_gone(client, namespace, control_plane):
    made = client.create(CONFIG_MAPS, named("a", namespace))
    for i in range(20):
        client.merge_patch(CONFIG_MAPS, "a", {"data": {"x": str(i)}}, namespace)
    control_plane.compact()
    control_plane.signal_server(signal.SIGKILL)
    control_plane.start_server()

    def watch():
        version = made["metadata"]["resourceVersion"]
        with client.watch_lines(CONFIG_MAPS, namespace, resource_version=version, timeout_seconds=5) as stream:
            for event in stream:
                if event["type"] == "ERROR":
                    raise errors.error_of_status("watch", event["object"])

    with pytest.raises(errors.Gone):
        watch()


def test_stopped_server_is_noticed_and_followed_again(client, namespace, control_plane):
    """SIGSTOP: the kernel keeps every connection open, and nothing comes."""
    client.create(CONFIG_MAPS, named("a", namespace))
    reflector = Reflector(client, CONFIG_MAPS, namespace=namespace, idle_seconds=2)
    reflector.start()
    assert reflector.wait_synced(30)
    control_plane.signal_server(signal.SIGSTOP)
    begun = time.monotonic()
    until(lambda: reflector.failure, 30)
    assert reflector.staleness >= 1.5
    assert time.monotonic() - begun < 30
    with pytest.raises(errors.ServerAway):
        client.get(CONFIG_MAPS, "a", namespace, timeout=0.5)
    control_plane.signal_server(signal.SIGCONT)
    client.create(CONFIG_MAPS, named("b", namespace))
    until(lambda: "b" in names(reflector), 60)
    reflector.stop()


def test_churn_with_compactions_misses_no_deletion(client, namespace, control_plane, followed):
    alive = set()
    for i in range(300):
        name = f"n{i % 60}"
        if name in alive:
            client.delete(CONFIG_MAPS, name, namespace)
            alive.discard(name)
        else:
            client.create(CONFIG_MAPS, named(name, namespace))
            alive.add(name)
        if i % 60 == 59:
            control_plane.compact()
            with followed._stream_lock:
                if followed._stream is not None:
                    followed._stream._answer.interrupt()  # the connection breaks
    until(lambda: names(followed) == sorted(alive), 60)
    balance = {}
    for what, name in followed.told:
        balance[name] = balance.get(name, 0) + {"added": 1, "deleted": -1, "changed": 0}[what]
    assert {name for name, count in balance.items() if count} == alive
    assert set(balance.values()) <= {0, 1}


def test_kind_whose_definition_comes_later(client, namespace):
    with pytest.raises(errors.UnknownKind, match="no Widget of example"):
        client.resource_for("example.com/v1", "Widget")
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [version],
    }
    client.create(CUSTOM_RESOURCE_DEFINITIONS, {"metadata": {"name": "widgets.example.com"}, "spec": spec})

    def served():
        try:
            return client.resource_for("example.com/v1", "Widget")
        except errors.UnknownKind:
            return None

    until(served, 60)
    resource = served()
    assert (resource.plural, resource.namespaced) == ("widgets", True)
    reflector = Reflector(client, resource, namespace=namespace)
    reflector.start()
    assert reflector.wait_synced(60)
    client.create(resource, {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}, namespace)
    until(lambda: names(reflector) == ["w"], 30)
    client.delete(CUSTOM_RESOURCE_DEFINITIONS, "widgets.example.com")
    until(lambda: names(reflector) == [], 60)
    reflector.stop()


def test_events_are_counted_beside_their_object(client, namespace):
    made = client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **named("a", namespace)})
    recorder = EventRecorder(client)
    for _ in range(3):
        recorder.record(made, "Tried", "it was tried")
    recorder.record(made, "Failed", "it failed", "Warning")
    recorder.stop(20)
    events = client.list(EVENTS, namespace)[0]
    assert sorted((event["type"], event["reason"], event["count"]) for event in events) == [
        ("Normal", "Tried", 3),
        ("Warning", "Failed", 1),
    ]
    assert recorder.lost == 0
