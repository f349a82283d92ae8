"""Algorithms that Katib's configuration names, on a real cluster: a Deployment for each experiment, made, changed and taken away."""

import contextlib
import random
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import yaml
from singlenode.images import image_name

from katib.kube.client import Client
from katib.kube.errors import NotFound
from katib.kube.resource import DEPLOYMENTS, PERSISTENT_VOLUME_CLAIMS, SERVICES
from katib.operator.katib_config_source import ConfigFile, KatibConfigSource
from katib.operator.kinds import EXPERIMENTS, SUGGESTIONS
from katib.operator.running import Operator
from katib.operator.settings import OperatorSettings
from katib.rpc import v1beta1 as wire
from katib.testing.job_double import JobDouble
from katib.testing.served import ServedStore, ServedSuggestion

sys.path.append(str(Path(__file__).parents[1] / "faults" / "operator"))

from world import Reports, experiment

pytestmark = pytest.mark.usefixtures("double")

SERVER = {
    "image": image_name("katib"),
    "args": ["serve", "suggestion", "--address", "0.0.0.0:6789", "--insecure-plaintext", "--workers", "1"],
    "securityContext": {"runAsNonRoot": True},
    "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "1Gi", "cpu": "2"}},
}


class ThirdParty:
    """A suggestion service that speaks Katib's wire only, and keeps its state in returned settings (``with``)."""

    def __init__(self):
        self._random = random.Random(7)
        self.validated = 0
        self.states = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers([self])
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def service(self, details):
        answers = {"GetSuggestions": self._suggest, "ValidateAlgorithmSettings": self._validate}
        return grpc.unary_unary_rpc_method_handler(answers[details.method.rpartition("/")[2]])

    def _validate(self, request, context):
        self.validated += 1
        asked = wire.ValidateAlgorithmSettingsRequest.FromString(request)
        if any(setting.value == "bad" for setting in asked.experiment.spec.algorithm.algorithm_settings):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "mood must not be bad")
        return b""

    def _suggest(self, request, _context):
        asked = wire.GetSuggestionsRequest.FromString(request)
        settings = {each.name: each.value for each in asked.experiment.spec.algorithm.algorithm_settings}
        self.states.append(settings.get("state"))
        message = wire.GetSuggestionsReply()
        for _ in range(asked.current_request_number):
            message.parameter_assignments.add().assignments.add(name="lr", value=repr(self._random.uniform(0.01, 0.1)))
        message.algorithm.algorithm_settings.add(name="state", value=str(len(self.states)))
        return message.SerializeToString()

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(None).wait()


class Configured:
    """A namespace with an operator of its own that has a configuration."""

    def __init__(self, kubernetes, namespace, client, path):
        self.kubernetes, self.namespace, self.client, self.path = kubernetes, namespace, client, path

    def configure(self, *suggestions):
        document = {
            "apiVersion": "config.kubeflow.org/v1beta1",
            "kind": "KatibConfig",
            "runtime": {"suggestions": list(suggestions)},
        }
        self.path.write_text(yaml.safe_dump(document))

    def create(self, body):
        return self.client.create(EXPERIMENTS, body, self.namespace)

    def get(self, resource, name):
        try:
            return self.client.get(resource, name, self.namespace)
        except NotFound:
            return None

    def conditions(self, resource, name):
        found = self.get(resource, name) or {}
        return {each["type"]: each for each in (found.get("status") or {}).get("conditions") or ()}

    def until(self, holds, what, seconds=90):
        return self.kubernetes.wait_for(holds, seconds=seconds, what=what, namespace=self.namespace)

    def ended(self, name):
        def condition():
            conditions = self.conditions(EXPERIMENTS, name)
            return next((conditions[each] for each in ("Succeeded", "Failed") if each in conditions), None)

        return self.until(condition, f"{name} has ended", 120)

    def gone(self, resource, name):
        self.until(lambda: self.get(resource, name) is None, f"{resource.kind} {name} is gone")

    @contextlib.contextmanager
    def operating(self, store, suggestion):
        settings = OperatorSettings(
            namespace=self.namespace,
            suggestion_address=suggestion.address,
            store_address=store.address,
            leader_election=False,
        )
        source = KatibConfigSource(ConfigFile(self.path), every=0.2)
        operator, stop = Operator(settings, self.client, config=source), threading.Event()
        thread = threading.Thread(target=operator.run, args=(stop,))
        thread.start()
        try:
            yield operator
        finally:
            stop.set()
            thread.join(30)


