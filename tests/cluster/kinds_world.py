"""An operator on the real cluster, with controllers of other kinds of jobs beside it, and experiments of those kinds."""

import base64
import contextlib
import os
import socket

import pytest
from bench_pods import HOST
from cluster_access import find_cluster
from measured_operator import MeasuredOperator
from singlenode import credentials
from singlenode.controllers import CATALOGUE, QUEUED, Controllers
from singlenode.images import image_name
from singlenode.lifecycle import Cluster

OPT_IN = [
    pytest.mark.skipif("KATIB_E2E_KINDS" not in os.environ, reason="trials of more kinds: `make e2e-kinds` runs them"),
]
LR = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.1"}}

TRAIN = "import sys, time\nfor step in range(3): print('loss=' + sys.argv[1], flush=True); time.sleep(0.2)\n"
"""Of the replica whose metrics count."""
HELP = "import time\nprint('loss=-1', flush=True)\ntime.sleep(60)\n"
"""Of the others; what they print would be the best there is."""
FAIL = "import sys\nprint('loss=1', flush=True)\nsys.exit(7)\n"
FOREVER = "import time\nfor step in range(6000): print('loss=9', flush=True); time.sleep(0.1)\n"


def pod(name, program, *, labels=None, restart="Never"):
    """Return the template of a pod with one container, which runs a program with the trial's parameter."""
    container = {
        "name": name,
        "image": image_name("trial"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", program, "${trialParameters.lr}"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    if restart:
        spec["restartPolicy"] = restart
    return {**({"metadata": {"labels": labels}} if labels else {}), "spec": spec}


def replicas(container, **programs):
    """Return replica specs of Kubeflow's training operator: ``Master=TRAIN``, or ``Worker=(2, HELP)``."""
    found = {}
    for role, program in programs.items():
        count, words = program if isinstance(program, tuple) else (1, program)
        found[role] = {"replicas": count, "restartPolicy": "Never", "template": pod(container, words)}
    return found


def training_job(kind, field, specs, **more):
    """Return a job of Kubeflow's training operator."""
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": kind,
        # Its pods and the job itself would be gone at once: who runs trials copes with the first and does not let the second happen.
        "spec": {"runPolicy": {"cleanPodPolicy": "All", "ttlSecondsAfterFinished": 0}, field: specs, **more},
    }


def experiment(name, job, *, container="main", trials=2, parallel=None, **spec):
    """Return an experiment whose trials are such jobs."""
    template = {
        "primaryContainerName": container,
        "trialParameters": [{"name": "lr", "reference": "lr"}],
        "trialSpec": job,
        **spec.pop("template", {}),
    }
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": parallel or min(trials, 2),
            "maxTrialCount": trials,
            "maxFailedTrialCount": 0,
            "parameters": [LR],
            "trialTemplate": template,
            **spec,
        },
    }


def _free_port():
    with socket.create_server((HOST, 0)) as free:
        return free.getsockname()[1]


