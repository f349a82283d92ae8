"""Katib installed from an overlay as it is shipped, in a namespace of its own, for the experiments of one other namespace.

Experiments of other tests on this cluster are not its business; everything else is as the overlay has it. What is the cluster's is there
once, so installations take turns.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from cluster_access import marks
from singlenode.images import image_name
from singlenode.layout import NODE, Layout

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "install-kubernetes.md").read_text()
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_KINDS = "clusterroles,clusterrolebindings,mutatingwebhookconfigurations"

takes_minutes = pytest.mark.usefixtures("minutes")
"""For what the gate has no time for: `make e2e-install` runs it."""


class Installation:
    """One overlay, and what a user would say beside it.

    Args:
        kubernetes: The cluster.
        folder: For the kustomization.
        namespace: Of the installation.
        trials: The namespace of experiments.
        overlay: Its name.
        components: More of ``deploy/components``.
        images: More entries of a kustomization's ``images``.
        patches: More of its ``patches``.
    """

    def __init__(
        self, kubernetes, folder, namespace, trials, *, overlay="standalone", components=(), images=(), patches=()
    ):
        self.kubernetes, self.namespace, self.trials = kubernetes, namespace, trials
        deploy = os.path.relpath(ROOT / "deploy", folder)
        name, _, tag = image_name("katib").rpartition(":")
        environment = "/spec/template/spec/containers/0/env/1"
        of_operator = [
            {
                "op": "add",
                "path": "/spec/template/spec/containers/0/args/-",
                "value": f"--watch-namespace={trials}",
            },
            {"op": "test", "path": f"{environment}/name", "value": "KATIB_COLLECTOR_IMAGE"},
            {"op": "replace", "path": f"{environment}/value", "value": image_name("collector")},
        ]
        kustomization = {
            "resources": [f"{deploy}/overlays/{overlay}"],
            "components": [f"{deploy}/components/{each}" for each in components],
            "namespace": namespace,
            "images": [{"name": "katib.test/katib", "newName": name, "newTag": tag}, *images],
            "patches": [patch({"kind": "Deployment", "name": "katib-operator"}, of_operator), *patches],
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        self._folder = folder

    def apply(self, *words):
        return self.kubernetes.kubectl("apply", "--kustomize", str(self._folder), *words)

    def ready(self):
        """Whether every server of every workload is ready."""
        found = self.kubernetes.get("deployments,statefulsets", "--namespace", self.namespace)["items"]
        return len(found) >= 3 and all(
            each.get("status", {}).get("readyReplicas", 0) == each["spec"]["replicas"] for each in found
        )

    def wait_until_ready(self):
        self.kubernetes.wait_for(self.ready, seconds=240, what="everything is ready", namespace=self.namespace)

    def pods(self, component):
        """Return the pods of a component that are not about to go."""
        selector = f"--selector=katib.kubeflow.org/component={component}"
        found = self.kubernetes.get("pods", "--namespace", self.namespace, selector)["items"]
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def requests(self):
        """Return the operator's requests to the API server: verb, resource, code."""
        (pod,) = self.pods("operator")
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

    def start(self, name="first", *, epochs=5, seconds_per_epoch=0.0):
        """Create the experiment of the guide."""
        (text,) = re.findall(r"```yaml\n# experiment.yaml\n(.*?)```", GUIDE, re.DOTALL)
        experiment = yaml.safe_load(text)
        experiment["metadata"]["name"] = name
        pod = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["command"][2] == "--epochs=5"
        container["command"][2:3] = [f"--epochs={epochs}", f"--seconds-per-epoch={seconds_per_epoch}"]
        container["image"] = image_name("trial")
        # A node that others use, too, has no whole processor for each.
        container["resources"]["requests"] = {"cpu": "50m", "memory": "64Mi"}
        self.kubernetes.apply(experiment, self.trials)

    def status(self, name="first"):
        return self.kubernetes.get(f"experiment/{name}", "--namespace", self.trials).get("status", {})

    def over(self, name="first"):
        """Wait for the end of an experiment and return its status."""

        def ended():
            status = self.status(name)
            held = {each["type"] for each in status.get("conditions", []) if each["status"] == "True"}
            return status if held & {"Succeeded", "Failed"} else None

        return self.kubernetes.wait_for(ended, seconds=240, what="the experiment is over", namespace=self.trials)

    def check_success(self, name="first", *, trials=6):
        """Check that an experiment of the guide succeeded, and that each of its trials ran once and was measured."""
        status = self.over(name)
        assert status["conditions"][-1]["type"] == "Succeeded", status
        assert status["trialsSucceeded"] == trials
        place = ("--namespace", self.trials, f"--selector=katib.kubeflow.org/experiment={name}")
        found = self.kubernetes.get("trials", *place)["items"]
        assert len(found) == trials
        for trial in found:
            measured = {metric["name"] for metric in trial["status"]["observation"]["metrics"] if metric["latest"]}
            assert measured == {"loss", "accuracy"}
        best = min(float(trial["status"]["objectiveValue"]) for trial in found)
        assert float(status["bestObjective"]) == pytest.approx(best, rel=1e-5)


