"""An unreliable world around ``plan``: whatever breaks and whenever, budgets are kept and the experiment ends as it would have.

The world has what lasts (recorded trials, the recorded experiment, jobs) and what a crash takes (the ledger, the conversation with
the algorithm, messages on their way). Its driver does what any driver does: look, plan, carry out in small steps, each of which may
be the last before a crash. Its ledger may lag behind what is recorded, as a watch cache does.
"""

import random
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from katib.api.defaults import with_defaults
from katib.api.experiment import Experiment, Metric, Observation
from katib.api.trial import TrialState
from katib.engine.creation import trial_records
from katib.engine.ledger import Ledger
from katib.engine.outcome import JobOutcome, finish
from katib.engine.plan import (
    CreateTrials,
    RequestSuggestions,
    Snapshot,
    StartTrial,
    StopTrial,
    SuggestionState,
    plan,
)
from katib.engine.policy import KATIB, KUBERNETES, LOCAL
from katib.engine.resume import problems, resumed
from katib.engine.status import over, with_trial_lists

BEGIN = datetime(2024, 5, 1, tzinfo=UTC)
ROUNDS = 400
"""More turns than any of these small experiments needs without faults."""


def experiment_of(*, goal=None, initial=(), **spec):
    points = [
        {
            "parameterAssignments": [{"name": "x", "value": f"{index}"}],
            **({} if result is None else {"metrics": [{"name": "loss", "value": f"{result}"}]}),
        }
        for index, result in enumerate(initial)
    ]
    document = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "tune", "namespace": "default", "uid": "7d9f"},
        "spec": {
            "parameters": [{"name": "x", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "1000"}}],
            "objective": {"type": "minimize", "objectiveMetricName": "loss", "goal": goal},
            "algorithm": {"algorithmName": "grid"},
            "initialTrials": points or None,
            "resumePolicy": "LongRunning",
            **spec,
        },
    }
    return with_defaults(Experiment.model_validate(document))


@dataclass
class Job:
    """What really runs. It lasts, whatever becomes of the driver."""

    attempt: int
    running: bool = True
    told: bool = False
    lost: bool = False


class Crash(Exception):
    """The driver's process ends here."""


