"""Gower's distance between the parameters of runs."""

import math

import pytest

from katib.store.summary import reported_number
from katib.store.tracking.records import Parameter
from katib.store.tracking.similarity import distances


def parameters(**texts):
    return [Parameter(name, text, reported_number(text)) for name, text in texts.items()]


def test_numbers_count_by_their_range_on_their_scale():
    one, others = parameters(lr="0.001"), [parameters(lr=text) for text in ("0.01", "0.1", "0.001")]
    assert distances(one, others) == [pytest.approx(0.009 / 0.099), 1.0, 0.0]
    assert distances(one, others, logarithmic=["lr"]) == [pytest.approx(0.5), 1.0, 0.0]


def test_what_is_no_number_is_the_same_or_not():
    one = parameters(a="x", b="nan", c="inf", d="1")
    others = [parameters(a="x", b="nan", c="inf", d="1"), parameters(a="X", b="1", c="-inf", d="one")]
    assert distances(one, others) == [0.0, 1.0]
    # Nor has a logarithm what is not above zero.
    assert distances(parameters(lr="0"), [parameters(lr="1"), parameters(lr="0")], logarithmic=["lr"]) == [1.0, 0.0]


def test_runs_without_parameters_are_alike():
    assert distances([], [[], parameters(a="1")]) == [0.0, 1.0]
    assert distances(parameters(a="1"), []) == []


def test_the_whole_range_of_doubles():
    one, others = parameters(x="-1.7e308"), [parameters(x="1.7e308"), parameters(x="0")]
    assert distances(one, others) == [1.0, 0.5]
    tiny = distances(parameters(x="0"), [parameters(x="5e-324"), parameters(x="1e-323")])
    assert all(0 <= distance <= 1 and math.isfinite(distance) for distance in tiny)
