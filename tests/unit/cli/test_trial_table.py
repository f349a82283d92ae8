"""One line for each trial."""

from datetime import timedelta

import pytest

from katib.api.trial import TrialState
from katib.cli.trial_table import TrialTable, state_of_trial

CONDITIONAL = [
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
    {
        "name": "depth",
        "parameterType": "int",
        "feasibleSpace": {"min": "1", "max": "3"},
        "condition": {"parameter": "kind", "in": ["b"]},
    },
]


@pytest.fixture
def row(specimens):
    """Return the cells of a trial by their headings, ten minutes after it was created."""

    def row(record, *, wide=False, latest=None, **spec):
        table = TrialTable(specimens.experiment(**spec), wide=wide)
        cells = table.row(record, specimens.now + timedelta(minutes=10), latest=latest)
        assert len(cells) == len(table.heading)
        return dict(zip(table.heading, cells, strict=True))

    return row


def test_ended_trial(row, specimens):
    assert row(specimens.trial(1, loss="0.25")) == {
        "NAME": "exp-t0000001",
        "STATUS": "Succeeded",
        "loss": "0.25",
        "x": "0.1",
        "TIME": "1m30s",
        "AGE": "10m",
    }


def test_running_trial_shows_what_it_reported_so_far(row, specimens):
    cells = row(specimens.trial(0, "Running"), latest={"loss": "0.75"})
    assert (cells["STATUS"], cells["loss"], cells["TIME"]) == ("Running", "0.75", "10m")


def test_created_trial_has_no_time(row, specimens):
    assert row(specimens.trial(0, "Created"))["TIME"] == ""


def test_trial_that_was_told_to_end_is_stopping(specimens):
    assert state_of_trial(specimens.trial(0, "Running", stopping=TrialState.KILLED)) == "Stopping"
    assert state_of_trial(specimens.trial(0, "Killed", stopping=TrialState.KILLED)) == "Killed"


def test_parameter_that_is_not_active_has_no_value(row, specimens):
    record = specimens.trial(0, loss="1", assignments=(("kind", "a"),))
    cells = row(record, parameters=CONDITIONAL)
    assert (cells["kind"], cells["depth"]) == ("a", "")


def test_wide_adds_metrics_index_and_reason(row, specimens):
    record = specimens.trial(7, observation=specimens.observation(loss="1", seconds="30"))
    cells = row(record, wide=True, objective={"additionalMetricNames": ["seconds"]})
    assert (cells["seconds"], cells["INDEX"], cells["REASON"]) == ("30", "7", "TrialSucceeded")


def test_passing_columns_are_those_of_time(specimens):
    table = TrialTable(specimens.experiment(parameters=CONDITIONAL), wide=True)
    assert {table.heading[column] for column in table.passing} == {"TIME", "AGE"}
