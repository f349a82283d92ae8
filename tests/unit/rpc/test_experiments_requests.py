"""Every request is checked, and what is wrong in it is told with its field."""

import math

import pytest
from google.protobuf import json_format

from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.experiments.protocol import Budget, ExperimentQuery, Measurement
from katib.rpc import experiments_requests as requests
from katib.rpc import experiments_v1 as wire
from katib.rpc.experiments_asking import ASKS
from katib.rpc.experiments_calls import CALLS, listed

PLACE = {"experiment": "search", "trial": "search-1", "client_id": "w"}
LONG = "x" * 256


def request(kind, fields):
    return json_format.ParseDict(fields, kind())


def prepared(method, fields):
    if method == "ListExperiments":
        return listed(request(wire.ListExperimentsRequest, fields))
    if method == "WatchExperiments":
        return requests.check_watch(request(wire.WatchExperimentsRequest, fields))
    if method == "ListChanges":
        return requests.check_changes(request(wire.ListChangesRequest, fields))
    if method == "ReadLogs":
        return requests.read_offset(request(wire.ReadLogsRequest, fields))
    call = {**CALLS, **ASKS}[method]
    return call.prepare(request(call.request, fields))


@pytest.mark.parametrize(
    ("method", "fields", "wrong"),
    [
        ("CreateExperiment", {}, ["document"]),
        ("CreateExperiment", {"document": "{}", "request_id": LONG}, ["request_id"]),
        ("CreateExperiment", {"document": "{}", "request_id": "a\nb"}, ["request_id"]),
        ("CreateExperiment", {"search": {"name": "s"}}, ["search.objectives"]),
        ("GetExperiment", {}, ["name"]),
        ("GetExperiment", {"name": LONG}, ["name"]),
        ("GetExperiment", {"name": "a\x00b"}, ["name"]),
        ("ListExperiments", {"page_size": -1}, ["page_size"]),
        ("ListExperiments", {"page_size": 1001}, ["page_size"]),
        ("ListExperiments", {"page_token": "x" * 2001}, ["page_token"]),
        ("ListExperiments", {"states": ["RUNNING", 9]}, ["states[1]"]),
        ("ListExperiments", {"states": ["EXPERIMENT_STATE_UNSPECIFIED"]}, ["states[0]"]),
        ("ListExperiments", {"labels": {str(number): "x" for number in range(65)}}, ["labels"]),
        ("ListExperiments", {"labels": {"a": "\x7f"}}, ["labels['a']"]),
        ("ListExperiments", {"algorithm": LONG, "name_prefix": LONG}, ["algorithm", "name_prefix"]),
        ("ListExperiments", {"namespace": "a", "all_namespaces": True}, ["all_namespaces"]),
        ("WatchExperiments", {"trials": True, "until_over": True}, ["trials", "until_over"]),
        ("ListChanges", {"cursor": "x" * 2001}, ["cursor"]),
        ("StopExperiment", {"request_id": LONG}, ["name", "request_id"]),
        ("ResumeExperiment", {}, ["name"]),
        ("EditBudget", {}, ["name"]),
        ("DeleteExperiment", {}, ["name"]),
        ("ListEvents", {"trial": LONG}, ["experiment", "trial"]),
        ("ListTrials", {"experiment": "a", "page_size": 10_001}, ["page_size"]),
        ("ListTrials", {"experiment": "a", "page_token": "t9"}, ["page_token"]),
        ("ListTrials", {"experiment": "a", "page_token": "n" + 19 * "9"}, ["page_token"]),
        ("ListTrials", {"experiment": "a", "after_index": -1}, ["after_index"]),
        ("ListTrials", {"experiment": "a", "states": [77]}, ["states[0]"]),
        ("GetTrial", {}, ["experiment", "name"]),
        ("ReadLogs", {"offset": -1}, ["offset"]),
        ("ListMeasurements", {}, ["experiment", "trial"]),
        ("ListMeasurements", {"experiment": "a", "trial": "b", "page_size": 100_001}, ["page_size"]),
        ("ListMeasurements", {"experiment": "a", "trial": "b", "after_sequence": -1}, ["after_sequence"]),
        ("SuggestTrials", {}, ["experiment", "client_id"]),
        ("SuggestTrials", {**PLACE, "count": 1001}, ["count"]),
        ("SuggestTrials", {**PLACE, "count": -1}, ["count"]),
        ("SuggestTrials", {**PLACE, "lease": "0s"}, ["lease"]),
        ("SuggestTrials", {**PLACE, "lease": "86401s"}, ["lease"]),
        ("SuggestTrials", {**PLACE, "wait": "-1s"}, ["wait"]),
        ("SuggestTrials", {**PLACE, "wait": "86401s"}, ["wait"]),
        ("Heartbeat", {**PLACE, "lease": "-3s"}, ["lease"]),
        ("Heartbeat", {**PLACE, "trials": ["a", "", LONG]}, ["trials[1]", "trials[2]"]),
        ("Heartbeat", {**PLACE, "trials": ["a"] * 10_001}, ["trials"]),
        ("ReportMeasurement", {}, ["experiment", "trial", "client_id"]),
        ("ReportMeasurement", {**PLACE, "measurements": [{}]}, ["measurements[0].metric", "measurements[0].number"]),
        (
            "ReportMeasurement",
            {**PLACE, "measurements": [{"metric": "a", "number": 1}, {"metric": LONG, "text": "\x00"}]},
            ["measurements[1].metric", "measurements[1].text"],
        ),
        (
            "ReportMeasurement",
            {**PLACE, "measurements": [{"metric": "a", "text": "x" * 65_537}]},
            ["measurements[0].text"],
        ),
        ("CompleteTrial", PLACE, ["outcome"]),
        ("CompleteTrial", {**PLACE, "outcome": 7}, ["outcome"]),
        ("CompleteTrial", {**PLACE, "outcome": "BROKEN", "message": "x" * 65_537}, ["message"]),
        (
            "CompleteTrial",
            {**PLACE, "outcome": "BROKEN", "measurements": [{"metric": "a"}]},
            ["measurements[0].number"],
        ),
        ("ShouldStop", {}, ["experiment", "trial", "client_id"]),
    ],
)
def test_what_is_wrong_is_told_with_its_field(method, fields, wrong):
    drop = {"trial"} if method in {"SuggestTrials", "Heartbeat"} else set()
    with pytest.raises(InvalidInput) as caught:
        prepared(method, {key: value for key, value in fields.items() if key not in drop})
    assert [problem.path for problem in caught.value.problems] == wrong


