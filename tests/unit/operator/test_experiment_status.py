"""The status of an experiment is as large with ten thousand trials as with a hundred."""

import json
from datetime import UTC, datetime

import pytest

from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.ledger import Ledger
from katib.engine.status import status_of
from katib.operator.experiment_status import experiment_status, says_the_same

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)
MOST = 512 << 10
"""Bytes an object in etcd may have (issue 6)."""
LISTS = {
    TrialState.CREATED: "pendingTrialList",
    TrialState.RUNNING: "runningTrialList",
    TrialState.SUCCEEDED: "succeededTrialList",
    TrialState.FAILED: "failedTrialList",
    TrialState.KILLED: "killedTrialList",
    TrialState.EARLY_STOPPED: "earlyStoppedTrialList",
    TrialState.METRICS_UNAVAILABLE: "metricsUnavailableTrialList",
}


def document(experiment, records, *, waiting=""):
    ledger = Ledger.from_records(experiment, records)
    return experiment_status(status_of(experiment, ledger, NOW, None), experiment.spec, ledger, waiting=waiting)


@pytest.mark.parametrize("state", TrialState)
def test_ten_thousand_trials_of_one_state_leave_their_newest_hundred_names(experiment, trial, state):
    found = document(experiment, [trial(index, state) for index in range(10_000)])
    names = found[LISTS[state]]
    assert names == [f"search-4f-{index}" for index in range(9_900, 10_000)]
    assert found["trials"] == 10_000
    assert len(json.dumps(found)) < MOST / 10
    assert not [name for other, name in LISTS.items() if other is not state and name in found]


def test_many_optima_are_bounded(experiment, trial):
    body = experiment.to_document()
    body["spec"].pop("objective")
    body["spec"]["objectives"] = [
        {"type": "minimize", "objectiveMetricName": "loss"},
        {"type": "maximize", "objectiveMetricName": "loss"},
    ]
    several = parse_experiment(body)
    found = document(several, [trial(index) for index in range(300)])
    assert len(found.get("paretoOptimalTrials") or []) <= 100


def test_the_best_trial_is_in_the_columns(experiment, trial):
    found = document(experiment, [trial(0, loss=0.5), trial(1, loss=0.25), trial(2, loss=0.75)])
    assert found["currentOptimalTrial"]["bestTrialName"] == "search-4f-1"
    assert (found["bestObjective"], found["bestParameters"]) == ("0.25", "x=0.25")


def test_what_is_waited_for_is_said_in_the_condition_that_it_runs(experiment, trial):
    quiet = document(experiment, [trial(0)])
    waits = document(experiment, [trial(0)], waiting="the suggestion server is away")
    assert quiet["conditions"][-1]["message"] == "Experiment is running"
    assert waits["conditions"][-1]["message"] == "Experiment is running: the suggestion server is away"
    assert [each["type"] for each in waits["conditions"]] == [each["type"] for each in quiet["conditions"]]


@pytest.mark.parametrize("count", [3, 300])
def test_the_order_in_which_trials_ended_is_no_difference(experiment, trial, count):
    records = [trial(index, TrialState.SUCCEEDED) for index in range(count)]
    one, other = document(experiment, records), document(experiment, records[::-1])
    assert one != other
    assert says_the_same(one, other)
    assert not says_the_same(one, document(experiment, [*records, trial(count, TrialState.SUCCEEDED)]))
    assert not says_the_same(one, document(experiment, [*records[1:], trial(0, TrialState.FAILED)]))
