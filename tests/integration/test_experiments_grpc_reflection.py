"""A program that has never seen this project drives a whole search: it knows an address, and asks the server for the rest."""

import grpc
import pytest
from experiments_served import ServedExperiments
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from katib.local.experiments import LocalExperiments
from katib.local.home import Home
from katib.store import open_store

SERVICE = "katib.v1.experiments.Experiments"


class Foreign:
    """Calls by the names of methods, with JSON either way, as ``grpcurl`` does."""

    def __init__(self, channel):
        self.channel = channel
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self.service = DescriptorPool(self.database).FindServiceByName(SERVICE)

    def __call__(self, called, /, **fields):
        method = self.service.methods_by_name[called]
        request = json_format.ParseDict(fields, GetMessageClass(method.input_type)())
        kind = self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        call = kind(
            f"/{SERVICE}/{called}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        answer = call(request, timeout=60)
        return map(read, answer) if method.server_streaming else read(answer)


def read(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


@pytest.fixture
def foreign(tmp_path):
    home = Home(tmp_path)
    with (
        open_store(home.store_path) as store,
        LocalExperiments(home, store) as experiments,
        ServedExperiments(experiments) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        yield Foreign(channel)


def test_the_server_says_what_it_serves(foreign):
    assert SERVICE in foreign.database.get_services()
    health = health_pb2_grpc.HealthStub(foreign.channel)
    for name in ("", SERVICE):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=60)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_whole_search(foreign):
    space = [
        {"name": "x", "double_space": {"min": -2, "max": 2}},
        {"name": "layers", "int_space": {"min": 1, "max": 5}},
        {"name": "optimizer", "categorical_space": {"values": ["adam", "sgd"]}},
        {"name": "batch", "discrete_space": {"values": [16, 32, 64]}},
    ]
    made = foreign(
        "CreateExperiment",
        namespace="team-a",
        request_id="1",
        search={
            "name": "parabola",
            "parameters": space,
            "objectives": [{"metric": "loss", "direction": "MINIMIZE"}],
            "algorithm": "tpe",
            "max_trial_count": 8,
            "parallel_trial_count": 2,
            "seed": "3",
        },
    )
    assert made["run_by_callers"]
    watch = foreign("WatchExperiments", namespace="team-a", name="parabola", trials=True, until_over=True)
    place = {"namespace": "team-a", "experiment": "parabola", "client_id": "worker-1"}
    losses = {}
    while True:
        suggested = foreign("SuggestTrials", **place, lease="30s", wait="20s")
        if suggested.get("over"):
            break
        [trial] = suggested["trials"]
        values = {each["name"]: each for each in trial["assignments"]}
        assert values["optimizer"]["category"] in {"adam", "sgd"}
        assert values["batch"]["number"] in {16, 32, 64}
        loss = values["x"]["number"] ** 2 + int(values["layers"]["integer"])
        here = {**place, "trial": trial["name"]}
        report = {"metric": "loss", "number": loss + 1, "step": "0"}
        assert foreign("ReportMeasurement", **here, request_id=f"r-{trial['name']}", measurements=[report]) == {}
        assert foreign("Heartbeat", **place, lease="30s") == {"trials": [{"trial": trial["name"]}]}
        assert foreign("ShouldStop", **here) == {}
        last = {"metric": "loss", "number": loss, "step": "1"}
        done = {**here, "request_id": f"c-{trial['name']}", "outcome": "COMPLETED", "measurements": [last]}
        ended = foreign("CompleteTrial", **done)
        assert ended["state"] == "TRIAL_SUCCEEDED"
        assert foreign("CompleteTrial", **done) == ended
        losses[trial["name"]] = loss
    assert suggested["state"] == "SUCCEEDED"
    assert len(losses) == 8
    found = foreign("GetExperiment", namespace="team-a", name="parabola")
    assert found["counts"] == {"succeeded": 8}
    assert found["best"]["name"] == min(losses, key=losses.get)
    measured = foreign("ListMeasurements", namespace="team-a", experiment="parabola", trial=found["best"]["name"])
    assert [each["number"] for each in measured["measurements"]] == [min(losses.values()) + 1, min(losses.values())]
    told = list(watch)
    assert {"synced": {}} in told
    latest = {message["trial"]["name"]: message["trial"]["state"] for message in told if "trial" in message}
    assert latest == dict.fromkeys(losses, "TRIAL_SUCCEEDED")
    assert [message["experiment"]["state"] for message in told if "experiment" in message][-1] == "SUCCEEDED"
