"""Whatever an API server, or what is before it, does to a watch: the cache comes right again, and nobody asks without pause.

The rows are the faults that other clients were measured with (they hang, end, forget deletions, or send thousands of requests).
"""

import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "unit" / "kube"))

from fake_api_server import FakeApiServer, SilentProxy, config_map, status
from kube_world import Followed, client_of, kubeconfig, until

from katib.kube.client import Client


@pytest.fixture
def api():
    server = FakeApiServer()
    server.put("a")
    server.put("b")
    yield server
    server.stop()


@pytest.fixture
def client(api, tmp_path):
    with client_of(api.url, tmp_path) as client:
        yield client


def test_changes_come_as_they_happen(api, client):
    with Followed(client).synced() as followed:
        api.put("a", x="1")
        api.put("c")
        api.delete("b")
        until(lambda: len(followed.told) == 5)
        assert followed.told == [
            ("added", "a"),
            ("added", "b"),
            ("changed", "a"),
            ("added", "c"),
            ("deleted", "b"),
        ]
        assert followed.names == ["a", "c"]
        assert followed.reflector.get("team", "a")["data"] == {"x": "1"}
        assert all("managedFields" not in obj["metadata"] for obj in followed.reflector.items())
        assert {obj["kind"] for obj in followed.reflector.items()} == {"ConfigMap"}
        assert (followed.reflector.lists, followed.reflector.watches) == (1, 1)


def test_watch_that_the_server_ends_goes_on_from_its_last_version(api, client):
    with Followed(client).synced() as followed:
        until(lambda: api.count("watch") == 1)
        api.put("c")
        until(lambda: "c" in followed.names)
        time.sleep(1.1)  # a watch that ends sooner is a failure
        api.end_watches()
        until(lambda: api.count("watch") == 2)
        api.put("d")
        until(lambda: "d" in followed.names)
        assert api.requests[-1][2]["resourceVersion"] == "103"
        assert api.count("get") == 1
        assert followed.told.count(("added", "c")) == 1


@pytest.mark.parametrize("in_stream", [False, True], ids=["answer", "stream"])
def test_forgotten_version_costs_one_list_and_no_deletion_is_missed(api, client, in_stream):
    api.gone_in_stream = in_stream
    with Followed(client).synced() as followed:
        until(lambda: api.count("watch") == 1)
        api.on_request = lambda handler, verb, _: verb == "watch" and handler.answer(503, b"") is None
        api.end_watches()
        until(lambda: api.count("watch") >= 2)
        api.delete("a")
        api.put("c")
        api.put("b", x="1")
        api.forget()
        api.on_request = None
        until(lambda: followed.names == ["b", "c"])
        until(lambda: len(followed.told) == 5)
        assert sorted(followed.told[2:]) == [("added", "c"), ("changed", "b"), ("deleted", "a")]
        assert api.count("get") == 2
        assert followed.reflector.lists == 2


def test_object_that_was_replaced_unseen_is_told_as_deleted_and_added(api, client):
    with Followed(client).synced() as followed:
        until(lambda: api.count("watch") == 1)
        api.stop()
        api.delete("a")
        api.put("a")
        api.forget()
        api.start()
        until(lambda: len(followed.told) == 4)
        assert followed.told[2:] == [("deleted", "a"), ("added", "a")]


def test_server_that_always_says_gone_is_not_asked_without_pause(api, client):
    api.gone_in_stream = True
    api.forgotten = 10**9
    with Followed(client, pauses=(1.0, 30.0)).synced() as followed:
        time.sleep(4)
        assert followed.names == ["a", "b"]
        assert 2 <= api.count("watch") <= 6
        assert 2 <= api.count("get") <= 6


def test_restart_of_the_server(api, client):
    with Followed(client, pauses=(1.0, 30.0)).synced() as followed:
        until(lambda: api.count("watch") == 1)
        api.stop()
        before = client.requests.total()
        time.sleep(5)
        assert client.requests.total() - before <= 5  # one a second and resource
        api.put("c")
        api.delete("a")
        api.start()
        until(lambda: followed.names == ["b", "c"])
        assert followed.told[2:] == [("added", "c"), ("deleted", "a")]
        assert followed.reflector.lists == 1


