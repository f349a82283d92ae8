"""Sobol keeps the contract, and covers the space more evenly than chance."""

from scipy.stats import qmc

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.testing.algorithm_contract import AlgorithmContract


class TestSobol(AlgorithmContract):
    algorithm = "sobol"
    bad_settings = {"no_such_setting": "1", "random_state": "x"}

    def test_points_are_more_even_than_random_ones(self):
        square = [{"name": n, "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}} for n in "xyz"]
        unevenness = {"sobol": [], "random": []}
        for name in unevenness:
            suite = type("Named", (TestSobol,), {"algorithm": name})()
            for seed in range(20):
                algorithm = suite.make(square, seed=seed)
                points = suggest(algorithm, History(), 64)
                unevenness[name].append(qmc.discrepancy([algorithm.problem.space.to_unit(point) for point in points]))
        assert max(unevenness["sobol"]) < min(unevenness["random"])

    def test_one_call_and_many_calls_give_the_same_sequence(self):
        at_once = suggest(self.make(self.space), History(), 12)
        assert self.search(lambda: self.make(self.space), 6, count=2) == at_once
