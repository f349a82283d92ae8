"""What a worker remembers changes no answer: a worker that has seen much answers byte for byte as one that was just born."""

import random

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from katib.rpc import v1beta1 as wire
from katib.rpc.answer import Answerer
from katib.rpc.search import Search as Searched
from katib.rpc.session import Session
from katib.rpc.sessions import Sessions
from katib.rpc.worker_call import Kind, Task

SPEC = {
    "objective": {"type": "MINIMIZE", "objectiveMetricName": "loss"},
    "parallelTrialCount": 12,
    "maxTrialCount": 60,
    "parameterSpecs": {
        "parameters": [
            {"name": "x", "parameterType": "DOUBLE", "feasibleSpace": {"min": "0", "max": "1", "step": "0.05"}},
            {"name": "n", "parameterType": "INT", "feasibleSpace": {"min": "1", "max": "9"}},
            {"name": "c", "parameterType": "CATEGORICAL", "feasibleSpace": {"list": ["a", "b"]}},
        ]
    },
}
HALVING = {"r_l": "9", "resource_name": "n", "eta": "3"}
PBT = {"suggestion_trial_dir": "/opt/katib/data", "n_population": "5", "truncation_threshold": "0.4"}
SETTINGS = {
    "hyperband": HALVING,
    "asha": HALVING,
    "pbt": PBT,
    "tpe": {"n_startup_trials": "3"},
    "nsga2": {"population_size": "4"},
    "bayesianoptimization": {"n_initial_points": "3"},
}
EXAMPLES = {
    "random": 25,
    "grid": 25,
    "sobol": 25,
    "hyperband": 25,
    "asha": 25,
    "pbt": 20,
    "cmaes": 15,
    "tpe": 8,
    "nsga2": 8,
}
CONDITIONS = (
    wire.TrialStatus.CREATED,
    wire.TrialStatus.RUNNING,
    wire.TrialStatus.SUCCEEDED,
    wire.TrialStatus.SUCCEEDED,
    wire.TrialStatus.SUCCEEDED,
    wire.TrialStatus.FAILED,
    wire.TrialStatus.EARLYSTOPPED,
)


def experiment_for(algorithm, name="exp"):
    stated = [{"name": key, "value": value} for key, value in SETTINGS.get(algorithm, {}).items()]
    spec = {**SPEC, "algorithm": {"algorithmName": algorithm, "algorithmSettings": stated}}
    parameters = SPEC["parameterSpecs"]["parameters"]
    if algorithm == "pbt":
        parameters = [
            parameters[0],
            {**parameters[1], "feasibleSpace": {**parameters[1]["feasibleSpace"], "step": "1"}},
            parameters[2],
        ]
    return json_format.ParseDict(
        {"name": name, "spec": {**spec, "parameterSpecs": {"parameters": parameters}}}, wire.Experiment()
    )


def begun(experiment):
    return Session(Searched.of_message(experiment))


def unwanted():
    pytest.fail("a session was begun although there is one")


class Search:
    """A search as its controller sees it: asks, starts trials, and lets anything happen to them."""

    def __init__(self, algorithm, seed):
        self.experiment = experiment_for(algorithm)
        self.trials = []
        self.requested = 0
        self.rng = random.Random(seed)
        self.second = 0

    def request(self, count):
        self.requested += count
        return wire.GetSuggestionsRequest(
            experiment=self.experiment,
            trials=self.trials,
            current_request_number=count,
            total_request_number=self.requested,
        ).SerializeToString()

    def start(self, reply):
        for assigned in reply.parameter_assignments:
            trial = wire.Trial(name=assigned.trial_name or f"exp-{self.rng.getrandbits(32):08x}")
            trial.spec.parameter_assignments.assignments.extend(assigned.assignments)
            for key, value in assigned.labels.items():
                trial.spec.labels[key] = value
            self.trials.append(trial)
            self.change(trial)

    def change(self, trial):
        trial.status.condition = self.rng.choice(CONDITIONS)
        if trial.status.condition != wire.TrialStatus.CREATED and self.rng.random() < 0.9:
            self.second += self.rng.choice((0, 1))
            trial.status.start_time = f"2026-03-01T12:{self.second // 60 % 60:02}:{self.second % 60:02}Z"
        del trial.status.observation.metrics[:]
        if trial.status.condition in (wire.TrialStatus.SUCCEEDED, wire.TrialStatus.EARLYSTOPPED):
            value = self.rng.choice((f"{self.rng.random():.3f}", "unavailable", "nan", f"{self.rng.random():.3f}"))
            trial.status.observation.metrics.add(name="loss", value=value)

    def happen(self, event):
        """Let something happen between two calls."""
        rng = self.rng
        match event:
            case "change" if self.trials:
                for trial in rng.sample(self.trials, k=min(3, len(self.trials))):
                    self.change(trial)
            case "remove" if self.trials:
                self.trials.remove(rng.choice(self.trials))
            case "reorder":
                rng.shuffle(self.trials)
            case "budget":
                self.experiment.spec.max_trial_count += rng.choice((-1, 1, 5))
                self.experiment.spec.parallel_trial_count = rng.choice((12, 13))
            case "again":
                self.trials, self.requested = [], 0
            case "point" if self.trials:
                for assigned in rng.choice(self.trials).spec.parameter_assignments.assignments[:1]:
                    assigned.value = "0.35"
            case "stranger":
                self.trials.append(wire.Trial(name=f"other-{rng.getrandbits(16)}"))
            case "twin" if self.trials:
                twin = wire.Trial.FromString(rng.choice(self.trials).SerializeToString())
                self.change(twin)
                self.trials.append(twin)


