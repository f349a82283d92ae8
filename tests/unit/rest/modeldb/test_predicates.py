"""Predicates against the evaluator of filters, over every operator; ``tests/integration`` asks a database."""

import math
import random

import pytest

from katib.errors import InvalidInput, Unsupported
from katib.rest.modeldb.fields import Fields
from katib.rest.modeldb.predicates import filter_of, order_of
from katib.store.query import EXPERIMENTS, PROJECTS, RUNS, parse_filter, parse_order
from katib.store.query.records import MetricRecord, Record, TypedText, passes

NUMBERS = [0.0, 1.0, -1.0, 1e-09, 5e-10, 2.5, 1e12, math.inf, -math.inf]
WORDS = ["adam", "sgd", "it's", '"hi"', "10%", "a\\b", "line\nbreak", "\N{PILE OF POO}"]
KEYS = ["x", "a b", "`q'", "dotted.name/1"]
MEANS = {
    "EQ": lambda a, b: a == b,
    "NE": lambda a, b: a != b,
    "GT": lambda a, b: a > b,
    "GTE": lambda a, b: a >= b,
    "LT": lambda a, b: a < b,
    "LTE": lambda a, b: a <= b,
    "CONTAIN": lambda a, b: b in a,
    "NOT_CONTAIN": lambda a, b: b not in a,
    "IN": lambda a, b: a in b,
    "NOT_IN": lambda a, b: a not in b,
}


def plain(value):
    return "Infinity" if value == math.inf else "-Infinity" if value == -math.inf else value


def predicate(chance):
    kind = chance.choice(["metrics", "hyperparameters", "attributes"])
    of_numbers = kind == "metrics" or chance.random() < 0.5
    operators = (
        ["EQ", "NE", "GT", "GTE", "LT", "LTE", "IN", "NOT_IN"]
        if of_numbers
        else ["EQ", "NE", "CONTAIN", "NOT_CONTAIN", "IN", "NOT_IN"]
    )
    operator = chance.choice(operators)
    values = NUMBERS if of_numbers else WORDS
    value = chance.sample(values, 3) if operator in {"IN", "NOT_IN"} else chance.choice(values)
    return kind, chance.choice(KEYS), operator, value, of_numbers


def message(kind, key, operator, value, of_numbers):
    sent = [plain(one) for one in value] if isinstance(value, list) else plain(value)
    return Fields(
        {"key": f"{kind}.{key}", "operator": operator, "value": sent, "value_type": "NUMBER" if of_numbers else 0}
    )


def holds(values, one):
    kind, key, operator, value, of_numbers = one
    found = values[kind].get(key)
    if found is None or (of_numbers and isinstance(found, str)):
        return False
    # Beside a text, a number is its text.
    return MEANS[operator](found if of_numbers or isinstance(found, str) else repr(found), value)


def record(chance, number):
    def typed(value):
        return TypedText(value) if isinstance(value, str) else TypedText(repr(value), value)

    def some(values):
        return {key: chance.choice(values) for key in chance.sample(KEYS, 3)}

    values = {"metrics": some(NUMBERS), "hyperparameters": some(NUMBERS + WORDS), "attributes": some(NUMBERS + WORDS)}
    return values, Record(
        id=number,
        metrics={key: MetricRecord(last=value) for key, value in values["metrics"].items()},
        parameters={key: typed(value) for key, value in values["hyperparameters"].items()},
        properties={key: typed(value) for key, value in values["attributes"].items()},
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_filter_means_what_its_predicates_mean(seed):
    chance = random.Random(seed)
    records = [record(chance, number) for number in range(40)]
    passed = 0
    for _ in range(100):
        predicates = [predicate(chance) for _ in range(chance.choice([1, 2]))]
        text = filter_of([message(*one) for one in predicates], RUNS, str)
        tree = parse_filter(text, RUNS)
        for values, entry in records:
            wanted = all(holds(values, one) for one in predicates)
            assert passes(tree, entry) == wanted, (text, values)
            passed += wanted
    assert passed > 100


def test_tags_are_there_or_not():
    entry = Record(id=1, tags={"best": "", "a'b": "x"})
    for operator, value, holds in [
        ("EQ", "best", True),
        ("NE", "best", False),
        ("EQ", "a'b", True),
        ("IN", ["x", "best"], True),
        ("NOT_IN", ["x", "best"], False),
        ("NE", "x", True),
    ]:
        text = filter_of([Fields({"key": "tags", "operator": operator, "value": value})], RUNS, str)
        assert passes(parse_filter(text, RUNS), entry) is holds


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"key": "metrics.x"},
        {"key": "metrics.x", "value": "word"},
        {"key": "metrics.x", "value": 1, "operator": "CONTAIN"},
        {"key": "metrics.x", "value": 1, "operator": 10},
        {"key": "hyperparameters.x", "value": "word", "operator": "GT"},
        {"key": "hyperparameters.x", "value": {}, "operator": "EQ"},
        {"key": "name", "value": 1},
        {"key": "name", "value": [], "operator": "IN"},
        {"key": "name", "value": ["a", 1], "operator": "IN"},
        {"key": "date_created", "value": "yesterday"},
        {"key": "tags", "value": ""},
    ],
)
def test_what_cannot_be_compared_is_refused(sent):
    with pytest.raises(InvalidInput):
        filter_of([Fields(sent)], RUNS, str)


@pytest.mark.parametrize("key", ["artifacts.x", "date_updated", "metrics.", "status", "experiment", "x"])
def test_what_cannot_be_looked_for_says_so(key):
    with pytest.raises(Unsupported):
        filter_of([Fields({"key": key, "value": "x"})], RUNS, str)
    with pytest.raises(Unsupported):
        order_of(key, RUNS, ascending=True)


@pytest.mark.parametrize("vocabulary", [RUNS, EXPERIMENTS, PROJECTS])
def test_orders_are_orders(vocabulary):
    for key in ("name", "owner", "id", "date_created", "attributes.x"):
        assert parse_order(order_of(key, vocabulary, ascending=False), vocabulary).keys[0].descending
    assert order_of("", vocabulary, ascending=True) == []
    with pytest.raises(Unsupported):
        order_of("tags", vocabulary, ascending=True)
