"""``medianstop`` gives Katib's rule, number for number, and the median that gives it its name when asked."""

import math

import pytest

from katib.algorithm import early_stoppers
from katib.api.experiment import AlgorithmSpec
from katib.api.trial import TrialState
from katib.testing.early_stopper_contract import EarlyStopperContract

SUCCEEDED, RUNNING = TrialState.SUCCEEDED, TrialState.RUNNING


class TestMedianStop(EarlyStopperContract):
    early_stopper = "medianstop"
    bad_settings = {"no_such_setting": "1", "min_trials_required": "0", "start_step": "0", "statistic": "mode"}


class TestMedianStopByTheMedian(EarlyStopperContract):
    early_stopper = "medianstop"
    settings = {"statistic": "median", "start_step": "3"}


def rules(states, curves, *, maximize=False, **settings):
    contract = TestMedianStop()
    stopper = contract.make(settings, maximize=maximize)
    found = stopper.rules(contract.history(stopper, states), curves)
    return [(rule.name, rule.value, rule.comparison, rule.start_step) for rule in found]


CURVES = {"t0": [4, 3, 2, 1, 0, 0], "t1": [8, 7, 6, 5], "t2": [1, 0.5], "t3": [100, 100, 100, 100]}


def test_the_limit_is_the_mean_of_the_means_of_the_first_reports():
    wanted = str((2.5 + 6.5 + 0.75) / 3)
    assert rules([SUCCEEDED] * 3, CURVES) == [("loss", wanted, "greater", 4)]
    assert rules([SUCCEEDED] * 3, CURVES, maximize=True) == [("loss", wanted, "less", 4)]


def test_the_median_is_a_setting():
    assert rules([SUCCEEDED] * 4, CURVES, statistic="median") == [("loss", str((2.5 + 6.5) / 2), "greater", 4)]
    assert rules([SUCCEEDED] * 4, CURVES) == [("loss", str((2.5 + 6.5 + 0.75 + 100) / 4), "greater", 4)]


def test_start_step_is_how_many_reports_are_averaged_and_waited_for():
    assert rules([SUCCEEDED] * 3, CURVES, start_step="1") == [("loss", str((4 + 8 + 1) / 3), "greater", 1)]


@pytest.mark.parametrize("state", [each for each in TrialState if each is not SUCCEEDED])
def test_only_succeeded_trials_count(state):
    assert rules([SUCCEEDED, SUCCEEDED, state], CURVES) == []
    assert len(rules([SUCCEEDED, SUCCEEDED, state], CURVES, min_trials_required="2")) == 1


def test_trials_without_numbers_do_not_count():
    curves = {**CURVES, "t1": [math.nan, 1, 1, 1], "t2": [math.inf] * 4}
    assert rules([SUCCEEDED] * 3, curves) == []
    assert rules([SUCCEEDED] * 4, curves, min_trials_required="2")[0][1] == str((2.5 + 100) / 2)


def test_the_best_value_so_far_counts_from_the_start_step_on():
    contract = TestMedianStop()
    stopper = contract.make()
    states = [SUCCEEDED] * 3 + [RUNNING]
    history = contract.history(stopper, states)  # the limit is 3.25

    def verdict(*curve):
        return stopper.verdict(history, {**CURVES, "t3": curve}, "t3")

    assert verdict(9, 9, 9) is None
    assert verdict(9, 9, 9, 9) == ("the best loss of its first 4 reports is 9, greater than 3.25 (medianstop)")
    assert verdict(9, 3, 9, 9) is None
    assert verdict(9, 9, 9, 9, 3) is None
    assert verdict(9, 9, 9, 9, 8, 7) is not None  # Katib looks at the fourth report and never again
    assert verdict(3.25, 9, 9, 9) is None
    assert verdict(math.nan, math.nan, math.nan, math.nan) is None


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("medianstops", [], "unknown algorithm name medianstops"),
        ("medianstop", [("steps", "1")], "unknown setting steps for algorithm medianstop"),
        ("medianstop", [("min_trials_required", "0")], "min_trials_required must be greater than zero (>0)"),
        ("medianstop", [("min_trials_required", "-2")], "min_trials_required must be greater than zero (>0)"),
        ("medianstop", [("start_step", "0")], "start_step must be greater or equal than one (>=1)"),
        (
            "medianstop",
            [("start_step", "x")],
            "failed to validate start_step(x): invalid literal for int() with base 10: 'x'",
        ),
    ],
)
def test_katib_texts_word_for_word(name, settings, text):
    stated = AlgorithmSpec.model_validate(
        {
            "algorithmName": name,
            "algorithmSettings": [{"name": setting, "value": value} for setting, value in settings],
        }
    )
    (problem,) = early_stoppers.settings_problems(stated)
    assert problem.katib_text == text
    assert problem.path.startswith("spec.earlyStopping.algorithm")
