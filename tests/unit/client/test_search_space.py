"""What a scikit-learn search may be given to draw from."""

import math

import numpy as np
import pytest
from scipy import stats

from katib.client import search
from katib.client.search_space import SearchSpace
from katib.errors import InvalidInput
from katib.space.point import Point


def the(space, name="x"):
    return next(parameter for parameter in space.parameters if parameter.name == name)


@pytest.mark.parametrize(
    ("distribution", "kind", "fields"),
    [
        (search.double(0, 1, step=0.25), "double", {"min": "0", "max": "1", "step": "0.25"}),
        (stats.uniform(1, 2), "double", {"min": "1.0", "max": "3.0"}),
        (stats.loguniform(1e-3, 10), "double", {"min": "0.001", "max": "10.0", "distribution": "logUniform"}),
        (stats.randint(2, 9), "int", {"min": "2", "max": "8"}),
        ([1, 10, 100], "discrete", {"list": ["1", "10", "100"]}),
        (np.array([0.5, 0.25, 0.5]), "discrete", {"list": ["0.5", "0.25"]}),
        (["rbf", None, 3], "categorical", {"list": ["0", "1", "2"]}),
        ([True, False], "categorical", {"list": ["0", "1"]}),
        ([math.nan, 1.0], "categorical", {"list": ["0", "1"]}),
        ((n for n in range(2)), "discrete", {"list": ["0", "1"]}),
    ],
)
def test_parameter(distribution, kind, fields):
    parameter = the(SearchSpace({"x": distribution}))
    assert parameter.parameter_type == kind
    assert parameter.feasible_space.model_dump(exclude_none=True) == fields


@pytest.mark.parametrize(
    ("distribution", "value", "wanted"),
    [
        (["rbf", None, [1]], "2", [1]),
        ([True, False], "1", False),
        ([np.float64(0.5), 1], "1", 1),
        (search.categorical([None, "a"]), "None", None),
        (search.int(1, 5), 3, 3),
        (stats.norm(5, 2), 0.5, 5.0),
        (stats.loguniform(1, 10, loc=1), 0.5, 1 + math.sqrt(10)),
        (stats.poisson(4), 0.5, 4),
    ],
)
def test_value_is_an_object_of_the_estimator(distribution, value, wanted):
    (found,) = SearchSpace({"x": distribution}).candidate(Point({"x": value})).values()
    assert found == pytest.approx(wanted) if isinstance(wanted, float) else found == wanted
    assert type(found) is type(wanted)


def test_of_several_spaces_a_candidate_has_the_parameters_of_one():
    space = SearchSpace([{"kernel": ["rbf"], "gamma": [0.1, 1]}, {"kernel": ["linear"]}])
    assert [parameter.name for parameter in space.parameters] == ["space", "0.kernel", "0.gamma", "1.kernel"]
    assert the(space, "0.gamma").condition.in_ == ["0"]
    assert space.candidate(Point({"space": "0", "0.kernel": "0", "0.gamma": "1"})) == {"kernel": "rbf", "gamma": 1}
    assert space.candidate(Point({"space": "1", "1.kernel": "0"})) == {"kernel": "linear"}


class OnlyDrawn:
    def rvs(self, **_):
        raise AssertionError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "must be a dict"),
        ("x", "must be a dict"),
        ([], "must be a dict"),
        ([1], "must be a dict"),
        ({}, "at least one parameter"),
        ({"x": []}, r"param_distributions\['x'\]: must have at least one value"),
        ({"x": "rbf"}, "must be a list of values"),
        ({"x": 3}, "must be a list of values"),
        ({"x": OnlyDrawn()}, "can be drawn from, but not searched"),
        ([{"x": [1]}, {"y": []}], r"param_distributions\[1\]\['y'\]: must have"),
        ({"": [1, 2]}, "name"),
        ({3: [1, 2], "y": []}, r"\['y'\]"),
    ],
)
def test_mistakes_are_said(given, said):
    with pytest.raises(InvalidInput, match=said):
        SearchSpace(given)
