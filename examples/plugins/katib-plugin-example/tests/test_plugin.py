"""The contract suites that katib ships, and what is special about these two."""

import pytest

from katib.algorithm.checked import suggest
from katib.algorithm.history import History
from katib.testing.algorithm_contract import AlgorithmContract
from katib.testing.early_stopper_contract import EarlyStopperContract


class TestLatinHypercube(AlgorithmContract):
    algorithm = "latinhypercube"
    bad_settings = {"no_such_setting": "1", "size": "0"}  # noqa: RUF012 - read only

    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_every_parameter_has_one_point_in_each_part_of_its_range(self, seed):
        pair = [
            {"name": name, "parameterType": "double", "feasibleSpace": {"min": "0", "max": "20"}} for name in ("x", "y")
        ]
        points = suggest(self.make(pair, seed=seed), History(), 20)
        for name in ("x", "y"):
            assert sorted(int(point[name]) for point in points) == list(range(20))


class TestPlateau(EarlyStopperContract):
    early_stopper = "plateau"
    bad_settings = {"patience": "0", "min_delta": "-1"}  # noqa: RUF012 - read only
    compares = False

    def test_a_trial_is_stopped_when_it_no_longer_improves(self):
        stopper = self.make({"patience": "2", "min_delta": "0.5"})

        def verdict(*curve):
            return stopper.verdict(History(), {"t": curve}, "t")

        assert verdict(3, 2) is None
        assert verdict(3, 2, 1) is None
        assert verdict(3, 3, 3)
        assert verdict(3, 2.6, 2.4) is None
        assert verdict(3, 2.9, 2.5)
        assert verdict(float("nan"), 1, 1) is None
