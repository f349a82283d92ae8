"""What is done next: demand, the order in which an experiment ends, budgets, initial trials, stopping and going on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from katib.api.trial import TrialState
from katib.engine.plan import CreateTrials, RequestSuggestions, StartTrial, StopTrial, SuggestionState, plan
from katib.engine.policy import KATIB, LOCAL


def of(decided, kind):
    return [action for action in decided.actions if isinstance(action, kind)]


def condition(decided):
    return decided.status.conditions[-1].type, decided.status.conditions[-1].reason


def running(bench, *indices, **fields):
    return [bench.trial(index, "Running", **fields) for index in indices]


def done(bench, *indices, value=1.0):
    return [bench.trial(index, "Succeeded", value) for index in indices]


class TestDemand:
    def test_asks_for_as_many_as_may_run(self, bench):
        decided = bench.given(parallelTrialCount=4, maxTrialCount=10).plan()
        assert decided.actions == (RequestSuggestions(4, 0),)
        assert condition(decided) == ("Running", "ExperimentRunning")

    @pytest.mark.parametrize("parallel", [1, 3])
    def test_without_a_maximum_it_goes_on(self, bench, parallel):
        trials = [*done(bench, *range(50)), *running(bench, 50)]
        decided = bench.given(*trials, parallelTrialCount=parallel).plan()
        assert of(decided, RequestSuggestions) == ([RequestSuggestions(2, 51)] if parallel == 3 else [])

    def test_the_maximum_bounds_the_last_request(self, bench):
        decided = bench.given(*done(bench, 0, 1, 2), *running(bench, 3), parallelTrialCount=4, maxTrialCount=6).plan()
        assert decided.actions == (RequestSuggestions(2, 4),)

    @pytest.mark.parametrize("state", ["Succeeded", "Failed", "Killed", "EarlyStopped", "MetricsUnavailable"])
    def test_every_kind_of_end_uses_budget(self, bench, state):
        decided = bench.given(bench.trial(0, state), parallelTrialCount=3, maxTrialCount=3).plan()
        assert decided.actions == (RequestSuggestions(2, 1),)

    def test_katib_gives_unmeasured_trials_back_to_the_demand(self, bench):  # Q5
        bench.given(bench.trial(0, "MetricsUnavailable"), parallelTrialCount=3, maxTrialCount=3)
        bench.policy = KATIB
        assert bench.plan().actions == (RequestSuggestions(3, 1),)

    def test_early_stopped_trials_count_as_completed(self, bench):
        trials = [bench.trial(index, "EarlyStopped") for index in range(3)]
        assert condition(bench.given(*trials, maxTrialCount=3).plan()) == ("Succeeded", "ExperimentMaxTrialsReached")

    def test_nothing_is_asked_while_the_algorithm_computes(self, bench):
        bench.given(parallelTrialCount=4).ask = SuggestionState(waiting=True)
        decided = bench.plan()
        assert decided.actions == ()
        assert "'random'" in decided.waiting

    def test_what_is_recorded_is_started_again_and_again_until_it_runs(self, bench):
        bench.given(bench.trial(0, "Created"), parallelTrialCount=1)
        name = bench.trial(0).name
        assert bench.plan().actions == (StartTrial(name),)
        assert bench.plan().actions == (StartTrial(name),)
        bench.record(*running(bench, 0))
        assert bench.plan().actions == ()

    def test_a_trial_that_is_being_stopped_keeps_its_place(self, bench):
        bench.given(*running(bench, 0, stopping=TrialState.EARLY_STOPPED), parallelTrialCount=1)
        assert bench.plan().actions == ()

    def test_a_stopped_trial_whose_job_was_lost_ends(self, bench):
        lost = bench.trial(0, "Created", stopping=TrialState.KILLED, reason="Why", message="because", attempt=2)
        decided = bench.given(lost, parallelTrialCount=1).plan()
        assert decided.actions == (StopTrial(lost.name, TrialState.KILLED, "Why", "because"),)


class TestBudgetEdits:
    def test_lowered_parallelism_waits_and_kills_nothing(self, bench):  # Q6
        bench.given(*done(bench, 0, 1), *running(bench, 2, 3, 4), parallelTrialCount=4, maxTrialCount=9)
        bench.plan()
        bench.edit(parallel_trial_count=2)
        assert bench.plan().actions == ()
        bench.record(*done(bench, 2))
        assert bench.plan().actions == ()
        bench.record(*done(bench, 3))
        assert bench.plan().actions == (RequestSuggestions(1, 5),)

    def test_recorded_trials_beyond_a_lowered_parallelism_wait(self, bench):
        created = [bench.trial(index, "Created") for index in (1, 2, 3)]
        bench.given(*running(bench, 0), *created, parallelTrialCount=2)
        assert bench.plan().actions == (StartTrial(created[0].name),)

    def test_recorded_trials_beyond_a_lowered_maximum_are_never_started(self, bench):
        created = [bench.trial(index, "Created") for index in (2, 3, 4)]
        bench.given(*done(bench, 0), *running(bench, 1), *created, parallelTrialCount=4, maxTrialCount=3)
        assert bench.plan().actions == (StartTrial(created[0].name),)
        bench.record(*done(bench, 1, 2))
        decided = bench.plan()
        assert condition(decided) == ("Succeeded", "ExperimentMaxTrialsReached")
        assert [action.name for action in of(decided, StopTrial)] == [created[1].name, created[2].name]
        assert not of(decided, StartTrial)

    def test_a_raised_maximum_is_used_at_once(self, bench):
        bench.given(*done(bench, 0), *running(bench, 1), parallelTrialCount=2, maxTrialCount=2)
        assert bench.plan().actions == ()
        bench.edit(max_trial_count=5, parallel_trial_count=4)
        assert bench.plan().actions == (RequestSuggestions(3, 2),)


class TestCompletionOrder:
    def ends(self, bench, *trials, **spec):
        return condition(bench.given(*trials, **spec).plan())

    @pytest.mark.parametrize(
        ("kind", "value", "reached"),
        [
            ("minimize", 0.1, True),
            ("minimize", 0.09, True),
            ("minimize", 0.11, False),
            ("maximize", 0.1, True),
            ("maximize", 0.2, True),
            ("maximize", 0.09, False),
        ],
    )
    def test_goal(self, bench, kind, value, reached):
        objective = {"type": kind, "goal": 0.1}
        end = self.ends(bench, bench.trial(0, "Succeeded", value), objective=objective)
        assert end == (("Succeeded", "ExperimentGoalReached") if reached else ("Running", "ExperimentRunning"))

    def test_goal_comes_before_failures_and_these_before_the_maximum(self, bench):
        trials = [bench.trial(0, "Failed"), bench.trial(1, "MetricsUnavailable"), bench.trial(2, "Succeeded", 0.0)]
        budget = {"maxTrialCount": 3, "maxFailedTrialCount": 2}
        assert self.ends(bench, *trials, objective={"goal": 0.0}, **budget) == ("Succeeded", "ExperimentGoalReached")
        assert self.ends(bench, *trials, **budget) == ("Failed", "ExperimentFailed")
        assert self.ends(bench, *trials, maxTrialCount=3) == ("Succeeded", "ExperimentMaxTrialsReached")

    @pytest.mark.parametrize(("most", "failed", "over"), [(0, 0, False), (0, 1, True), (2, 1, False), (2, 2, True)])
    def test_failures(self, bench, most, failed, over):  # Q37
        trials = [bench.trial(index, "Failed") for index in range(failed)]
        end = self.ends(bench, *trials, maxFailedTrialCount=most, maxTrialCount=9)
        assert end[0] == ("Failed" if over else "Running")

    def test_without_a_failure_limit_it_never_fails(self, bench):
        assert self.ends(bench, *[bench.trial(index, "Failed") for index in range(99)])[0] == "Running"

    @pytest.mark.parametrize("state", ["Killed", "EarlyStopped"])
    def test_stopped_trials_are_no_failures(self, bench, state):
        assert self.ends(bench, bench.trial(0, state), maxFailedTrialCount=1)[0] == "Running"

    def test_without_a_maximum_it_ends_only_by_its_goal(self, bench):
        assert self.ends(bench, *done(bench, *range(99)))[0] == "Running"

    def test_an_unreachable_value_is_no_goal(self, bench):
        values = ["nan", "genotype", "unavailable"]
        trials = [bench.trial(index, "Succeeded", value) for index, value in enumerate(values)]
        assert self.ends(bench, *trials, objective={"goal": 0.5})[0] == "Running"

    def test_exhausted_algorithm(self, bench):  # Q4
        bench.ask = SuggestionState(exhausted=True)
        bench.given(*done(bench, 0), *running(bench, 1), parallelTrialCount=4, maxTrialCount=9)
        assert condition(bench.plan()) == ("Running", "ExperimentRunning")
        assert bench.plan().actions == ()
        bench.record(*done(bench, 1))
        decided = bench.plan()
        assert condition(decided) == ("Succeeded", "ExperimentSuggestionEndReached")
        assert decided.finished

    def test_error_of_the_algorithm(self, bench):
        bench.given(*running(bench, 0), parallelTrialCount=2).ask = SuggestionState(error="no such space")
        decided = bench.plan()
        assert condition(decided) == ("Failed", "ExperimentFailed")
        assert decided.status.conditions[-1].message == "Suggestion has failed: no such space"

    def test_an_error_that_comes_with_the_last_result_changes_nothing(self, bench):
        bench.given(*done(bench, 0, 1), maxTrialCount=2, parallelTrialCount=1).ask = SuggestionState(error="late")
        assert condition(bench.plan()) == ("Succeeded", "ExperimentMaxTrialsReached")

    def test_running_trials_are_stopped_at_the_end(self, bench):
        bench.given(bench.trial(0, "Succeeded", 0), *running(bench, 1), objective={"goal": 0})
        decided = bench.plan()
        assert [(action.name, action.final, action.reason) for action in decided.actions] == [
            (bench.trial(1).name, TrialState.KILLED, "ExperimentCompleted")
        ]
        assert not decided.finished
        bench.record(bench.trial(1, "Running", stopping=TrialState.KILLED))
        assert bench.plan().actions == ()
        bench.record(bench.trial(1, "Killed"))
        assert bench.plan().finished

    def test_katib_lets_running_trials_run(self, bench):  # Q7
        bench.given(
            bench.trial(0, "Succeeded", 0),
            *running(bench, 1),
            bench.trial(2, "Created"),
            objective={"goal": 0},
            trialTimeout="1m",
        )
        bench.policy = KATIB
        decided = bench.plan()
        # What was never started would otherwise be waited for for ever.
        assert [action.name for action in decided.actions] == [bench.trial(2).name]
        assert decided.wake_at == bench.now + timedelta(minutes=1)
        decided = bench.plan(after=60)
        assert (bench.trial(1).name, TrialState.FAILED) in [(action.name, action.final) for action in decided.actions]

    def test_counters_go_on_after_the_end(self, bench):
        bench.given(bench.trial(0, "Succeeded", 0), *running(bench, 1), objective={"goal": 0})
        before = bench.plan().status
        bench.record(bench.trial(1, "Killed"))
        after = bench.plan(after=9).status
        assert (before.trials_running, before.trials_killed) == (1, 0)
        assert (after.trials_running, after.trials_killed) == (0, 1)
        assert after.conditions == before.conditions
        assert after.completion_time == before.completion_time

    def test_nothing_starts_after_the_end(self, bench):
        bench.given(bench.trial(0, "Succeeded", 0), objective={"goal": 0}).plan()
        bench.record(bench.trial(1, "Created"))
        decided = bench.plan()
        assert {type(action) for action in decided.actions} == {StopTrial}


class TestTime:
    def test_max_runtime_wakes_and_ends(self, bench):
        bench.given(*running(bench, 0), parallelTrialCount=1, maxRuntime="1m")
        assert bench.plan().wake_at == bench.now + timedelta(minutes=1)
        decided = bench.plan(after=59)
        assert decided.wake_at == bench.now + timedelta(seconds=1)
        assert condition(decided)[0] == "Running"
        assert condition(bench.plan(after=1)) == ("Failed", "ExperimentMaxRuntimeReached")

    def test_max_runtime_with_a_result_is_a_success(self, bench):
        bench.given(*done(bench, 0), parallelTrialCount=1, maxRuntime="1m").plan()
        assert condition(bench.plan(after=60)) == ("Succeeded", "ExperimentMaxRuntimeReached")

    def test_trial_timeout_wakes_and_fails_the_trial(self, bench):
        bench.given(*running(bench, 0), bench.trial(1, "Running", started=bench.now + timedelta(seconds=5)))
        bench.edit(trial_timeout="10s")
        assert bench.plan().wake_at == bench.now + timedelta(seconds=10)
        decided = bench.plan(after=10)
        (stop,) = of(decided, StopTrial)
        assert (stop.name, stop.final, stop.reason) == (bench.trial(0).name, TrialState.FAILED, "TrialTimeout")
        assert decided.wake_at == bench.now + timedelta(seconds=5)

    def test_a_trial_that_is_being_stopped_is_not_stopped_again(self, bench):
        bench.given(*running(bench, 0, stopping=TrialState.EARLY_STOPPED), trialTimeout="10s", parallelTrialCount=1)
        assert bench.plan(after=99).actions == ()

    def test_without_deadlines_time_changes_nothing(self, bench):
        bench.given(*running(bench, 0), parallelTrialCount=1, maxTrialCount=5)
        assert bench.plan().wake_at is None
        before = bench.plan()
        assert bench.plan(after=1e6) == before


class TestInitialTrials:
    def points(self, *results):
        return [
            {
                "parameterAssignments": [{"name": "y", "value": "2"}, {"name": "x", "value": "1"}],
                **({} if result is None else {"metrics": [{"name": "loss", "value": str(result)}]}),
            }
            for result in results
        ]

    def create(self, bench):
        (action,) = of(bench.plan(), CreateTrials)
        bench.record(*action.records)
        return action.records

    def test_they_come_first_as_places_allow(self, bench):
        bench.given(initialTrials=self.points(None, None, None), parallelTrialCount=2, maxTrialCount=9)
        assert [record.index for record in self.create(bench)] == [0, 1]
        assert not of(bench.plan(), RequestSuggestions)
        bench.record(*done(bench, 0))
        assert [record.index for record in self.create(bench)] == [2]
        bench.record(*done(bench, 1))
        assert of(bench.plan(), RequestSuggestions) == [RequestSuggestions(1, 3)]

    def test_known_results_use_no_budget(self, bench):
        bench.given(initialTrials=self.points(5, None, 3), parallelTrialCount=1, maxTrialCount=2)
        records = self.create(bench)
        assert [(record.index, record.state, record.imported) for record in records] == [
            (0, TrialState.SUCCEEDED, True),
            (1, TrialState.CREATED, False),
            (2, TrialState.SUCCEEDED, True),
        ]
        bench.record(*done(bench, 1, value=4))
        decided = bench.plan()
        assert of(decided, RequestSuggestions) == [RequestSuggestions(1, 3)]
        assert (decided.status.trials, decided.status.trials_succeeded) == (1, 1)
        assert decided.status.current_optimal_trial.best_trial_name == records[2].name
        bench.record(*done(bench, 3, value=9))
        assert condition(bench.plan()) == ("Succeeded", "ExperimentMaxTrialsReached")

    def test_a_known_result_can_be_the_goal(self, bench):
        bench.given(initialTrials=self.points(0), objective={"goal": 0.5})
        self.create(bench)
        assert condition(bench.plan()) == ("Succeeded", "ExperimentGoalReached")

    def test_an_exhausted_algorithm_does_not_end_them(self, bench):
        bench.given(initialTrials=self.points(None), parallelTrialCount=1).ask = SuggestionState(exhausted=True)
        assert [record.index for record in self.create(bench)] == [0]


class TestStopAndResume:
    def test_stop(self, bench):
        bench.given(*done(bench, 0), *running(bench, 1), bench.trial(2, "Created"), maxTrialCount=9).plan()
        bench.stop_requested = True
        decided = bench.plan()
        assert condition(decided) == ("Stopped", "ExperimentStopped")
        assert [(action.name, action.reason) for action in decided.actions] == [
            (bench.trial(1).name, "ExperimentStopped"),
            (bench.trial(2).name, "ExperimentStopped"),
        ]

    @pytest.mark.parametrize("policy", [LOCAL, KATIB])
    def test_the_stop_goes_on_when_the_request_is_forgotten(self, bench, policy):
        bench.given(*running(bench, 0)).policy = policy
        bench.stop_requested = True
        stop = bench.plan().actions
        bench.stop_requested = False
        assert len(stop) == 1
        assert bench.plan().actions == stop

    def test_a_stop_together_with_the_end_is_an_end(self, bench):
        bench.given(bench.trial(0, "Succeeded", 0), *running(bench, 1), objective={"goal": 0})
        bench.stop_requested = True
        decided = bench.plan()
        assert condition(decided) == ("Succeeded", "ExperimentGoalReached")
        # "Runs again when it is resumed" would be a promise nobody can keep.
        assert [action.reason for action in decided.actions] == ["ExperimentCompleted"]

    def test_a_trial_that_ends_its_stop_only_after_the_resume_runs_again(self, bench):
        late = bench.trial(1, "Killed", reason="ExperimentStopped")
        bench.given(*done(bench, 0), late, parallelTrialCount=1, maxTrialCount=2)
        decided = bench.plan()
        assert condition(decided)[0] == "Running"  # its budget is not used up yet
        (create,) = decided.actions
        (again,) = create.records
        assert (again.index, again.name, again.assignments) == (late.index, late.name, late.assignments)
        assert (again.state, again.attempt, again.started, again.finished) == (TrialState.CREATED, 2, None, None)
        bench.record(again)
        assert bench.plan().actions == (StartTrial(late.name),)

    def test_a_trial_to_run_again_takes_a_place_before_new_ones(self, bench):
        late = bench.trial(1, "Killed", reason="ExperimentStopped")
        bench.given(*done(bench, 0), late, parallelTrialCount=3, maxTrialCount=9)
        bench.record(*of(bench.plan(), CreateTrials)[0].records)
        assert of(bench.plan(), RequestSuggestions) == [RequestSuggestions(2, 2)]

    def test_other_killed_trials_stay_killed(self, bench):
        bench.given(bench.trial(0, "Killed"), parallelTrialCount=1)
        assert bench.plan().actions == (RequestSuggestions(1, 1),)


class TestPurity:
    def test_the_same_snapshot_gives_the_same_plan(self, bench):
        bench.given(*done(bench, 0), *running(bench, 1), bench.trial(2, "Created"), maxTrialCount=5)
        assert plan(bench.snapshot) == plan(bench.snapshot)

    @pytest.mark.parametrize("objectives", [None, [{"type": "maximize", "objectiveMetricName": "speed"}]])
    @pytest.mark.parametrize("over", [False, True])
    def test_the_status_is_equal_while_nothing_happens(self, bench, objectives, over):
        result = bench.trial(0, "Succeeded", observation=bench.observation(loss=1, speed=2))
        bench.given(result, *running(bench, 1), objectives=objectives, maxTrialCount=1 if over else None)
        status = bench.plan().status
        assert bench.plan(after=60).status == status
        # Read back from where it was recorded it is the same again.
        bench.experiment = bench.experiment.model_copy(
            update={"status": type(status).model_validate_json(status.model_dump_json(by_alias=True))}
        )
        status = bench.experiment.status
        assert bench.plan(after=60).status == status

    def test_finished_trials_are_not_looked_at(self, bench):
        """The plan of a big experiment asks its ledger for nothing that grows with what has ended."""
        trials = [bench.trial(index, "Succeeded", index) for index in range(30)]
        bench.given(*trials, *running(bench, 30, 31), bench.trial(32, "Created"), maxTrialCount=99, maxRuntime="1h")

        class Watched(dict):
            touched = 0

            def __getitem__(self, key):
                Watched.touched += 1
                return super().__getitem__(key)

            def __iter__(self):
                raise AssertionError

            items = values = keys = __iter__

        bench.ledger._by_name = Watched(bench.ledger._by_name)
        bench.ledger._names = {
            state: names if state.is_active else Watched(names) for state, names in bench.ledger._names.items()
        }
        plan(replace(bench.snapshot))
        assert Watched.touched <= 3 * 5
