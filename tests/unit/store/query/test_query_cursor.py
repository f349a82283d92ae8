import base64
import json

import pytest
import query_generated as generated
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.errors import InvalidInput
from katib.store.query.cursor import LONGEST_CURSOR, decode_cursor, encode_cursor
from katib.store.query.order import parse_order, sort_values
from katib.store.query.records import Record
from katib.store.query.vocabulary import RUNS

ORDER = parse_order(["metrics.loss", "params.lr DESC"], RUNS)


@settings(deadline=None)
@given(generated.RECORDS, generated.ORDERS)
def test_a_place_survives_being_a_cursor(records, order):
    for record in records:
        place = sort_values(order, record)
        cursor = encode_cursor(order, place)
        assert decode_cursor(order, cursor) == place
        assert cursor.replace("-", "a").replace("_", "a").isalnum()


def packed(document):
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def good(place):
    return json.loads(base64.urlsafe_b64decode(encode_cursor(ORDER, place) + "=="))


PLACE = (0, 0, 0.5, 0, "0.01", 0, 5, 7)


def test_the_longest_place_makes_a_cursor_that_is_taken():
    order = parse_order([f"tags.t{number}" for number in range(8)], RUNS)
    record = Record(1, tags={f"t{number}": "😀" * 8000 for number in range(8)})
    place = sort_values(order, record)
    assert decode_cursor(order, encode_cursor(order, place)) == place


def test_a_cursor_of_another_order_is_refused():
    with pytest.raises(InvalidInput, match="another order"):
        decode_cursor(parse_order(["metrics.loss DESC", "params.lr DESC"], RUNS), encode_cursor(ORDER, PLACE))


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "!!!!", "a" * (LONGEST_CURSOR + 1), packed([]), packed({}), packed([2, "x", []]), packed("[" * 100_000), packed(None)],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(InvalidInput, match="is no page token"):
        decode_cursor(ORDER, cursor)


def test_deep_nesting_is_refused():
    cursor = base64.urlsafe_b64encode(b"[" * 200_000).decode()
    with pytest.raises(InvalidInput):
        decode_cursor(ORDER, cursor)


@pytest.mark.parametrize(
    ("index", "value"),
    [(0, True), (0, 1.5), (0, None), (2, 1), (2, float("nan")), (2, float("inf")), (4, 5), (4, "\ud800"), (7, 2**63), (7, [1])],
    ids=range(10),
)  # fmt: skip
def test_a_changed_value_that_no_database_takes_is_refused(index, value):
    document = good(PLACE)
    document[2][index] = value
    with pytest.raises(InvalidInput, match="is damaged"):
        decode_cursor(ORDER, packed(document))


def test_too_few_values_are_refused():
    document = good(PLACE)
    document[2].pop()
    with pytest.raises(InvalidInput, match="is damaged"):
        decode_cursor(ORDER, packed(document))


@settings(deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_text_is_refused_in_words(text):
    with pytest.raises(InvalidInput):
        decode_cursor(ORDER, text)