class KindsWorld:
    """One namespace with an operator (``with``); its controllers are started when a test wants them.

    Args:
        names: Of the controllers.
        webhook: Whether the operator has its webhook for pods.
    """

    def __init__(self, *names, webhook=False):
        self._webhook = f"{HOST}:{_free_port()}" if webhook else ""
        self.layout = Cluster().layout
        self.controllers = Controllers(Cluster(), [CATALOGUE[name] for name in names])
        store = ("--http-address", f"{HOST}:0", "--insecure-plaintext", "--insecure-anonymous")
        wanted = ["--collector-image", image_name("collector")]
        if webhook:
            credentials.make_server(self.layout, "pod-webhook", [f"IP:{HOST}"])
            certificate, key = (str(self.layout.keys / f"pod-webhook.{each}") for each in ("crt", "key"))
            wanted += ["--webhook-address", self._webhook, "--webhook-cert", certificate, "--webhook-key", key]
        self._operated = MeasuredOperator(find_cluster(), store=store, options=tuple(wanted))

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._operated)
            self.kubernetes, self.namespace = self._operated.kubernetes, self._operated.namespace
            labels = [f"{name}={value}" for name, value in QUEUED.items()]
            self.kubernetes.kubectl("label", "namespace", self.namespace, *labels)
            if self._webhook:
                name = f"katib-test-{self.namespace}"
                self.kubernetes.kubectl("create", "--filename=-", stdin=self._registration(name))
                stack.callback(self.kubernetes.kubectl, "delete", "mutatingwebhookconfigurations", name)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *raised):
        # Objects go while there is somebody to take their finalizers away.
        try:
            if self._started:
                self.kubernetes.kubectl("delete", "experiments", "--all", "--namespace", self.namespace, "--wait=false")
                self.controllers.undefine()
        finally:
            self._stack.close()

    def _registration(self, name):
        authority = base64.b64encode((self.layout.keys / "ca.crt").read_bytes()).decode()
        webhook = {
            "name": "mutator.pod.katib.kubeflow.org",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "NoneOnDryRun",
            "failurePolicy": "Ignore",
            "timeoutSeconds": 5,
            "clientConfig": {"url": f"https://{self._webhook}/mutate-pod", "caBundle": authority},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [webhook],
        }

    _started = False

    def start_controllers(self):
        """Have the kinds defined, and controlled."""
        self._stack.enter_context(self.controllers)
        self._started = True

    @property
    def log(self):
        """What the operator has written."""
        return self._operated.operator.log

    def create(self, body):
        """Create an experiment, or anything else."""
        self.kubernetes.apply(body, self.namespace)
        return body["metadata"]["name"]

    def get(self, *words):
        """Return an object of the namespace, or a list."""
        return self.kubernetes.get(*words, "--namespace", self.namespace)

    def of(self, kind, name):
        """Return the objects of a kind that belong to an experiment."""
        return self.get(kind, "--selector", f"katib.kubeflow.org/experiment={name}")["items"]

    def until(self, holds, what, seconds=120):
        """Wait until something holds."""
        return self.kubernetes.wait_for(
            holds, seconds=seconds, what=f"{what}\n{self.log[-1500:]}", namespace=self.namespace
        )

    def over(self, name, seconds=180):
        """Wait for the end of an experiment; return how it ended, and its trials."""

        def ended():
            conditions = self.get("experiment", name).get("status", {}).get("conditions") or [{}]
            return conditions[-1] if conditions[-1].get("type") in ("Succeeded", "Failed") else None

        end = self.until(ended, f"{name} is over", seconds)
        return end, self.of("trials", name)

    def check_succeeded(self, name, trials=2):
        """Check that an experiment's trials have what their primary pods printed, and nothing of the others."""
        end, found = self.over(name)
        assert end["type"] == "Succeeded", (end, self.messages(name))
        assert [state_of(trial) for trial in found] == ["Succeeded"] * trials, self.messages(name)
        assert [loss_of(trial) for trial in found] == [given(trial) for trial in found]

    def messages(self, name):
        """Return the current condition of each trial of an experiment."""
        return [trial.get("status", {}).get("conditions", [{}])[-1] for trial in self.of("trials", name)]


def state_of(trial):
    """Return the type of the last condition of a trial."""
    return trial["status"]["conditions"][-1]["type"]


def loss_of(trial):
    """Return what was observed of a trial's loss, as text: least, greatest, latest."""
    metrics = (trial["status"].get("observation") or {}).get("metrics") or []
    return next(((each["min"], each["max"], each["latest"]) for each in metrics if each["name"] == "loss"), None)


def given(trial):
    """Return the value of the trial's parameter three times, which is what is observed if the right pod is."""
    (assignment,) = trial["spec"]["parameterAssignments"]
    return (assignment["value"],) * 3


def collected_pods(pods):
    """Return those pods that have a collector."""
    return [
        each for each in pods if any(c["name"] == "katib-collector" for c in each["spec"].get("initContainers") or ())
    ]
