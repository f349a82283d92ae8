"""The early stopper ``asha``: at each rung the best one of eta goes on."""

import math

import pytest

from katib.api.trial import TrialState
from katib.testing.early_stopper_contract import EarlyStopperContract

RUNNING = TrialState.RUNNING


class TestAshaStop(EarlyStopperContract):
    early_stopper = "asha"
    bad_settings = {"no_such_setting": "1", "eta": "1", "min_resource": "0", "max_resource": "1"}


class TestAshaStopWithAnotherLadder(EarlyStopperContract):
    early_stopper = "asha"
    settings = {"eta": "1.5", "min_resource": "4", "max_resource": "40"}


def stopped(curves, *, maximize=False, **settings):
    """The names of those that are stopped."""
    contract = TestAshaStop()
    stopper = contract.make(settings, maximize=maximize)
    history = contract.history(stopper, [RUNNING] * len(curves))
    named = {f"t{index}": curve for index, curve in enumerate(curves)}
    return [index for index, name in enumerate(named) if stopper.verdict(history, named, name)]


def test_below_eta_trials_at_a_rung_nothing_is_stopped():
    assert stopped([[1], [9]]) == []
    assert stopped([[1], [9], []]) == []


def test_the_best_one_of_eta_goes_on():
    assert stopped([[1], [2], [3]]) == [1, 2]
    assert stopped([[1], [2], [3]], maximize=True) == [0, 1]
    assert stopped([[1], [2], [3], [4], [5], [6]]) == [2, 3, 4, 5]
    assert stopped([[1], [2], [3], [4]], eta="2") == [2, 3]


def test_equal_trials_go_on_together():
    assert stopped([[1], [1], [1], [2]]) == [3]


def test_trials_are_judged_at_the_highest_rung_they_reached():
    # Rungs are 1, 3, 9: the first was the worst in its beginning, and is judged by its first three reports.
    curves = [[9, 9, 1, 50], [3, 3, 3], [4, 4, 4], [2], [8]]
    assert stopped(curves) == [1, 2, 4]


def test_the_best_value_up_to_the_rung_counts():
    assert stopped([[5, 1, 9], [4, 4, 4], [3, 3, 3]]) == [1, 2]


def test_min_resource_is_the_first_rung_and_from_max_resource_on_nothing_is_judged():
    curves = [[1] * 4, [2] * 4, [3] * 3, [4] * 4]
    assert stopped(curves, min_resource="4") == [1, 3]
    assert stopped([[1] * 4, [2] * 4, [3] * 12], min_resource="4", max_resource="12") == [1]


def test_trials_without_a_number_are_the_worst():
    assert stopped([[math.nan], [1], [2]]) == [0, 2]
    assert stopped([[math.nan], [math.nan], [math.nan]]) == []


def test_trials_that_ended_count_as_well():
    contract = TestAshaStop()
    stopper = contract.make()
    history = contract.history(stopper, [TrialState.FAILED, TrialState.EARLY_STOPPED, RUNNING])
    verdict = stopper.verdict(history, {"t0": [1.0], "t1": [2.0], "t2": [3.0]}, "t2")
    assert verdict == (
        "by report 1 the best loss was 3.0; the best one of 3 trials that got so far have 1.0 or better (asha)"
    )


@pytest.mark.parametrize("maximize", [False, True])
def test_the_rule_to_take_along_is_that_of_the_first_rung(maximize):
    contract = TestAshaStop()
    stopper = contract.make({"min_resource": "2"}, maximize=maximize)
    sign = -1 if maximize else 1
    curves = {f"t{index}": [sign * value] * 6 for index, value in enumerate([1.0, 2.0, 3.0])}
    (rule,) = stopper.rules(contract.history(stopper, [RUNNING] * 3), curves)
    assert (rule.name, float(rule.value), rule.start_step) == ("loss", sign * 1.0, 2)
    assert rule.comparison == ("less" if maximize else "greater")


@pytest.mark.parametrize(("eta", "reports"), [("3", 243), ("1.001", 100), ("2.5", 10_000)])
def test_a_long_curve_or_a_narrow_ladder_costs_no_more(eta, reports):
    assert stopped([[1] * reports, [2] * reports, [3] * reports, [4] * reports, [5] * reports], eta=eta)
