"""Random search keeps the contract, and draws from the distributions it was given."""

from scipy.stats import kstest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.testing.algorithm_contract import AlgorithmContract


class TestRandomSearch(AlgorithmContract):
    algorithm = "random"
    bad_settings = {"no_such_setting": "1", "random_state": "-1"}

    def test_draws_follow_the_distribution(self):
        parameters = [
            {"name": "u", "parameterType": "double", "feasibleSpace": {"min": "2", "max": "6"}},
            {
                "name": "l",
                "parameterType": "double",
                "feasibleSpace": {"min": "0.001", "max": "1", "distribution": "logUniform"},
            },
        ]
        shares = {"u": [], "l": []}
        for seed in range(40):
            algorithm = self.make(parameters, seed=seed)
            for point in suggest(algorithm, History(), 25):
                for name, share in zip(shares, algorithm.problem.space.to_unit(point), strict=True):
                    shares[name].append(share)
        assert kstest(shares["u"], "uniform").pvalue > 0.01
        assert kstest(shares["l"], "uniform").pvalue > 0.01

    def test_points_do_not_depend_on_how_many_are_asked_for_at_a_time(self):
        history, one_by_one = History(), []
        for _ in range(9):
            point = suggest(self.make(self.space), history, 1)
            self.issue(history, point)
            one_by_one += point
        assert suggest(self.make(self.space), History(), 9) == one_by_one

    def test_random_state_comes_before_the_seed(self):
        changed = type("Stated", (TestRandomSearch,), {"settings": {"random_state": "4"}})()
        one, two = (suggest(changed.make(self.space, seed=seed), History(), 3) for seed in (1, 2))
        assert one == two
        assert one != suggest(self.make(self.space, seed=1), History(), 3)
