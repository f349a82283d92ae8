"""Points that no other one beats."""

import math
import random

import pytest

from katib.store.tracking.pareto import pareto_front


def beats(one, other):
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("places", [1, 2, 3, 4])
def test_a_front_is_what_trying_every_pair_finds(places):
    chance = random.Random(f"pareto {places}")
    for _ in range(30):
        values = [*range(5), math.inf, -math.inf]
        points = [tuple(float(chance.choice(values)) for _ in range(places)) for _ in range(40)]
        expected = [index for index, point in enumerate(points) if not any(beats(other, point) for other in points)]
        found = pareto_front(points)
        assert sorted(found) == expected
        assert [points[index] for index in found] == sorted(points[index] for index in found)


def test_what_is_no_number_is_out():
    assert pareto_front([]) == []
    assert pareto_front([(math.nan, 0.0), (1.0, 1.0), (0.0, math.nan)]) == [1]
    assert pareto_front([(math.nan, 0.0)]) == []
