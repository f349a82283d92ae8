"""The switches say what the quirk register proposes."""

from katib.engine.policy import KATIB, KUBERNETES, LOCAL


def test_ours_is_fixed_and_katibs_is_katibs():
    for policy in (KUBERNETES, LOCAL):
        assert policy.counts_unmeasured_in_demand  # Q5
        assert policy.stops_running_trials  # Q7
        assert 0 <= policy.metrics_wait_seconds < 1000  # Q39
    assert not KATIB.counts_unmeasured_in_demand
    assert not KATIB.stops_running_trials
    assert KATIB.metrics_wait_seconds == float("inf")
