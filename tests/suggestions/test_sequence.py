"""Grid and Sobol find their place again where labels do not come back and trials are left out, as with Katib's controller."""

import pickle

import pytest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History, PastTrial
from katib.api.trial import TrialState
from katib.testing.algorithm_contract import FINITE, MIXED, AlgorithmContract


def contract(name):
    return type("Named", (AlgorithmContract,), {"algorithm": name})()


def history_of(points, forgotten=()):
    """Return a history without labels in which some trials are no longer told."""
    kept = [point for place, point in enumerate(points) if place not in forgotten]
    history = History(
        PastTrial(index, f"t{index}", type(point)(dict(point)), TrialState.SUCCEEDED, (1.0,))
        for index, point in enumerate(kept)
    )
    history.issued(len(points))
    return history


@pytest.mark.parametrize(("name", "space"), [("grid", FINITE), ("sobol", FINITE), ("sobol", MIXED)])
@pytest.mark.parametrize("forgotten", [(), (0,), (2, 5), (8, 9)])
def test_next_points_are_the_next_of_the_sequence(name, space, forgotten):
    suite = contract(name)
    expected = suggest(suite.make(space), History(), 20)
    warm = suite.make(space)
    for known in (0, 1, 10):
        lost = [place for place in forgotten if place < known]
        for algorithm in (warm, suite.make(space), pickle.loads(pickle.dumps(warm))):  # noqa: S301 - our own bytes
            points = suggest(algorithm, history_of(expected[:known], lost), 4)
            assert points == expected[known : known + 4]


@pytest.mark.parametrize("name", ["grid", "sobol"])
def test_finite_space_ends_without_labels(name):
    suite = contract(name)
    algorithm = suite.make(FINITE)
    issued = []
    while points := suggest(algorithm, history_of(issued, (3, 4)), 9):
        issued += points
        assert len(issued) == len(set(issued)) <= 120
    assert len(issued) == 120


def test_points_that_were_there_before_leave_no_gap_in_a_grid():
    """Initial trials are no places that were issued."""
    suite = contract("grid")
    first = suggest(suite.make(FINITE), History(), 5)
    history = history_of([first[2]])
    assert suggest(suite.make(FINITE), history, 3) == [first[0], first[1], first[3]]
