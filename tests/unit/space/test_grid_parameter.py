"""Steps: min + k * step in exact decimals, never outside, whatever the size of the grid."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from katib.errors import InvalidInput
from katib.space.parameter import Grid

SEEDED = settings(derandomize=True, database=None, deadline=None, max_examples=300)
decimals = st.decimals(-1000, 1000, places=4, allow_nan=False)


def grid(low, high, step, kind="double", distribution="uniform"):
    return Grid("g", kind, Decimal(low), Decimal(high), step=Decimal(step), distribution=distribution)


@SEEDED
@given(decimals, st.decimals("0.0001", 100, places=4), st.integers(0, 10**12), st.data())
def test_every_value_is_min_plus_a_number_of_steps_and_comes_back(low, step, count, data):
    made = grid(low, low + step * count + step / 3, step)
    assert made.cardinality == count + 1
    index = data.draw(st.integers(0, count))
    value = made.at(index)
    assert value == float(low + step * index)
    assert made.low <= value <= made.high
    assert made.index_of(value) == index
    assert made.contains(value)
    assert made.parse(made.format(value)) == value
    assert made.at(made._nearest(Decimal(str(made.from_unit(made.to_unit(value)))))) == value


@pytest.mark.parametrize("distribution", ["uniform", "logUniform", "normal", "logNormal"])
@pytest.mark.parametrize(
    ("low", "high", "step"), [("1", "2", "1"), ("1", "1", "1"), ("1", "9", "2"), ("0.001", "0.9", "0.1")]
)
def test_unit_interval_gives_every_value_and_nothing_else(low, high, step, distribution):
    made = grid(low, high, step, distribution=distribution)
    values = {made.from_unit(place / 10_000) for place in range(10_001)}
    assert values == {made.at(index) for index in range(made.cardinality)}
    for value in values:
        assert made.from_unit(made.to_unit(value)) == value


def test_values_of_a_logarithmic_grid_are_as_likely_as_they_are_wide():
    made = grid("1", "1000", "1", kind="int", distribution="logUniform")
    rng = random.Random(5)
    decades = Counter(len(str(made.sample(rng))) for _ in range(9_000))
    assert max(decades[1], decades[2]) < 1.35 * min(decades[1], decades[2])
    assert abs(decades[2] - decades[3]) < 0.1 * decades[2]


@pytest.mark.parametrize("distribution", ["normal", "logNormal"])
def test_normal_grid_never_leaves_its_range(distribution):
    made = grid("1", "20", "3", kind="int", distribution=distribution)
    rng = random.Random(3)
    drawn = Counter(made.sample(rng) for _ in range(5_000))
    assert set(drawn) <= {1, 4, 7, 10, 13, 16, 19}
    assert drawn[10] > 20 * max(1, drawn[19]) or distribution == "logNormal"


@pytest.mark.parametrize("text", ["0.15", "0.35", "-0.1", "x", "", "nan", "1e999", "0.1000001"])
def test_what_is_between_the_steps_is_no_value(text):
    with pytest.raises(InvalidInput, match=r"is not one of the values from 0\.0 to 0\.3"):
        grid("0", "0.3", "0.1").parse(text)


@pytest.mark.parametrize(
    ("text", "value"), [("0.3", 0.3), ("0.30000000000000004", 0.3), ("3e-1", 0.3), ("0", 0.0), (".1", 0.1)]
)
def test_rounding_errors_of_other_programs_are_forgiven(text, value):
    assert grid("0", "0.3", "0.1").parse(text) == value


@pytest.mark.parametrize("value", [0, 1, True, "1", 0.15, float("nan"), float("inf"), None])
def test_value_of_another_type_is_no_value(value):
    made = grid("0", "0.3", "0.1")
    assert isinstance(value, float) or value is None or not made.contains(value)
    assert value is None or not made.contains(value)


def test_index_outside_is_an_error():
    made = grid("0", "0.3", "0.1")
    for index in (-1, 4):
        with pytest.raises(IndexError):
            made.at(index)
    with pytest.raises(ValueError, match=r"0\.15"):
        made.index_of(0.15)


def test_sixty_four_bits_of_values():
    made = grid("-9223372036854775807", "9223372036854775807", "1", kind="int")
    assert made.cardinality == 2**64 - 1
    assert made.at(made.cardinality - 1) == 2**63 - 1
    assert made.contains(made.from_unit(0.123456789))
    assert (made.from_unit(0), made.from_unit(1)) == (-(2**63) + 1, 2**63 - 1)
