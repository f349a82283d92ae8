"""What is written into a Trial is read back from it: an operator that begins anew knows what the last one knew."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from katib.api.defaults import with_defaults
from katib.api.experiment import Metric, Observation
from katib.api.parse import parse_experiment
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.trial import TrialRecord
from katib.operator import kinds
from katib.operator.trial_objects import compact, is_final, record_of, status_of, trial_object

BORN = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXPERIMENT = with_defaults(
    parse_experiment(
        {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Experiment",
            "metadata": {"name": "search", "namespace": "team", "uid": "u-1", "labels": {"owner": "blue"}},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "algorithm": {"algorithmName": "random"},
                "parameters": [
                    {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
                ],
                "trialTemplate": {
                    "retain": True,
                    "trialParameters": [{"name": "x", "reference": "x"}],
                    "trialSpec": {"apiVersion": "batch/v1", "kind": "Job", "spec": {}},
                },
            },
        }
    )
)
JOB = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}}}

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
WORDS = st.from_regex(r"[A-Z][A-Za-z]{0,20}", fullmatch=True)
SECONDS = st.integers(0, 10**6)
OBSERVATIONS = st.builds(
    lambda values: Observation(metrics=[Metric(name="loss", min=v, max=v, latest=v) for v in values]),
    st.lists(st.floats(allow_nan=False).map(repr), min_size=1, max_size=1),
)
RULES = st.lists(
    st.builds(
        EarlyStoppingRule,
        name=st.just("loss"),
        value=st.floats(allow_nan=False).map(repr),
        comparison=st.sampled_from(["less", "greater", "equal"]),
        start_step=st.integers(1, 9),
    ),
    max_size=3,
).map(tuple)
FINAL = [state for state in TrialState if not state.is_active]


@st.composite
def records(draw):
    """Every record that an operator can have."""
    state = draw(st.sampled_from(list(TrialState)))
    started = BORN + timedelta(seconds=draw(SECONDS)) if state is not TrialState.CREATED else None
    stopping = draw(st.none() | st.sampled_from(FINAL)) if state.is_active else None
    said = state is not TrialState.CREATED or stopping is not None
    attempt = draw(st.integers(1, 3))
    return TrialRecord(
        index=draw(st.integers(0, 10**6)),
        name="search-4f-0",
        state=state,
        assignments=tuple((name, draw(TEXTS)) for name in draw(st.lists(WORDS, unique=True, max_size=4))),
        created=BORN,
        started=started,
        finished=started + timedelta(seconds=draw(SECONDS)) if started and not state.is_active else None,
        observation=draw(st.none() | OBSERVATIONS) if not state.is_active else None,
        reason=draw(WORDS) if said else "TrialCreated",
        message=draw(TEXTS) if said else "Trial is created",
        imported=draw(st.booleans()) if state is TrialState.SUCCEEDED else False,
        stopping=stopping,
        attempt=0 if state is TrialState.CREATED and attempt == 1 else attempt,
        labels=draw(st.dictionaries(st.sampled_from(["rung", "parent"]), st.sampled_from(["1", "a"]))),
        rules=draw(RULES),
    )


def written(record, job=JOB):
    """The Trial as the API server has it."""
    trial = trial_object(record, EXPERIMENT, job)
    trial["metadata"]["creationTimestamp"] = "2026-03-01T12:00:00Z"
    return {**trial, "status": status_of(record, EXPERIMENT)}


@given(records())
def test_a_record_comes_back(record):
    assert record_of(written(record)) == record


@given(records())
def test_a_record_comes_back_from_what_is_kept_of_its_trial(record):
    """The rules of a trial that has ended are kept by nobody: they were for its collector."""
    trial = written(record)
    known = record if record.state.is_active else replace(record, rules=())
    assert record_of(compact(trial)) == known
    assert is_final(trial) == (not record.state.is_active)


def record(**more):
    fields = {
        "index": 3,
        "name": "search-4f-3",
        "state": TrialState.RUNNING,
        "assignments": (("x", "0.5"),),
        "created": BORN,
        "started": BORN,
        "attempt": 1,
        **more,
    }
    return TrialRecord(**fields)


def test_a_trial_belongs_to_its_experiment_and_says_so_in_katibs_label():
    trial = trial_object(record(), EXPERIMENT, JOB)
    assert trial["metadata"]["labels"] == {
        "owner": "blue",
        kinds.EXPERIMENT_LABEL: "search",
        kinds.EXPERIMENT_UID_LABEL: "u-1",
    }
    [owner] = trial["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Experiment", "u-1", True)
    assert owner["blockOwnerDeletion"] is False, "it needs a permission that an operator may lack"
    assert trial["spec"]["runSpec"] == JOB
    assert "status" not in trial


def test_a_finished_trial_is_kept_without_its_job():
    ended = written(record(state=TrialState.SUCCEEDED, finished=BORN, reason="TrialSucceeded"))
    kept = compact(ended)
    assert kept["spec"]["runSpec"] == {"apiVersion": "batch/v1", "kind": "Job"}
    assert kept["spec"]["retainRun"] is True
    assert [condition["type"] for condition in kept["status"]["conditions"]] == ["Succeeded"]
    assert compact(written(record()))["spec"]["runSpec"] == JOB


@pytest.mark.parametrize("annotations", [None, {}, {kinds.INDEX: "first"}, {kinds.INDEX: "1", kinds.ATTEMPT: "?"}])
def test_a_trial_that_somebody_else_made_has_no_record(annotations):
    trial = written(record())
    trial["metadata"]["annotations"] = annotations
    assert record_of(trial) is None


@pytest.mark.parametrize("text", ["yes", "{}", "[1]", '{"final": "Sleeping"}', "[" * 100_000])
def test_an_order_to_stop_that_nobody_can_read_is_an_order_all_the_same(text):
    trial = written(record())
    trial["metadata"]["annotations"][kinds.STOPPING] = text
    assert record_of(trial).stopping is TrialState.KILLED


def test_a_trial_that_has_ended_is_not_being_stopped():
    trial = written(record(stopping=TrialState.KILLED, reason="ExperimentStopped", message="Stopped"))
    trial["status"] = status_of(
        record(state=TrialState.KILLED, finished=BORN, reason="ExperimentStopped", message="Stopped"), EXPERIMENT
    )
    assert record_of(trial).stopping is None
    assert record_of(trial).runs_again


def test_the_column_of_the_objective_is_in_the_status():
    observation = Observation(metrics=[Metric(name="loss", min="0.25", max="0.5", latest="0.5")])
    ended = record(state=TrialState.SUCCEEDED, finished=BORN, observation=observation)
    assert status_of(ended, EXPERIMENT)["objectiveValue"] == "0.25"
    assert "objectiveValue" not in status_of(record(), EXPERIMENT)
