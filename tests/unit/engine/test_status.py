"""Counters, name lists and conditions of an experiment's status."""

from katib.api.experiment import ExperimentStatus
from katib.api.trial import TrialState
from katib.engine.status import over, running_since, with_trial_lists

COUNTERS = {
    "trials_succeeded": ("succeeded_trial_list", TrialState.SUCCEEDED),
    "trials_failed": ("failed_trial_list", TrialState.FAILED),
    "trials_killed": ("killed_trial_list", TrialState.KILLED),
    "trials_pending": ("pending_trial_list", TrialState.CREATED),
    "trials_running": ("running_trial_list", TrialState.RUNNING),
    "trials_early_stopped": ("early_stopped_trial_list", TrialState.EARLY_STOPPED),
    "trial_metrics_unavailable": ("metrics_unavailable_trial_list", TrialState.METRICS_UNAVAILABLE),
}


def every_state(bench):
    """One trial in the first state, two in the second, and so on."""
    states = [state for count, state in enumerate(TrialState, start=1) for _ in range(count)]
    return [bench.trial(index, state) for index, state in enumerate(states)]


def test_counters_and_lists(bench):
    trials = [*every_state(bench), bench.trial(99, "Succeeded", 1, imported=True)]
    status = with_trial_lists(bench.given(*trials).plan().status, bench.ledger)
    for counter, (names, state) in COUNTERS.items():
        expected = [trial.name for trial in trials if trial.state is state and not trial.imported]
        assert getattr(status, counter) == len(expected)
        assert getattr(status, names) == expected
    assert status.trials == len(trials) - 1


def test_a_plan_leaves_the_lists_out(bench):
    bench.given(*every_state(bench))
    listed = with_trial_lists(bench.plan().status, bench.ledger)
    bench.experiment = bench.experiment.model_copy(update={"status": listed})
    assert bench.plan().status.succeeded_trial_list is None


def test_the_document_has_katibs_names(bench):
    document = with_trial_lists(bench.given(bench.trial(0, value=1)).plan().status, bench.ledger).to_document()
    assert document["trialsSucceeded"] == 1
    assert document["trialMetricsUnavailable"] == 0
    assert document["succeededTrialList"] == [bench.trial(0).name]
    assert document["currentOptimalTrial"]["bestTrialName"] == bench.trial(0).name
    assert "completionTime" not in document
    assert ExperimentStatus.model_validate(document).trials == 1


def test_the_conditions_of_a_life(bench):
    def seen(decided):
        return [(condition.type, condition.status) for condition in decided.status.conditions]

    bench.given(objective={"goal": 0})
    first = bench.plan()
    assert seen(first) == [("Created", "True"), ("Running", "True")]
    assert first.status.start_time == bench.now
    bench.record(bench.trial(0, value=0))
    last = bench.plan(after=5)
    assert seen(last) == [("Created", "True"), ("Running", "False"), ("Succeeded", "True")]
    assert last.status.completion_time == bench.now
    assert last.status.start_time == first.status.start_time


def test_an_experiment_can_end_with_its_first_plan(bench):
    decided = bench.given(bench.trial(0, value=0), objective={"goal": 0}).plan()
    assert [condition.type for condition in decided.status.conditions] == ["Created", "Running", "Succeeded"]


def test_over(bench):
    assert not over(None)
    assert not over(ExperimentStatus())
    assert not over(bench.given().plan().status)
    bench.stop_requested = True
    assert over(bench.plan().status)


def test_running_since(bench):
    assert running_since(None) is None
    began = bench.given().now
    bench.plan()
    bench.plan(after=60)
    assert running_since(bench.experiment.status) == began
    bench.stop_requested = True
    bench.plan()
    assert running_since(bench.experiment.status) is None


def test_what_the_plan_does_not_own_is_kept(bench):
    bench.given()
    bench.experiment = bench.experiment.model_copy(update={"status": ExperimentStatus(last_reconcile_time=bench.now)})
    assert bench.plan().status.last_reconcile_time == bench.now
