"""Broken requests through a real server: each is answered or refused, and no worker dies of any."""

import random

import grpc
import pytest
from google.protobuf import json_format

from katib.rpc import v1beta1 as wire
from katib.testing.served import ServedSuggestion

SOUND = {
    "experiment": {
        "name": "exp",
        "spec": {
            "objective": {"type": "MINIMIZE", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "tpe"},
            "earlyStopping": {"algorithmName": "medianstop"},
            "parameterSpecs": {
                "parameters": [
                    {"name": "x", "parameterType": "DOUBLE", "feasibleSpace": {"min": "0", "max": "1"}},
                    {"name": "c", "parameterType": "CATEGORICAL", "feasibleSpace": {"list": ["a", "b"]}},
                ]
            },
        },
    },
    "trials": [
        {
            "name": f"t{index}",
            "spec": {
                "parameterAssignments": {
                    "assignments": [{"name": "x", "value": f"0.{index}"}, {"name": "c", "value": "a"}]
                }
            },
            "status": {
                "startTime": "2026-03-01T12:00:00Z",
                "condition": "FAILED",
                "observation": {"metrics": [{"name": "loss", "value": "0.5"}]},
            },
        }
        for index in range(3)
    ],
}
REQUESTS = {
    "/api.v1.beta1.Suggestion/GetSuggestions": json_format.ParseDict(
        {**SOUND, "currentRequestNumber": 2, "totalRequestNumber": 2}, wire.GetSuggestionsRequest()
    ),
    "/api.v1.beta1.Suggestion/ValidateAlgorithmSettings": json_format.ParseDict(
        {"experiment": SOUND["experiment"]}, wire.ValidateAlgorithmSettingsRequest()
    ),
    "/api.v1.beta1.EarlyStopping/GetEarlyStoppingRules": json_format.ParseDict(
        {**SOUND, "dbManagerAddress": "127.0.0.1:1"}, wire.GetEarlyStoppingRulesRequest()
    ),
    "/api.v1.beta1.EarlyStopping/ValidateEarlyStoppingSettings": wire.ValidateEarlyStoppingSettingsRequest(
        early_stopping=wire.EarlyStoppingSpec(algorithm_name="medianstop")
    ),
    "/api.v1.beta1.EarlyStopping/SetTrialStatus": wire.SetTrialStatusRequest(trial_name="t1"),
}
MAY = {
    # A flipped bit may turn a trial into one that succeeded, whose curve is then asked of a DB manager that is not there.
    "GetEarlyStoppingRules": {grpc.StatusCode.UNAVAILABLE},
    # Beside no cluster.
    "SetTrialStatus": {grpc.StatusCode.UNIMPLEMENTED},
}


@pytest.fixture(scope="module")
def server():
    environment = {"KUBECONFIG": "/nonexistent", "KUBERNETES_SERVICE_HOST": ""}
    with ServedSuggestion("--workers", "2", environment=environment) as server:
        assert server.address, server.log
        yield server
        assert server.stop() == 0


def broken(data, rng):
    """The bytes with a few faults in them."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not changed:
            break
        place = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[place] ^= 1 << rng.randrange(8)
            case 1:
                del changed[place:]
            case 2:
                del changed[place : place + rng.randint(1, 9)]
            case _:
                changed[place:place] = rng.randbytes(rng.randint(1, 20))
    return bytes(changed)


@pytest.mark.parametrize("path", REQUESTS)
def test_broken_requests_are_refused_and_nothing_else(server, path):
    workers, rng = server.workers, random.Random(9)
    allowed = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT} | MAY.get(path.rpartition("/")[2], set())
    data = REQUESTS[path].SerializeToString()
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(path)
        codes = set()
        for _ in range(10):
            # Fewer than may wait.
            calls = [call.future(broken(data, rng), timeout=60) for _ in range(20)]
            codes |= {future.code() for future in calls}
    assert codes <= allowed
    assert server.workers == workers
    assert "Traceback" not in server.log