def test_many_faults_of_a_list_are_not_all_told():
    with pytest.raises(InvalidInput) as caught:
        requests.read_measurements([wire.Measurement() for _ in range(5_000)])
    assert 10 <= len(caught.value.problems) <= 20


def test_a_time_that_is_none():
    message = wire.Measurement(metric="a", number=1)
    message.time.seconds = 10**15
    with pytest.raises(InvalidInput, match=r"measurements\[0\]\.time"):
        requests.read_measurements([message])


def test_what_is_right_is_read():
    query = requests.read_query(
        request(
            wire.ListExperimentsRequest,
            {"states": ["RUNNING", "CREATED", "RUNNING"], "labels": {"a": "b"}, "name_prefix": "s", "page_token": "t"},
        )
    )
    assert query == ExperimentQuery(
        states=("Created", "Running"), labels={"a": "b"}, name_prefix="s", limit=100, after="t"
    )
    trials = request(wire.ListTrialsRequest, {"states": ["TRIAL_RUNNING"], "after_index": 4})
    assert requests.read_trial_states(trials) == {TrialState.RUNNING}
    assert requests.read_start(trials, "after_index") == 4
    trials.page_token = "n7"  # noqa: S105 - it is no secret
    assert requests.read_start(trials, "after_index") == 7
    assert requests.read_budget(request(wire.EditBudgetRequest, {"max_trial_count": -2})) == Budget(max_trial_count=-2)
    heartbeat = request(wire.HeartbeatRequest, {"lease": "0.5s", "trials": ["a"]})
    assert requests.read_lease(heartbeat) == 0.5
    assert requests.read_lease(wire.HeartbeatRequest()) == 60
    assert requests.read_held(heartbeat) == ("a",)
    assert requests.read_message(wire.CompleteTrialRequest(message="a\x00b")) == "a\N{REPLACEMENT CHARACTER}b"


def test_numbers_are_kept_as_they_are():
    values = [0.1, 5.0, math.inf, -math.inf, 1e-320]
    messages = [wire.Measurement(metric="loss", number=value, step=3) for value in values]
    found = requests.read_measurements([*messages, wire.Measurement(metric="loss", text="0.10")])
    assert [float(each.text) for each in found[:-1]] == values
    assert found[0] == Measurement("loss", "0.1", None, 3)
    assert found[-1] == Measurement("loss", "0.10")
    [nan] = requests.read_measurements([wire.Measurement(metric="loss", number=math.nan)])
    assert math.isnan(float(nan.text))


def test_a_resource_is_a_document():
    made = request(wire.CreateExperimentRequest, {"resource": {"kind": "Experiment", "spec": {"maxTrialCount": 3}}})
    assert requests.read_document(made) == '{"kind": "Experiment", "spec": {"maxTrialCount": 3}}'
