"""An early stopper is one file or one entry point, like an algorithm; broken, it is named and in nobody's way."""

import subprocess
import sys
import textwrap

import pytest

from katib.algorithm import early_stoppers, registry
from katib.algorithm.early_stopper import EarlyStopper, best_so_far, is_met
from katib.algorithm.history import History
from katib.api.experiment import AlgorithmSpec
from katib.api.trial import EarlyStoppingRule
from katib.errors import AlgorithmError, InvalidInput

NEVER = '''
"""A file as its author writes it."""

from pydantic import PositiveInt

from katib.algorithm.early_stopper import EarlyStopper
from katib.algorithm.settings import AlgorithmSettings
from katib.errors import Problem


class Never(EarlyStopper, name="never"):
    """Never stops anything.

    And says so.
    """

    class Settings(AlgorithmSettings):
        """Settings of ``never``."""

        patience: PositiveInt = 3
        """How long it waits."""

    def __init__(self, problem, settings):
        super().__init__(problem, settings)
        if problem.seed == 13:
            raise KeyError("unlucky")

    @classmethod
    def validate(cls, problem, settings):
        if settings.patience == 13:
            raise RuntimeError("unlucky too")
        if problem.max_trials is None:
            yield Problem("spec.maxTrialCount", "is required for never")

    def rules(self, history, curves):
        return []
'''


def stopping(name, **settings):
    return {
        "algorithmName": name,
        "algorithmSettings": [{"name": each, "value": value} for each, value in settings.items()],
    }


def settings_problems(name, **settings):
    return early_stoppers.settings_problems(AlgorithmSpec.model_validate(stopping(name, **settings)))


def test_shipped_ones_are_listed_with_one_line_each():
    assert {"medianstop", "asha"} <= set(early_stoppers.names())
    assert early_stoppers.names() == sorted(early_stoppers.names()) == list(early_stoppers.summaries())
    assert "medianstop" not in registry.names()


def test_file_that_is_dropped_in_is_listed_described_checked_and_made(drop, experiment):
    drop("never.py", NEVER)
    assert "never" in early_stoppers.names()
    assert "never" not in registry.names()
    assert early_stoppers.summaries()["never"] == "Never stops anything."
    described = early_stoppers.describe("never")
    assert (described.details, [each.name for each in described.settings]) == ("And says so.", ["patience"])
    good = experiment(earlyStopping=stopping("never"), maxTrialCount=3)
    assert early_stoppers.problems(good) == []
    assert early_stoppers.create(good, 1).rules(History(), {}) == []
    bad = experiment(earlyStopping=stopping("never", patience="0", patients="1"))
    assert [problem.path for problem in early_stoppers.problems(bad)] == [
        "spec.earlyStopping.algorithmSettings[0].value",
        "spec.earlyStopping.algorithmSettings[1].name",
    ]
    assert [problem.path for problem in early_stoppers.problems(experiment(earlyStopping=stopping("never")))] == [
        "spec.maxTrialCount"
    ]
    assert settings_problems("never") == []


def test_one_of_another_package_is_found_by_its_entry_point(offer, experiment):
    offer(early_stoppers.GROUP, elsewhere="suggestions.median_stop:MedianStop")
    try:
        assert early_stoppers.summaries()["elsewhere"] == "from suggestions.median_stop:MedianStop"
        made = early_stoppers.create(experiment(earlyStopping=stopping("elsewhere", start_step="2")), 1)
        assert made.settings.start_step == 2
        assert "elsewhere" not in registry.names()
    finally:
        early_stoppers.get("medianstop").name = "medianstop"


def test_an_algorithm_is_no_early_stopper(offer, experiment):
    offer(early_stoppers.GROUP, broken="suggestions.random_search:RandomSearch")
    with pytest.raises(AlgorithmError, match=r"is no subclass of katib\.algorithm\.early_stopper\.EarlyStopper"):
        early_stoppers.get("broken")
    (problem,) = early_stoppers.problems(experiment(earlyStopping=stopping("broken")))
    assert problem.path == "spec.earlyStopping.algorithmName"
    assert "early stopper 'broken'" in problem.message
    assert len(settings_problems("broken")) == 1
    assert settings_problems("medianstop") == []


def test_crash_of_a_plug_in_names_it(drop, experiment):
    drop("never.py", NEVER)
    unlucky = experiment(earlyStopping=stopping("never", patience="13"), maxTrialCount=3)
    (problem,) = early_stoppers.problems(unlucky)
    assert problem.message == "early stopper 'never' failed to check the experiment: RuntimeError: unlucky too"
    with pytest.raises(AlgorithmError, match="early stopper 'never' cannot begin: KeyError: 'unlucky'"):
        early_stoppers.create(experiment(earlyStopping=stopping("never"), maxTrialCount=3), 13)