@pytest.fixture
def configured(kubernetes, namespace, tmp_path):
    """The namespace; a test says what the configuration is, and starts the operator."""
    with Client.connect(kubeconfig=str(kubernetes.kubeconfig)) as client:
        yield Configured(kubernetes, namespace, client, tmp_path / "katib-config.yaml")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with ServedStore("--url", f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db") as server:
        yield server


@pytest.fixture(scope="module")
def suggestion():
    with ServedSuggestion("--workers", "1") as server:
        yield server


@pytest.fixture
def double(configured, store):
    """Completes the jobs of trials."""
    reports = Reports(store.address)
    with contextlib.closing(reports), JobDouble(configured.client, reports, namespace=configured.namespace):
        yield


def test_an_image_becomes_a_server_of_each_experiment_and_goes_with_its_end(configured, store, suggestion):
    configured.configure({"algorithmName": "random", **SERVER})
    with configured.operating(store, suggestion):
        configured.create(experiment(trials=3))
        assert configured.ended("search")["type"] == "Succeeded"
        conditions = configured.conditions(SUGGESTIONS, "search")
        assert conditions["Succeeded"]["status"] == "True"
        assert conditions["DeploymentReady"]["status"] == "False"
        for resource in (DEPLOYMENTS, SERVICES):
            configured.gone(resource, "search-random")


def test_what_cannot_start_says_why_and_a_mended_configuration_heals_it(configured, store, suggestion):
    configured.configure({"algorithmName": "random", **SERVER, "image": "katib.test/there-is-none:1"})
    with configured.operating(store, suggestion):
        configured.create(experiment(trials=2, resumePolicy="LongRunning"))

        def not_ready():
            found = configured.conditions(SUGGESTIONS, "search").get("DeploymentReady")
            return found and found["status"] == "False" and "katib.test/there-is-none:1" in found["message"] and found

        said = configured.until(not_ready, "the Suggestion says that its Deployment is not ready")
        assert said["reason"] == "DeploymentNotReady"

        def waits():
            running = configured.conditions(EXPERIMENTS, "search").get("Running") or {}
            return "not ready yet: Container suggestion" in (running.get("message") or "")

        configured.until(waits, "the experiment says what it waits for")
        configured.configure({"algorithmName": "random", **SERVER})
        assert configured.ended("search")["type"] == "Succeeded"
        made = configured.get(DEPLOYMENTS, "search-random")
        assert made["spec"]["template"]["spec"]["containers"][0]["image"] == SERVER["image"]
        assert made["metadata"]["ownerReferences"][0]["kind"] == "Experiment"
        configured.client.delete(EXPERIMENTS, "search", configured.namespace)
        configured.gone(DEPLOYMENTS, "search-random")


def test_a_volume_outlives_the_server_and_goes_with_the_experiment(configured, store, suggestion):
    volume = {
        "persistentVolumeClaimSpec": {"storageClassName": "none", "resources": {"requests": {"storage": "1Mi"}}},
        "persistentVolumeSpec": {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": f"/tmp/{configured.namespace}"},  # noqa: S108 - all that may be deleted with a volume
        },
    }
    configured.configure({"algorithmName": "random", **SERVER, **volume})
    with configured.operating(store, suggestion):
        configured.create(experiment(trials=2, resumePolicy="FromVolume"))
        assert configured.ended("search")["type"] == "Succeeded"
        configured.gone(DEPLOYMENTS, "search-random")
        claim = configured.get(PERSISTENT_VOLUME_CLAIMS, "search-random")
        assert claim["status"]["phase"] == "Bound"
        configured.client.delete(EXPERIMENTS, "search", configured.namespace)
        configured.gone(PERSISTENT_VOLUME_CLAIMS, "search-random")


def test_an_algorithm_that_only_an_endpoint_knows(configured, store, suggestion):
    configured.configure()
    with ThirdParty() as third, configured.operating(store, suggestion):
        configured.create(experiment(algorithm="tarot", trials=4, parallel=1))

        def refused():
            return "tarot" in (configured.conditions(EXPERIMENTS, "search").get("Failed") or {}).get("message", "")

        configured.until(refused, "an algorithm that nobody knows is refused")
        configured.configure({"algorithmName": "tarot", "endpoint": third.address})
        configured.until(lambda: "Succeeded" in configured.conditions(EXPERIMENTS, "search"), "it has succeeded")
        assert third.validated == 1
        assert third.states == [None, "1", "2", "3"]
        status = configured.get(SUGGESTIONS, "search")["status"]
        assert status["algorithmSettings"] == [{"name": "state", "value": "4"}]

        configured.create(experiment("wrong", algorithm="tarot", settings=[("mood", "bad")]))
        configured.ended("wrong")
        said = configured.conditions(SUGGESTIONS, "wrong")["Failed"]["message"]
        assert said.startswith("Validation failed: ValidateAlgorithmSettings Error: ")
        assert "mood must not be bad" in said


def test_a_server_of_another_owner_is_left_alone(configured, store, suggestion):
    configured.configure({"algorithmName": "random", **SERVER})
    service = {"metadata": {"name": "search-random"}, "spec": {"ports": [{"port": 80}]}}
    theirs = configured.client.create(
        SERVICES, {"apiVersion": "v1", "kind": "Service", **service}, configured.namespace
    )
    with configured.operating(store, suggestion):
        configured.create(experiment(trials=1, parallel=1))

        def says_so():
            running = configured.conditions(EXPERIMENTS, "search").get("Running") or {}
            return "belongs to something else" in (running.get("message") or "")

        configured.until(says_so, "the experiment says whose name it is")
        left = configured.get(SERVICES, "search-random")
        assert (left["metadata"]["uid"], left["spec"]["ports"][0]["port"]) == (theirs["metadata"]["uid"], 80)
        assert configured.get(DEPLOYMENTS, "search-random") is None
        configured.client.delete(SERVICES, "search-random", configured.namespace)
        assert configured.ended("search")["type"] == "Succeeded"
