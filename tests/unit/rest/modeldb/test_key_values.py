import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from katib.errors import InvalidInput
from katib.rest.modeldb.fields import Fields
from katib.rest.modeldb.key_values import (
    KIND,
    attribute_of,
    attributes,
    hyperparameter_of,
    hyperparameters,
    key_value,
    metric_text,
    strict,
)
from katib.store.summary import reported_number
from katib.store.tracking.records import Parameter

JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-(2**53), 2**53) | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=6,
)


def stored_and_shown(message):
    """What a hyperparameter is shown as after it went through the store as a text."""
    name, text, kind = hyperparameter_of(Fields(message))
    properties = {KIND + name: kind} if kind else {}
    return hyperparameters((Parameter(name, text, reported_number(text)),), properties)[0]["value"]


@given(JSON)
def test_a_hyperparameter_comes_back_as_it_was_given(value):
    shown = stored_and_shown({"key": "k", "value": value})
    assert shown == strict(value)
    assert isinstance(shown, str) == isinstance(strict(value), str)


@given(some.floats())
def test_a_number_that_comes_as_a_word_is_one(value):
    message = {"key": "k", "value": strict(value), "value_type": "NUMBER"}
    name, text = metric_text(Fields(message))
    number = float(text)
    assert name == "k"
    assert number == value or (math.isnan(number) and math.isnan(value))
    _, attribute = attribute_of(Fields(message))
    assert attribute == value or math.isnan(value)


@given(JSON)
def test_what_is_shown_is_strict_json(value):
    shown = key_value("k", value)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


@pytest.mark.parametrize(
    ("value", "text"), [(3, "3"), (3.0, "3.0"), (1e-9, "1e-09"), ("NaN", "nan"), ("fine", "fine"), (True, "true")]
)
def test_a_metric_is_reported_as_it_is(value, text):
    assert metric_text(Fields({"key": "k", "value": value})) == ("k", text)


@pytest.mark.parametrize("value", [None, [], {}, "", 10**400])
def test_a_metric_is_a_number_or_a_text(value):
    with pytest.raises(InvalidInput):
        metric_text(Fields({"key": "k", "value": value}))


def test_what_the_api_keeps_for_itself_is_not_shown_and_not_taken():
    assert attributes({"modeldb.parent": "x", "a": 1}) == [{"key": "a", "value": 1, "value_type": "NUMBER"}]
    with pytest.raises(InvalidInput, match="must not begin"):
        attribute_of(Fields({"key": "modeldb.parent", "value": "x"}))


def test_a_hyperparameter_that_somebody_else_has_changed_is_shown_as_it_is():
    shown = hyperparameters((Parameter("k", "[1, 2", None),), {KIND + "k": "json"})
    assert shown[0]["value"] == "[1, 2"
