"""Experiments, trials and what belongs to them go over the wire and come back as they were."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from katib.api.base import Condition, KeyValue, ObjectMeta
from katib.api.experiment import Experiment, ExperimentStatus, Metric, Observation, OptimalTrial
from katib.api.parse import parse_experiment
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.trial import TrialRecord
from katib.errors import RemoteFault
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_messages import (
    event_message,
    experiment_message,
    is_over,
    kinds_of,
    measured_message,
    trial_message,
)
from katib.rpc.experiments_records import event_of, experiment_of_message, observed_of, trial_of_message
from katib.store.protocol import Event, Observed

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)
KINDS = {"x": "double", "layers": "int", "batch": "discrete", "optimizer": "categorical"}


def sent(message):
    """What the other side reads."""
    return type(message).FromString(message.SerializeToString())


def an_experiment(**status):
    document = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "search", "uid": "u1", "namespace": "team-a", "resourceVersion": "7", "finalizers": ["f"]},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "maxTrialCount": 5,
            "parallelTrialCount": 2,
            "parameters": [
                {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
                {"name": "layers", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "5"}},
            ],
        },
    }
    experiment = parse_experiment(document)
    experiment.metadata.creation_timestamp = NOON
    return experiment.model_copy(update={"status": ExperimentStatus(**status)}) if status else experiment


TRIAL = TrialRecord(
    index=3,
    name="search-b2c4d6f8",
    state=TrialState.RUNNING,
    assignments=(("x", "0.10"), ("layers", "3"), ("batch", "32"), ("optimizer", "7")),
    created=NOON,
)


class TestTrials:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            *({"state": state} for state in TrialState),
            {"stopping": TrialState.EARLY_STOPPED, "reason": "TrialEarlyStopped", "message": "worse\nthan others"},
            {"stopping": TrialState.KILLED},
            {"started": NOON + timedelta(seconds=1), "finished": NOON + timedelta(days=400), "attempt": 3},
            {"imported": True, "labels": {"rung": "1", "": "x"}},
            {"observation": Observation(metrics=[])},
            {
                "observation": Observation(
                    metrics=[
                        Metric(name="loss", min="0.10", max="1e3", latest="nan"),
                        Metric(name="word", latest="unavailable"),
                        Metric(name="empty", min="", max=None, latest=""),
                    ]
                )
            },
            {
                "rules": (
                    EarlyStoppingRule(name="loss", value="0.5", comparison="less", start_step=4),
                    EarlyStoppingRule(name="loss", value="1", comparison="equal"),
                    EarlyStoppingRule(name="loss", value="2", comparison="greater", start_step=0),
                )
            },
            {"assignments": ()},
        ],
    )
    def test_nothing_is_lost(self, fields):
        record = replace(TRIAL, **fields)
        assert trial_of_message(sent(trial_message("search", record, KINDS))) == record

    def test_values_have_their_types(self):
        message = trial_message("search", TRIAL, KINDS)
        found = {each.name: (each.WhichOneof("value"), each.text) for each in message.assignments}
        assert found == {
            "x": ("number", "0.10"),
            "layers": ("integer", "3"),
            "batch": ("number", "32"),
            "optimizer": ("category", "7"),
        }
        assert [each.number for each in message.assignments][::2] == [0.1, 32.0]
        assert message.assignments[1].integer == 3

    def test_what_is_no_value_of_its_type_is_text_alone(self):
        record = replace(TRIAL, assignments=(("x", "much"), ("layers", "1e300"), ("unknown", "1")))
        message = trial_message("search", record, KINDS)
        assert [each.WhichOneof("value") for each in message.assignments] == [None, None, None]
        assert trial_of_message(message) == record

    def test_halves_of_characters_are_sent_as_they_can_be(self):
        metrics = [Metric(name="loss", latest="\ud800")]
        record = replace(TRIAL, message="said \ud83d", labels={"a": "\udfff"}, observation=Observation(metrics=metrics))
        found = trial_of_message(sent(trial_message("search", record, KINDS)))
        assert found.message == "said \\ud83d"
        assert found.labels == {"a": "\\udfff"}
        assert found.observation.metrics[0].latest == "\\ud800"

    def test_a_state_of_another_version_is_a_fault_of_the_server(self):
        message = trial_message("search", TRIAL, KINDS)
        message.state = 99
        with pytest.raises(RemoteFault, match="99"):
            trial_of_message(message)


class TestExperiments:
    @pytest.mark.parametrize(
        "status",
        [
            {},
            {"trials": 3, "trials_running": 1, "trials_succeeded": 2, "start_time": NOON},
            {"conditions": [Condition(type="Running", reason="R", message="m", last_update_time=NOON)]},
            {
                "conditions": [Condition(type="Running", status="False"), Condition(type="Succeeded")],
                "completion_time": NOON,
                "current_optimal_trial": OptimalTrial(
                    best_trial_name="search-1",
                    parameter_assignments=[KeyValue(name="x", value="0.5"), KeyValue(name="layers", value="2")],
                    observation=Observation(metrics=[Metric(name="loss", min="0.1", max="0.2", latest="0.1")]),
                ),
                "pareto_optimal_trials": [OptimalTrial(best_trial_name="search-1")],
            },
        ],
    )
    def test_nothing_is_lost(self, status):
        experiment = an_experiment(**status)
        assert experiment_of_message(sent(experiment_message(experiment))) == experiment

    def test_what_other_programs_need_is_in_fields(self):
        experiment = an_experiment(
            conditions=[Condition(type="Created"), Condition(type="Failed", reason="TooMany", message="3 failed")],
            trials_failed=3,
            trials_pending=1,
            current_optimal_trial=OptimalTrial(
                best_trial_name="search-1", parameter_assignments=[KeyValue(name="layers", value="2")]
            ),
        )
        message = experiment_message(experiment)
        assert (message.namespace, message.name, message.uid) == ("team-a", "search", "u1")
        assert (message.state, message.reason, message.message) == (wire.FAILED, "TooMany", "3 failed")
        assert (message.counts.failed, message.counts.created) == (3, 1)
        assert (message.max_trial_count, message.parallel_trial_count, message.algorithm) == (5, 2, "random")
        assert not message.HasField("max_failed_trial_count")
        assert message.run_by_callers
        assert message.best.name == "search-1"
        assert message.best.assignments[0].integer == 2
        assert message.create_time.ToDatetime(UTC) == NOON
        assert json.loads(message.resource_json)["metadata"]["finalizers"] == ["f"]
        assert is_over(experiment)
        assert kinds_of(experiment) == {"x": "double", "layers": "int"}

    def test_one_that_was_only_just_made(self):
        message = experiment_message(an_experiment())
        assert message.state == wire.CREATED
        assert not message.HasField("best")
        assert not is_over(an_experiment())

    def test_what_is_none_is_a_fault_of_the_server(self):
        for text in ("", "{}", "[", '{"metadata": {}, "spec": {"colour": 1}}'):
            with pytest.raises(RemoteFault, match="another version"):
                experiment_of_message(wire.Experiment(resource_json=text))


def test_events():
    for event in (
        Event("TrialFailed", "out of luck", "Warning", "search-1", 3, NOON, NOON + timedelta(hours=1)),
        Event("Created", "", "Normal", None, 1, NOON, NOON),
    ):
        assert event_of(sent(event_message(event))) == event


@pytest.mark.parametrize(
    "observed",
    [
        Observed(0, "loss", "0.50", 0.5, NOON, 3),
        Observed(2**40, "loss", "unavailable", None, None, None),
        Observed(1, "loss", "inf", float("inf"), None, -(2**62)),
    ],
)
def test_measurements(observed):
    assert observed_of(sent(measured_message(observed))) == observed


def test_an_experiment_without_a_name_or_times():
    experiment = Experiment(metadata=ObjectMeta(), spec=an_experiment().spec)
    message = experiment_message(experiment)
    assert not message.HasField("create_time")
    assert experiment_of_message(message) == experiment
