"""Katib's distributions (facts 7.1), cut off at the ends of the range, as maps that can be inverted."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, truncnorm

from katib.space.distribution import Distribution

SEEDED = settings(derandomize=True, database=None, deadline=None, max_examples=400)
NAMES = ["uniform", "logUniform", "normal", "logNormal"]


@st.composite
def distributions(draw):
    name = draw(st.sampled_from(NAMES))
    low = draw(st.floats(1e-300, 1e300) if name.startswith("log") else st.floats(-8e307, 8e307))
    high = draw(st.floats(low, 1e300 if name.startswith("log") else 8e307))
    return Distribution.on(name, low, high), low, high


@SEEDED
@given(distributions(), st.floats(0, 1))
def test_values_never_leave_the_range_nor_shares_the_unit_interval(made, unit):
    distribution, low, high = made
    value = distribution.value(unit)
    tolerance = 1e-9 * abs(value)  # exp(log(x)) is not quite x; the parameter cuts that off
    assert low - tolerance <= value <= high + tolerance
    assert 0 <= distribution.unit(value) <= 1


@SEEDED
@given(distributions(), st.floats(0, 1), st.floats(0, 1))
def test_more_is_never_less(made, one, other):
    distribution = made[0]
    less, more = sorted((one, other))
    assert distribution.value(less) <= distribution.value(more)


@SEEDED
@given(st.sampled_from(NAMES), st.floats(1e-3, 1e3), st.floats(1.01, 1e3), st.floats(0, 1))
def test_share_and_value_are_inverse(name, low, factor, unit):
    distribution = Distribution.on(name, low, low * factor)
    assert math.isclose(distribution.unit(distribution.value(unit)), unit, abs_tol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_ends_and_middle(name):
    distribution = Distribution.on(name, 1.0, 100.0)
    assert math.isclose(distribution.value(0), 1, rel_tol=1e-9)
    assert math.isclose(distribution.value(1), 100, rel_tol=1e-9)
    assert math.isclose(distribution.value(0.5), 10 if name.startswith("log") else 50.5, rel_tol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_one_value_is_that_value(name):
    distribution = Distribution.on(name, 3.0, 3.0)
    assert math.isclose(distribution.value(0.3), 3, rel_tol=1e-12)
    assert distribution.unit(3.0) == 0.5


@pytest.mark.parametrize("logarithmic", [False, True])
def test_normal_has_its_mean_in_the_middle_and_a_sixth_of_the_range_as_deviation(logarithmic):
    name = "logNormal" if logarithmic else "normal"
    distribution = Distribution.on(name, 1.0, 100.0)
    rng = random.Random(7)
    draws = [distribution.value(rng.random()) for _ in range(3_000)]
    low, high = (0.0, math.log(100)) if logarithmic else (1.0, 100.0)
    wanted = truncnorm(-3, 3, loc=(low + high) / 2, scale=(high - low) / 6)
    assert kstest([math.log(x) for x in draws] if logarithmic else draws, wanted.cdf).pvalue > 0.01


@pytest.mark.parametrize("name", ["uniform", "normal"])
@pytest.mark.parametrize(("low", "high"), [(0.0, 5e-324), (1.0, 1.0000000000000002), (-1.7e308, 1.7e308)])
def test_ranges_at_the_ends_of_what_doubles_can_say(name, low, high):
    made = Distribution.on(name, low, high)
    assert 0 <= made.unit(low) <= made.unit(high) <= 1
    assert low <= made.value(0.3) <= high
