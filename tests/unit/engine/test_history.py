"""What an algorithm sees of a trial."""

import math

import pytest

from katib.api.trial import TrialState
from katib.engine.history import past_trial
from katib.errors import InvalidInput
from katib.space.space import Space


def seen(bench, record, **objective):
    spec = bench.make_experiment(objective=objective).spec
    return past_trial(record, Space.from_spec(spec), spec)


def test_a_result(bench):
    past = seen(bench, bench.trial(3, value=0.5, labels={"rung": "1"}))
    assert (past.index, past.name, past.state) == (3, bench.trial(3).name, TrialState.SUCCEEDED)
    assert (past.values, past.labels, past.feasible, past.is_measured) == ((0.5,), {"rung": "1"}, True, True)
    assert past.started == bench.now.timestamp()


def test_a_trial_without_an_end(bench):
    past = seen(bench, bench.trial(3, "Created"), bounds=[{"metricName": "size", "max": 1}])
    assert (past.values, past.started, past.feasible, past.is_measured) == (None, None, True, False)


def test_odd_values(bench):
    assert math.isnan(seen(bench, bench.trial(0, value="nan")).values[0])
    assert seen(bench, bench.trial(0, value="genotype")).values is None
    assert not seen(bench, bench.trial(0, value=1), bounds=[{"metricName": "size", "max": 1}]).feasible


def test_a_point_outside_the_space(bench):
    with pytest.raises(InvalidInput):
        seen(bench, bench.trial(0, assignments=(("x", "1e9"), ("y", "0"))))
