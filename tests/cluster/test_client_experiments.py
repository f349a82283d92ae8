"""Experiments on a real API server with a real operator, as a program has them: what every place promises, and what only a cluster can.

No pod runs here: jobs are carried out by their double. ``test_api_server.py`` has pods.
"""

import contextlib
import json
import secrets
import sys
import time
from pathlib import Path

import pytest
import yaml

from katib.errors import Conflict, Denied, InvalidExperiment, NotFound, Unauthenticated, Unsupported
from katib.experiments.protocol import Budget, ExperimentQuery
from katib.kube.client import Client
from katib.kube.errors import Forbidden
from katib.kube.resource import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from katib.operator import kinds
from katib.operator.cluster_callers import ClusterAddress
from katib.operator.cluster_experiments import ClusterExperiments
from katib.operator.cluster_store import ClusterStore
from katib.testing.experiments_contract import ExperimentsContract, eventually, state_of
from katib.testing.job_double import CONTROLLER, RULE, JobDouble
from katib.testing.served import ServedStore, ServedSuggestion

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "faults" / "operator"))

from operator_processes import OperatorProcesses
from world import Reports

pytestmark = pytest.mark.xdist_group("client-experiments")  # what they run on is there once

RULES = {
    "quick": "",
    "long": "end=never",
    "broken": "reports=0 end=fail message=luck",
}


class Place:
    """An API server with our custom resources, an operator for all of it, its servers, and a double of the job controller."""

    def __init__(self, plane, folder, stack):
        self.kubeconfig = str(plane.kubeconfig)
        self.client = stack.enter_context(Client.connect(kubeconfig=self.kubeconfig))
        for path in sorted((ROOT / "deploy" / "crds").glob("*s.yaml")):
            for document in yaml.safe_load_all(path.read_text()):
                if document and document.get("kind") == "CustomResourceDefinition":
                    self.client.apply(CUSTOM_RESOURCE_DEFINITIONS, document)
        for kind in ("Experiment", "Trial", "Suggestion"):
            eventually(lambda kind=kind: self._served(kind), f"{kind} is served")
        self.store = stack.enter_context(ServedStore("--url", f"sqlite:///{folder / 'katib.db'}"))
        suggestion = stack.enter_context(ServedSuggestion("--workers", "1"))
        self._reports = Reports(self.store.address)
        stack.callback(self._reports.close)
        stack.enter_context(JobDouble(self.client, self.report))
        processes = stack.enter_context(OperatorProcesses(folder / "operators"))
        addresses = {"store_address": self.store.address, "suggestion_address": suggestion.address}
        stack.enter_context(processes.start(self.kubeconfig, **addresses))

    def _served(self, kind):
        with contextlib.suppress(NotFound):
            self.client.list(self.client.resource_for("kubeflow.org/v1beta1", kind))
            return True
        return False

    def report(self, namespace, trial, metrics):
        """Report as the loss what the trial's parameter is."""
        found = self.client.get(kinds.TRIALS, trial, namespace)["spec"]["parameterAssignments"]
        self._reports(namespace, trial, dict.fromkeys(metrics, found[0]["value"]))

    def namespace(self):
        name = f"client-{secrets.token_hex(4)}"
        self.client.create(NAMESPACES, {"metadata": {"name": name}})
        return name

    def account(self, namespace, *, may=()):
        """Return the token of a new service account with some verbs for experiments and trials."""
        name = f"account-{secrets.token_hex(3)}"
        place = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self.client.request("POST", place, body={"metadata": {"name": name}})
        if may:
            rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
            rule = {"apiGroups": ["kubeflow.org"], "resources": ["experiments", "trials"], "verbs": list(may)}
            self.client.request("POST", f"{rbac}/roles", body={"metadata": {"name": name}, "rules": [rule]})
            binding = {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            }
            self.client.request("POST", f"{rbac}/rolebindings", body=binding)
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return self.client.request("POST", f"{place}/{name}/token", body=wanted)["status"]["token"]


@pytest.fixture(scope="module")
def place(lasting_control_plane, tmp_path_factory):
    lasting_control_plane.mend()
    with contextlib.ExitStack() as stack:
        yield Place(lasting_control_plane, tmp_path_factory.mktemp("place"), stack)


def with_double(text, rule=""):
    """Return an experiment whose jobs are the double's."""
    document = json.loads(text)
    document["spec"]["metricsCollectorSpec"] = {"collector": {"kind": "Push"}}
    job = document["spec"]["trialTemplate"]["trialSpec"]
    job["metadata"] = {"annotations": {RULE: rule}}
    job["spec"]["managedBy"] = CONTROLLER
    return document


class TestClusterExperiments(ExperimentsContract):
    """Everything every place promises."""

    has_logs = False

    @pytest.fixture
    def experiments(self, place):
        self.namespace, self.other_namespace = place.namespace(), place.namespace()
        with ClusterExperiments.connect(place.kubeconfig, store_address=place.store.address) as experiments:
            yield experiments
            for namespace in (self.namespace, self.other_namespace):
                for each in experiments.find(namespace, ExperimentQuery()).experiments:
                    experiments.delete(namespace, each.metadata.name)

    def trial_spec(self, behaviour):
        job = super().trial_spec(behaviour)
        return {**job, "metadata": {"annotations": {RULE: RULES[behaviour]}}}

    def document(self, *words, **more):
        document = json.loads(super().document(*words, **more))
        spec = document["spec"]
        spec["metricsCollectorSpec"] = {"collector": {"kind": "Push"}}
        spec["parallelTrialCount"] = min(spec["parallelTrialCount"], spec["maxTrialCount"])
        spec["trialTemplate"]["trialSpec"]["spec"]["managedBy"] = CONTROLLER
        return json.dumps(document)
