"""Where an algorithm's random numbers come from."""

import itertools

import pytest

from katib.algorithm.algorithm import Algorithm
from katib.algorithm.early_stopper import EarlyStopper
from katib.algorithm.history import History, PastTrial
from katib.algorithm.problem import SearchProblem
from katib.algorithm.settings import AlgorithmSettings
from katib.api.trial import TrialState
from katib.space.point import Point


class Seeded(Algorithm, name="seeded"):
    """Has nothing but random numbers."""

    class Settings(AlgorithmSettings):
        """Its settings."""

        random_state: int | None = None

    def suggest(self, history, count):  # noqa: ARG002 - what an algorithm is given
        return []


@pytest.fixture
def draw(experiment):
    """Draw a number after some trials."""

    def first(seed, issued=0, random_state=None):
        history = History(PastTrial(index, f"t{index}", Point({}), TrialState.RUNNING) for index in range(issued))
        algorithm = Seeded(
            SearchProblem.from_experiment(experiment(), seed), Seeded.Settings(random_state=random_state)
        )
        assert algorithm.numpy_rng(history).random() == algorithm.numpy_rng(history).random()
        return algorithm.rng(history).random(), float(algorithm.numpy_rng(history).random())

    return first


def test_same_seed_and_position_same_numbers_and_otherwise_others(draw):
    assert draw(1, 5) == draw(1, 5)
    assert len({draw(seed, issued) for seed in range(5) for issued in range(5)}) == 25


def test_random_state_comes_before_the_seed(draw):
    assert draw(1, random_state=9) == draw(2, random_state=9) == draw(9)
    assert draw(1, random_state=0) == draw(0)


def test_ahead_means_as_if_so_many_were_issued_already(draw, experiment):
    algorithm = Seeded(SearchProblem.from_experiment(experiment(), 1), Seeded.Settings())
    assert [algorithm.rng(History(), ahead).random() for ahead in range(4)] == [
        draw(1, issued)[0] for issued in range(4)
    ]
    assert float(algorithm.numpy_rng(History(), 2).random()) == draw(1, 2)[1]


def test_neighbours_have_nothing_in_common(draw):
    draws = [draw(seed)[0] for seed in range(200)]
    steps = [abs(left - right) for left, right in itertools.pairwise(draws)]
    assert 0.2 < sum(steps) / len(steps) < 0.45  # a third for independent uniform numbers


def test_names_are_those_of_the_class_statement():
    class Stopper(EarlyStopper, name="stopper"):
        """An early stopper."""

        def rules(self, history, curves):  # noqa: ARG002 - what a stopper is given
            return []

    class Child(Seeded):
        """Inherits its parent's name until it is given one."""

    assert (Seeded.name, Stopper.name, Child.name) == ("seeded", "stopper", "seeded")
    assert list(Seeded.validate(None, None)) == []
