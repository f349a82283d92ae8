"""Points, unit cube, grids, conditions and constraints."""

import itertools
import math
import pickle
import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from katib.api.experiment import ExperimentSpec
from katib.errors import InvalidInput
from katib.space.point import Point
from katib.space.space import Space


def double(name, low, high, **more):
    space = {"min": str(low), "max": str(high), "distribution": "uniform", **more}
    return {"name": name, "parameterType": "double", "feasibleSpace": space}


def integer(name, low, high, **more):
    return {**double(name, low, high, **more), "parameterType": "int"}


def choice(name, *values, kind="categorical"):
    return {"name": name, "parameterType": kind, "feasibleSpace": {"list": list(values), "distribution": "uniform"}}


def only(parameter, parent, *values):
    return {**parameter, "condition": {"parameter": parent, "in": list(values)}}


def space(*parameters, constraints=()):
    return Space.from_spec(
        ExperimentSpec.model_validate(
            {"parameters": list(parameters), "constraints": [{"expression": text} for text in constraints]}
        )
    )


SEEDED = settings(derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])

finite = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))


@st.composite
def ranges(draw, positive=False):
    low = draw(st.floats(1e-6, 1e6)) if positive else draw(finite)
    return low, low + draw(st.floats(1e-3, 1e6))


@st.composite
def parameters(draw):
    kind = draw(st.sampled_from(["double", "stepped", "int", "discrete", "categorical"]))
    if kind == "categorical":
        return choice("p", *draw(st.lists(st.text(max_size=8), min_size=1, max_size=6, unique=True)))
    if kind == "discrete":
        return choice("p", *draw(st.lists(finite.map(repr), min_size=1, max_size=6, unique_by=float)), kind="discrete")
    distribution = draw(st.sampled_from(["uniform", "logUniform", "normal", "logNormal"]))
    if kind == "int":
        low = draw(st.integers(1, 10**6))
        return integer("p", low, low + draw(st.integers(0, 10**6)), distribution=distribution)
    low, high = draw(ranges(positive=distribution.startswith("log")))
    if kind == "stepped":
        return double("p", low, high, step=repr((high - low) / draw(st.integers(1, 50))), distribution=distribution)
    return double("p", low, high, distribution=distribution)


@settings(SEEDED, max_examples=300)
@given(parameters(), st.floats(0, 1))
def test_values_stay_in_their_range_print_and_parse_back_equal(parameter, unit):
    one = space(parameter)
    value = one["p"].from_unit(unit)
    assert one["p"].contains(value)
    assert one["p"].parse(one["p"].format(value)) == value
    point = one.point({"p": value})
    assert one.parse(point.assignments()) == point
    if one["p"].kind in {"double", "int"}:
        feasible = parameter["feasibleSpace"]
        assert float(feasible["min"]) <= value <= float(feasible["max"])


@settings(SEEDED, max_examples=200)
@given(parameters(), st.floats(0, 1))
def test_unit_cube_takes_values_there_and_back(parameter, unit):
    one = space(parameter)["p"]
    value = one.from_unit(unit)
    there = one.to_unit(value)
    assert 0 <= there <= 1
    back = one.from_unit(there)
    assert back == value or math.isclose(back, value, rel_tol=1e-6, abs_tol=1e-6 * max(1, abs(one.high), abs(one.low)))


@pytest.mark.parametrize(
    ("low", "high", "step", "expected"),
    [
        ("5", "10", "0.8", [5.0, 5.8, 6.6, 7.4, 8.2, 9.0, 9.8]),
        ("0.01", "0.05", "0.02", [0.01, 0.03, 0.05]),
        ("0", "0.3", "0.1", [0.0, 0.1, 0.2, 0.3]),
        ("-1", "1", "1", [-1.0, 0.0, 1.0]),
        ("1", "2", "1.5", [1.0]),
    ],
)
def test_step_counts_from_min_in_exact_decimals(low, high, step, expected):
    grid = space(double("x", low, high, step=step))
    assert [point["x"] for point in grid.grid()] == expected
    assert {grid.sample(random.Random(seed))["x"] for seed in range(200)} == set(expected)


