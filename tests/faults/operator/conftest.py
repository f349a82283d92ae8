"""A control plane alone for all tests of this folder, the servers that an operator needs, and operators as processes."""

import contextlib
import re
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from katib.kube.client import Client
from katib.kube.errors import NotFound
from katib.kube.resource import CUSTOM_RESOURCE_DEFINITIONS
from katib.operator.running import Operator
from katib.operator.settings import OperatorSettings
from katib.testing.job_double import JobDouble
from katib.testing.served import ServedStore, ServedSuggestion

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests" / "cluster")]

from cluster_access import ControlPlane  # noqa: E402 - found by the line above
from operator_processes import OperatorProcesses  # noqa: E402
from relay import Relay  # noqa: E402
from world import Reports, World  # noqa: E402

AUDIT_POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
  resources: [{group: kubeflow.org}, {group: batch}, {group: coordination.k8s.io}]
- level: None
"""


@pytest.fixture(scope="session")
def audit(tmp_path_factory):
    """The file in which the API server writes down who changed what."""
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="session")
def plane(tmp_path_factory, audit):
    """etcd, API server and controller manager, with the project's custom resources."""
    if missing := ControlPlane.missing():
        pytest.skip(missing)
    policy = audit.with_name("policy.yaml")
    policy.write_text(AUDIT_POLICY)
    flags = f"--audit-policy-file={policy} --audit-log-path={audit}"
    with ControlPlane(tmp_path_factory.mktemp("plane"), flags=flags) as plane:
        with Client.connect(kubeconfig=str(plane.kubeconfig)) as client:
            install(client)
        yield plane


def install(client):
    for path in sorted((ROOT / "deploy" / "crds").glob("*s.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document and document.get("kind") == "CustomResourceDefinition":
                client.apply(CUSTOM_RESOURCE_DEFINITIONS, document)
    for kind in ("Experiment", "Trial", "Suggestion"):
        served(client, "kubeflow.org/v1beta1", kind)


def served(client, api_version, kind):
    """Wait until the API server serves a kind."""
    until = time.monotonic() + 30
    while True:
        with contextlib.suppress(NotFound):
            resource = client.resource_for(api_version, kind)
            client.list(resource)
            return resource
        assert time.monotonic() < until, f"{kind} is not served"
        time.sleep(0.5)


@pytest.fixture(scope="session")
def client(plane):
    with Client.connect(kubeconfig=str(plane.kubeconfig)) as client:
        yield client


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    with ServedStore("--url", f"sqlite:///{tmp_path_factory.mktemp('store')}/katib.db") as served:
        yield served


@pytest.fixture(scope="session")
def suggestion():
    with ServedSuggestion("--workers", "1") as served:
        yield served


@pytest.fixture
def store_relay(store):
    with Relay(store.address) as relay:
        yield relay


@pytest.fixture
def suggestion_relay(suggestion):
    with Relay(suggestion.address) as relay:
        yield relay


@pytest.fixture(scope="session")
def reports(store):
    reports = Reports(store.address)
    yield reports
    reports.close()


@pytest.fixture(scope="session")
def double(client, reports):
    """Carries out the Jobs of all tests."""
    with JobDouble(client, reports) as double:
        yield double


@pytest.fixture(scope="session")
def processes(tmp_path_factory):
    with OperatorProcesses(tmp_path_factory.mktemp("operators")) as processes:
        yield processes


@pytest.fixture
def world(client, double, request):  # noqa: ARG001 - the double works while the fixture is there
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))
    with World(client, name) as world:
        yield world


@pytest.fixture
def start(plane, processes, store, suggestion):
    """Starts operators that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(world, **more):
            settings = {
                "namespace": world.namespace,
                "store_address": store.address,
                "suggestion_address": suggestion.address,
                **more,
            }
            return stack.enter_context(processes.start(settings.pop("kubeconfig", plane.kubeconfig), **settings))

        yield start


@pytest.fixture
def start_here(store, suggestion):
    """Starts operators in threads of this process, in which a test can make short what takes long."""
    with contextlib.ExitStack() as stack:

        def start(world, *, config=None, **more):
            settings = {
                "namespace": world.namespace,
                "store_address": store.address,
                "suggestion_address": suggestion.address,
                "leader_election": False,
                **more,
            }
            operator, stop = Operator(OperatorSettings(**settings), world.client, config=config), threading.Event()
            thread = threading.Thread(target=operator.run, args=(stop,))

            def end():
                stop.set()
                thread.join(30)
                assert not thread.is_alive()

            thread.start()
            stack.callback(end)
            return operator

        yield start
