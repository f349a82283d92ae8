"""The suggestion server as a real process, asked as Katib's controller and collectors ask it."""

import asyncio
import json
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from google.protobuf import descriptor_pb2, json_format
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from katib.rpc import v1beta1 as wire
from katib.rpc.services import MESSAGE_OPTIONS, handlers, stub
from katib.testing.served import ServedSuggestion

EXPERIMENT = {
    "name": "exp",
    "spec": {
        "objective": {"type": "MINIMIZE", "objectiveMetricName": "loss"},
        "algorithm": {"algorithmName": "random"},
        "parameterSpecs": {
            "parameters": [{"name": "x", "parameterType": "DOUBLE", "feasibleSpace": {"min": "0", "max": "1"}}]
        },
    },
}


@pytest.fixture(scope="module")
def server():
    # No cluster, whatever machine this is.
    with ServedSuggestion(
        "--metrics-address", "127.0.0.1:0", environment={"KUBECONFIG": "/nonexistent", "KUBERNETES_SERVICE_HOST": ""}
    ) as server:
        assert server.address, server.log
        server.metrics = server.process.stdout.readline().strip()
        yield server
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address, options=MESSAGE_OPTIONS) as channel:
        yield channel


@pytest.fixture
def experiment():
    return json_format.ParseDict(EXPERIMENT, wire.Experiment())


def ask(channel, service, method, request, timeout=30):
    return stub(channel, service, method)(request, timeout=timeout)


def refused(channel, service, method, request, timeout=30):
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel, service, method, request, timeout)
    return caught.value


