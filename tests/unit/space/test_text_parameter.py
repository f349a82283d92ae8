"""A text is any text: it comes back as it was, and nothing but its algorithm can make one up."""

import random

import pytest

from katib.errors import InvalidInput
from katib.space.parameter import Text
from katib.space.space import Space

SPACE = Space([Text("architecture"), Text("nn_config")])
TEXTS = {"architecture": "[[3], [0, 1]]", "nn_config": "{'a': \"ü\n${x}\"}"}


def test_texts_come_back_as_they_were():
    point = SPACE.point(TEXTS)
    assert SPACE.parse(point.assignments()) == point
    assert SPACE.contains(point)
    assert SPACE.cardinality is None


def test_missing_and_unknown_texts_are_told():
    with pytest.raises(InvalidInput, match="'nn_config' has no value"):
        SPACE.parse([("architecture", "[]")])
    with pytest.raises(InvalidInput, match="'arch' is none of the parameters"):
        SPACE.parse([*TEXTS.items(), ("arch", "")])


@pytest.mark.parametrize(
    "how", [lambda s: s.sample(random.Random(0)), lambda s: s.to_unit(TEXTS), lambda s: next(s.grid())]
)
def test_nothing_can_be_drawn_listed_or_measured(how):
    with pytest.raises(InvalidInput):
        how(SPACE)
