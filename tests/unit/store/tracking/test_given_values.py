import json
from datetime import UTC, datetime

import pytest

from katib.errors import InvalidInput
from katib.store.sql.documents import load
from katib.store.sql.tracking.given_values import (
    DEEPEST,
    canonical_text,
    json_text,
    json_texts,
    texts_json,
    whole_number,
)


def nested(levels):
    document = 1
    for number in range(levels):
        document = [document] if number % 2 else {"a": document}
    return document


@pytest.mark.parametrize("number", [None, 0, 2**63 - 1])
def test_whole_numbers_of_63_bits(number):
    assert whole_number("size", number) == number


@pytest.mark.parametrize("number", [-1, 2**63, float("nan"), float("inf")])
def test_other_numbers_are_refused_by_name(number):
    with pytest.raises(InvalidInput, match="size"):
        whole_number("size", number)


def test_any_json_comes_back():
    document = {"a": [1, 2**80, 1e-300, None, True, "λ\x00\n"], "": {}}
    assert load(json_text("schema", document)) == document
    assert json_text("schema", None) is None
    assert load(json_texts("metadata", None)) == {}
    assert load(json_text("profile", [datetime(2026, 3, 1, tzinfo=UTC)])) == ["2026-03-01T00:00:00+00:00"]


CIRCULAR = []
CIRCULAR.append(CIRCULAR)


@pytest.mark.parametrize(
    "document",
    [{1: object()}, {(1, 2): 3}, {"a": {1, 2}}, {"a": b"b"}, {"a": 1j}, {"a": CIRCULAR}, {"a": 10**5000}],
    ids=["object", "tuple as a name", "set", "bytes", "complex", "circular", "endless number"],
)
def test_what_is_no_json_is_refused_by_name(document):
    for check in (json_text, json_texts, canonical_text):
        with pytest.raises(InvalidInput, match="metadata"):
            check("metadata", document)


def test_documents_have_so_many_levels_and_no_more():
    assert load(json_text("schema", nested(DEEPEST))) == nested(DEEPEST)
    for levels in (DEEPEST + 1, 100_000):
        with pytest.raises(InvalidInput, match="schema"):
            json_text("schema", nested(levels))


def test_equal_documents_have_one_canonical_text():
    one = canonical_text("code", {"b": (1, 2), "a": {"y": "\udcff", "x": None}, 10: 1, "9": 2})
    assert one == canonical_text("code", {"9": 2, "10": 1, "a": {"x": None, "y": "\udcff"}, "b": [1, 2]})
    assert json.loads(one) == {"b": [1, 2], "a": {"y": "\\udcff", "x": None}, "10": 1, "9": 2}
    assert one != canonical_text("code", {"b": [1, 2], "a": {"y": "\udcff", "x": None}, "10": 1.0, "9": 2})


def test_texts_by_name():
    assert load(texts_json("tags", {"b": "1", "a": "λ\udcff"})) == {"a": "λ\\udcff", "b": "1"}
    with pytest.raises(InvalidInput, match=r"tags\.a"):
        texts_json("tags", {"a": 1})
    with pytest.raises(InvalidInput, match="empty"):
        texts_json("tags", {"": "1"})