def test_ends_of_an_integer_range_are_as_likely_as_its_middle():
    one = space(integer("n", 1, 5))
    rng = random.Random(1)
    counts = Counter(one.sample(rng)["n"] for _ in range(20_000))
    assert set(counts) == {1, 2, 3, 4, 5}
    assert max(counts.values()) < 1.1 * min(counts.values())


@pytest.mark.parametrize("distribution", ["normal", "logNormal"])
def test_normals_have_katibs_shape(distribution):
    one = space(double("x", 1, 100, distribution=distribution))
    rng = random.Random(2)
    draws = [one.sample(rng)["x"] for _ in range(20_000)]
    if distribution == "logNormal":
        draws = [math.log(x) for x in draws]
    low, high = (0, math.log(100)) if distribution == "logNormal" else (1, 100)
    mean = sum(draws) / len(draws)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in draws) / len(draws))
    assert math.isclose(mean, (low + high) / 2, rel_tol=0.02)
    # A sixth of the range, a little less because what lies beyond three deviations is cut off.
    assert math.isclose(deviation, (high - low) / 6 * 0.9866, rel_tol=0.03)


def test_log_uniform_spreads_evenly_over_magnitudes():
    one = space(double("x", 1e-4, 1, distribution="logUniform"))
    rng = random.Random(3)
    decades = Counter(math.floor(math.log10(one.sample(rng)["x"])) for _ in range(20_000))
    assert [round(decades[decade] / 20_000, 1) for decade in (-4, -3, -2, -1)] == [0.2, 0.2, 0.2, 0.2] or max(
        decades.values()
    ) < 1.1 * min(decades[decade] for decade in (-4, -3, -2, -1))


def test_value_is_a_number_of_its_type():
    mixed = space(
        double("x", 0, 1), integer("n", 0, 9), choice("d", "16", "8.0", kind="discrete"), choice("c", "a", "b")
    )
    point = mixed.sample(random.Random(0))
    assert [type(point[name]) for name in ("x", "n", "d", "c")] == [float, int, str, str]
    assert point["d"] in {"16", "8.0"}


def test_min_equal_to_max_is_one_value():
    one = space(double("x", 0.5, 0.5), integer("n", 3, 3))
    assert one.cardinality == 1
    assert one.sample(random.Random(0)) == Point({"x": 0.5, "n": 3})


NESTED = (
    choice("optimizer", "sgd", "adam"),
    only(integer("decay", 1, 3), "optimizer", "adam"),
    only(double("momentum", 0, 1, step="0.5"), "optimizer", "sgd"),
    only(choice("nesterov", "yes", "no"), "decay", "2"),
)


def test_conditional_space_has_no_value_for_what_is_not_active():
    nested = space(*NESTED)
    for seed in range(100):
        point = nested.sample(random.Random(seed))
        expected = {"optimizer", "decay"} if point["optimizer"] == "adam" else {"optimizer", "momentum"}
        if point.get("decay") == 2:
            expected.add("nesterov")
        assert set(point) == expected
        assert nested.contains(point)
        assert nested.parse(point.assignments()) == point
        assert nested.from_unit(nested.to_unit(point)) == point


def test_conditional_grid_visits_every_point_once():
    nested = space(*NESTED)
    points = list(nested.grid())
    # adam: decay 1, 2 (with two nesterov), 3; sgd: three momenta.
    assert len(points) == len(set(points)) == nested.cardinality == 7
    assert all(nested.contains(point) for point in points)


def test_order_of_the_file_does_not_matter_for_conditions():
    backwards = space(*reversed(NESTED))
    point = next(p for p in backwards.grid() if p["optimizer"] == "adam" and "nesterov" in p)
    assert list(point) == ["nesterov", "decay", "optimizer"]


