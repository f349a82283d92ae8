"""Fields of MLflow's requests: what is taken as what, and which one is said to be wrong."""

import contextlib
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.errors import InvalidInput
from katib.rest.mlflow.fields import Fields, milliseconds_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "expected"), [(7, 7), ("7", 7), ("-7", -7), (7.0, 7), (None, None), (2**63 - 1, 2**63 - 1)]
)
def test_integers_may_be_texts(value, expected):
    assert Fields({"step": value}).integer("step") == expected


@pytest.mark.parametrize(
    "value", [True, 1.5, "1.5", "", " 1", "1_0", "x", "9" * 500, 2**63, [], {}, math.nan, math.inf]
)
def test_what_is_no_integer_is_named(value):
    with pytest.raises(InvalidInput, match="parameter 'step'"):
        Fields({"step": value}).integer("step")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (0.1, 0.1),
        ("0.1", 0.1),
        ("1e-300", 1e-300),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        (-math.inf, -math.inf),
    ],
)
def test_numbers_may_be_texts(value, expected):
    assert Fields({"value": value}).number("value") == expected


def test_nan_is_a_number():
    assert all(math.isnan(Fields({"value": value}).number("value")) for value in (math.nan, "NaN", "nan"))


@pytest.mark.parametrize("value", [True, "x", "", "1_0", [], {}, 10**400, "٣"])
def test_what_is_no_number_is_named(value):
    with pytest.raises(InvalidInput, match=r"'metrics\[0\]\.value'"):
        Fields({"metrics": [{"value": value}]}).messages("metrics")[0].number("value")


@given(document=st.dictionaries(st.sampled_from(["a", "b"]), JSON))
def test_nothing_else_than_invalid_input_is_raised(document):
    fields = Fields(document)
    for read in (
        fields.text,
        fields.required,
        fields.integer,
        fields.number,
        fields.time,
        fields.texts,
        fields.messages,
        fields.message,
        fields.pairs,
    ):
        with contextlib.suppress(InvalidInput):
            read("a")


@given(milliseconds=st.integers(0, 253_402_300_799_999))
def test_times_come_back(milliseconds):
    assert milliseconds_of(Fields({"t": milliseconds}).time("t")) == milliseconds


def test_times_are_cut_to_milliseconds():
    assert milliseconds_of(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC)) == 1_000
    assert milliseconds_of(None) is None


def test_a_list_of_one_in_a_query_is_a_list():
    assert Fields({"run_ids": "a"}, of_query=True).texts("run_ids") == ["a"]
    with pytest.raises(InvalidInput):
        Fields({"run_ids": "a"}).texts("run_ids")
