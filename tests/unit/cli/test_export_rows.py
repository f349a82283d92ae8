"""Trials as rows for spreadsheets and programs."""

import csv
import io
import json

import pytest

from katib.cli.export_rows import columns, series_columns, series_rows, trial_rows, write_csv, write_json

HOSTILE = 'a,"quoted"\nnext line\x1b[2J =1+1'
PARAMETERS = [
    {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
    {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
    {
        "name": "depth",
        "parameterType": "int",
        "feasibleSpace": {"min": "1", "max": "3"},
        "condition": {"parameter": "kind", "in": ["b"]},
    },
]


class Reported:
    """A value of a metric, as a collector hands it over."""

    def __init__(self, name, text, time=None, step=None):
        self.name, self.text, self.time, self.step = name, text, time, step


@pytest.fixture
def exported(store):
    """Write an experiment in both forms and return the rows that are read back."""

    def exported(experiment, rows=trial_rows, heading=None):
        heading = heading or columns(experiment)
        texts = []
        for write in (write_csv, write_json):
            file = io.StringIO()
            write(file, heading, rows(store, experiment))
            texts.append(file.getvalue())
        return list(csv.DictReader(io.StringIO(texts[0], newline=""))), json.loads(texts[1])

    return exported


def test_every_trial_is_a_row_with_its_parameters_metrics_and_times(stored, exported, specimens):
    experiment = stored(specimens.trial(0, observation=specimens.observation(loss=("0.1", "0.9", "0.5"))))
    (row,), (document,) = exported(experiment)
    expected = {
        "trial": "exp-t0000000",
        "index": 0,
        "state": "Succeeded",
        "reason": "TrialSucceeded",
        "created": "2026-05-01T12:00:00.000000Z",
        "started": "2026-05-01T12:00:00.000000Z",
        "finished": "2026-05-01T12:01:30.000000Z",
        "seconds": 90.0,
        "parameters.x": "0.0",
        "metrics.loss": "0.1",
        "metrics.loss.min": "0.1",
        "metrics.loss.max": "0.9",
        "metrics.loss.latest": "0.5",
    }
    assert document == expected
    assert row == {name: str(value) for name, value in expected.items()}


def test_values_come_back_as_they_were_whatever_is_in_them(stored, exported, specimens):
    record = specimens.trial(0, assignments=(("x", HOSTILE),), observation=specimens.observation(loss=HOSTILE))
    (row,), (document,) = exported(stored(record))
    for read in (row, document):
        assert read["parameters.x"] == HOSTILE
        assert read["metrics.loss.latest"] == HOSTILE


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "unavailable", "1e-400"])
def test_what_is_no_ordinary_number_stays_distinct(stored, exported, specimens, text):
    (row,), (document,) = exported(
        stored(specimens.trial(0, observation=specimens.observation(loss=(None, None, text))))
    )
    assert row["metrics.loss.latest"] == document["metrics.loss.latest"] == text
    assert row["metrics.loss.min"] == ""
    assert "metrics.loss.min" not in document


def test_running_trial_is_exported_with_what_it_reported_so_far(store, stored, exported, specimens):
    experiment = stored(specimens.trial(0, "Running"), specimens.trial(1, "Created"))
    name = specimens.trial(0).name
    store.append_observations(
        experiment.metadata.uid, name, [Reported("loss", "3"), Reported("loss", "2")], first_sequence=0
    )
    rows, documents = exported(experiment)
    assert [row["state"] for row in rows] == ["Running", "Created"]
    assert rows[0]["metrics.loss.latest"] == documents[0]["metrics.loss.latest"] == "2"
    assert (rows[0]["finished"], rows[0]["seconds"]) == ("", "")
    assert "finished" not in documents[0]
    assert rows[1]["metrics.loss"] == ""


def test_parameter_that_is_not_active_is_empty_or_absent(stored, exported, specimens):
    record = specimens.trial(0, loss="1", assignments=(("x", "0.5"), ("kind", "a")))
    (row,), (document,) = exported(stored(record, parameters=PARAMETERS))
    assert row["parameters.depth"] == ""
    assert "parameters.depth" not in document
    assert document["parameters.kind"] == "a"


def test_no_trials_are_a_heading_or_an_empty_array(stored, exported):
    assert exported(stored()) == ([], [])


def test_series_has_every_report(store, stored, exported, specimens):
    experiment = stored(specimens.trial(0, "Running"))
    name = specimens.trial(0).name
    reports = [Reported("loss", "3", specimens.now, 1), Reported("loss", "nan"), Reported("accuracy", "0.5", None, 2)]
    store.append_observations(experiment.metadata.uid, name, reports, first_sequence=0)
    rows, documents = exported(experiment, series_rows, series_columns())
    assert [(row["sequence"], row["metric"], row["value"]) for row in rows] == [
        ("0", "loss", "3"),
        ("1", "loss", "nan"),
        ("2", "accuracy", "0.5"),
    ]
    assert documents[0]["time"] == "2026-05-01T12:00:00.000000Z"
    assert "time" not in documents[1]
    assert (documents[0]["step"], documents[2]["step"]) == (1, 2)
