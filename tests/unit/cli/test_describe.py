"""``describe``: everything there is to know, and nothing that is not."""

from datetime import timedelta

import pytest

from katib.api.base import Condition
from katib.api.experiment import ExperimentStatus
from katib.cli.describe_experiment import experiment_lines
from katib.cli.describe_text import condition_section, event_section, fields, section
from katib.cli.describe_trial import trial_lines
from katib.cli.run_summary import command_of, count_line, outcomes
from katib.engine.ledger import Ledger
from katib.engine.status import Ending, status_of
from katib.local.home import Home
from katib.store.protocol import Event


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def test_fields_are_aligned_and_go_on_below_themselves():
    assert fields([("Name", "a"), ("Longer name", "one\ntwo"), ("Empty", ""), ("None", None), ("Zero", 0)]) == [
        "Name:         a",
        "Longer name:  one",
        "              two",
        "Zero:         0",
    ]


def test_section_without_rows_is_nothing():
    assert section("Metrics", ["A"], []) == []
    assert section("Metrics", ["A"], [["1"]]) == ["Metrics:", "  A", "  1"]


def test_conditions_and_events_tell_how_long_ago(specimens):
    at = specimens.now + timedelta(minutes=5)
    conditions = [Condition(type="Running", status="True", reason="R", message="m", last_transition_time=specimens.now)]
    assert condition_section(conditions, at)[2].split() == ["Running", "True", "R", "5m", "m"]
    event = Event("Lost", "gone\ntraceback", "Warning", "exp-a", 3, specimens.now, at - timedelta(seconds=10))
    assert event_section([event], at)[2].split() == ["Warning", "Lost", "10s", "(x3)", "exp-a", "gone"]
    assert event_section([], at) == ["Events:  <none>"]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({}, "no trials"),
        ({"trials": 1, "trials_succeeded": 1}, "1 trial: 1 succeeded"),
        (
            {
                "trials": 5,
                "trials_succeeded": 2,
                "trials_failed": 1,
                "trial_metrics_unavailable": 1,
                "trials_running": 1,
            },
            "5 trials: 2 succeeded, 1 failed, 1 without metrics, 1 running",
        ),
    ],
)
def test_counts_are_a_sentence(counts, said):
    assert count_line(ExperimentStatus(**counts)) == said
    assert outcomes(ExperimentStatus(**counts)) == said.partition(": ")[2]


def test_commands_to_type_are_quoted_and_name_the_namespace():
    assert command_of("resume", "exp", "default") == "katib resume exp"
    assert command_of("resume", "exp", None) == "katib resume exp"
    assert command_of("logs", "exp", "team") == "katib logs exp -n team"
    assert command_of("logs", "a b; rm", "default") == "katib logs 'a b; rm'"


def test_experiment(store, stored, specimens, home):
    experiment = stored(parameters=specimens.experiment().to_document()["spec"]["parameters"])
    records = [specimens.trial(0, loss="0.5"), specimens.trial(1, "Failed", message="exit code 3")]
    store.record_trials(experiment.metadata.uid, records)
    store.record_event(experiment.metadata.uid, "TrialFailed", "exit code 3", kind="Warning", trial=records[1].name)
    ending = Ending("Failed", "ExperimentMaxFailedTrialsReached", "too many failures")
    status = status_of(experiment, Ledger.from_records(experiment, records), specimens.now, ending)
    lines = experiment_lines(home, store, experiment.model_copy(update={"status": status}))
    text = "\n".join(lines)
    assert "Status:         Failed: too many failures" in text
    assert "Trials:         1 succeeded, 1 failed" in text
    assert "Objective:      minimize loss" in text
    assert "  x      double   0 to 1" in text
    assert f"Best trial {records[0].name}:" in text
    assert "exit code 3" in text.split("Events:")[1]


def test_experiment_without_a_process_says_what_to_type(store, stored, home):
    running = ExperimentStatus(conditions=[Condition(type="Running", status="True", message="Experiment is running")])
    lines = experiment_lines(home, store, stored().model_copy(update={"status": running}))
    assert any("Interrupted" in line and "katib resume exp" in line for line in lines)
    assert not any("Best trial" in line for line in lines)
    assert any(line.split() == ["Trials:", "none"] for line in lines)


def test_conditional_parameters_say_when_they_count(store, stored, home):
    parameters = [
        {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
        {
            "name": "depth",
            "parameterType": "int",
            "feasibleSpace": {"min": "1", "max": "9", "step": "2"},
            "condition": {"parameter": "kind", "in": ["b"]},
        },
    ]
    text = "\n".join(experiment_lines(home, store, stored(parameters=parameters)))
    assert "ONLY WHERE" in text
    assert "1 to 9 by 2" in text
    assert "kind in b" in text


def test_trial_says_how_it_ended_and_what_it_measured(store, stored, specimens, home):
    message = "the container main ended with exit code 3\nlast lines:\n\x1b[31mboom\x1b[2J"
    experiment = stored(specimens.trial(0, "Failed", message=message, observation=specimens.observation(loss="0.5")))
    record = store.trial(experiment.metadata.uid, specimens.trial(0).name)
    text = "\n".join(trial_lines(home, store, experiment, record))
    assert "Status:      Failed" in text
    assert "exit code 3" in text
    assert text.count("boom\\x1b[2J") == 1
    assert "\x1b" not in text
    assert "Time:        1m30s" in text
    assert "  x      0.0" in text
    assert "  loss   0.5" in text


def test_trial_that_has_not_started_has_no_times_and_no_output(store, stored, specimens, home):
    experiment = stored(specimens.trial(0, "Created"))
    text = "\n".join(trial_lines(home, store, experiment, specimens.trial(0, "Created")))
    for absent in ("Started:", "Finished:", "Time:", "Output:", "Metrics:", "Attempt:"):
        assert absent not in text