@pytest.mark.parametrize(
    ("code", "headers"), [(500, {}), (503, {"Retry_After": "1"}), (429, {"Retry_After": "1"}), (504, {})]
)
def test_server_that_fails_is_asked_less_and_less(api, client, code, headers):
    with Followed(client, pauses=(1.0, 30.0)).synced() as followed:
        until(lambda: api.count("watch") == 1)
        before = len(api.requests)
        api.answers = (code, status(code, "InternalError"), headers)
        api.end_watches()
        time.sleep(5)
        assert 1 <= len(api.requests) - before <= 5
        assert "said the server" in followed.reflector.failure
        api.answers = None
        api.put("c")
        until(lambda: "c" in followed.names)
        assert followed.reflector.failure == ""


def test_long_outage_leaks_no_connection_and_ends_nothing(api, client):
    with Followed(client, pauses=(0.001, 0.002)).synced() as followed:
        until(lambda: api.count("watch") == 1)
        api.answers = (500, status(500, "InternalError"), {})
        api.end_watches()
        until(lambda: len(api.requests) > 150)
        open_files = len(list(Path("/proc/self/fd").iterdir()))
        until(lambda: len(api.requests) > 450)
        assert len(list(Path("/proc/self/fd").iterdir())) <= open_files + 4
        api.answers = None
        api.put("c")
        until(lambda: "c" in followed.names)


def test_half_open_connection_is_given_up(api, tmp_path):
    proxy = SilentProxy(api.port)
    with client_of(proxy.url, tmp_path) as client, Followed(client, idle_seconds=0.5).synced() as followed:
        until(lambda: api.count("watch") == 1)
        proxy.silent.set()
        api.put("c")
        time.sleep(0.6)
        assert followed.names == ["a", "b"]
        assert followed.reflector.staleness > 0.4
        proxy.silent.clear()
        until(lambda: "c" in followed.names)
        assert followed.reflector.lists == 1
    proxy.close()


def test_silence_from_the_first_byte_on(api, tmp_path):
    proxy = SilentProxy(api.port)
    proxy.silent.set()
    with client_of(proxy.url, tmp_path, request_timeout=0.3) as client, Followed(client) as followed:
        assert not followed.reflector.wait_synced(1)
        proxy.silent.clear()
        followed.synced()
        assert followed.names == ["a", "b"]
    proxy.close()


GARBAGE = {
    "no JSON": b"<html>502 Bad Gateway</html>\n",
    "half a line": b'{"type": "ADDED", "object": {"metadata"\n',
    "no object": b'{"type": "ADDED"}\n',
    "a list": b"[1, 2]\n",
    "no metadata": b'{"type": "ADDED", "object": {"data": {}}}\n',
    "no name": b'{"type": "MODIFIED", "object": {"metadata": {"resourceVersion": "150"}}}\n',
    "unknown type": b'{"type": "RENAMED", "object": {"metadata": {"name": "x"}}}\n',
    "depth": b'{"type": "ADDED", "object": ' + b"[" * 100_000 + b"\n",
    "no text": b"\xff\xfe\x00\x01\n",
    "error without a code": b'{"type": "ERROR", "object": {}}\n',
    "broken off": b'{"type": "ADDED", "object": {"metadata": {"name": "x", "namesp',
}


