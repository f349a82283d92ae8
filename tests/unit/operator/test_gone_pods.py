"""What is kept of pods that a controller took away before their trial's end was seen."""

from katib.operator.gone_pods import GonePods

TRIAL = ("team", "search-1")


def pod(name, **status):
    return {"metadata": {"name": name}, "status": status}


def ended(code):
    return [{"name": "main", "state": {"terminated": {"exitCode": code}}}]


def names(gone):
    return [each["metadata"]["name"] for each in gone.of(TRIAL)]


def test_pods_that_tell_something_are_kept_until_their_trial_is_forgotten():
    gone = GonePods()
    gone.remember(TRIAL, pod("first", phase="Running", containerStatuses=ended(1)))
    gone.remember(TRIAL, pod("never", phase="Pending"))
    gone.remember(
        TRIAL, pod("running", phase="Running", containerStatuses=[{"name": "main", "state": {"running": {}}}])
    )
    gone.remember(TRIAL, pod("last", phase="Failed"))
    gone.remember(("team", "search-2"), pod("another's", phase="Failed"))
    assert names(gone) == ["last", "first"]
    gone.forget(TRIAL)
    assert names(gone) == []
    assert len(gone.of(("team", "search-2"))) == 1


def test_a_job_that_is_tried_without_end_costs_no_memory():
    gone = GonePods()
    for index in range(1000):
        gone.remember(TRIAL, pod(str(index), phase="Failed"))
    assert names(gone) == [str(index) for index in range(999, 983, -1)]
