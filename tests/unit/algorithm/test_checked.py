"""What comes back from an algorithm is not believed."""

import pytest

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.algorithm.problem import SearchProblem
from katib.errors import AlgorithmError
from katib.space.point import Point


@pytest.fixture
def answering(experiment):
    """An algorithm that gives one answer to everything."""

    class Answering(Algorithm, name="answering"):
        """Says what it was told to say."""

        def suggest(self, history, count):  # noqa: ARG002 - what an algorithm is given
            return self.settings

    return lambda answer: Answering(SearchProblem.from_experiment(experiment(), 1), answer)


GOOD = Point({"n": 3, "c": "a"}, {"label": "kept"})


def test_points_of_the_space_pass_with_their_labels(answering):
    for answer in ([GOOD, GOOD], (GOOD,), []):
        points = suggest(answering(answer), History(), 2)
        assert points == list(answer)
        assert all(point.labels == {"label": "kept"} for point in points)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([GOOD] * 3, "gave 3 points when asked for 2"),
        (None, "gave None instead of a list of points"),
        ("text", "gave 'text' instead of a list of points"),
        ({GOOD}, "instead of a list of points"),
        ([{"n": 3, "c": "a"}], "instead of a list of points"),
        ([None], "instead of a list of points"),
        ([GOOD, 5], "instead of a list of points"),
        (iter([GOOD]), "instead of a list of points"),
        (["x" * 10_000], "instead of a list of points"),
        ([Point({})], "'n' has no value; 'c' has no value"),
        ([Point({"n": 3})], "'c' has no value"),
        ([Point({"n": 3, "c": "a", "z": 1})], "'z' is none of the parameters"),
        ([Point({"n": 10, "c": "a"})], "'n' cannot be 10"),
        ([Point({"n": 0, "c": "a"})], "'n' cannot be 0"),
        ([Point({"n": 3.0, "c": "a"})], "'n' cannot be 3.0"),
        ([Point({"n": True, "c": "a"})], "'n' cannot be True"),
        ([Point({"n": "3", "c": "a"})], "'n' cannot be '3'"),
        ([Point({"n": float("nan"), "c": "a"})], "'n' cannot be nan"),
        ([Point({"n": 3, "c": "z"})], "'c' cannot be 'z'"),
        ([Point({"n": 3, "c": 0})], "'c' cannot be 0"),
        ([GOOD, Point({"n": 3, "c": None})], "'c' cannot be None"),
    ],
)
def test_everything_else_is_an_error_that_names_algorithm_and_fault(answering, answer, said):
    with pytest.raises(AlgorithmError) as caught:
        suggest(answering(answer), History(), 2)
    assert "algorithm 'answering' gave" in str(caught.value)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300