@pytest.mark.parametrize("line", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_a_failure_of_the_stream_and_loses_nothing(api, client, line):
    def garbage(handler, verb, _):
        if verb != "watch" or api.count("watch") > 4:
            return False
        handler.begin_stream()
        handler.chunk(line)
        handler.end_stream()
        return True

    api.on_request = garbage
    with Followed(client).synced() as followed:
        until(lambda: api.count("watch") > 4)
        api.put("c")
        until(lambda: "c" in followed.names)
        assert followed.names == ["a", "b", "c"]
        assert [what for what, _ in followed.told] == ["added"] * 3


def test_version_is_doubted_after_garbage_in_a_row(api, client):
    def garbage(handler, verb, _):
        if verb != "watch":
            return False
        handler.begin_stream()
        handler.chunk(b"garbage\n")
        handler.end_stream()
        return True

    api.on_request = garbage
    with Followed(client).synced():
        until(lambda: api.count("get") >= 2)
        assert api.count("watch") >= 3


def test_huge_object(api, client):
    with Followed(client).synced() as followed:
        api.put("huge", x="x" * 3_000_000)
        until(lambda: "huge" in followed.names)
        assert len(followed.reflector.get("team", "huge")["data"]["x"]) == 3_000_000


def test_line_without_end_is_given_up(api, client, caplog):
    def endless(handler, verb, _):
        if verb != "watch" or api.count("watch") > 1:
            return False
        handler.begin_stream()
        for _ in range(40):
            handler.chunk(b"x" * 1_000_000)
        return True

    api.on_request = endless
    with Followed(client, idle_seconds=60).synced() as followed:
        api.put("c")
        until(lambda: "c" in followed.names)
        assert "has no end" in caplog.text


def test_event_that_drips_is_given_up(api, client):
    def drip(handler, verb, _):
        if verb != "watch" or api.count("watch") > 1:
            return False
        handler.begin_stream()
        while True:
            handler.chunk(b" {")
            time.sleep(0.05)

    api.on_request = drip
    with Followed(client, idle_seconds=0.2).synced() as followed:
        api.put("c")
        until(lambda: "c" in followed.names)


def test_event_in_many_pieces_and_many_events_in_one(api, client):
    def pieces(handler, verb, _):
        if verb != "watch" or api.count("watch") > 1:
            return False
        text = b"".join(
            json.dumps({"type": "ADDED", "object": config_map(name, 200 + i)}).encode() + b"\r\n\n"
            for i, name in enumerate("cdefgh")
        )
        handler.begin_stream()
        for i in range(0, 200, 7):
            handler.chunk(text[i : i + 7])
        handler.chunk(text[203:])
        time.sleep(20)
        return True

    api.on_request = pieces
    with Followed(client).synced() as followed:
        until(lambda: followed.names == list("abcdefgh"))


def test_slow_server_is_waited_for(api, client):
    def slow(_handler, _verb, _query):
        time.sleep(1)
        return False

    api.on_request = slow
    with Followed(client).synced() as followed:
        api.put("c")
        until(lambda: "c" in followed.names)
        assert (followed.reflector.lists, followed.reflector.watches) == (1, 1)


def test_bookmarks_alone_keep_a_watch_alive_and_its_version_young(api, client):
    def bookmarks(handler, verb, _):
        if verb != "watch" or api.count("watch") > 1:
            return False
        handler.begin_stream()
        for version in range(200, 215):
            bookmark = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": str(version)}}
            handler.event("BOOKMARK", bookmark)
            time.sleep(0.1)
        handler.end_stream()
        return True

    api.on_request = bookmarks
    with Followed(client, idle_seconds=0.5).synced() as followed:
        until(lambda: api.count("watch") == 2)
        assert api.requests[-1][2]["resourceVersion"] == "214"
        assert api.requests[-1][2]["allowWatchBookmarks"] == "true"
        assert followed.reflector.events == 15
        assert followed.told == [("added", "a"), ("added", "b")]
        assert api.count("get") == 1


def test_list_of_a_server_that_is_behind_deletes_nothing(api, client):
    """Of several API servers one may have stopped hearing of changes; its list is older than what was seen."""
    with Followed(client).synced() as followed:
        api.put("c")
        until(lambda: "c" in followed.names)
        old = {"metadata": {"resourceVersion": "50"}, "items": []}
        behind = iter([True, True])
        api.on_request = lambda handler, verb, _: (
            verb == "get" and next(behind, False) and handler.answer(200, old) is None
        )
        api.forget()
        api.end_watches()
        until(lambda: api.count("get") == 4)
        api.put("d")
        until(lambda: "d" in followed.names)
        assert followed.names == ["a", "b", "c", "d"]
        assert all(what == "added" for what, _ in followed.told)
        assert all(query["resourceVersion"] != "50" for _, verb, query in api.requests if verb == "watch")


def test_server_that_was_restored_from_a_copy_is_believed_in_the_end(api, client):
    with Followed(client).synced() as followed:
        until(lambda: api.count("watch") == 1)
        api.stop()
        api.objects.clear()
        api.history.clear()
        api.version = 40
        api.put("a", restored="yes")
        future = status(504, "Timeout", "Too large resource version", causes=[{"reason": "ResourceVersionTooLarge"}])
        api.on_request = lambda handler, verb, query: (
            verb == "watch" and int(query["resourceVersion"]) > 50 and handler.answer(504, future) is None
        )
        api.start()
        until(lambda: followed.names == ["a"])
        assert followed.reflector.get("team", "a")["data"] == {"restored": "yes"}
        api.put("z")
        until(lambda: followed.names == ["a", "z"])


def test_exchanged_token_is_read_again(api, tmp_path):
    token = tmp_path / "token"
    token.write_text("first")
    api.token = token.read_text()
    client = Client.connect(kubeconfig=kubeconfig(api.url, tmp_path, tokenFile=str(token)))
    with client, Followed(client).synced() as followed:
        until(lambda: api.count("watch") == 1)
        token.write_text("second")
        api.token = token.read_text()
        api.end_watches()
        api.put("c")
        until(lambda: "c" in followed.names)
        assert followed.reflector.lists == 1


def test_wrong_token_is_told_and_not_tried_without_pause(api, tmp_path):
    api.token = f"{tmp_path}"
    with (
        client_of(api.url, tmp_path, token=f"not {tmp_path}") as client,
        Followed(client, pauses=(1.0, 30.0)) as followed,
    ):
        until(lambda: followed.reflector.failure)
        time.sleep(3)
        assert "Unauthorized" in followed.reflector.failure
        assert len(api.requests) <= 6
        assert not followed.reflector.wait_synced(0)


def test_watch_that_always_ends_at_once_is_not_asked_without_pause(api, client):
    def nothing(handler, verb, _):
        if verb != "watch":
            return False
        handler.begin_stream()
        handler.end_stream()
        return True

    api.on_request = nothing
    with Followed(client, pauses=(1.0, 30.0)).synced():
        time.sleep(4)
        assert 2 <= api.count("watch") <= 5


def test_kind_that_is_not_served_is_found_when_it_appears_and_empty_when_it_goes(api, client):
    absent = (404, b"404 page not found\n", {})
    api.answers = absent
    with Followed(client) as followed:
        until(lambda: "404 page not found" in followed.reflector.failure)
        assert not followed.reflector.wait_synced(0)
        api.answers = None
        followed.synced()
        api.answers = absent
        api.end_watches()
        until(lambda: followed.names == [])
        assert followed.told[2:] == [("deleted", "a"), ("deleted", "b")]


def test_pages_that_are_forgotten_come_again_as_one(api, client):
    for i in range(20):
        api.put(f"n{i:02}")

    def forgets(handler, verb, query):
        return (
            verb == "get"
            and query.get("continue", "").startswith("10")
            and handler.answer(410, status(410, "Expired", "the continue token is too old")) is None
        )

    api.on_request = forgets
    from katib.kube.resource import CONFIG_MAPS

    items, version = client.list(CONFIG_MAPS, "team", limit=5)
    assert len(items) == 22
    assert len({item["metadata"]["name"] for item in items}) == 22
    assert version == "122"
    assert "limit" not in api.requests[-1][2]


def test_one_who_listens_and_fails_does_not_end_the_watch(api, client, caplog):
    followed = Followed(client)
    followed.reflector._on_change = lambda _old, new: 1 / 0 if new["metadata"]["name"] == "a" else None
    with followed.synced():
        api.put("a", x="1")
        api.put("c")
        until(lambda: "c" in followed.names)
        assert followed.reflector.get("team", "a")["data"] == {"x": "1"}
        assert "was not taken in" in caplog.text


def test_what_is_kept_of_an_object_and_one_that_cannot_be_trimmed(api, client, caplog):
    def keep(obj):
        return {"metadata": obj["metadata"], "data": {"x": obj["data"]["x"]}}

    api.put("a", x="1", y="2")
    with Followed(client, keep=keep).synced() as followed:
        api.put("b", x="1", y="2")
        until(lambda: followed.reflector.get("team", "b")["data"])
        assert followed.reflector.get("team", "a")["data"] == {"x": "1"}
        assert followed.reflector.get("team", "b")["data"] == {"x": "1"}
        assert "b is kept as it is" in caplog.text


def test_stop_does_not_wait_for_the_next_event(api, client):
    with Followed(client).synced() as followed:
        until(lambda: api.count("watch") == 1)
        thread = followed.reflector._thread
    assert not thread.is_alive()