class World:
    """Everything around ``plan``.

    Args:
        experiment: As it was submitted.
        results: What trial ``index`` comes to: a loss, ``failed``, ``silent`` (no metrics) or ``early`` (stopped early).
        points: How many points the algorithm has; None for no end.
        policy: The driver's.
    """

    def __init__(self, experiment, results, *, points=None, policy=LOCAL):
        self.experiment = experiment
        self.results = results
        self.points = points
        self.policy = policy
        self.now = BEGIN
        self.recorded = {}  # name -> newest record
        self.history = []  # every record in the order of recording
        self.jobs = {}
        self.owners = {}  # index -> (name, assignments), for ever
        self.most = experiment.spec.max_trial_count
        self.trouble = None  # how many more steps until the crash
        self.stop_requested = False
        self.finished = False
        self.boot()

    # -- what lasts -----------------------------------------------------------------------------------------------

    def write(self, record):
        """Record a trial, unless what is recorded is newer: a database or an API server with optimistic locking."""
        owner = self.owners.setdefault(record.index, (record.name, record.assignments))
        assert owner == (record.name, record.assignments), "one index, two trials"
        known = self.recorded.get(record.name)
        if known is not None and not record.supersedes(known):
            return
        if known is not None and not known.state.is_active:
            assert known.reason == "ExperimentStopped", "a finished trial changed"
            assert known.state is TrialState.KILLED
            assert record.attempt > known.attempt
        self.recorded[record.name] = record
        self.history.append(record)

    def create(self, record):
        known = self.recorded.get(record.name)
        if known is None or record.attempt > known.attempt:
            self.write(record)

    def job_of(self, record):
        job = self.jobs.get(record.name)
        return job if job is not None and job.attempt == max(record.attempt, 1) else None

    @property
    def running(self):
        return [name for name, job in self.jobs.items() if job.running]

    def used(self):
        """How many trials have used up their part of the budget, by what is recorded."""
        return sum(
            not record.imported
            and not record.state.is_active
            and not (record.state is TrialState.KILLED and record.reason == "ExperimentStopped")
            for record in self.recorded.values()
        )

    # -- the driver -----------------------------------------------------------------------------------------------

    def boot(self):
        """A new driver: reads what is recorded and takes over the jobs it finds."""
        self.trouble = None
        self.ledger = Ledger.from_records(self.experiment, self.recorded.values())
        self.seen = len(self.history)
        self.finals = {}
        self.asked = None
        self.ended = 0
        self.resting_at = None  # asked again when another trial has ended, as in katib.local
        self.exhausted = False
        self.error = ""
        self.events = []
        for record in self.ledger.active():
            job = self.job_of(record)
            if job is None:
                continue
            if job.lost:
                lost = replace(record, state=TrialState.CREATED, started=None, attempt=max(record.attempt, 1) + 1)
                self.write(lost)
                continue
            if record.state is TrialState.CREATED:
                self.write(replace(record, state=TrialState.RUNNING, started=self.now, attempt=job.attempt))
            job.told = job.told or record.stopping is not None
            if not job.running:
                self.notice(record.name)
        self.catch_up()

    def step(self):
        """One thing was done; the next may never be."""
        if self.trouble is not None:
            self.trouble -= 1
            if self.trouble < 0:
                raise Crash

    def catch_up(self, behind=0):
        upto = max(self.seen, len(self.history) - behind)
        for record in self.history[self.seen : upto]:
            self.ledger.record(record)
            self.ended += not record.state.is_active
        self.seen = upto

    @property
    def snapshot(self):
        waiting = self.asked is not None or self.resting_at == self.ended
        return Snapshot(
            experiment=self.experiment,
            ledger=self.ledger,
            suggestions=SuggestionState(waiting=waiting, exhausted=self.exhausted, error=self.error),
            now=self.now,
            stop_requested=self.stop_requested,
            policy=self.policy,
        )

    def turn(self, *, crash_after=None, behind=0, status_last=False):
        """Look, plan and act; ``crash_after`` that many steps the driver dies and another one takes over."""
        self.trouble = crash_after
        try:
            self.catch_up(behind)
            decided = plan(self.snapshot)
            self.judge(decided)
            if not status_last:
                self.record_status(decided)
            for action in decided.actions:
                self.apply(action)
            if status_last:
                self.record_status(decided)
            self.finished = decided.finished
            self.trouble = None
        except Crash:
            self.boot()
            return None
        return decided

    def record_status(self, decided):
        self.step()
        self.experiment = self.experiment.model_copy(update={"status": decided.status})

    def apply(self, action):
        match action:
            case CreateTrials(records=records):
                for record in records:
                    self.step()
                    self.create(record)
            case RequestSuggestions():
                self.step()
                assert self.asked is None
                self.asked = action
                self.active_when_asked = self.ledger.active_count
                self.ended_when_asked = self.ended
                self.resting_at = None
            case StartTrial(name=name):
                self.start(self.ledger.trial(name))
            case StopTrial(name=name):
                self.stop(self.ledger.trial(name), action)

    def start(self, record):
        self.step()
        attempt = max(record.attempt, 1)
        job = self.jobs.get(record.name)
        # A newer record says that this trial was started already: what is known here is old.
        if (job is None or job.attempt < attempt) and self.recorded[record.name] == record:
            spec = self.experiment.spec
            assert job is None or not job.running, "one trial runs twice"
            assert len(self.running) < spec.parallel_trial_count, "more than parallelTrialCount"
            if spec.max_trial_count is not None and self.policy.counts_unmeasured_in_demand:
                assert self.used() + len(self.running) < spec.max_trial_count, "more than maxTrialCount"
            self.jobs[record.name] = Job(attempt)
        self.step()
        self.write(replace(record, state=TrialState.RUNNING, started=self.now, attempt=attempt))

    def stop(self, record, action):
        self.step()
        job = self.job_of(record)
        marked = replace(record, stopping=action.final, reason=action.reason, message=action.message)
        if job is None:
            self.write(replace(marked, state=action.final, stopping=None, finished=self.now))
            return
        self.write(marked)
        self.step()
        job.told = True

    def judge(self, decided):
        """What must hold of every plan."""
        snapshot, status = self.snapshot, decided.status
        assert plan(snapshot) == decided, "the same snapshot, two plans"
        again = plan(replace(snapshot, experiment=self.experiment.model_copy(update={"status": status})))
        later = replace(snapshot, now=self.now + timedelta(days=999))
        assert again.status == status, "a status that changes by itself is written for ever"
        if decided.wake_at is None:
            assert plan(later).actions == decided.actions or any(
                isinstance(action, CreateTrials) for action in decided.actions
            ), "time changes the plan and nobody wakes"
        else:
            assert decided.wake_at > self.now
        if over(status):
            assert all(isinstance(action, StopTrial) for action in decided.actions), "it is over and something begins"
        requested = [action for action in decided.actions if isinstance(action, RequestSuggestions)]
        assert all(action.first_index not in {trial.index for trial in self.ledger} for action in requested)
        self.judge_counts(status)

    def judge_counts(self, status):
        truth = Counter(trial.state for trial in self.ledger if not trial.imported)
        shown = {
            TrialState.SUCCEEDED: status.trials_succeeded,
            TrialState.FAILED: status.trials_failed,
            TrialState.KILLED: status.trials_killed,
            TrialState.CREATED: status.trials_pending,
            TrialState.RUNNING: status.trials_running,
            TrialState.EARLY_STOPPED: status.trials_early_stopped,
            TrialState.METRICS_UNAVAILABLE: status.trial_metrics_unavailable,
        }
        assert shown == {state: truth[state] for state in TrialState}
        assert status.trials == truth.total()
        lists = with_trial_lists(status, self.ledger)
        assert sorted(lists.succeeded_trial_list) == sorted(
            trial.name for trial in self.ledger if trial.state is TrialState.SUCCEEDED and not trial.imported
        )
        losses = [
            (float(trial.observation.metrics[0].latest), trial.finished, trial.index)
            for trial in self.ledger
            if trial.state in (TrialState.SUCCEEDED, TrialState.EARLY_STOPPED) and trial.observation is not None
        ]
        best = None if not losses else self.ledger.at(min(losses)[2]).name
        optimum = status.current_optimal_trial
        assert (optimum.best_trial_name if optimum else None) == best

    # -- what happens to it ---------------------------------------------------------------------------------------

    def end_job(self, name):
        """The job of a trial ends, by itself or because it was told to; the driver will hear of it, or not."""
        self.jobs[name].running = False
        self.notice(name)

    def notice(self, name):
        """A message about a job's end is on its way."""
        record, job = self.recorded[name], self.jobs[name]
        if not record.state.is_active or record.state is TrialState.CREATED or self.job_of(record) is None:
            return  # the driver died before it recorded the start; the next one sees this
        result = self.results[record.index % len(self.results)]
        told = job.told and record.stopping is not None
        if result == "early" and not told:
            record = replace(record, stopping=TrialState.EARLY_STOPPED, reason="TrialEarlyStopped", message="rule")
        number = 0.5 if result == "early" else result
        silent = result in ("failed", "silent")
        metrics = [] if silent else [Metric(name="loss", min=f"{number}", max=f"{number}", latest=f"{number}")]
        kind = "failed" if told or result in ("failed", "early") else "succeeded"
        event = finish(
            record if told or result == "early" else replace(record, stopping=None),
            JobOutcome(kind),
            Observation(metrics=metrics),
            self.experiment.spec,
            now=self.now,
            ended=self.now,
            metrics_complete=True,
            evidence=(),
            policy=self.policy,
        )
        self.events.append(event)

    def deliver(self, place, *, keep=False):
        """The driver hears of a job's end; with ``keep`` it will hear of it again."""
        event = self.events[place] if keep else self.events.pop(place)
        self.write(event)

    def answer(self, short=0):
        """The algorithm answers, with ``short`` points fewer than it was asked for."""
        request, self.asked = self.asked, None
        left = request.count if self.points is None else max(0, self.points - request.first_index)
        count = min(left, request.count)
        if self.active_when_asked or count > 1:
            # One that keeps back everything although nothing runs has no more: that is its end, not its delay.
            count = max(0 if self.active_when_asked else 1, count - short) if count else 0
        points = [((("x", str(request.first_index + offset)),), {}) for offset in range(count)]
        for record in trial_records(self.experiment, request.first_index, points, self.now):
            self.create(record)
        self.exhausted = not count and not self.active_when_asked
        self.resting_at = self.ended_when_asked if count < request.count else None

    def lose_machine(self):
        """Everything that ran is gone, the driver too."""
        for job in self.jobs.values():
            if job.running:
                job.running, job.lost = False, True
        self.boot()

    def edit(self, **fields):
        spec = self.experiment.spec.model_copy(update=fields)
        edited = self.experiment.model_copy(update={"spec": spec})
        self.catch_up()
        if problems(self.experiment, edited, self.ledger):
            return
        if over(self.experiment.status):
            return  # that is ``resume``
        self.set_budget(edited)

    def set_budget(self, edited):
        self.experiment = edited
        most = edited.spec.max_trial_count
        there = sum(not record.imported for record in self.recorded.values())
        on_the_way = self.asked.count if self.asked is not None else 0
        self.most = None if most is None else max(most, there + on_the_way)

    def resume(self, *, crash_after=None, **fields):
        """The user lets it go on. It is not said which of the two writes comes first."""
        spec = self.experiment.spec.model_copy(update=fields)
        edited = self.experiment.model_copy(update={"spec": spec})
        self.catch_up()
        if not over(self.experiment.status) or problems(self.experiment, edited, self.ledger):
            return
        self.stop_requested = self.finished = False
        self.set_budget(edited)
        self.trouble = crash_after
        try:
            status, records = resumed(edited, self.ledger, self.now)
            self.experiment = edited.model_copy(update={"status": status})
            for record in records:
                self.step()
                self.write(record)
            self.trouble = None
        except Crash:
            pass
        self.boot()

    def settle(self):
        """No more faults: everything on its way arrives. Return the number of turns until the experiment was over."""
        for count in range(ROUNDS):
            for name in self.running:
                self.end_job(name)
            for job_name in [name for name, job in self.jobs.items() if not job.running and not job.lost]:
                self.notice(job_name)
            while self.events:
                self.deliver(0)
            if self.asked is not None:
                self.answer()
            decided = self.turn()
            if decided.finished:
                return count
            self.now = (
                max(self.now + timedelta(seconds=1), decided.wake_at or self.now) if not decided.actions else self.now
            )
        raise AssertionError(f"not over after {ROUNDS} turns: {decided}")

    # -- what must hold always ------------------------------------------------------------------------------------

    def check(self):
        names = {}
        for record in self.recorded.values():
            assert names.setdefault(record.index, record.name) == record.name
        assert len(names) == len(self.recorded)
        if self.most is not None and self.policy.counts_unmeasured_in_demand:
            assert sum(not record.imported for record in self.recorded.values()) <= self.most, "too many trials"
        for trial in self.ledger:
            known = self.finals.get(trial.name)
            if known is not None and trial != known:
                assert known.reason == "ExperimentStopped"
                assert trial.attempt > known.attempt
            if not trial.state.is_active:
                self.finals[trial.name] = trial
        if self.finished and over(self.experiment.status):
            assert not self.running, "finished, and something runs"

    @property
    def end(self):
        """What an experiment comes to."""
        self.catch_up()
        condition = self.experiment.status.conditions[-1]
        best = self.experiment.status.current_optimal_trial
        return (
            (condition.type, condition.reason),
            {trial.index: (trial.state, trial.name, trial.assignments) for trial in self.ledger},
            best.observation if best else None,
        )