def patch(target, operations):
    """Return an entry of a kustomization's ``patches``."""
    return {"target": target, "patch": yaml.safe_dump(operations)}


def _places(kubernetes):
    """Return the namespaces whose operators the roles in this cluster are for."""
    found = kubernetes.get(_KINDS, "--selector=app.kubernetes.io/part-of=katib")["items"]
    return {
        subject["namespace"]
        for each in found
        for subject in each.get("subjects", [])
        if subject["name"] == "katib-operator"
    }


def _leaves(kubernetes, place):
    """Whether a namespace is being removed, as that of a killed run is at first."""
    phase = ("--ignore-not-found", "--output=jsonpath={.status.phase}")
    return kubernetes.kubectl("get", "namespace", place, *phase) == "Terminating"


def _installed(kubernetes):
    """Whether somebody has Katib in this cluster: its roles lead to an operator that is there."""
    return any(
        kubernetes.kubectl("get", "deployment/katib-operator", "--namespace", place, "--output=name", check=False)
        == "deployment.apps/katib-operator\n"
        for place in _places(kubernetes)
    )


@contextlib.contextmanager
def _alone():
    """Wait for other runs of these tests on this machine."""
    with (Path(tempfile.gettempdir()) / "katib-test-install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def installing(
    kubernetes,
    folder,
    *,
    own_trials=False,
    claims=(),
    prepare=lambda _installation: None,
    patches=lambda _namespace: (),
    **options,
):
    """An installation that is ready, and goes when this is left; further options are those of ``Installation``.

    Args:
        kubernetes: The cluster.
        folder: For the kustomization and for what is on volumes.
        own_trials: Whether experiments are in the installation's own namespace.
        claims: The names of the claims for volumes that it makes.
        prepare: What a user does before applying the overlay.
        patches: Those of an installation in a namespace.
    """
    with _alone():
        kubernetes.wait_for(
            lambda: not any(_leaves(kubernetes, place) for place in _places(kubernetes)),
            seconds=120,
            what="what a killed run left is gone",
        )
        if _installed(kubernetes):
            pytest.skip("Katib is installed in this cluster, and would be changed")
        with (
            kubernetes.namespace("install", labels=RESTRICTED) as namespace,
            contextlib.nullcontext(namespace)
            if own_trials
            else kubernetes.namespace("install-trials", labels=RESTRICTED) as trials,
            _volumes(kubernetes, folder, namespace, claims),
        ):
            made = Installation(kubernetes, folder, namespace, trials, patches=patches(namespace), **options)
            try:
                prepare(made)
                made.apply()
                made.wait_until_ready()
                yield made
            finally:
                kubernetes.kubectl("delete", _KINDS, "--selector=app.kubernetes.io/part-of=katib", check=False)


@contextlib.contextmanager
def _volumes(kubernetes, folder, namespace, claims):
    """Volumes for claims, in a folder of this machine, where the cluster has no storage class that would make them."""
    if not claims or "(default)" in kubernetes.kubectl("get", "storageclasses", "--no-headers", check=False):
        yield
        return
    if kubernetes.kubeconfig.absolute() != Layout.of_environment().kubeconfig.absolute():
        pytest.skip("the cluster has no default storage class, and its node may be another machine")
    made = []
    try:
        for claim in claims:
            place = folder / "volumes" / claim
            place.mkdir(parents=True)
            name = f"katib-test-{namespace}-{claim}"
            kubernetes.kubectl("create", "--filename=-", stdin=_volume(name, place, namespace, claim))
            made.append(name)
        yield
    finally:
        # A claim that is in use keeps its volume, and a pod its files: the namespace goes first.
        kubernetes.kubectl("delete", "namespace", namespace, "--ignore-not-found", check=False)
        for name in made:
            kubernetes.kubectl("delete", "persistentvolume", name, "--ignore-not-found", check=False)
        shutil.rmtree(folder / "volumes", ignore_errors=True)


def _volume(name, place, namespace, claim):
    on_node = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": marks()},
        "spec": {
            "capacity": {"storage": "100Gi"},  # nothing measures it
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": namespace, "name": claim},
            "local": {"path": str(place)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": on_node}},
        },
    }
