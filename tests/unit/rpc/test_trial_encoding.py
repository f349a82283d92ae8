"""What is sent of trials: to everybody what Katib's controller sends, and to our server the rest of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from katib.api.defaults import with_defaults
from katib.api.experiment import Metric, Observation
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.trial import TrialRecord
from katib.rpc import v1beta1 as wire
from katib.rpc.request_parts import TrialParts
from katib.rpc.trial_encoding import EncodedHistory, encoded_trial

BEGIN = datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
SPEC = with_defaults(
    parse_experiment(
        {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": "search"},
            "spec": {
                "objective": {
                    "type": "maximize",
                    "goal": 0.9,
                    "objectiveMetricName": "accuracy",
                    "additionalMetricNames": ["loss", "size"],
                    "metricStrategies": [{"name": "accuracy", "value": "max"}, {"name": "loss", "value": "min"}],
                    "bounds": [{"metricName": "size", "max": 10}],
                },
                "algorithm": {"algorithmName": "random"},
                "parameters": [
                    {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
                ],
            },
        }
    )
).spec


def metric(name, low, high, latest):
    return Metric(name=name, min=low, max=high, latest=latest)


RECORD = TrialRecord(
    index=7,
    name="search-bcdf2345",
    state=TrialState.SUCCEEDED,
    assignments=(("x", "0.25"),),
    created=BEGIN,
    started=BEGIN,
    finished=BEGIN + timedelta(seconds=1.5),
    observation=Observation(
        metrics=[
            metric("accuracy", "0.1", "0.8", "0.7"),
            metric("loss", "0.2", "3", "1"),
            metric("size", "1", "9", "5"),
        ]
    ),
    labels={"rung": "2"},
)


def sent(record, spec=SPEC):
    return wire.Trial.FromString(encoded_trial(record, spec))


def place(record, spec=SPEC):
    return TrialParts.FromString(encoded_trial(record, spec)).place


def in_request(joined):
    return [trial.name for trial in wire.GetSuggestionsRequest.FromString(joined).trials]


class TestAsKatibSendsIt:
    def test_every_field(self):
        found = sent(RECORD)
        assert found.name == "search-bcdf2345"
        assert [(item.name, item.value) for item in found.spec.parameter_assignments.assignments] == [("x", "0.25")]
        assert dict(found.spec.labels) == {"rung": "2"}
        objective = found.spec.objective
        assert (objective.type, objective.goal, objective.objective_metric_name) == (wire.MAXIMIZE, 0.9, "accuracy")
        assert list(objective.additional_metric_names) == ["loss", "size"]
        assert found.status.condition == wire.TrialStatus.SUCCEEDED
        assert (found.status.start_time, found.status.completion_time) == (
            "2026-03-01T12:00:00Z",
            "2026-03-01T12:00:01Z",
        )

    def test_each_metric_has_the_value_that_counts(self):
        assert [(item.name, item.value) for item in sent(RECORD).status.observation.metrics] == [
            ("accuracy", "0.8"),
            ("loss", "0.2"),
            ("size", "5"),
        ]

    @pytest.mark.parametrize(
        ("reported", "value"),
        [
            (metric("accuracy", "unavailable", "unavailable", "nan"), "nan"),
            (metric("accuracy", "unavailable", "unavailable", "Genotype(normal=[])"), "Genotype(normal=[])"),
            (metric("accuracy", None, None, None), ""),
            (metric("accuracy", "0.1", "0.30000000000000004", "0.2"), "0.30000000000000004"),
            (metric("accuracy", "\ud800", "\ud800", "\ud800"), "?"),
        ],
    )
    def test_values_that_are_no_numbers_are_sent_as_they_are(self, reported, value):
        found = sent(replace(RECORD, observation=Observation(metrics=[reported, reported])))
        assert [item.value for item in found.status.observation.metrics] == [value]

    def test_times_that_have_not_come_are_kubernetes_zero_time(self):
        found = sent(replace(RECORD, state=TrialState.CREATED, started=None, finished=None, observation=None))
        assert found.status.start_time == found.status.completion_time == "0001-01-01T00:00:00Z"
        assert found.status.HasField("observation")

    def test_times_are_in_utc(self):
        there = BEGIN.astimezone(timezone(timedelta(hours=5)))
        assert sent(replace(RECORD, started=there)).status.start_time == "2026-03-01T12:00:00Z"

    @pytest.mark.parametrize("state", TrialState)
    def test_every_state_has_its_condition(self, state):
        assert sent(replace(RECORD, state=state)).status.condition == getattr(
            wire.TrialStatus, state.upper().replace(" ", "")
        )


class TestWhatOnlyOursReads:
    def test_the_place_and_exact_times(self):
        found = place(RECORD)
        assert (found.index, found.started, found.seconds, found.infeasible) == (7, BEGIN.timestamp(), 1.5, False)

    def test_what_has_not_come_is_absent(self):
        found = place(replace(RECORD, started=None, finished=None))
        assert not found.HasField("started")
        assert not found.HasField("seconds")

    def test_a_bound_that_was_broken(self):
        heavy = Observation(metrics=[metric("accuracy", "1", "1", "1"), metric("size", "1", "90", "50")])
        assert place(replace(RECORD, observation=heavy)).infeasible
        assert not place(replace(RECORD, observation=None)).infeasible


class TestHistory:
    def test_a_request_has_all_trials_each_as_it_is_now(self):
        history = EncodedHistory()
        records = [replace(RECORD, index=index, name=f"t{index}") for index in range(300)]
        for record in records:
            history.record(replace(record, state=TrialState.RUNNING, observation=None))
        assert len(history) == 300
        history.joined(SPEC, extended=True)
        for record in records[::3]:
            history.record(record)
        joined = history.joined(SPEC, extended=True)
        found = wire.GetSuggestionsRequest.FromString(joined).trials
        assert [trial.name for trial in found] == [record.name for record in records]
        assert [trial.status.condition == wire.TrialStatus.SUCCEEDED for trial in found] == [
            index % 3 == 0 for index in range(300)
        ]
        assert len(history) == 300
        assert "t299" in history
        assert "t300" not in history
        assert history.joined(SPEC, extended=True) == joined

    def test_what_katibs_controller_keeps_back_is_sent_to_ours_only(self):
        history = EncodedHistory()
        unmeasured = Observation(metrics=[metric("loss", "1", "1", "1")])
        for name, state, observation in (
            ("succeeded", TrialState.SUCCEEDED, RECORD.observation),
            ("unavailable", TrialState.METRICS_UNAVAILABLE, None),
            ("stopped", TrialState.EARLY_STOPPED, RECORD.observation),
            ("stopped-at-once", TrialState.EARLY_STOPPED, None),
            ("stopped-too-soon", TrialState.EARLY_STOPPED, unmeasured),
            ("failed", TrialState.FAILED, None),
            ("killed", TrialState.KILLED, None),
        ):
            history.record(replace(RECORD, name=name, state=state, observation=observation))
        assert set(in_request(history.joined(SPEC, extended=False))) == {"succeeded", "stopped", "failed", "killed"}
        assert len(in_request(history.joined(SPEC, extended=True))) == len(history) == 7

    def test_a_trial_that_runs_again_is_sent_once(self):
        history = EncodedHistory()
        for state in (TrialState.METRICS_UNAVAILABLE, TrialState.RUNNING, TrialState.METRICS_UNAVAILABLE):
            history.record(replace(RECORD, state=state))
            assert in_request(history.joined(SPEC, extended=True)) == [RECORD.name]
        assert in_request(history.joined(SPEC, extended=False)) == []

    def test_one_that_is_forgotten_is_gone(self):
        history = EncodedHistory()
        history.record(RECORD)
        history.forget(RECORD.name)
        assert history.joined(SPEC, extended=True) == b""
        history.record(RECORD)
        history.joined(SPEC, extended=True)
        history.forget(RECORD.name)
        history.forget("never heard of")
        assert (len(history), history.joined(SPEC, extended=True)) == (0, b"")

    @pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16_000, 16_384, 3 << 20])
    def test_trials_of_every_size(self, size):
        history = EncodedHistory()
        history.record(replace(RECORD, assignments=(("x", "y" * size),)))
        history.record(replace(RECORD, name="next"))
        found = wire.GetSuggestionsRequest.FromString(history.joined(SPEC, extended=True)).trials
        assert [len(trial.spec.parameter_assignments.assignments[0].value) for trial in found] == [size, 4]