class TestHealth:
    @pytest.mark.parametrize(
        "name", ["", "manager.v1beta1.Suggestion", "api.v1.beta1.Suggestion", "api.v1.beta1.EarlyStopping"]
    )
    def test_names_that_serve(self, channel, name):
        health = health_pb2_grpc.HealthStub(channel)
        reply = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING

    @pytest.mark.parametrize("name", ["manager.v1beta1.EarlyStopping", "api.v1.beta1.DBManager", "x"])
    def test_names_there_are_not(self, channel, name):
        with pytest.raises(grpc.RpcError) as caught:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_tells_services_and_messages(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {"api.v1.beta1.Suggestion", "api.v1.beta1.EarlyStopping", "grpc.health.v1.Health"} <= set(
        database.get_services()
    )
    expected = descriptor_pb2.FileDescriptorProto()
    wire.DESCRIPTOR.CopyToProto(expected)
    assert database.FindFileContainingSymbol("api.v1.beta1.GetSuggestionsRequest") == expected
    assert database.FindFileByName("api.proto") == expected


class TestRequests:
    def test_a_method_there_is_not(self, channel):
        call = channel.unary_unary("/api.v1.beta1.Suggestion/Nothing")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    def test_faults_are_told_with_their_places(self, channel, experiment):
        experiment.spec.parameter_specs.parameters[0].feasible_space.max = "-1"
        experiment.spec.objective.objective_metric_name = ""
        error = refused(channel, "Suggestion", "GetSuggestions", wire.GetSuggestionsRequest(experiment=experiment))
        status = rpc_status.from_call(error)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        bad = error_details_pb2.BadRequest()
        assert status.details[0].Unpack(bad)
        assert [violation.field for violation in bad.field_violations] == [
            "experiment.spec.objective.objective_metric_name",
            "experiment.spec.parameter_specs.parameters[0].feasible_space.min",
        ]

    @pytest.mark.parametrize("number", [-1, 10_001, 2**31 - 1])
    def test_numbers_of_points_that_nobody_needs(self, channel, experiment, number):
        request = wire.GetSuggestionsRequest(experiment=experiment, current_request_number=number)
        error = refused(channel, "Suggestion", "GetSuggestions", request)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details() == f"current_request_number: must be from 0 to 10000 (got {number})"

    def test_no_points_are_no_error(self, channel, experiment):
        reply = ask(channel, "Suggestion", "GetSuggestions", wire.GetSuggestionsRequest(experiment=experiment))
        assert reply == wire.GetSuggestionsReply()

    def test_messages_have_a_limit_of_64_mib(self, server, channel, experiment):
        options = (("grpc.max_send_message_length", -1),)
        with grpc.insecure_channel(server.address, options=options) as unlimited:
            call = unlimited.unary_unary("/api.v1.beta1.Suggestion/GetSuggestions")
            request = wire.GetSuggestionsRequest(experiment=experiment, current_request_number=1).SerializeToString()

            def padded(mib):
                """The request with a field that nobody knows, as a trial might be: 15, of bytes."""
                size, length = mib << 20, b""
                while size > 0x7F:
                    length += bytes([size & 0x7F | 0x80])
                    size >>= 7
                return request + b"\x7a" + length + bytes([size]) + bytes(mib << 20)

            reply = wire.GetSuggestionsReply.FromString(call(padded(63), timeout=60))
            assert len(reply.parameter_assignments) == 1
            with pytest.raises(grpc.RpcError) as caught:
                call(padded(65), timeout=60)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        request = wire.GetSuggestionsRequest(experiment=experiment, current_request_number=1)
        assert len(ask(channel, "Suggestion", "GetSuggestions", request).parameter_assignments) == 1

    def test_what_happened_is_told_to_prometheus(self, server, channel, experiment):
        request = wire.GetSuggestionsRequest(experiment=experiment, current_request_number=1)
        request.trials.add(name="of-another-search")
        ask(channel, "Suggestion", "GetSuggestions", request)
        port = server.metrics.rpartition(" ")[2]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert 'katib_suggestion_calls_total{code="OK",method="GetSuggestions"}' in text
        assert 'katib_suggestion_notes_total{kind="ignored-trial"}' in text
        assert "katib_suggestion_waiting_calls 0.0" in text


# -- early stopping -----------------------------------------------------------------------------------------------------


@contextmanager
def db_manager(logs, asked):
    """A DB manager with these logs, that notes whom it was asked about."""

    async def get(data, _context):
        request = wire.GetObservationLogRequest.FromString(data)
        asked.append((request.trial_name, request.metric_name))
        reply = wire.GetObservationLogReply()
        for time_stamp, value in logs.get(request.trial_name, ()):
            log = reply.observation_log.metric_logs.add(time_stamp=time_stamp)
            log.metric.name, log.metric.value = request.metric_name, value
        return reply.SerializeToString()

    async def none(_data, _context):
        return b""

    ready, ports = threading.Event(), []
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve():
        served = grpc.aio.server()
        served.add_generic_rpc_handlers(
            (
                handlers(
                    "DBManager", {"GetObservationLog": get, "ReportObservationLog": none, "DeleteObservationLog": none}
                ),
            )
        )
        ports.append(served.add_insecure_port("127.0.0.1:0"))
        await served.start()
        ready.set()
        await stopping.wait()
        await served.stop(0)

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(loop.run_until_complete, serve())
        assert ready.wait(10)
        try:
            yield f"127.0.0.1:{ports[0]}"
        finally:
            loop.call_soon_threadsafe(stopping.set)
            running.result()
            loop.close()


def curve(*values):
    """Reports of one value a minute, in an order of no meaning, with nanoseconds as Go writes them."""
    return [(f"2026-03-01T12:{minute:02}:00.{minute}00000001Z", str(value)) for minute, value in enumerate(values)][
        ::-1
    ]


class TestEarlyStopping:
    def request(self, experiment, address, count=3):
        experiment.spec.early_stopping.algorithm_name = "medianstop"
        experiment.spec.early_stopping.algorithm_settings.add(name="start_step", value="2")
        request = wire.GetEarlyStoppingRulesRequest(experiment=experiment, db_manager_address=address)
        for index in range(count):
            trial = request.trials.add(name=f"t{index}")
            trial.spec.parameter_assignments.assignments.add(name="x", value=f"0.{index}")
            trial.status.condition = wire.TrialStatus.SUCCEEDED
            trial.status.observation.metrics.add(name="loss", value="1")
        running = request.trials.add(name="running")
        running.spec.parameter_assignments.assignments.add(name="x", value="0.9")
        running.status.condition = wire.TrialStatus.RUNNING
        return request

    def test_rules_are_made_of_the_learning_curves_of_what_succeeded(self, channel, experiment):
        logs = {"t0": curve(1, 3, 100), "t1": curve(2, 4, 100), "t2": curve("unavailable", 3, 5, 100)}
        asked = []
        with db_manager(logs, asked) as address:
            request = self.request(experiment, address)
            reply = ask(channel, "EarlyStopping", "GetEarlyStoppingRules", request)
            again = ask(channel, "EarlyStopping", "GetEarlyStoppingRules", request)
        [rule] = reply.early_stopping_rules
        # Katib's "median" is the mean of each trial's mean of its first start_step values.
        assert (rule.name, float(rule.value), rule.comparison, rule.start_step) == ("loss", 3.0, wire.GREATER, 2)
        assert again == reply
        assert sorted(asked) == [(f"t{index}", "loss") for index in range(3)]

    def test_before_enough_have_succeeded_there_are_none(self, channel, experiment):
        with db_manager({"t0": curve(1, 2)}, []) as address:
            reply = ask(channel, "EarlyStopping", "GetEarlyStoppingRules", self.request(experiment, address, count=1))
        assert not reply.early_stopping_rules

    def test_a_db_manager_that_is_away_is_told_with_its_address(self, channel, experiment):
        request = self.request(experiment, "127.0.0.1:1")
        error = refused(channel, "EarlyStopping", "GetEarlyStoppingRules", request)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "the DB manager at 127.0.0.1:1 did not give the observations" in error.details()

    @pytest.mark.parametrize("address", ["", "nonsense:::", "dns:///", "ipv4:1.2.3.4.5:6"])
    def test_an_address_that_is_none(self, channel, experiment, address):
        error = refused(channel, "EarlyStopping", "GetEarlyStoppingRules", self.request(experiment, address))
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE)

    def test_settings_are_checked(self, channel):
        request = wire.ValidateEarlyStoppingSettingsRequest()
        request.early_stopping.algorithm_name = "medianstop"
        assert ask(channel, "EarlyStopping", "ValidateEarlyStoppingSettings", request) == (
            wire.ValidateEarlyStoppingSettingsReply()
        )
        request.early_stopping.algorithm_settings.add(name="start_step", value="0")
        error = refused(channel, "EarlyStopping", "ValidateEarlyStoppingSettings", request)
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert error.details() == "start_step must be greater or equal than one (>=1)"

    def test_outside_a_cluster_nobody_can_be_marked(self, channel):
        error = refused(channel, "EarlyStopping", "SetTrialStatus", wire.SetTrialStatusRequest(trial_name="t1"))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED
        assert error.details() == (
            "trial 't1' cannot be marked as stopped: this server runs outside a cluster and was given no kubeconfig"
        )


