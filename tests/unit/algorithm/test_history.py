"""What was tried, kept up to date by difference."""

import math
import random

import pytest

from katib.algorithm.history import History, PastTrial
from katib.api.trial import TrialState
from katib.space.point import Point


def trial(index, x=None, state=TrialState.RUNNING, values=None, **more):
    return PastTrial(index, f"t{index}", Point({"x": index if x is None else x}), state, values, **more)


def test_empty_history_begins_at_nothing():
    history = History()
    assert (len(history), history.next_index, history.distinct_points) == (0, 0, 0)
    assert (list(history), history.running(), list(history.measured())) == ([], [], [])


def test_trials_come_by_index_whatever_order_they_were_recorded_in():
    indices = list(range(50))
    random.Random(1).shuffle(indices)
    history = History(trial(index) for index in indices)
    assert [each.index for each in history] == list(range(50))
    assert [each.index for each in history.running()] == list(range(50))
    history.record(trial(99))
    history.record(trial(60))
    assert [each.index for each in history][-2:] == [60, 99]
    assert history.next_index == 100


def test_what_is_known_now_takes_the_place_of_what_was_known():
    history = History([trial(0), trial(1)])
    history.record(trial(0, state=TrialState.SUCCEEDED, values=(0.5,)))
    assert len(history) == 2
    assert history["t0"].values == (0.5,)
    assert [each.name for each in history.running()] == ["t1"]
    assert history.next_index == 2
    history.record(trial(0))  # started again after its machine was lost
    assert [each.name for each in history.running()] == ["t0", "t1"]
    assert "t0" in history
    assert "t7" not in history


def test_points_are_counted_by_value():
    history = History([trial(0, 5), trial(1, 5), trial(2, 6)])
    assert history.distinct_points == 2
    assert history.was_tried(Point({"x": 5}, {"label": "x"}))
    assert not history.was_tried(Point({"x": 7}))
    history.record(trial(0, 7))
    assert history.was_tried(Point({"x": 5}))
    history.record(trial(1, 7))
    assert not history.was_tried(Point({"x": 5}))
    assert history.distinct_points == 2


@pytest.mark.parametrize(
    ("state", "values", "measured"),
    [
        (TrialState.SUCCEEDED, (1.0,), True),
        (TrialState.EARLY_STOPPED, (1.0, 2.0), True),
        (TrialState.EARLY_STOPPED, None, False),
        (TrialState.SUCCEEDED, (math.nan,), False),
        (TrialState.SUCCEEDED, (1.0, math.inf), False),
        (TrialState.SUCCEEDED, None, False),
        (TrialState.RUNNING, (1.0,), False),
        (TrialState.CREATED, None, False),
        (TrialState.FAILED, (1.0,), False),
        (TrialState.KILLED, (1.0,), False),
        (TrialState.METRICS_UNAVAILABLE, None, False),
    ],
)
def test_measured_are_those_that_ended_with_finite_numbers(state, values, measured):
    history = History([trial(0, state=state, values=values)])
    assert bool(list(history.measured())) is measured
    assert bool(history.running()) is (state in {TrialState.RUNNING, TrialState.CREATED})


def test_iterating_while_recording_elsewhere_does_not_matter():
    history = History([trial(0), trial(1)])
    seen = list(history)
    history.record(trial(2))
    assert [each.index for each in seen] == [0, 1]
