"""What our client tells our server is all that local mode knows: the same points for the same seed and history, whoever is asked."""

import itertools
import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from katib.algorithm import registry
from katib.api.defaults import with_defaults
from katib.api.experiment import Metric, Observation
from katib.api.parse import parse_experiment
from katib.api.trial import TrialState
from katib.engine.creation import initial_records, trial_records
from katib.local.suggesting import Suggester
from katib.rpc import v1beta1 as wire
from katib.rpc.answer import Answerer
from katib.rpc.experiment_encoding import encoded_experiment
from katib.rpc.request_parts import ReplyParts
from katib.rpc.trial_encoding import EncodedHistory
from katib.rpc.worker_call import Kind, Task

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
X = {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1", "step": "0.01"}}
N = {"name": "n", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9", "step": "1"}}
C = {"name": "c", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}}
D = {
    "name": "d",
    "parameterType": "double",
    "feasibleSpace": {"min": "0", "max": "1", "step": "0.1"},
    "condition": {"parameter": "c", "in": ["a"]},
}
NETWORK = {
    "graphConfig": {"numLayers": 4, "inputSizes": [8, 8, 3], "outputSizes": [10]},
    "operations": [
        {
            "operationType": "convolution",
            "parameters": [
                {"name": "filter_size", "parameterType": "categorical", "feasibleSpace": {"list": ["3", "5"]}}
            ],
        }
    ],
}
SETTINGS = {
    "hyperband": {"r_l": "9", "resource_name": "n"},
    "asha": {"r_l": "9", "resource_name": "n"},
    "pbt": {"suggestion_trial_dir": "/opt/katib/data", "n_population": "5", "truncation_threshold": "0.4"},
    "tpe": {"n_startup_trials": "3"},
    "multivariate-tpe": {"n_startup_trials": "3"},
    "nsga2": {"population_size": "4"},
    "bayesianoptimization": {"n_initial_points": "3"},
}
VARIANTS = {
    "plain": {},
    "conditions": {"parameters": [X, N, C, D]},
    "constraints": {"constraints": [{"expression": "x + n / 9 <= 1.4"}]},
    "bounds": {"bounds": [{"metricName": "size", "max": 0.7}]},
    "two-objectives": {"objectives": [{"type": "maximize", "objectiveMetricName": "size"}]},
    "imported": {
        "initialTrials": [
            {
                "parameterAssignments": [
                    {"name": "x", "value": "0.5"},
                    {"name": "n", "value": "3"},
                    {"name": "c", "value": "b"},
                ],
                "metrics": [{"name": "loss", "value": "0.25"}],
            },
            {
                "parameterAssignments": [
                    {"name": "x", "value": "0.1"},
                    {"name": "n", "value": "9"},
                    {"name": "c", "value": "a"},
                ]
            },
        ]
    },
}
ENDS = (
    TrialState.RUNNING,
    TrialState.SUCCEEDED,
    TrialState.SUCCEEDED,
    TrialState.SUCCEEDED,
    TrialState.FAILED,
    TrialState.KILLED,
    TrialState.EARLY_STOPPED,
    TrialState.METRICS_UNAVAILABLE,
)


def experiment_for(algorithm, variant):
    more = dict(VARIANTS[variant])
    network = bool(registry.get(algorithm).assigns)
    objective = {"type": "minimize", "objectiveMetricName": "loss", "additionalMetricNames": ["size"]}
    if "bounds" in more:
        objective["bounds"] = more.pop("bounds")
    if network:
        more.pop("parameters", None)
    stated = [{"name": name, "value": value} for name, value in SETTINGS.get(algorithm, {}).items()]
    return with_defaults(
        parse_experiment(
            {
                "apiVersion": "kubeflow.org/v1beta1",
                "kind": "Experiment",
                "metadata": {"name": "search", "namespace": "here", "uid": f"uid-{algorithm}-{variant}"},
                "spec": {
                    "objective": objective,
                    "algorithm": {"algorithmName": algorithm, "algorithmSettings": stated},
                    "parallelTrialCount": 12,
                    "maxTrialCount": 60,
                    "seed": 11,
                    **({"nasConfig": NETWORK} if network else {"parameters": [X, N, C]}),
                    **more,
                },
            }
        )
    )


def possible(algorithm, variant):
    experiment = experiment_for(algorithm, variant)
    networks = bool(registry.get(algorithm).assigns) and variant in ("conditions", "constraints", "imported")
    return not networks and not registry.problems(experiment)


CASES = [case for case in itertools.product(registry.names(), VARIANTS) if possible(*case)]


class World:
    """An experiment whose trials end in every way, and those who are asked for its points."""

    def __init__(self, experiment, seed):
        self.experiment = experiment
        self.rng = random.Random(seed)
        self.fates = itertools.cycle(self.rng.sample(ENDS, len(ENDS)))
        self.records = {}
        self.history = EncodedHistory()
        self.bell = threading.Semaphore(0)
        algorithm = registry.create(experiment, experiment.spec.seed)
        self.local = Suggester(algorithm, experiment.spec, self.bell.release)
        self.warm = Answerer(1 << 24)
        initial = experiment.spec.initial_trials or []
        self.learn(initial_records(experiment, range(len(initial)), BEGIN))

    def learn(self, records):
        for record in records:
            self.records[record.name] = record
            self.history.record(record)
        self.local.record(records)

    def asked_here(self, count):
        self.local.request(count)
        assert self.bell.acquire(timeout=60)
        answer = self.local.take()
        assert not answer.error, answer.details or answer.error
        return [
            (tuple((item.name, item.value) for item in point.assignments()), dict(point.labels))
            for point in answer.points
        ]

    def task(self, count):
        request = (
            encoded_experiment(self.experiment, extended=True)
            + self.history.joined(self.experiment.spec, extended=True)
            + wire.GetSuggestionsRequest(
                current_request_number=count, total_request_number=len(self.records) + count
            ).SerializeToString()
        )
        return Task(Kind.SUGGEST, request, 600)

    def create(self, points):
        self.learn(trial_records(self.experiment, len(self.records), points, BEGIN))

    def happen(self):
        """Let something become of the trials that have not ended."""
        active = [record for record in self.records.values() if record.state.is_active]
        self.learn([self.ended(record, next(self.fates)) for record in active])

    def ended(self, record, state):
        rng = self.rng
        started = record.started
        if started is None:
            started = BEGIN + timedelta(seconds=rng.uniform(0, 500))
        finished = None if state.is_active else started + timedelta(seconds=rng.uniform(0.001, 90))
        texts = {"loss": repr(rng.random()), "size": repr(rng.random())}
        if rng.random() < 0.15:
            texts[rng.choice(["loss", "size"])] = rng.choice(["nan", "inf", "a word", "unavailable"])
        if state is TrialState.METRICS_UNAVAILABLE or rng.random() < 0.1:
            del texts["loss"]
        metrics = [Metric(name=name, min=text, max=text, latest=text) for name, text in texts.items()]
        observed = not state.is_active and (state is TrialState.SUCCEEDED or rng.random() < 0.6)
        return replace(
            record,
            state=state,
            started=started,
            finished=finished,
            observation=Observation(metrics=metrics) if observed else None,
        )


def points_of(outcome):
    assert outcome.failure is None, outcome.failure
    assert ReplyParts.FromString(outcome.reply).experiment_json_read
    return [
        (tuple((item.name, item.value) for item in found.assignments), dict(found.labels))
        for found in wire.GetSuggestionsReply.FromString(outcome.reply).parameter_assignments
    ]


@pytest.mark.parametrize(("algorithm", "variant"), CASES)
def test_a_server_answers_as_local_mode_does(algorithm, variant):
    world = World(experiment_for(algorithm, variant), 5)
    asked = 0
    for count in (5, 1, 4, 3, 6, 2):
        task = world.task(count)
        here = world.asked_here(count)
        assert points_of(world.warm.answer(task)) == here
        assert points_of(Answerer(1 << 20).answer(task)) == here
        world.create(here)
        asked += len(here)
        world.happen()
    world.local.close()
    assert asked >= (1 if algorithm == "darts" else 12)
    assert algorithm == "darts" or set(ENDS) <= {TrialState.RUNNING, *(each.state for each in world.records.values())}


def test_every_extension_is_asked_about():
    """Which algorithm can do what is said where they are; that nothing is left out here, this says."""
    names = {variant: {algorithm for algorithm, found in CASES if found == variant} for variant in VARIANTS}
    assert names["plain"] == set(registry.names())
    assert {"random", "tpe", "grid"} <= names["conditions"]
    assert {"random", "tpe", "bayesianoptimization"} <= names["bounds"]
    assert {"random", "nsga2"} <= names["two-objectives"]
    assert {"random", "grid"} <= names["constraints"]
    assert len(names["imported"]) > 8