# -- trials on a cluster ------------------------------------------------------------------------------------------------


class ApiServer:
    """As much of a Kubernetes API server as trials need: one trial, versions, and refusals to come."""

    def __init__(self):
        self.trial = {
            "apiVersion": "kubeflow.org/v1beta1",
            "kind": "Trial",
            "metadata": {"name": "t1", "namespace": "team", "resourceVersion": "7"},
            "status": {
                "conditions": [
                    {
                        "type": "Running",
                        "status": "True",
                        "reason": "TrialRunning",
                        "message": "Trial is running",
                        "lastUpdateTime": "2026-03-01T12:00:00Z",
                        "lastTransitionTime": "2026-03-01T12:00:00Z",
                    }
                ]
            },
        }
        self.refusals = []
        self.patches = []
        self.paths = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, code, body):
                data = json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                outer.paths.append(self.path)
                if "/trials/t1" in self.path:
                    self.answer(200, outer.trial)
                else:
                    self.answer(404, {"kind": "Status", "code": 404})

            def do_PATCH(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.paths.append(self.path)
                if outer.refusals:
                    code = outer.refusals.pop(0)
                    self.answer(code, {"kind": "Status", "code": code})
                    return
                outer.patches.append(body)
                version = outer.trial["metadata"]["resourceVersion"]
                assert body["metadata"]["resourceVersion"] == version
                outer.trial["status"].update(body["status"])
                outer.trial["metadata"]["resourceVersion"] = str(int(version) + 1)
                self.answer(200, outer.trial)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with ApiServer() as api:
        config = tmp_path_factory.mktemp("kube") / "config"
        config.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "c",
                    "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{api.http.server_port}"}}],
                    "users": [{"name": "u", "user": {}}],
                    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "team"}}],
                }
            )
        )
        environment = {"KUBECONFIG": str(config), "KUBERNETES_SERVICE_HOST": ""}
        with (
            ServedSuggestion("--workers", "1", environment=environment) as server,
            grpc.insecure_channel(server.address) as channel,
        ):
            api.channel = channel
            yield api