def test_grid_starts_anywhere_in_a_million_million_points():
    huge = space(*(integer(f"n{i}", 0, 99) for i in range(6)))
    assert huge.cardinality == 10**12
    last = list(huge.grid(10**12 - 2))
    assert [point["n5"] for point in last] == [98, 99]
    assert all(point[f"n{i}"] == 99 for point in last for i in range(5))
    middle = next(huge.grid(123_456_789_012))
    assert [middle[f"n{i}"] for i in range(6)] == [12, 34, 56, 78, 90, 12]


def test_grid_with_a_large_conditional_parent_is_not_walked():
    big = space(integer("n", 0, 10**12), only(choice("c", "a", "b"), "n", "5", "7"))
    assert big.cardinality == 10**12 + 1 + 2
    assert [dict(p) for p in itertools.islice(big.grid(4), 6)] == [
        {"n": 4},
        {"n": 5, "c": "a"},
        {"n": 5, "c": "b"},
        {"n": 6},
        {"n": 7, "c": "a"},
        {"n": 7, "c": "b"},
    ]
    assert [dict(p) for p in big.grid(10**12 + 2)] == [{"n": 10**12}]


@settings(SEEDED, max_examples=60)
@given(st.data())
def test_every_number_of_a_random_forest_is_a_different_point(data):
    count = data.draw(st.integers(1, 5))
    made = []
    for index in range(count):
        parameter = integer(f"p{index}", 0, data.draw(st.integers(0, 3)))
        if index and data.draw(st.booleans()):
            parent = made[data.draw(st.integers(0, index - 1))]
            top = int(parent["feasibleSpace"]["max"])
            values = data.draw(st.sets(st.integers(0, top), min_size=1))
            parameter = only(parameter, parent["name"], *map(str, values))
        made.append(parameter)
    forest = space(*made)
    points = list(forest.grid())
    assert len(points) == len(set(points)) == forest.cardinality
    assert all(forest.contains(point) for point in points)
    for start in range(0, forest.cardinality, 3):
        assert list(forest.grid(start)) == points[start:]


def test_constraints_hold_for_samples_and_grid():
    both = space(integer("a", 1, 9), integer("b", 1, 9), constraints=["a + b == 10", "a < b"])
    assert [(p["a"], p["b"]) for p in both.grid()] == [(1, 9), (2, 8), (3, 7), (4, 6)]
    rng = random.Random(5)
    assert {both.sample(rng)["a"] for _ in range(100)} == {1, 2, 3, 4}


def test_constraint_sees_discrete_values_as_numbers_and_words_as_words():
    mixed = space(choice("d", "8", "16", kind="discrete"), choice("c", "x", "y"), constraints=["d > 9 or c in ['x']"])
    assert {(p["d"], p["c"]) for p in mixed.grid()} == {("8", "x"), ("16", "x"), ("16", "y")}


def test_constraint_on_an_inactive_parameter_says_nothing():
    nested = space(*NESTED, constraints=["decay >= 2"])
    assert sum(point["optimizer"] == "sgd" for point in nested.grid()) == 3
    assert {point["decay"] for point in nested.grid() if "decay" in point} == {2, 3}


def test_contradicting_constraints_are_a_sentence():
    none = space(double("x", 0, 1), constraints=["x > 2"])
    with pytest.raises(InvalidInput, match=r"x > 2.*contradict"):
        none.sample(random.Random(0))


def test_parsing_says_everything_that_is_wrong():
    with pytest.raises(InvalidInput) as caught:
        space(*NESTED).parse([("optimiser", "adam"), ("decay", "9"), ("momentum", "0.5")])
    text = str(caught.value)
    assert "did you mean 'optimizer'?" in text
    assert "'optimizer' has no value" in text
    assert "'momentum' has a value although it is not active" in text


def test_points_are_equal_by_value_and_carry_labels():
    one = Point({"x": 0.5, "n": 1}, {"rung": "0"})
    assert one == Point({"n": 1, "x": 0.5})
    assert len({one, Point({"n": 1, "x": 0.5})}) == 1
    assert one.labelled(parent="a").labels == {"rung": "0", "parent": "a"}


