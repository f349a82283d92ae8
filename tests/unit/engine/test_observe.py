"""Observations: their order, the value a strategy picks, and what is no number."""

import math
from dataclasses import dataclass

import pytest

from katib.api.experiment import Metric, Observation
from katib.engine.observe import is_feasible, is_measured, metric_value, objective_values, observation_from


@dataclass
class Summary:
    min: str
    max: str
    latest: str


def seen(*, least="0.1", most="0.9", latest="0.5"):
    return Observation(metrics=[Metric(name="loss", min=least, max=most, latest=latest)])


def spec_of(bench, **objective):
    return bench.make_experiment(objective=objective).spec


def test_the_objective_first_then_the_others_as_stated(bench):  # Q11
    spec = bench.make_experiment(
        objective={
            "additionalMetricNames": ["z", "a", "m"],
            "bounds": [{"metricName": "size", "max": 1}],
        },
        objectives=[{"type": "maximize", "objectiveMetricName": "speed"}],
    ).spec
    names = ["size", "m", "unknown", "speed", "a", "loss", "z"]
    observation = observation_from({name: Summary("1", "2", "3") for name in names}, spec)
    assert [metric.name for metric in observation.metrics] == ["loss", "z", "a", "m", "speed", "size"]
    assert observation.metrics[0] == Metric(name="loss", min="1", max="2", latest="3")


def test_what_was_never_reported_is_absent(bench):
    observation = observation_from({"a": Summary("1", "1", "1")}, spec_of(bench, additionalMetricNames=["a"]))
    assert [metric.name for metric in observation.metrics] == ["a"]


def test_an_extreme_that_does_not_exist_has_katibs_word(bench):
    (metric,) = observation_from({"loss": Summary("", "", "genotype")}, spec_of(bench)).metrics
    assert (metric.min, metric.max, metric.latest) == ("unavailable", "unavailable", "genotype")
    (metric,) = observation_from({"loss": Summary("", "", "")}, spec_of(bench)).metrics
    assert metric.latest == "unavailable"


@pytest.mark.parametrize(("strategy", "value"), [("min", 0.1), ("max", 0.9), ("latest", 0.5)])
def test_strategies(bench, strategy, value):
    spec = spec_of(bench, metricStrategies=[{"name": "loss", "value": strategy}])
    assert metric_value(seen(), "loss", spec) == value
    assert objective_values(seen(), spec) == (value,)


@pytest.mark.parametrize(("kind", "value"), [("minimize", 0.1), ("maximize", 0.9)])
def test_the_default_strategy_follows_the_objective(bench, kind, value):
    assert objective_values(seen(), spec_of(bench, type=kind)) == (value,)


def test_nan_infinity_unavailable_and_words_are_distinct(bench):
    spec = spec_of(bench, metricStrategies=[{"name": "loss", "value": "latest"}])
    assert math.isnan(metric_value(seen(latest="nan"), "loss", spec))
    assert metric_value(seen(latest="inf"), "loss", spec) == math.inf
    assert metric_value(seen(latest="-Infinity"), "loss", spec) == -math.inf
    assert metric_value(seen(latest="unavailable"), "loss", spec) is None
    assert metric_value(seen(latest="genotype"), "loss", spec) is None
    assert metric_value(seen(), "other", spec) is None
    assert metric_value(None, "loss", spec) is None


def test_a_series_of_nothing_but_nan_is_nan(bench):
    series = seen(least="unavailable", most="unavailable", latest="nan")
    (value,) = objective_values(series, spec_of(bench))
    assert math.isnan(value)


def test_several_objectives_have_a_value_each_or_none(bench):
    spec = bench.make_experiment(objectives=[{"type": "maximize", "objectiveMetricName": "speed"}]).spec
    assert objective_values(bench.observation(loss=1, speed=2), spec) == (1.0, 2.0)
    assert objective_values(bench.observation(loss=1), spec) is None
    assert objective_values(bench.observation(loss=1, speed="word"), spec) is None


@pytest.mark.parametrize(
    ("latest", "measured"), [("1", True), ("nan", True), ("genotype", True), ("unavailable", False)]
)
def test_measured(bench, latest, measured):
    assert is_measured(seen(latest=latest), spec_of(bench)) is measured


def test_not_measured_without_every_objective(bench):
    spec = bench.make_experiment(objectives=[{"type": "maximize", "objectiveMetricName": "speed"}]).spec
    assert not is_measured(None, spec)
    assert not is_measured(Observation(), spec)
    assert not is_measured(bench.observation(loss=1), spec)
    assert is_measured(bench.observation(loss=1, speed=1), spec)


@pytest.mark.parametrize(
    ("size", "feasible"), [(1, True), (2, True), (0.9, False), (2.1, False), ("nan", False), ("word", False)]
)
def test_feasible(bench, size, feasible):
    spec = spec_of(bench, bounds=[{"metricName": "size", "min": 1, "max": 2}])
    assert is_feasible(bench.observation(loss=1, size=size), spec) is feasible


def test_a_bound_of_one_side_and_a_bounded_metric_that_is_missing(bench):
    spec = spec_of(bench, bounds=[{"metricName": "size", "max": 2}])
    assert is_feasible(bench.observation(size="-inf"), spec)
    assert not is_feasible(bench.observation(loss=1), spec)
    assert is_feasible(None, spec_of(bench))
