"""Every algorithm there is, over the wire as Katib's controller asks: many points of one call, a restart between two, bad settings."""

import random
from contextlib import contextmanager

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from katib.algorithm import registry
from katib.rpc import v1beta1 as wire
from katib.rpc.experiment_message import experiment_of
from katib.rpc.services import stub
from katib.testing.served import ServedSuggestion

PARAMETERS = [
    {"name": "x", "parameterType": "DOUBLE", "feasibleSpace": {"min": "0", "max": "1", "step": "0.01"}},
    {"name": "n", "parameterType": "INT", "feasibleSpace": {"min": "1", "max": "9", "step": "1"}},
    {"name": "d", "parameterType": "DISCRETE", "feasibleSpace": {"list": ["0.5", "2", "8"]}},
    {"name": "c", "parameterType": "CATEGORICAL", "feasibleSpace": {"list": ["a", "b"]}},
]
NETWORK = {
    "graphConfig": {"numLayers": 3, "inputSizes": [32, 32, 3], "outputSizes": [10]},
    "operations": {
        "operation": [
            {
                "operationType": "separable_convolution",
                "parameterSpecs": {
                    "parameters": [
                        {"name": "filter_size", "parameterType": "CATEGORICAL", "feasibleSpace": {"list": ["3", "5"]}}
                    ]
                },
            },
            {
                "operationType": "max_pooling",
                "parameterSpecs": {
                    "parameters": [
                        {"name": "filter_size", "parameterType": "CATEGORICAL", "feasibleSpace": {"list": ["3"]}}
                    ]
                },
            },
        ]
    },
}
HALVING = {"r_l": "9", "resource_name": "n"}
SETTINGS = {
    "hyperband": HALVING,
    "asha": HALVING,
    "pbt": {"suggestion_trial_dir": "/opt/katib/data", "n_population": "8", "truncation_threshold": "0.25"},
}
ALL_ALIKE = {"darts"}
"""Its trial does the whole search, so all points are the same."""
ALGORITHMS = registry.names()


def experiment_for(algorithm, **settings):
    stated = {**SETTINGS.get(algorithm, {}), **settings}
    spec = {
        "objective": {"type": "MAXIMIZE", "objectiveMetricName": "accuracy"},
        "algorithm": {
            "algorithmName": algorithm,
            "algorithmSettings": [{"name": name, "value": value} for name, value in stated.items()],
        },
        "parallelTrialCount": 16,
        "maxTrialCount": 200,
    }
    if registry.get(algorithm).assigns:
        spec["nasConfig"] = NETWORK
    else:
        spec["parameterSpecs"] = {"parameters": PARAMETERS}
    return json_format.ParseDict({"name": "search", "spec": spec}, wire.Experiment())


@contextmanager
def calls():
    with ServedSuggestion("--workers", "2") as server:
        assert server.address, server.log
        with grpc.insecure_channel(server.address) as channel:
            yield lambda method, request: stub(channel, "Suggestion", method)(request, timeout=60)


@pytest.fixture(scope="module")
def call():
    with calls() as call:
        yield call


@pytest.fixture(scope="module")
def restarted():
    """Another server: what a restart of the first would be."""
    with calls() as call:
        yield call


def request_of(experiment, trials, count, total):
    return wire.GetSuggestionsRequest(
        experiment=experiment, trials=trials, current_request_number=count, total_request_number=total
    )


def ended(reply, first, seed):
    """The trials of a reply as they come back from Katib's controller: without labels, and some of them failed."""
    rng = random.Random(seed)
    trials = []
    for index, assigned in enumerate(reply.parameter_assignments, first):
        trial = wire.Trial(name=assigned.trial_name or f"search-{index:04}")
        trial.spec.parameter_assignments.assignments.extend(assigned.assignments)
        trial.status.start_time = f"2026-03-01T12:{index // 60:02}:{index % 60:02}Z"
        trial.status.completion_time = "0001-01-01T00:00:00Z"
        trial.status.condition = wire.TrialStatus.FAILED if index % 5 == 4 else wire.TrialStatus.SUCCEEDED
        if trial.status.condition == wire.TrialStatus.SUCCEEDED:
            trial.status.observation.metrics.add(name="accuracy", value=f"{rng.random():.4f}")
        trials.append(trial)
    return trials


def points_of(reply):
    return [{item.name: item.value for item in found.assignments} for found in reply.parameter_assignments]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_call_gives_eight_points_of_the_space(call, algorithm):
    experiment = experiment_for(algorithm)
    reply = call("GetSuggestions", request_of(experiment, [], 8, 8))
    points = points_of(reply)
    assert len(points) == 8
    assert len({tuple(sorted(point.items())) for point in points}) == (1 if algorithm in ALL_ALIKE else 8)
    space = registry.space_of(experiment_of(experiment))
    for point in points:
        assert space.contains(space.parse(list(point.items())))
    names = [found.trial_name for found in reply.parameter_assignments if found.trial_name]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for name in names)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_restart_between_two_calls_changes_no_answer(call, restarted, algorithm):
    experiment, trials, total = experiment_for(algorithm), [], 0
    for step in range(4):
        total += 6
        request = request_of(experiment, trials, 6, total)
        reply = call("GetSuggestions", request)
        # The other server has seen only every second call of this search.
        if step % 2:
            assert restarted("GetSuggestions", request) == reply
        trials += ended(reply, len(trials), step)
    assert len(trials) >= 12


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sound_settings_are_accepted(call, algorithm):
    request = wire.ValidateAlgorithmSettingsRequest(experiment=experiment_for(algorithm))
    assert call("ValidateAlgorithmSettings", request) == wire.ValidateAlgorithmSettingsReply()


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "darts"])
@pytest.mark.parametrize("method", ["ValidateAlgorithmSettings", "GetSuggestions"])
def test_an_unknown_setting_is_refused_with_its_place_and_katibs_text(call, algorithm, method):
    experiment = experiment_for(algorithm, no_such_setting="1")
    place = len(experiment.spec.algorithm.algorithm_settings) - 1
    kind = getattr(wire, f"{method}Request")
    with pytest.raises(grpc.RpcError) as caught:
        call(method, kind(experiment=experiment))
    error = caught.value
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == f"unknown setting no_such_setting for algorithm {algorithm}"
    bad = error_details_pb2.BadRequest()
    assert rpc_status.from_call(error).details[0].Unpack(bad)
    assert [violation.field for violation in bad.field_violations] == [
        f"experiment.spec.algorithm.algorithm_settings[{place}].name"
    ]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_other_kind_of_search_is_refused(call, algorithm):
    experiment = experiment_for(algorithm)
    if registry.get(algorithm).assigns:
        experiment.spec.ClearField("nas_config")
        json_format.ParseDict({"parameters": PARAMETERS}, experiment.spec.parameter_specs)
    else:
        experiment.spec.ClearField("parameter_specs")
        json_format.ParseDict(NETWORK, experiment.spec.nas_config)
    with pytest.raises(grpc.RpcError) as caught:
        call("ValidateAlgorithmSettings", wire.ValidateAlgorithmSettingsRequest(experiment=experiment))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert repr(algorithm) in caught.value.details()
