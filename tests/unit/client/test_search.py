"""Parameters in Python: Katib's calls and ours, and what is said of mistakes."""

import math
from decimal import Decimal

import numpy as np
import pytest

from katib.api.experiment import FeasibleSpace, ParameterSpec
from katib.client import search
from katib.errors import InvalidInput
from katib.space.parameter import parameter_from


@pytest.mark.parametrize(
    ("made", "kind", "space"),
    [
        (search.double(min=0.1, max=0.2), "double", {"min": "0.1", "max": "0.2"}),
        (search.double(0.01, 0.03, 0.01), "double", {"min": "0.01", "max": "0.03", "step": "0.01"}),
        (search.double(min="0.1", max=1), "double", {"min": "0.1", "max": "1"}),
        (search.double(1e-5, 1, log=True), "double", {"min": "1e-05", "max": "1", "distribution": "logUniform"}),
        (
            search.double(1, 2, log=True, distribution="normal"),
            "double",
            {"min": "1", "max": "2", "distribution": "logNormal"},
        ),
        (search.double(-1, 1, distribution="normal"), "double", {"min": "-1", "max": "1", "distribution": "normal"}),
        (search.double(np.float32(0.5), Decimal("1.50")), "double", {"min": "0.5", "max": "1.50"}),
        (search.int(min=1, max=5), "int", {"min": "1", "max": "5"}),
        (search.int(np.int64(2), 10, step=2), "int", {"min": "2", "max": "10", "step": "2"}),
        (search.categorical(["sgd", "adam"]), "categorical", {"list": ["sgd", "adam"]}),
        (
            search.categorical(list=("a", 1, 0.5, True, None)),
            "categorical",
            {"list": ["a", "1", "0.5", "True", "None"]},
        ),
        (search.discrete([16, 32, 0.5]), "discrete", {"list": ["16", "32", "0.5"]}),
        (search.discrete(range(3)), "discrete", {"list": ["0", "1", "2"]}),
    ],
)
def test_parameter_is_what_an_experiment_has(made, kind, space):
    assert made.named("x") == ParameterSpec(name="x", parameter_type=kind, feasible_space=FeasibleSpace(**space))
    assert parameter_from(made.named("x")).kind == kind


def test_name_can_be_set_as_with_katibs():
    made = search.double(min=0.1, max=0.2)
    made.name = "lr"
    assert made.to_document()["name"] == "lr"
    assert made.named("other").name == "other"
    for name in ("", " ", None):
        with pytest.raises(InvalidInput, match="name"):
            made.named(name)


def test_values_are_those_that_were_listed():
    made = search.categorical([True, None, 3, "3.0"])
    assert [made.value(text) for text in made.feasible_space.list] == [True, None, 3, "3.0"]
    assert search.discrete([1.0, 2]).value("2") == 2
    assert type(search.int(1, 3).value("2")) is int
    assert type(search.double(1, 3).value("2")) is float


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: search.double(2, 1), r"katib\.search\.double\(min\): must be at most max"),
        (lambda: search.double(0, 1, step=0), r"\(step\): must be more than 0"),
        (lambda: search.double(0, 1, step=-0.1), r"\(step\): must be more than 0"),
        (lambda: search.double(0, 1, step=3), r"\(step\): must be at most the range"),
        (lambda: search.double(0, 1, log=True), r"\(min\): must be more than 0 for the distribution logUniform"),
        (lambda: search.double(1, 2, log=True, distribution="uniform"), r"\(log\): cannot be true"),
        (lambda: search.double(1, 2, distribution="logUnifrom"), "did you mean 'logUniform'"),
        (lambda: search.double(math.nan, 1), r"\(min\): must be a finite number"),
        (lambda: search.double(0, math.inf), r"\(max\): must be a finite number"),
        (lambda: search.double(-1.7e308, 1.7e308), "wider than a number can hold"),
        (lambda: search.double("a", "b"), r"\(min\): must be a finite number(.|\n)*\(max\): must be a finite number"),
        (lambda: search.double(None, 1), r"\(min\): must be a finite number"),
        (lambda: search.double(True, 1), r"\(min\): must be a finite number"),
        (lambda: search.double([1], 1), r"\(min\): must be a finite number"),
        (lambda: search.double(1j, 1), r"\(min\): must be a finite number"),
        (lambda: search.double("", 1), r"\(min\): must be a finite number"),
        (lambda: search.int(0.5, 2), r"katib\.search\.int\(min\): must be a whole number"),
        (lambda: search.int(0, 2**70), r"\(max\): must be a whole number"),
        (lambda: search.int(0, 10, log=True), r"\(min\): must be more than 0"),
        (lambda: search.categorical([]), r"katib\.search\.categorical\(list\): is required"),
        (lambda: search.categorical("sgd"), r"\(list\): must be a list of values"),
        (lambda: search.categorical(3), r"\(list\): must be a list of values"),
        (lambda: search.categorical(["a", "a"]), r"\(list\)\[1\]: is listed twice"),
        (lambda: search.categorical([1, "1"]), r"\(list\)\[1\]: is listed twice"),
        (lambda: search.categorical([{}]), r"\(list\)\[0\]: must be a text"),
        (lambda: search.categorical([math.nan]), r"\(list\)\[0\]: must be a text"),
        (lambda: search.discrete([1, "x"]), r"\(list\)\[1\]: must be a finite number"),
        (lambda: search.discrete([1, 1.0]), r"\(list\)\[1\]: is listed twice"),
        (lambda: search.discrete([math.nan]), r"\(list\)\[0\]: must be a finite number"),
    ],
)
def test_mistake_is_said_by_the_call(call, said):
    with pytest.raises(InvalidInput, match=said):
        call()
