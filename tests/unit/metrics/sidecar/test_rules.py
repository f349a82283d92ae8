"""Early stopping rules as the sidecar keeps them."""

import json

import pytest

from katib.metrics.sample import Sample
from katib.metrics.sidecar.rules import StoppingRules
from katib.metrics.sidecar.settings import Rule


def rules(*some, maximize=False):
    return StoppingRules([Rule(*each) for each in some], objective="loss", maximize=maximize)


def take(made, *texts, name="loss"):
    made.take([Sample(name, text) for text in texts])
    return made.verdict()


@pytest.mark.parametrize(
    ("rule", "texts", "verdict"),
    [
        (("loss", "2", "greater", 0), ["3"], "loss was 3.0, greater than 2, at report 1"),
        (("loss", "2", "greater", 3), ["3", "3"], ""),
        (("loss", "2", "greater", 3), ["3", "3", "3"], "loss was 3.0, greater than 2, at report 3"),
        # The best value so far counts, so one that was good once is not stopped for a bad report.
        (("loss", "2", "greater", 3), ["1", "3", "3", "3"], ""),
        (("loss", "2", "less", 2), ["5", "3", "1"], "loss was 1.0, less than 2, at report 3"),
        (("loss", "2", "equal", 1), ["2.0"], "loss was 2.0, equal to 2, at report 1"),
        (("loss", "2", "greater", 1), ["nan", "word", "inf"], "loss was inf, greater than 2, at report 1"),
        (("loss", "no number", "greater", 0), ["3"], ""),
        (("loss", "2", "odd", 0), ["3"], ""),
    ],
)
def test_a_rule_of_the_objective(rule, texts, verdict):
    assert take(rules(rule), *texts) == verdict


def test_of_other_metrics_the_present_value_counts():
    assert take(rules(("acc", "2", "greater", 2)), "1", "3", name="acc") == "acc was 3.0, greater than 2, at report 2"


def test_more_is_better_where_it_is_maximised():
    assert take(rules(("loss", "2", "less", 2), maximize=True), "3", "1", "1") == ""
    assert take(rules(("loss", "2", "less", 2), maximize=True), "1", "1") != ""


def test_all_rules_have_to_be_met_each_once():
    made = rules(("loss", "2", "greater", 0), ("acc", "1", "less", 0))
    assert take(made, "3") == ""
    assert take(made, "1") == ""
    assert (
        take(made, "0.5", name="acc")
        == "loss was 3.0, greater than 2, at report 1; acc was 0.5, less than 1, at report 1"
    )


def test_without_rules_there_is_no_verdict():
    assert take(rules(), "3") == ""
    assert rules().checkpoint() == {}


def test_they_go_on_where_a_checkpoint_was():
    first = rules(("loss", "2", "greater", 3))
    take(first, "inf", "3")
    second = rules(("loss", "2", "greater", 3))
    second.restore(json.loads(json.dumps(first.checkpoint())))
    assert take(second, "9") == "loss was 3.0, greater than 2, at report 3"


def test_a_checkpoint_of_other_rules_is_none():
    made = rules(("loss", "2", "greater", 1))
    made.restore({"best": 5, "counts": [1, 2], "met": ["a", "b"]})
    assert take(made, "3") == "loss was 3.0, greater than 2, at report 1"