class TestTrialsOnACluster:
    @pytest.fixture
    def api(self, cluster):
        fresh = ApiServer()
        fresh.http.server_close()
        cluster.trial, cluster.refusals = fresh.trial, []
        cluster.patches, cluster.paths = [], []
        return cluster

    def mark(self, api, name="t1"):
        return ask(api.channel, "EarlyStopping", "SetTrialStatus", wire.SetTrialStatusRequest(trial_name=name))

    def refused(self, api, name="t1"):
        return refused(api.channel, "EarlyStopping", "SetTrialStatus", wire.SetTrialStatusRequest(trial_name=name))

    def test_a_condition_is_appended_with_the_time_in_utc(self, api):
        assert self.mark(api) == wire.SetTrialStatusReply()
        running, stopped = api.trial["status"]["conditions"]
        assert running["type"] == "Running"
        assert {key: stopped[key] for key in ("type", "status", "reason", "message")} == {
            "type": "EarlyStopped",
            "status": "True",
            "reason": "TrialEarlyStopped",
            "message": "Trial is early stopped",
        }
        for field in ("lastUpdateTime", "lastTransitionTime"):
            assert stopped[field].endswith("Z")
            assert abs((datetime.now(UTC) - datetime.fromisoformat(stopped[field])).total_seconds()) < 120
        assert api.paths == [
            "/apis/kubeflow.org/v1beta1/namespaces/team/trials/t1",
            "/apis/kubeflow.org/v1beta1/namespaces/team/trials/t1/status",
        ]

    def test_twice_is_once(self, api):
        self.mark(api)
        self.mark(api)
        assert len(api.patches) == 1
        assert len(api.trial["status"]["conditions"]) == 2

    def test_a_change_by_somebody_else_is_read_again(self, api):
        api.refusals = [409, 409]
        self.mark(api)
        assert [item["type"] for item in api.trial["status"]["conditions"]] == ["Running", "EarlyStopped"]

    def test_changes_without_end_are_told(self, api):
        api.refusals = [409] * 50
        error = self.refused(api)
        assert error.code() is grpc.StatusCode.ALREADY_EXISTS
        assert error.details() == "trial 't1' was changed by others 5 times in a row"

    def test_a_trial_there_is_not(self, api):
        error = self.refused(api, "t2")
        assert (error.code(), error.details()) == (
            grpc.StatusCode.NOT_FOUND,
            "there is no trial 't2' in namespace 'team'",
        )

    def test_names_that_lead_elsewhere_stay_names(self, api):
        error = self.refused(api, "../../../secrets/t1")
        assert error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)
        assert all(path.startswith("/apis/kubeflow.org/v1beta1/namespaces/team/trials/..%2F") for path in api.paths)

    def test_no_name(self, api):
        assert self.refused(api, "").code() is grpc.StatusCode.INVALID_ARGUMENT
        assert api.paths == []

    @pytest.mark.parametrize("number", [401, 403])
    def test_not_allowed(self, api, number):
        api.refusals = [number]
        error = self.refused(api)
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
        assert error.details().startswith("this server may not change trial 't1' in namespace 'team'")

    def test_an_api_server_in_trouble(self, api):
        api.refusals = [500]
        error = self.refused(api)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert error.details().startswith("the Kubernetes API answers 500")
