"""A record as a Trial resource, as kubectl would show it."""

from datetime import timedelta

from katib.api.trial import EarlyStoppingRule, Trial, TrialState
from katib.engine.trial_document import trial_resource


def document(bench, record, **more):
    return trial_resource(record, bench.make_experiment(objective={"goal": 0.1}), **more).to_document()


def conditions(found):
    return [(c["type"], c["status"], c["reason"]) for c in found["status"]["conditions"]]


def test_a_finished_trial(bench):
    rule = EarlyStoppingRule(name="loss", value="0.5", comparison="greater", start_step=4)
    record = bench.trial(3, value=0.5, labels={"rung": "1"}, message="Trial has succeeded", rules=(rule,))
    found = document(bench, record, job={"kind": "Job"})
    assert (found["apiVersion"], found["kind"]) == ("kubeflow.org/v1beta1", "Trial")
    assert found["metadata"]["name"] == record.name
    assert found["metadata"]["namespace"] == "default"
    assert found["metadata"]["labels"] == {"katib.kubeflow.org/experiment": "tune", "rung": "1"}
    assert found["spec"]["parameterAssignments"] == [{"name": "x", "value": "3"}, {"name": "y", "value": "0"}]
    assert found["spec"]["objective"]["goal"] == 0.1
    assert found["spec"]["runSpec"] == {"kind": "Job"}
    assert found["spec"]["labels"] == {"rung": "1"}
    assert found["spec"]["earlyStoppingRules"] == [
        {"name": "loss", "value": "0.5", "comparison": "greater", "startStep": 4}
    ]
    assert found["status"]["startTime"] == "2024-05-01T12:00:00Z"
    assert found["status"]["completionTime"] == "2024-05-01T12:00:03Z"
    assert found["status"]["observation"]["metrics"][0]["latest"] == "0.5"
    assert conditions(found) == [
        ("Created", "True", "TrialCreated"),
        ("Running", "False", "TrialRunning"),
        ("Succeeded", "True", "TrialSucceeded"),
    ]
    assert Trial.model_validate(found).to_document() == found


def test_an_algorithm_cannot_move_a_trial_to_another_experiment(bench):
    record = bench.trial(0, labels={"katib.kubeflow.org/experiment": "other"})
    assert document(bench, record)["metadata"]["labels"] == {"katib.kubeflow.org/experiment": "tune"}


def test_the_last_condition_is_the_state(bench):
    for state in TrialState:
        assert conditions(document(bench, bench.trial(0, state)))[-1][:2] == (str(state), "True")


def test_a_created_trial_has_no_job_and_no_times(bench):
    found = document(bench, bench.trial(0, "Created"))
    assert "runSpec" not in found["spec"]
    assert set(found["status"]) == {"conditions"}


def test_a_created_trial_says_what_it_waits_for(bench):
    record = bench.trial(0, "Created", reason="UnknownKind", message="the cluster has no Widget")
    [condition] = document(bench, record)["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("Created", "UnknownKind")
    assert condition["message"] == "the cluster has no Widget"


def test_a_trial_that_was_never_started_never_ran(bench):
    record = bench.trial(0, "Killed", started=None, finished=bench.now + timedelta(seconds=1))
    assert [kind for kind, _, _ in conditions(document(bench, record))] == ["Created", "Killed"]


def test_a_trial_that_is_being_stopped_says_so(bench):
    record = bench.trial(0, "Running", stopping=TrialState.FAILED, message="it ran too long")
    last = document(bench, record)["status"]["conditions"][-1]
    assert (last["type"], last["status"]) == ("Running", "True")
    assert last["message"] == "Trial is being stopped: it ran too long"