EVENTS = ("change", "change", "change", "remove", "reorder", "budget", "again", "point", "stranger", "twin")
STEP = st.tuples(st.integers(0, 1), st.lists(st.sampled_from(EVENTS), max_size=3), st.integers(0, 5))


@pytest.mark.parametrize("algorithm", EXAMPLES)
def test_a_worker_that_remembers_answers_as_a_new_one(algorithm):
    answered = []

    @settings(
        max_examples=EXAMPLES[algorithm], deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
    )
    @given(
        seed=st.integers(0, 1 << 16),
        steps=st.lists(STEP, min_size=2, max_size=8),
        cache=st.sampled_from([1, 150_000, 1 << 20]),
    )
    def check(seed, steps, cache):
        warm = Answerer(cache)
        # Of the same name and space, as in two namespaces: nothing in a request says which.
        searches = [Search(algorithm, seed), Search(algorithm, seed + 1)]
        for which, events, count in steps:
            search = searches[which]
            for event in events:
                search.happen(event)
            task = Task(Kind.SUGGEST, search.request(count), 60)
            outcome = warm.answer(task)
            assert outcome.failure is None, outcome.failure
            assert outcome.reply == Answerer(1 << 20).answer(task).reply
            search.start(wire.GetSuggestionsReply.FromString(outcome.reply))
            answered.append(task)

    check()
    assert len(answered) > 2 * EXAMPLES[algorithm]


def test_a_failed_call_leaves_no_trace():
    """A session that a call left half-way is not used again."""
    warm, search = Answerer(1 << 20), Search("random", 1)
    search.start(wire.GetSuggestionsReply.FromString(warm.answer(Task(Kind.SUGGEST, search.request(4), 60)).reply))
    broken = wire.GetSuggestionsRequest.FromString(search.request(1))
    broken.trials.add()
    assert warm.answer(Task(Kind.SUGGEST, broken.SerializeToString(), 60)).failure.code == "INVALID_ARGUMENT"
    task = Task(Kind.SUGGEST, search.request(4), 60)
    assert warm.answer(task).reply == Answerer(1 << 20).answer(task).reply


def test_a_search_that_began_again_without_trials_begins_where_it_began():
    warm, search = Answerer(1 << 20), Search("random", 1)
    first = Task(Kind.SUGGEST, search.request(2), 60)
    reply = warm.answer(first).reply
    search.request(2)
    warm.answer(Task(Kind.SUGGEST, search.request(0), 60))  # all of its trials were deleted
    assert warm.answer(first).reply == reply


class TestForgetting:
    def test_the_last_one_stays_however_small_the_limit(self):
        sessions = Sessions(0)
        experiment = experiment_for("random")
        kept = begun(experiment)
        sessions.put(b"a", begun(experiment))
        sessions.put(b"b", kept)
        assert len(sessions) == 1
        assert sessions.take(b"b", [], unwanted) is kept

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 30), st.booleans()), min_size=1, max_size=30),
        st.integers(1, 400_000),
    )
    def test_what_is_remembered_has_a_limit(self, calls, limit):
        sessions = Sessions(limit)
        for which, count, fails in calls:
            experiment = experiment_for("random", f"exp{which}")
            data = experiment.SerializeToString()
            trials = [wire.Trial(name=f"t{index}").SerializeToString() for index in range(count)]
            session = sessions.take(data, trials, lambda of=experiment: begun(of))
            session.suggest(trials, 1, 0)
            if fails:
                continue
            sessions.put(data, session)
            held = list(sessions._by_use)
            assert held[-1] is session
            assert sessions._size == sum(item.size for item in held)
            assert sessions._size <= limit or len(held) == 1
            assert sorted(map(id, held)) == sorted(
                id(item) for alike in sessions._by_experiment.values() for item in alike
            )
        assert sessions._size >= 0

    def test_a_long_search_keeps_no_old_versions_of_its_trials(self):
        search, sizes = Search("random", 3), []
        session = begun(search.experiment)
        trial = wire.Trial(name="t")
        for second in range(2000):
            trial.status.start_time = f"2026-03-01T12:{second // 60:02}:{second % 60:02}Z"
            session.learn([trial.SerializeToString()])
            sizes.append(session.size)
        assert max(sizes) < 2 * sizes[150]

    def test_searches_whose_experiments_have_the_same_bytes_are_told_apart_by_their_trials(self):
        sessions, experiment = Sessions(1 << 30), experiment_for("random").SerializeToString()

        def begin():
            return begun(experiment_for("random"))

        here = [wire.Trial(name="here").SerializeToString()]
        there = [wire.Trial(name="there").SerializeToString()]
        first = sessions.take(experiment, here, begin)
        first.learn(here)
        sessions.put(experiment, first)
        second = sessions.take(experiment, there, begin)
        second.learn(there)
        sessions.put(experiment, second)
        assert second is not first
        assert sessions.take(experiment, here, unwanted) is first
        assert sessions.take(experiment, there, unwanted) is second