RESULTS = st.lists(st.sampled_from([3.0, 2.0, 1.0, 0.0, "failed", "silent", "early"]), min_size=1, max_size=8)
PICK = st.integers(0, 9)
STEPS = st.none() | st.integers(0, 9)
SETUPS = st.fixed_dictionaries(
    {
        "results": RESULTS,
        "parallel": st.integers(1, 4),
        "most": st.none() | st.integers(1, 9),
        "failed": st.none() | st.none() | st.integers(0, 3),
        "goal": st.sampled_from([None, None, 0.0]),
        "points": st.none() | st.integers(0, 12),
        "initial": st.lists(st.sampled_from([None, 5.0]), max_size=4),
        "runtime": st.sampled_from([None, None, "2h"]),
        "timeout": st.sampled_from([None, "1h"]),
        "policy": st.sampled_from([LOCAL, LOCAL, KUBERNETES, KATIB]),
    }
)
CONVERGING = st.fixed_dictionaries(
    {
        "results": RESULTS,
        "parallel": st.integers(1, 4),
        "most": st.none() | st.integers(4, 12),
        "points": st.integers(0, 14),
        "initial": st.lists(st.sampled_from([None, 5.0]), max_size=3),
        "limits": st.sampled_from([{}, {"goal": 0.0}, {"maxFailedTrialCount": 2}]),
        "policy": st.sampled_from([LOCAL, KUBERNETES]),
    }
)


