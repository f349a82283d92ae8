"""Who may run again, and with what."""

from datetime import timedelta

import pytest

from katib.api.trial import TrialState
from katib.engine.plan import CreateTrials, RequestSuggestions, StartTrial
from katib.engine.resume import problems, resumed


def finished(bench, *trials, policy="LongRunning", **spec):
    """An experiment with the status its trials lead to."""
    bench.given(*trials, resumePolicy=policy, **spec)
    decided = bench.plan()
    for action in decided.actions:
        if isinstance(action, CreateTrials):
            bench.record(*action.records)
    bench.plan()
    return bench


def edited(bench, **fields):
    spec = bench.experiment.spec.model_copy(update=fields)
    return bench.experiment.model_copy(update={"spec": spec})


def paths(bench, **fields):
    return [problem.path for problem in problems(bench.experiment, edited(bench, **fields), bench.ledger)]


def done(bench, count):
    return [bench.trial(index, value=1) for index in range(count)]


class TestProblems:
    @pytest.mark.parametrize("policy", ["LongRunning", "FromVolume"])
    def test_a_larger_maximum(self, bench, policy):
        finished(bench, *done(bench, 3), maxTrialCount=3, policy=policy)
        assert paths(bench, max_trial_count=4) == []
        assert paths(bench, max_trial_count=3) == ["spec.maxTrialCount"]
        assert paths(bench, max_trial_count=2, parallel_trial_count=1) == ["spec.maxTrialCount"]
        assert paths(bench) == ["spec.maxTrialCount"]

    def test_the_default_policy_is_never(self, bench):
        finished(bench, *done(bench, 3), maxTrialCount=3, policy="Never")
        assert paths(bench, max_trial_count=4) == ["spec.resumePolicy"]

    def test_a_reached_goal_is_for_good(self, bench):
        finished(bench, bench.trial(0, value=0), objective={"goal": 0}, maxTrialCount=3)
        assert paths(bench, max_trial_count=9) == ["status"]

    def test_a_failed_one_is_for_good(self, bench):
        finished(bench, bench.trial(0, "Failed"), maxFailedTrialCount=1, maxTrialCount=3)
        assert paths(bench, max_trial_count=9) == ["status"]

    @pytest.mark.parametrize("policy", ["Never", "LongRunning", "FromVolume"])
    def test_without_a_maximum_what_is_over_stays_over(self, bench, policy):  # Q30
        finished(bench, bench.trial(0, value=0), objective={"goal": 0}, policy=policy)
        assert paths(bench) == ["status"]
        before = bench.experiment.status
        for _ in range(3):
            decided = bench.plan(after=60)
            assert decided.status == before
            assert decided.actions == ()
            assert decided.finished

    @pytest.mark.parametrize("policy", ["Never", "LongRunning"])
    def test_a_stopped_one_may_always_go_on(self, bench, policy):
        bench.stop_requested = True
        finished(bench, *done(bench, 1), maxTrialCount=3, policy=policy)
        assert paths(bench) == []
        assert paths(bench, max_trial_count=9, parallel_trial_count=2) == []

    def test_one_whose_process_died_may_go_on(self, bench):
        assert paths(finished(bench, *done(bench, 1), maxTrialCount=3, policy="Never")) == []

    def test_only_the_budget_may_change(self, bench):
        bench.stop_requested = True
        finished(bench, maxTrialCount=3)
        assert paths(bench, trial_timeout="5s") == ["spec.trialTimeout"]


class TestResumed:
    def resume(self, bench, **fields):
        bench.edit(**fields)
        status, records = resumed(bench.experiment, bench.ledger, bench.now)
        bench.experiment = bench.experiment.model_copy(update={"status": status})
        bench.stop_requested = False
        bench.record(*records)
        return records

    def test_conditions(self, bench):
        finished(bench, *done(bench, 3), maxTrialCount=3)
        self.resume(bench, max_trial_count=5)
        status = bench.experiment.status
        assert [condition.type for condition in status.conditions] == ["Created", "Running", "Restarting"]
        assert status.completion_time is None
        decided = bench.plan(after=7)
        assert [(c.type, c.status) for c in decided.status.conditions] == [("Created", "True"), ("Running", "True")]
        assert decided.status.conditions[-1].last_transition_time == bench.now
        assert decided.actions == (RequestSuggestions(2, 3),)

    def test_max_runtime_counts_from_the_resume(self, bench):
        bench.stop_requested = True
        finished(bench, bench.trial(0, value=1), parallelTrialCount=1, maxRuntime="1m")
        bench.now += timedelta(hours=2)
        self.resume(bench)
        assert bench.plan().status.conditions[-1].type == "Running"
        assert bench.plan(after=60).status.conditions[-1].type == "Succeeded"

    def test_trials_stopped_with_the_experiment_run_again_as_the_same(self, bench):
        bench.stop_requested = True
        stopped = [bench.trial(index, "Killed", reason="ExperimentStopped", attempt=index - 1) for index in (1, 2, 3)]
        others = [bench.trial(0, value=1), bench.trial(4, "Killed"), bench.trial(5, "Failed")]
        finished(bench, *others, *stopped, parallelTrialCount=3, maxTrialCount=6)
        again = self.resume(bench)
        assert [(record.index, record.name, record.assignments) for record in again] == [
            (record.index, record.name, record.assignments) for record in stopped
        ]
        assert [(record.state, record.attempt, record.observation) for record in again] == [
            (TrialState.CREATED, 2, None),  # it may have been started without being recorded as such
            (TrialState.CREATED, 2, None),
            (TrialState.CREATED, 3, None),
        ]
        assert bench.plan().actions == tuple(StartTrial(record.name) for record in stopped)

    def test_what_is_not_over_is_left_alone(self, bench):
        finished(bench, bench.trial(0, "Running"), maxTrialCount=3)
        before = bench.experiment.status
        assert resumed(bench.experiment, bench.ledger, bench.now) == (before, [])
