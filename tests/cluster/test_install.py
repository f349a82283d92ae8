"""``kubectl apply -k`` gives a Katib that runs the experiment of the guide, with no right that it does not use."""

import base64
import fcntl
import json
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from singlenode.images import image_name

pytestmark = pytest.mark.xdist_group("install")  # what is the cluster's is there once

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "install-kubernetes.md").read_text()
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
KINDS = "clusterroles,clusterrolebindings"


class Installation:
    """The overlay ``standalone`` in a namespace of its own, for the experiments of one other namespace.

    Experiments of other tests on this cluster are not its business; everything else is as the overlay has it.
    """

    def __init__(self, kubernetes, folder, namespace, trials):
        self.kubernetes, self.namespace, self.trials = kubernetes, namespace, trials
        base = os.path.relpath(ROOT / "deploy" / "overlays" / "standalone", folder)
        name, _, tag = image_name("katib").rpartition(":")
        kustomization = {
            "resources": [base],
            "namespace": namespace,
            "images": [{"name": "katib.test/katib", "newName": name, "newTag": tag}],
            "patches": [
                {
                    "target": {"kind": "Deployment", "name": "katib-operator"},
                    "patch": yaml.safe_dump(
                        [
                            {
                                "op": "add",
                                "path": "/spec/template/spec/containers/0/args/-",
                                "value": f"--watch-namespace={trials}",
                            },
                            {
                                "op": "test",
                                "path": "/spec/template/spec/containers/0/env/1/name",
                                "value": "KATIB_COLLECTOR_IMAGE",
                            },
                            {
                                "op": "replace",
                                "path": "/spec/template/spec/containers/0/env/1/value",
                                "value": image_name("collector"),
                            },
                        ]
                    ),
                }
            ],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        self._folder = folder

    def apply(self):
        return self.kubernetes.kubectl("apply", "--kustomize", str(self._folder))

    def ready(self):
        found = self.kubernetes.get("deployments", "--namespace", self.namespace)["items"]
        return len(found) == 3 and all(each.get("status", {}).get("readyReplicas") for each in found)

    def requests(self):
        """Return the operator's requests to the API server: verb, resource, code."""
        selector = "katib.kubeflow.org/component=operator"
        (pod,) = self.kubernetes.get("pods", "--namespace", self.namespace, "--selector", selector)["items"]
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
        shown = self.kubernetes.kubectl("get", "--raw", path)
        return [line.split() for line in re.findall(r'katib_operator_api_requests\{of="(.*?)"', shown)]

    def may(self, account, verb, resource, namespace, *, group="", name=""):
        """Ask the API server; kubectl's own question looks kinds up, and some are of nobody."""
        attributes = {"verb": verb, "group": group, "resource": resource, "name": name, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": f"system:serviceaccount:{self.namespace}:{account}",
                "groups": ["system:serviceaccounts", f"system:serviceaccounts:{self.namespace}"],
                "resourceAttributes": attributes,
            },
        }
        said = self.kubernetes.kubectl("create", "--filename=-", "--output=json", stdin=review)
        return json.loads(said)["status"]["allowed"]


def installed(kubernetes):
    """Whether somebody has Katib in this cluster: its roles lead to an operator that is there."""
    found = kubernetes.get(KINDS, "--selector=app.kubernetes.io/part-of=katib")["items"]
    places = {
        subject["namespace"]
        for each in found
        for subject in each.get("subjects", [])
        if subject["name"] == "katib-operator"
    }
    return any(
        kubernetes.kubectl("get", "deployment/katib-operator", "--namespace", place, "--output=name", check=False)
        == "deployment.apps/katib-operator\n"
        for place in places
    )