class Unreliable(RuleBasedStateMachine):
    """Everything that can go wrong, in any order."""

    @initialize(drawn=SETUPS)
    def begin(self, drawn):
        most, failed, points = drawn["most"], drawn["failed"], drawn["points"]
        if most is None and points is None:
            points = 12  # something has to end it
        self.world = World(
            experiment_of(
                goal=drawn["goal"],
                initial=drawn["initial"],
                parallelTrialCount=drawn["parallel"] if most is None else min(drawn["parallel"], most),
                maxTrialCount=most,
                maxFailedTrialCount=failed if failed is None or most is None else min(failed, most),
                maxRuntime=drawn["runtime"],
                trialTimeout=drawn["timeout"],
            ),
            drawn["results"],
            points=points,
            policy=drawn["policy"],
        )

    @rule(crash_after=STEPS, behind=st.integers(0, 3), status_last=st.booleans())
    def turn(self, crash_after, behind, status_last):
        self.world.turn(crash_after=crash_after, behind=behind, status_last=status_last)

    @rule()
    def healthy_turn(self):
        self.world.turn()

    @precondition(lambda self: self.world.running)
    @rule(pick=PICK)
    def job_ends(self, pick):
        names = self.world.running
        self.world.end_job(names[pick % len(names)])

    @precondition(lambda self: self.world.events)
    @rule(pick=PICK, keep=st.booleans())
    def message_arrives(self, pick, keep):
        self.world.deliver(pick % len(self.world.events), keep=keep)

    @precondition(lambda self: self.world.seen)
    @rule(pick=st.integers(0, 99))
    def old_record_arrives(self, pick):
        self.world.ledger.record(self.world.history[pick % self.world.seen])

    @precondition(lambda self: self.world.asked)
    @rule(short=st.sampled_from([0, 0, 1, 9]))
    def algorithm_answers(self, short):
        self.world.answer(short)

    @precondition(lambda self: self.world.asked)
    @rule(pick=PICK)
    def algorithm_fails(self, pick):
        if pick == 0:
            self.world.asked, self.world.error = None, "it cannot go on"

    @precondition(lambda self: self.world.running)
    @rule(pick=PICK)
    def trial_is_stopped_early(self, pick):
        names = self.world.running
        record = self.world.recorded[names[pick % len(names)]]
        if record.state is TrialState.RUNNING and record.stopping is None:
            early = {"stopping": TrialState.EARLY_STOPPED, "reason": "TrialEarlyStopped", "message": "rule"}
            self.world.write(replace(record, **early))
            self.world.jobs[record.name].told = True

    @rule(pick=PICK)
    def user_stops(self, pick):
        if pick < 3:
            self.world.stop_requested = True

    @rule(more=st.integers(0, 3), parallel=st.integers(1, 4), crash_after=STEPS)
    def user_resumes(self, more, parallel, crash_after):
        most = self.world.experiment.spec.max_trial_count
        most = None if most is None else most + more
        self.world.resume(
            crash_after=crash_after,
            max_trial_count=most,
            parallel_trial_count=parallel if most is None else min(parallel, most),
        )

    @rule(most=st.integers(1, 12), parallel=st.integers(1, 5), failed=st.none() | st.integers(0, 4))
    def user_edits_the_budget(self, most, parallel, failed):
        most = None if self.world.experiment.spec.max_trial_count is None else most
        self.world.edit(max_trial_count=most, parallel_trial_count=parallel, max_failed_trial_count=failed)

    @rule(seconds=st.sampled_from([1, 60, 1800, 3600]))
    def time_passes(self, seconds):
        self.world.now += timedelta(seconds=seconds)

    @rule(pick=PICK)
    def driver_dies(self, pick):
        if pick < 5:
            self.world.boot()

    @rule(pick=PICK)
    def machine_dies(self, pick):
        if pick < 3:
            self.world.lose_machine()

    @invariant()
    def holds(self):
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self):
        if not hasattr(self, "world"):
            return
        world = self.world
        world.settle()
        world.check()
        assert over(world.experiment.status)
        assert not world.running
        end = world.end
        world.now += timedelta(days=1)
        assert world.turn().actions == ()
        assert world.end == end


