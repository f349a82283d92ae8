"""What stands in the columns of ``kubectl get``."""

import pytest

from katib.api.base import KeyValue
from katib.api.column_values import objective_text, parameters_text
from katib.api.experiment import Metric, MetricStrategy, ObjectiveSpec, Observation

LOSS = Metric(name="loss", min="0.25", max="1", latest="0.5")


def objective(type_="minimize", strategy=None):
    strategies = [MetricStrategy(name="loss", value=strategy)] if strategy else None
    return ObjectiveSpec(type=type_, objective_metric_name="loss", metric_strategies=strategies)


@pytest.mark.parametrize(
    ("type_", "strategy", "wanted"),
    [
        ("minimize", None, "0.25"),
        ("maximize", None, "1"),
        ("minimize", "latest", "0.5"),
        ("minimize", "max", "1"),
    ],
)
def test_value_is_the_one_that_counts(type_, strategy, wanted):
    observation = Observation(metrics=[Metric(name="other", latest="9"), LOSS])
    assert objective_text(objective(type_, strategy), observation) == wanted


def test_report_that_is_no_number_is_shown_as_it_is():
    metric = Metric(name="loss", min="unavailable", max="unavailable", latest="Genotype(\n  normal=[])")
    assert objective_text(objective(), Observation(metrics=[metric])) == "Genotype( normal=[])"


def test_nothing_is_shown_where_there_is_nothing():
    assert objective_text(None, Observation(metrics=[LOSS])) is None
    assert objective_text(objective(), None) is None
    assert objective_text(objective(), Observation()) is None
    assert parameters_text([]) is None


def test_point_is_one_line_that_a_table_has_room_for():
    point = [KeyValue(name="lr", value="0.01"), KeyValue(name="architecture", value="[[1],\n [2]]")]
    assert parameters_text(point) == "lr=0.01 architecture=[[1], [2]]"
    assert len(parameters_text([KeyValue(name="x", value="y" * 5000)])) == 200
