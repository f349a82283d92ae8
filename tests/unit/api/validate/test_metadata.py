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
