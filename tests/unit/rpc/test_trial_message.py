import math
from datetime import UTC, datetime

import pytest

from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.rpc import v1beta1 as wire
from katib.rpc.experiment_message import experiment_of
from katib.rpc.trial_message import decode_trial
from katib.space.space import Space

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


@pytest.fixture
def space(experiment):
    return Space.from_spec(experiment_of(experiment).spec)


@pytest.fixture
def trial():
    """A sound trial that has succeeded, to be changed by a test."""
    message = wire.Trial(name="t1")
    for name, value in (("x", "0.25"), ("n", "3"), ("c", "b")):
        message.spec.parameter_assignments.assignments.add(name=name, value=value)
    message.status.condition = wire.TrialStatus.SUCCEEDED
    message.status.start_time = "2026-03-01T12:00:00Z"
    message.status.observation.metrics.add(name="loss", value="0.5")
    return message


def decode(message, space, objectives=("loss",), labels_from_name=lambda _: {}):
    return decode_trial(message.SerializeToString(), space, objectives, labels_from_name)


def test_everything_is_there(trial, space):
    trial.spec.labels["generation"] = "4"
    decoded = decode(trial, space)
    past = decoded.past
    assert (decoded.name, decoded.order, decoded.ignored) == ("t1", (NOON, "t1"), "")
    assert dict(past.point) == {"x": 0.25, "n": 3, "c": "b"}
    assert (past.name, past.state, past.values, past.started) == ("t1", TrialState.SUCCEEDED, (0.5,), NOON)
    assert past.labels == {"generation": "4"}


@pytest.mark.parametrize(
    ("number", "state"),
    [
        (wire.TrialStatus.CREATED, TrialState.CREATED),
        (wire.TrialStatus.RUNNING, TrialState.RUNNING),
        (wire.TrialStatus.SUCCEEDED, TrialState.SUCCEEDED),
        (wire.TrialStatus.KILLED, TrialState.KILLED),
        (wire.TrialStatus.FAILED, TrialState.FAILED),
        (wire.TrialStatus.METRICSUNAVAILABLE, TrialState.METRICS_UNAVAILABLE),
        (wire.TrialStatus.EARLYSTOPPED, TrialState.EARLY_STOPPED),
        (wire.TrialStatus.UNKNOWN, TrialState.RUNNING),
    ],
)
def test_states(trial, space, number, state):
    trial.status.condition = number
    assert decode(trial, space).past.state is state


@pytest.mark.parametrize("number", [8, -1, 2**31 - 1])
def test_a_condition_there_is_not(trial, space, number):
    trial.status.condition = number
    with pytest.raises(InvalidInput, match="'t1'") as caught:
        decode(trial, space)
    assert caught.value.problems[0].path == "trials"


@pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00Z", "soon", "9999-99-99T00:00:00Z", "12"])
def test_times_that_are_none_come_last(trial, space, text):
    trial.status.start_time = text
    decoded = decode(trial, space)
    assert decoded.order == (math.inf, "t1")
    assert decoded.past.started is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-01T12:00:00Z", 0),
        ("2026-03-01T14:00:00+02:00", 0),
        ("2026-03-01T12:00:00.25Z", 0.25),
        ("2026-03-01T12:00:00.123456789Z", 0.123456),
    ],
)
def test_times(trial, space, text, seconds):
    trial.status.start_time = text
    assert decode(trial, space).past.started == pytest.approx(NOON + seconds, abs=1e-6)


def test_a_time_without_zone_is_utc(trial, space):
    trial.status.start_time = "2026-03-01T12:00:00"
    assert decode(trial, space).past.started == NOON


@pytest.mark.parametrize("value", ["unavailable", "", "1,5", "Genotype(normal=[])"])
def test_words_are_no_measurement(trial, space, value):
    trial.status.observation.metrics[0].value = value
    assert decode(trial, space).past.values is None


@pytest.mark.parametrize(("value", "number"), [("nan", math.nan), ("1e999", math.inf), ("-inf", -math.inf)])
def test_numbers_that_are_not_finite_are_passed_on(trial, space, value, number):
    trial.status.observation.metrics[0].value = value
    assert decode(trial, space).past.values == pytest.approx((number,), nan_ok=True)


def test_a_missing_objective_is_not_measured(trial, space):
    assert decode(trial, space, objectives=("loss", "time")).past.values is None
    del trial.status.observation.metrics[:]
    assert decode(trial, space).past.values is None


def test_several_objectives_come_in_their_order(trial, space):
    trial.status.observation.metrics.add(name="time", value="9")
    assert decode(trial, space, objectives=("time", "loss")).past.values == (9.0, 0.5)


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("x", "2"), ("n", "3"), ("c", "b")], "x"),
        ([("x", "0.5"), ("n", "3"), ("c", "z")], "c"),
        ([("x", "0.5"), ("n", "3")], "c"),
        ([("x", "0.5"), ("n", "3"), ("c", "b"), ("y", "1")], "y"),
        ([("x", "word"), ("n", "3"), ("c", "b")], "x"),
        ([], "x"),
    ],
)
def test_points_of_another_search_are_ignored_with_a_reason(trial, space, pairs, said):
    del trial.spec.parameter_assignments.assignments[:]
    for name, value in pairs:
        trial.spec.parameter_assignments.assignments.add(name=name, value=value)
    decoded = decode(trial, space)
    assert decoded.past is None
    assert said in decoded.ignored


def test_labels_that_did_not_come_back_are_told_by_the_name(trial, space):
    def from_name(name):
        return {"parent": f"of {name}"}

    assert decode(trial, space, labels_from_name=from_name).past.labels == {"parent": "of t1"}
    trial.spec.labels["parent"] = "another"
    assert decode(trial, space, labels_from_name=from_name).past.labels == {"parent": "another"}


def test_a_trial_without_name(trial, space):
    trial.name = ""
    with pytest.raises(InvalidInput, match="no name"):
        decode(trial, space)


def test_bytes_that_are_no_trial(space):
    with pytest.raises(InvalidInput, match="no protobuf message"):
        decode_trial(b"\x0a\xff", space, ["loss"], lambda _: {})
