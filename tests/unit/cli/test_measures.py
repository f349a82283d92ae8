"""The value of a metric that counts, and numbers short enough for a table."""

import pytest

from katib.cli.measures import Measures, short_number


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.1", "0.1"),
        ("0.10", "0.10"),
        ("0.123456789", "0.123457"),
        ("-0.000000123456789", "-1.23457e-07"),
        ("12345678901", "12345678901"),
        ("100", "100"),
        ("1e-300000000", "0"),
        ("1.5e+3000000", "inf"),
        ("123456789E3", "1.23457e+11"),
        ("nan", "nan"),
        ("-inf", "-inf"),
        ("unavailable", "unavailable"),
        ("", ""),
        ("adam", "adam"),
        ("2024_01_02", "2024_01_02"),
    ],
)
def test_short_numbers(text, shown):
    assert short_number(text) == shown


@pytest.mark.parametrize(("strategy", "value"), [("min", "0.1"), ("max", "0.9"), ("latest", "0.5")])
def test_strategy_of_the_metric_chooses_the_value(specimens, strategy, value):
    experiment = specimens.experiment(objective={"metricStrategies": [{"name": "loss", "value": strategy}]})
    measured = Measures(experiment.spec).values(specimens.observation(loss=("0.1", "0.9", "0.5")))
    assert measured == {"loss": value}


def test_word_counts_where_no_report_was_a_number(specimens):
    measures = Measures(specimens.experiment().spec)
    assert measures.values(specimens.observation(loss=("unavailable", "unavailable", "diverged"))) == {
        "loss": "diverged"
    }
    assert measures.values(specimens.observation(loss=(None, None, "nan"))) == {"loss": "nan"}


def test_nothing_was_measured(specimens):
    assert Measures(specimens.experiment().spec).values(None) == {}


def test_names_begin_with_the_objectives(specimens):
    spec = specimens.experiment(
        objective={"additionalMetricNames": ["seconds"]},
        objectives=[{"type": "maximize", "objectiveMetricName": "recall"}],
    ).spec
    measures = Measures(spec)
    assert measures.objectives == ("loss", "recall")
    assert set(measures.names) == {"loss", "recall", "seconds"}