Unreliable.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
TestUnreliableWorld = Unreliable.TestCase


def chaos(world, luck, turns):
    """Faults of every kind that change what happens, but not what it should come to."""
    for _ in range(turns):
        match luck.randrange(12):
            case 0 | 1 | 2:
                world.turn(
                    crash_after=luck.choice([None, None, *range(8)]),
                    behind=luck.randrange(4),
                    status_last=luck.random() < 0.5,
                )
            case 3 | 4 if world.running:
                world.end_job(luck.choice(world.running))
            case 5 | 6 if world.events:
                world.deliver(luck.randrange(len(world.events)), keep=luck.random() < 0.5)
            case 7 if world.asked:
                world.answer(luck.choice([0, 0, 1]))
            case 8 if world.seen:
                world.ledger.record(world.history[luck.randrange(world.seen)])
            case 9:
                world.boot()
            case 10 if luck.random() < 0.3:
                world.lose_machine()
            case 11 if luck.random() < 0.5:
                world.stop_requested = True
            case 11:
                world.resume(crash_after=luck.choice([None, 0, 1, 2]))
        world.now += timedelta(seconds=luck.randrange(3))
        world.check()


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@given(drawn=CONVERGING, luck=st.randoms(use_true_random=False))
def test_a_run_with_crashes_ends_as_one_without(drawn, luck):
    # With a limit and several at a time, which trials are cut off depends on which is faster, also without faults.
    parallel = 1 if drawn["limits"] else drawn["parallel"]

    def world():
        experiment = experiment_of(
            initial=drawn["initial"], parallelTrialCount=parallel, maxTrialCount=drawn["most"], **drawn["limits"]
        )
        return World(experiment, drawn["results"], points=drawn["points"], policy=drawn["policy"])

    calm, unlucky = world(), world()
    calm.settle()
    chaos(unlucky, luck, 60)
    unlucky.stop_requested = False
    unlucky.settle()
    unlucky.resume()  # if it was stopped
    unlucky.settle()
    assert unlucky.end == calm.end


def test_the_world_is_not_too_kind():
    """The checks above mean something only if the faults really happen: a chaotic run needs more than one attempt somewhere."""
    seen = SimpleNamespace(attempts=0, states=set())
    for seed in range(40):
        world = World(experiment_of(parallelTrialCount=3, maxTrialCount=9), [1.0, "failed", "silent", "early"])
        chaos(world, random.Random(seed), 80)
        seen.attempts = max(seen.attempts, *(record.attempt for record in world.history), 0)
        seen.states |= {record.state for record in world.history}
    assert seen.attempts > 2
    assert seen.states == set(TrialState)
