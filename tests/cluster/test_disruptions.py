"""What happens to trials when the cluster takes their pods away, or its node's agent begins anew."""

import json
import os
import signal

import pytest
from bench_pods import HOST
from measured_operator import MeasuredOperator
from singlenode.images import image_name
from singlenode.lifecycle import Cluster

_WORK = "import sys, time\ntime.sleep({seconds})\nprint('loss=' + sys.argv[1], flush=True)\n"


def experiment(name, *, seconds, retries):
    container = {
        "name": "main",
        "image": image_name("trial"),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", _WORK.format(seconds=seconds), "${trialParameters.lr}"],
    }
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 2, "containers": [container]}
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": 1,
            "maxTrialCount": 1,
            "maxFailedTrialCount": 1,
            "parameters": [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.1"}}],
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": "lr", "reference": "lr"}],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {"backoffLimit": retries, "template": {"spec": pod}},
                },
            },
        },
    }


@pytest.fixture(scope="module")
def operated(kubeconfig):
    store = ("--http-address", f"{HOST}:0", "--insecure-plaintext", "--insecure-anonymous")
    with MeasuredOperator(kubeconfig, store=store, options=("--collector-image", image_name("collector"))) as operated:
        yield operated


@pytest.fixture
def world(operated, kubernetes):
    return World(operated, kubernetes)


class World:
    """One namespace with an operator."""

    def __init__(self, operated, kubernetes):
        self.namespace = operated.namespace
        self.kubernetes = kubernetes

    def create(self, body):
        self.kubernetes.apply(body, self.namespace)

    def pods(self, name):
        selector = f"katib.kubeflow.org/experiment={name}"
        return self.kubernetes.get("pods", "--namespace", self.namespace, "--selector", selector)["items"]

    def running(self, name):
        def trainer_runs():
            return any(
                (status.get("state") or {}).get("running")
                for pod in self.pods(name)
                for status in pod.get("status", {}).get("containerStatuses", [])
            )

        self.kubernetes.wait_for(trainer_runs, seconds=120, what="the trainer runs", namespace=self.namespace)
        (pod,) = self.pods(name)
        return pod["metadata"]["name"]

    def ended(self, name):
        def found():
            return self.kubernetes.get("experiment", name, "--namespace", self.namespace)

        def is_over():
            conditions = found().get("status", {}).get("conditions") or [{}]
            return conditions[-1].get("type") in ("Succeeded", "Failed")

        self.kubernetes.wait_for(is_over, seconds=180, what=f"{name} is over", namespace=self.namespace)
        selector = f"katib.kubeflow.org/experiment={name}"
        trials = self.kubernetes.get("trials", "--namespace", self.namespace, "--selector", selector)["items"]
        return found()["status"]["conditions"][-1]["type"], [trial["status"]["conditions"][-1] for trial in trials]

    def evict(self, pod):
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        self.kubernetes.kubectl("create", "--raw", path, "--filename=-", stdin=json.dumps(body))

    def reasons(self):
        found = self.kubernetes.get("events", "--namespace", self.namespace)["items"]
        return {each["reason"] for each in found}


def test_an_evicted_pod_is_made_again_as_far_as_its_job_allows(world):
    world.create(experiment("evicted", seconds=6, retries=2))
    pod = world.running("evicted")
    world.evict(pod)
    state, (trial,) = world.ended("evicted")
    assert (state, trial["type"]) == ("Succeeded", "Succeeded")
    assert "PodDisrupted" in world.reasons()


def test_a_trial_that_may_not_be_made_again_fails_with_the_reason(world):
    world.create(experiment("evicted-once", seconds=60, retries=0))
    world.evict(world.running("evicted-once"))
    state, (trial,) = world.ended("evicted-once")
    assert (state, trial["type"]) == ("Failed", "Failed")
    assert "was ended by the cluster (EvictionByEvictionAPI)" in trial["message"]


@pytest.mark.skipif("KUBECONFIG" in os.environ, reason="the kubelet of somebody else's cluster is not ours to kill")
def test_a_trial_outlives_the_kubelet(world):
    world.create(experiment("kubelet", seconds=8, retries=0))
    world.running("kubelet")
    cluster = Cluster()
    cluster.signal("kubelet", signal.SIGKILL)
    cluster.start("kubelet")
    state, (trial,) = world.ended("kubelet")
    assert (state, trial["type"]) == ("Succeeded", "Succeeded")
