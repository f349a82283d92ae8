"""The cluster itself: what every other test here builds on is true of it."""

import os
import signal
import subprocess
import sys

import pytest
from cluster_access import COMMAND
from singlenode.images import image_name
from singlenode.parts import CONTROL_PLANE
from singlenode.processes import marked

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def job(name, *, main, sidecar, security=RESTRICTED):
    """A Job of one container with a native sidecar, as a trial has one."""
    container = {"image": image_name("trial"), "imagePullPolicy": "IfNotPresent", "securityContext": security}
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "initContainers": [{**container, "name": "sidecar", "restartPolicy": "Always", "command": sidecar}],
        "containers": [{**container, "name": "main", "command": main}],
    }
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


UNTIL_TOLD = ["python", "-c", "import signal\nsignal.signal(15, lambda *_: exit(0))\nsignal.pause()"]


def condition(kubernetes, namespace, name):
    status = kubernetes.get("job", name, "--namespace", namespace).get("status", {})
    return [each["type"] for each in status.get("conditions", []) if each["status"] == "True"]


def test_a_job_with_a_native_sidecar_completes_where_pods_are_restricted(kubernetes, restricted_namespace):
    train = ["python", "/opt/app/train.py", "--epochs", "3", "--learning-rate", "0.1"]
    kubernetes.apply(job("train", main=train, sidecar=UNTIL_TOLD), restricted_namespace)
    kubernetes.wait_for(
        lambda: "Complete" in condition(kubernetes, restricted_namespace, "train"),
        what="the Job is complete",
        namespace=restricted_namespace,
    )
    lines = kubernetes.kubectl(
        "logs", "job/train", "--container=main", "--namespace", restricted_namespace
    ).splitlines()
    assert [line.split()[0] for line in lines] == ["epoch=1", "epoch=2", "epoch=3"]


def test_a_privileged_pod_is_refused_where_pods_are_restricted(kubernetes, restricted_namespace):
    body = job("train", main=["true"], sidecar=["true"], security={"privileged": True})
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": body["spec"]["template"]["spec"]}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        kubernetes.apply(pod, restricted_namespace)


def test_a_failure_of_the_main_container_is_the_jobs(kubernetes, namespace):
    train = ["python", "/opt/app/train.py", "--fail-at-epoch", "2"]
    kubernetes.apply(job("train", main=train, sidecar=UNTIL_TOLD), namespace)
    kubernetes.wait_for(
        lambda: "Failed" in condition(kubernetes, namespace, "train"), what="the Job failed", namespace=namespace
    )


def test_a_pod_reaches_the_api_server_by_its_name(kubernetes, namespace):
    ask = (
        "import ssl, urllib.request as r\n"
        "c = ssl.create_default_context(cafile='/var/run/secrets/kubernetes.io/serviceaccount/ca.crt')\n"
        "print(r.urlopen('https://kubernetes.default.svc/version', context=c, timeout=10).status)"
    )
    kubernetes.apply(job("ask", main=["python", "-c", ask], sidecar=UNTIL_TOLD), namespace)
    kubernetes.wait_for(
        lambda: "Complete" in condition(kubernetes, namespace, "ask"), what="the pod had an answer", namespace=namespace
    )


def test_namespaces_of_tests_that_were_killed_are_swept(kubernetes):
    script = (
        f"import os, sys\nsys.path.insert(0, {os.path.dirname(COMMAND)!r})\n"  # noqa: PTH120
        "from pathlib import Path\nfrom cluster_access import Kubernetes\n"
        f"with Kubernetes(Path({str(kubernetes.kubeconfig)!r})).namespace('killed') as name:\n"
        "    print(name, flush=True)\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = done.stdout.strip()
    with kubernetes.namespace("alive") as alive:
        kubernetes.sweep()
        there = kubernetes.get("namespaces")["items"]
        phases = {each["metadata"]["name"]: each["status"]["phase"] for each in there}
        assert phases[alive] == "Active"
        assert phases.get(left, "Terminating") == "Terminating"


class TestControlPlane:
    def test_it_goes_on_where_it_was_when_any_part_is_killed(self, control_plane):
        kubernetes = control_plane.kubernetes
        kubernetes.kubectl("create", "configmap", "kept", "--from-literal=a=1")
        for part in ("etcd", "apiserver", "controller-manager"):
            control_plane.kill(part)
            control_plane.start(part)
            assert kubernetes.get("configmap", "kept")["data"] == {"a": "1"}

    def test_a_stopped_api_server_answers_nobody_until_it_is_continued(self, control_plane):
        control_plane.hang("apiserver")
        assert not control_plane.ready()
        control_plane.resume("apiserver")
        kubernetes = control_plane.kubernetes
        kubernetes.wait_for(control_plane.ready, what="the API server is ready")

    def test_up_mends_what_is_dead_and_says_so_when_nothing_is(self, control_plane):
        def up():
            environment = {**os.environ, "KATIB_CLUSTER_DIR": str(control_plane.cluster.layout.folder)}
            return subprocess.run(
                [sys.executable, COMMAND, "up"], env=environment, capture_output=True, text=True, check=True
            )

        control_plane.kill("etcd")
        assert {each.name: each.word for each in control_plane.cluster.states()}["etcd"] == "dead"
        assert "up after" in up().stderr
        assert control_plane.ready()
        again = up()
        assert "already up" in again.stderr
        assert again.stdout == f"export KUBECONFIG={control_plane.kubeconfig}\n"

    def test_a_flag_that_the_api_server_refuses_is_told_in_its_words(self, control_plane):
        environment = {
            **os.environ,
            "KATIB_CLUSTER_DIR": str(control_plane.cluster.layout.folder),
            "KATIB_APISERVER_FLAGS": "--no-such-flag",
        }
        done = subprocess.run(
            [sys.executable, COMMAND, "up"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "unknown flag: --no-such-flag" in done.stderr
        assert "Traceback" not in done.stderr

    def test_nothing_is_left_when_it_is_down(self, control_plane):
        folder = control_plane.cluster.layout.folder
        assert {each.part for each in marked(folder)} == set(CONTROL_PLANE)
        assert control_plane.cluster.down()
        assert marked(folder) == []
        assert not control_plane.cluster.layout.run.exists()
        assert not control_plane.cluster.down()
