"""The newer version of an object wins, whoever brings it; a difference is told once."""

import pytest
from fake_api_server import config_map

from katib.kube.object_cache import ObjectCache, is_older


def told(changes):
    return [
        (old and old["metadata"]["resourceVersion"], new and new["metadata"]["resourceVersion"]) for old, new in changes
    ]


@pytest.mark.parametrize(
    ("version", "other", "older"),
    [("9", "10", True), ("10", "9", False), ("5", "5", False), ("a", "b", False), ("", "5", False), ("٣", "5", False)],
)
def test_versions_are_compared_as_numbers_where_they_are(version, other, older):
    assert is_older(version, other) is older


def test_writer_reads_its_own_write_and_the_watch_tells_of_it_once():
    cache = ObjectCache()
    cache.seen(config_map("a", 5))
    assert cache.put(config_map("a", 9, x="mine"))
    assert cache.get("team", "a")["data"] == {"x": "mine"}
    assert told(cache.seen(config_map("a", 7))) == [("5", "9")]
    assert cache.get("team", "a")["data"] == {"x": "mine"}
    assert told(cache.seen(config_map("a", 9, x="mine"))) == []
    assert told(cache.seen(config_map("a", 11))) == [("9", "11")]


def test_created_object_is_there_before_the_watch_tells_of_it():
    cache = ObjectCache()
    cache.put(config_map("a", 5))
    assert cache.get("team", "a")
    assert told(cache.seen(config_map("a", 5))) == [(None, "5")]


def test_older_answer_changes_nothing():
    cache = ObjectCache()
    cache.seen(config_map("a", 9))
    assert not cache.put(config_map("a", 8))
    assert cache.get("team", "a")["metadata"]["resourceVersion"] == "9"


def test_late_answer_does_not_bring_a_deleted_object_back():
    cache = ObjectCache()
    cache.seen(config_map("a", 5))
    assert told(cache.gone(config_map("a", 8))) == [("5", None)]
    assert not cache.put(config_map("a", 7))
    assert cache.get("team", "a") is None
    assert told(cache.seen(config_map("a", 9, uid="another"))) == [(None, "9")]


def test_deletion_that_comes_after_the_name_was_given_again():
    cache = ObjectCache()
    cache.seen(config_map("a", 5))
    cache.put(config_map("a", 9, uid="another"))
    assert told(cache.gone(config_map("a", 8))) == [("5", None)]
    assert cache.get("team", "a")["metadata"]["uid"] == "another"
    assert told(cache.seen(config_map("a", 9, uid="another"))) == [(None, "9")]


def test_own_object_that_was_deleted_unseen_is_told_as_deleted():
    cache = ObjectCache()
    cache.put(config_map("a", 5))
    assert told(cache.replace([], "7")) == [("5", None)]
    assert len(cache) == 0


def test_list_deletes_what_is_missing_but_not_what_was_written_after_it():
    cache = ObjectCache()
    cache.seen(config_map("a", 5))
    cache.seen(config_map("b", 6))
    cache.put(config_map("new", 12))
    assert told(cache.replace([config_map("b", 6)], "10")) == [("5", None)]
    assert cache.get("team", "new")
    assert told(cache.replace([config_map("b", 6)], "20")) == [("12", None)]


def test_list_of_a_restored_server_brings_back_what_is_older():
    cache = ObjectCache()
    cache.seen(config_map("a", 50, x="lost"))
    cache.seen(config_map("b", 51))
    cache.gone(config_map("b", 52))
    changes = cache.replace([config_map("a", 20), config_map("b", 21)], "30", restored=True)
    assert told(changes) == [("50", "20"), (None, "21")]
    assert cache.get("team", "a")["data"] == {}


def test_index_follows_the_objects():
    cache = ObjectCache()
    cache.seen(config_map("a", 1, owner="x"))
    cache.add_index("owner", lambda obj: [obj["data"]["owner"]] if "owner" in obj["data"] else [])
    cache.seen(config_map("b", 2, owner="x"))
    cache.put(config_map("c", 3, owner="y"))

    def names(owner):
        return sorted(obj["metadata"]["name"] for obj in cache.indexed("owner", owner))

    assert names("x") == ["a", "b"]
    cache.seen(config_map("a", 4, owner="y"))
    assert names("x") == ["b"]
    assert names("y") == ["a", "c"]
    cache.gone(config_map("b", 5))
    cache.seen(config_map("c", 6))
    assert names("x") == []
    assert names("y") == ["a"]
    assert names("nobody") == []


def test_equal_names_in_two_namespaces_are_two_objects():
    cache = ObjectCache()
    cache.seen(config_map("a", 1, uid="1"))
    cache.seen(config_map("a", 2, uid="2", namespace="other"))
    assert len(cache.items()) == 2
    cache.gone(config_map("a", 3, uid="1"))
    assert [obj["metadata"]["namespace"] for obj in cache.items()] == ["other"]


def test_object_that_an_index_does_not_take_hides_no_other(caplog):
    cache = ObjectCache()
    cache.add_index("owner", lambda obj: [obj["data"]["owner"]])
    cache.seen(config_map("odd", 1))
    cache.seen(config_map("a", 2, owner="x"))
    assert [obj["metadata"]["name"] for obj in cache.indexed("owner", "x")] == ["a"]
    assert cache.get("team", "odd")
    cache.seen(config_map("odd", 3, owner="x"))
    assert len(cache.indexed("owner", "x")) == 2
    assert "does not take team/odd" in caplog.text
