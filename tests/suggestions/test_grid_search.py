"""Grid search keeps the contract, and goes on where it stood."""

import sys

import pytest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.errors import AlgorithmError, InvalidInput
from katib.testing.algorithm_contract import AlgorithmContract


class TestGridSearch(AlgorithmContract):
    algorithm = "grid"
    continuous = False

    def test_order_is_that_of_an_odometer(self):
        parameters = [
            {"name": "a", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "2"}},
            {"name": "b", "parameterType": "categorical", "feasibleSpace": {"list": ["x", "y"]}},
        ]
        points = suggest(self.make(parameters), History(), 9)
        assert [(point["a"], point["b"]) for point in points] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]

    def test_continuum_is_refused_with_its_name(self):
        with pytest.raises(InvalidInput, match="'x' must include step"):
            self.make([{"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}])

    def test_gap_that_would_take_hours_is_a_sentence(self, monkeypatch):
        monkeypatch.setattr(sys.modules["suggestions.grid_search"], "_LOOKED_AT", 1_000)
        pair = [
            {"name": n, "parameterType": "int", "feasibleSpace": {"min": "1", "max": "1000000"}} for n in ("a", "b")
        ]
        algorithm = self.make(pair, constraints=("a + b < 4",))
        history = History()
        points = suggest(algorithm, history, 9)
        assert [(point["a"], point["b"]) for point in points] == [(1, 1), (1, 2)]
        self.issue(history, points)
        with pytest.raises(AlgorithmError, match="none of the 1000 combinations from number 2 on"):
            suggest(algorithm, history, 9)

    def test_huge_grid_is_not_made(self):
        huge = [
            {"name": f"n{i}", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "1000"}} for i in range(8)
        ]
        assert len(suggest(self.make(huge), History(), 3)) == 3