def test_unknown_name_is_answered_with_what_there_is_and_what_was_meant(experiment):
    (problem,) = settings_problems("medianstp")
    assert problem.path == "spec.earlyStopping.algorithmName"
    assert "asha, medianstop" in problem.message
    assert (problem.hint, problem.katib_text) == ("did you mean 'medianstop'?", "unknown algorithm name medianstp")
    with pytest.raises(InvalidInput, match="is no early stopper"):
        early_stoppers.create(experiment(earlyStopping=stopping("medianstp")), 1)
    assert [each.message for each in settings_problems("")] == ["is required"]


def test_experiment_without_early_stopping_has_nothing_wrong_and_nothing_to_make(experiment):
    assert early_stoppers.problems(experiment()) == []
    with pytest.raises(InvalidInput, match="earlyStopping"):
        early_stoppers.create(experiment(), 1)


@pytest.mark.parametrize("name", early_stoppers.names())
def test_every_early_stopper_explains_itself_and_every_setting(name):
    described = early_stoppers.describe(name)
    assert described.summary.endswith(".")
    assert all(setting.description and setting.type for setting in described.settings)
    assert issubclass(early_stoppers.get(name), EarlyStopper)


def test_listing_imports_none_of_them():
    code = """
        import sys
        from katib.algorithm import early_stoppers
        assert early_stoppers.summaries()["medianstop"]
        print([name for name in sys.modules if name.startswith("suggestions.") or name in {"numpy", "scipy"}])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


NAN = float("nan")


@pytest.mark.parametrize(
    ("comparison", "value", "start_step", "curve", "met"),
    [
        ("greater", "1", None, [], False),
        ("greater", "1", None, [2], True),
        ("greater", "1", 0, [2], True),
        ("greater", "1", 3, [2, 2], False),
        ("greater", "1", 3, [2, 2, 2], True),
        ("greater", "1", 3, [2, 2, 2, 2, 2], True),
        ("greater", "1", 3, [2, 2, 2, 0.5], False),
        ("greater", "1", None, [1], False),
        ("equal", "1", None, [3, 1, 2], True),
        ("less", "1", None, [3, 0, 2], True),
        ("less", "1", None, [3, NAN, 2], False),
        ("greater", "1", None, [NAN, 2], True),
        ("greater", "1", None, [NAN], False),
        ("greater", "nan", None, [2], False),
        ("greater", "high", None, [2], False),
    ],
)
def test_rule_is_met_by_the_best_value_so_far_from_its_start_step_on(comparison, value, start_step, curve, met):
    rule = EarlyStoppingRule(name="loss", value=value, comparison=comparison, start_step=start_step)
    assert is_met(rule, curve, minimize=True) is met
    turned = {"greater": "less", "less": "greater"}.get(comparison, comparison)
    mirror = value if value == "high" else str(-float(value))
    rule = EarlyStoppingRule(name="loss", value=mirror, comparison=turned, start_step=start_step)
    assert is_met(rule, [-each for each in curve], minimize=False) is met


def test_best_so_far_of_nothing_is_no_number():
    assert best_so_far([], minimize=True) != best_so_far([], minimize=True)


def test_all_rules_have_to_be_met_and_those_of_other_metrics_never_are(experiment):
    class Two(EarlyStopper, name="two"):
        given = ()

        def rules(self, history, curves):  # noqa: ARG002 - the base's signature
            return list(self.given)

    from katib.algorithm.problem import SearchProblem

    stopper = Two(SearchProblem.from_experiment(experiment(), 1), Two.Settings())
    low = EarlyStoppingRule(name="loss", value="1", comparison="greater")
    high = EarlyStoppingRule(name="loss", value="5", comparison="greater", start_step=2)
    other = EarlyStoppingRule(name="accuracy", value="0", comparison="less")
    curves = {"a": [3.0, 3.0], "b": [7.0], "c": [9.0, 7.0]}
    for given, stopped in (((), ""), ((low,), "abc"), ((low, high), "c"), ((low, other), ""), ((other,), "")):
        stopper.given = given
        assert "".join(name for name in curves if stopper.verdict(History(), curves, name)) == stopped
    stopper.given = (low, high)
    assert "7.0, greater than 1 and greater than 5 (two)" in stopper.verdict(History(), curves, "c")
