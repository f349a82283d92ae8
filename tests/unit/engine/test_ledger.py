"""The ledger keeps the newest record of each trial, in whatever order and however often records come."""

import itertools
import random

import pytest

from katib.api.trial import TrialState
from katib.engine.ledger import Ledger


def life(bench, index=0, end="Succeeded"):
    """The records of one trial in the order in which they came to be."""
    return [
        bench.trial(index, "Created"),
        bench.trial(index, "Running"),
        bench.trial(index, "Running", stopping=TrialState.KILLED),
        bench.trial(index, end, 1.0),
    ]


def test_any_order_and_any_duplicates_give_the_newest(bench):
    records = life(bench)
    for order in itertools.permutations(records):
        ledger = bench.given(*order, *order).ledger
        assert list(ledger) == [records[-1]]
        assert ledger.counts[TrialState.SUCCEEDED] == 1
        assert ledger.active_count == 0


def test_a_mark_to_stop_is_not_lost_to_an_older_record(bench):
    created, running, stopping, _ = life(bench)
    ledger = bench.given(created, stopping, running, created).ledger
    assert ledger.at(0).stopping is TrialState.KILLED


@pytest.mark.parametrize("end", ["Succeeded", "Failed", "EarlyStopped", "MetricsUnavailable", "Killed"])
def test_what_has_ended_never_changes(bench, end):
    ended = bench.trial(0, end, 1.0)
    ledger = bench.given(ended).ledger
    for other in ("Created", "Running", "Succeeded", "Failed", "Killed"):
        ledger.record(bench.trial(0, other, 0.5))
        ledger.record(bench.trial(0, other, 0.5, attempt=9))
    assert list(ledger) == [ended]
    assert ledger.best in (None, ended)


def test_only_a_trial_stopped_with_its_experiment_comes_back(bench):
    stopped = bench.trial(0, "Killed", reason="ExperimentStopped")
    ledger = bench.given(stopped).ledger
    assert ledger.to_run_again() == [stopped]
    assert (ledger.completed, ledger.total) == (0, 1)
    again = stopped.again("once more")
    ledger.record(again)
    ledger.record(stopped)  # a late duplicate
    assert list(ledger) == [again]
    assert ledger.to_run_again() == []
    assert (ledger.active_count, ledger.completed) == (1, 0)
    ledger.record(bench.trial(0, "Succeeded", 1.0, attempt=again.attempt))
    assert (ledger.active_count, ledger.completed) == (0, 1)


def test_a_later_attempt_replaces_a_running_one(bench):
    ledger = bench.given(bench.trial(0, "Running", attempt=1)).ledger
    ledger.record(bench.trial(0, "Created", attempt=2))
    ledger.record(bench.trial(0, "Failed", attempt=1))
    assert ledger.at(0).state is TrialState.CREATED


def test_one_index_has_one_name(bench):
    ledger = bench.given(bench.trial(0)).ledger
    with pytest.raises(ValueError, match="index 0"):
        ledger.record(bench.trial(0, name="other"))


def test_one_name_has_one_index(bench):
    ledger = bench.given(bench.trial(0)).ledger
    with pytest.raises(ValueError, match="has index 0, not 7"):
        ledger.record(bench.trial(7, name=bench.trial(0).name))
    assert len(ledger) == 1


def test_counts_and_names(bench):
    trials = [
        bench.trial(0, "Succeeded", 1.0, imported=True),
        bench.trial(1, "Succeeded", 2.0),
        bench.trial(2, "Running"),
        bench.trial(3, "Created"),
        bench.trial(4, "Killed"),
    ]
    ledger = bench.given(*trials).ledger
    assert (len(ledger), ledger.total, ledger.imported, ledger.completed, ledger.active_count) == (5, 4, 1, 2, 2)
    assert ledger.names(TrialState.SUCCEEDED) == [trials[0].name, trials[1].name]
    assert ledger.active() == [trials[2], trials[3]]
    assert sum(ledger.counts.values()) == len(ledger)
    assert ledger.trial(trials[4].name) is ledger.at(4)
    assert trials[0].name in ledger
    assert "nobody" not in ledger


def test_names_stay_in_the_order_of_arrival(bench):
    ledger = bench.given(bench.trial(1, "Running"), bench.trial(0, "Running")).ledger
    ledger.record(bench.trial(1, "Running", message="still"))
    assert ledger.names(TrialState.RUNNING) == [bench.trial(1).name, bench.trial(0).name]


def test_free_indices(bench):
    ledger = bench.given(bench.trial(1), bench.trial(4)).ledger
    assert ledger.free_indices(4) == [0, 2, 3]
    assert ledger.next_index == 5
    for index in (0, 2, 3):
        ledger.record(bench.trial(index))
    assert ledger.free_indices(5) == []
    assert ledger.free_indices(7) == [5, 6]


def test_iteration_is_by_index(bench):
    trials = [bench.trial(index) for index in range(20)]
    shuffled = random.Random(1).sample(trials, 20)
    assert list(Ledger.from_records(bench.make_experiment(), shuffled)) == trials
