"""Names (facts 2.8, item 2)."""

import pytest


@pytest.mark.parametrize("name", ["a", "a1", "a-b", "a" * 40, "x9-8"])
def test_good_names(document, messages, name):
    document["metadata"]["name"] = name
    assert messages() == {}


@pytest.mark.parametrize(
    "name", ["", "A", "1a", "-a", "a-", "a_b", "a.b", "a b", "a" * 41, "ä", "a\n", "aB", "..", "a/b", "٣a"]
)
def test_bad_names(document, messages, name):
    document["metadata"]["name"] = name
    assert list(messages()) == ["metadata.name"]


@pytest.mark.parametrize("namespace", ["default", "1", "a" * 63])
def test_good_namespaces(document, messages, namespace):
    document["metadata"]["namespace"] = namespace
    assert messages() == {}


@pytest.mark.parametrize("namespace", ["", "A", "-a", "a-", "a" * 64, "..", "a/b", "a\n"])
def test_bad_namespaces(document, messages, namespace):
    document["metadata"]["namespace"] = namespace
    assert list(messages()) == ["metadata.namespace"]


@pytest.mark.parametrize("label", [("a", ""), ("example.com/a_b.c", "A-1"), ("a" * 63, "1" * 63), ("A1", "x.y_z")])
def test_good_labels(document, messages, label):
    document["metadata"]["labels"] = dict([label])
    assert messages() == {}


@pytest.mark.parametrize("key", ["", "a b", "a" * 64, "-a", "A.com/a", "/a", "a/b/c", "ä", "a" * 254 + "/a", "a\n"])
def test_bad_label_keys(document, messages, key):
    document["metadata"]["labels"] = {key: "x"}
    assert list(messages()) == ["metadata.labels"]


@pytest.mark.parametrize("value", ["a b", "-a", "a-", "a" * 64, "ä", "a/b", "a\n"])
def test_bad_label_values(document, messages, value):
    document["metadata"]["labels"] = {"a": value}
    assert list(messages()) == ["metadata.labels['a']"]