def test_infinite_space_has_no_grid_and_says_which_parameter():
    with pytest.raises(InvalidInput, match="step to x"):
        space(double("x", 0, 1), integer("n", 0, 1)).grid()


def test_constrained_grid_goes_on_from_the_number_it_stopped_at():
    both = space(integer("a", 0, 99), integer("b", 0, 99), constraints=["a + b == 99"])
    numbered = list(both.numbered_grid())
    assert len(numbered) == 100
    for number, _ in numbered[::9]:
        assert list(both.numbered_grid(number)) == [pair for pair in numbered if pair[0] >= number]
    assert list(both.numbered_grid(10**4)) == list(both.grid(10**30)) == []
    assert next(both.grid(-5)) == numbered[0][1]


def test_constraints_hold_for_the_draws_of_a_conditional_space():
    nested = space(*NESTED, constraints=["decay != 2 or nesterov == 'yes'", "momentum > 0"])
    points = {nested.sample(random.Random(seed)) for seed in range(300)}
    assert points == set(nested.grid())
    assert len(points) == 5


def test_constraint_names_a_parameter_whatever_its_name():
    odd = space(integer("num-layers", 1, 3), integer("class", 1, 3), constraints=["`num-layers` < `class`"])
    assert [(p["num-layers"], p["class"]) for p in odd.grid()] == [(1, 2), (1, 3), (2, 3)]


@settings(SEEDED, max_examples=150)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_any_place_of_the_unit_cube_is_a_point_of_a_conditional_space(place):
    nested = space(*NESTED)
    point = nested.from_unit(place)
    assert nested.contains(point)
    assert nested.from_unit(nested.to_unit(point)) == point
    assert nested.parse(point.assignments()) == point


def test_space_and_points_survive_pickling():
    nested = space(*NESTED, constraints=["decay >= 2"])
    again = pickle.loads(pickle.dumps(nested))  # noqa: S301 - our own bytes
    assert list(again.grid()) == list(nested.grid())
    point = next(nested.grid()).labelled(rung="1")
    copied = pickle.loads(pickle.dumps(point))  # noqa: S301 - our own bytes
    assert (copied, copied.labels) == (point, point.labels)


def test_discrete_values_lie_in_the_order_of_their_numbers_and_print_as_they_were_written():
    one = space(choice("d", "1e3", "8.0", "16", kind="discrete"))["d"]
    assert [one.from_unit(place) for place in (0, 0.5, 1)] == ["8.0", "16", "1e3"]
    assert [one.at(index) for index in range(3)] == ["1e3", "8.0", "16"]
    assert one.parse("1000") == "1e3"
    assert one.parse("8") == "8.0"


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("x", "nan"), ("n", "1")],
        [("x", "inf"), ("n", "1")],
        [("x", "2"), ("n", "1")],
        [("x", "0.5"), ("n", "1.5")],
        [("x", "0.5"), ("n", "٣")],
        [("x", "0.5"), ("n", "9" * 100)],
        [("x", "0.5"), ("n", "1"), ("", "1")],
        [("x", ""), ("n", "")],
        [("x", "0.5\0"), ("n", "1")],
    ],
)
def test_texts_that_are_no_point_are_refused(pairs):
    with pytest.raises(InvalidInput):
        space(double("x", 0, 1), integer("n", 0, 9)).parse(pairs)


@pytest.mark.parametrize(
    "parameter",
    [
        choice("p"),
        double("p", "a", 1),
        double("p", 2, 1),
        {**double("p", 0, 1), "parameterType": "unknown"},
        only(integer("p", 0, 1), "nothing", "1"),
        only(integer("p", 0, 1), "p", "1"),
    ],
)
def test_spec_that_was_not_validated_is_a_sentence(parameter):
    with pytest.raises(InvalidInput):
        space(parameter)