@contextmanager
def alone():
    """Wait for other runs of these tests on this machine."""
    with (Path(tempfile.gettempdir()) / "katib-test-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="module")
def installation(kubernetes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("install").resolve()
    with alone():
        if installed(kubernetes):
            pytest.skip("Katib is installed in this cluster, and would be changed")
        yield from _installation(kubernetes, folder)


def _installation(kubernetes, folder):
    with (
        kubernetes.namespace("install", labels=RESTRICTED) as namespace,
        kubernetes.namespace("install-trials", labels=RESTRICTED) as trials,
    ):
        made = Installation(kubernetes, folder, namespace, trials)
        try:
            made.apply()
            kubernetes.wait_for(made.ready, seconds=240, what="everything is ready", namespace=namespace)
            yield made
        finally:
            kubernetes.kubectl("delete", KINDS, "--selector=app.kubernetes.io/part-of=katib", check=False)


@pytest.fixture(scope="module")
def experiment(installation):
    """The experiment of the guide, over."""
    kubernetes, namespace = installation.kubernetes, installation.trials
    (text,) = re.findall(r"```yaml\n# experiment.yaml\n(.*?)```", GUIDE, re.DOTALL)
    kubernetes.apply(text.replace("katib.test/katib-trial:dev", image_name("trial")), namespace)

    def over():
        status = kubernetes.get("experiment/first", "--namespace", namespace).get("status", {})
        held = {each["type"] for each in status.get("conditions", []) if each["status"] == "True"}
        return status if held & {"Succeeded", "Failed"} else None

    return kubernetes.wait_for(over, seconds=240, what="the experiment is over", namespace=namespace)


def test_experiment_of_the_guide_succeeds(installation, experiment):
    kubernetes, namespace = installation.kubernetes, installation.trials
    assert experiment["conditions"][-1]["type"] == "Succeeded", experiment
    assert experiment["trialsSucceeded"] == 6
    trials = kubernetes.get("trials", "--namespace", namespace)["items"]
    measured = {
        metric["name"] for trial in trials for metric in trial["status"]["observation"]["metrics"] if metric["latest"]
    }
    assert measured == {"loss", "accuracy"}
    best = min(float(trial["status"]["objectiveValue"]) for trial in trials)
    assert float(experiment["bestObjective"]) == pytest.approx(best, rel=1e-5)


def test_nothing_that_the_operator_asks_for_is_refused(installation, experiment):
    assert experiment
    requests = installation.requests()
    assert {("create", "jobs", "201"), ("create", "trials", "201")} <= {tuple(each) for each in requests}
    assert [each for each in requests if each[-1] in {"401", "403"}] == []


@pytest.mark.usefixtures("experiment")
def test_an_experiment_goes_with_all_that_is_its_own(kubernetes, installation):
    namespace = installation.trials
    kubernetes.kubectl("delete", "experiment/first", "--namespace", namespace)

    def left():
        kinds = "experiments,trials,suggestions,jobs,pods"
        return kubernetes.get(kinds, "--namespace", namespace)["items"]

    kubernetes.wait_for(lambda: not left(), seconds=120, what="nothing is left", namespace=namespace)
    assert [each for each in installation.requests() if each[-1] in {"401", "403"}] == []


@pytest.mark.parametrize("account", ["katib-operator", "katib-store", "katib-suggestion"])
def test_servers_cannot_read_secrets(installation, account):
    for verb in ("get", "list", "create"):
        assert not installation.may(account, verb, "secrets", installation.namespace)
        assert not installation.may(account, verb, "secrets", "default")


def test_keys_are_open_to_their_job_alone_and_by_name(installation):
    assert installation.may("katib-keys", "get", "secrets", installation.namespace, name="katib-keys")
    assert not installation.may("katib-keys", "get", "secrets", installation.namespace, name="another")
    assert not installation.may("katib-keys", "list", "secrets", installation.namespace)


def test_a_kind_of_job_is_added_by_a_label(kubernetes, installation):
    def may():
        return installation.may("katib-operator", "create", "widgets", "default", group="katib-test.example")

    assert not may()
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": "katib-test-widgets",
            "labels": {"katib.kubeflow.org/aggregate-to-operator": "true", "app.kubernetes.io/part-of": "katib"},
        },
        "rules": [
            {
                "apiGroups": ["katib-test.example"],
                "resources": ["widgets"],
                "verbs": ["get", "list", "watch", "create", "delete"],
            }
        ],
    }
    kubernetes.kubectl("apply", "--filename=-", stdin=role)
    kubernetes.wait_for(may, seconds=30, what="the operator may make widgets")


def test_installing_again_changes_nothing(kubernetes, installation):
    def state():
        namespace = ("--namespace", installation.namespace)
        keys = kubernetes.get("secret/katib-keys", *namespace)["data"]
        generations = {
            each["metadata"]["name"]: each["metadata"]["generation"]
            for each in kubernetes.get("deployments", *namespace)["items"]
        }
        return keys, generations

    before = state()
    assert {"operator.token", "report.keys", "store-tokens.yaml"} == set(before[0])
    installation.apply()
    assert state() == before


def test_store_lets_nobody_in_without_a_token(kubernetes, installation):
    path = f"/api/v1/namespaces/{installation.namespace}/services/katib-store:http/proxy/"
    assert "ok" in kubernetes.kubectl("get", "--raw", f"{path}healthz").lower()
    refused = kubernetes.kubectl("get", "--raw", f"{path}api/2.0/mlflow/experiments/get?experiment_id=0", check=False)
    assert "asked for the client to provide credentials" in refused  # kubectl's words for 401


def test_keys_are_of_this_installation(kubernetes, installation):
    data = kubernetes.get("secret/katib-keys", "--namespace", installation.namespace)["data"]
    key = base64.b64decode(data["report.keys"]).decode().strip()
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert key not in kubernetes.kubectl(
        "get", "deployments,jobs,configmaps", "--namespace", installation.namespace, "--output=yaml"
    )
