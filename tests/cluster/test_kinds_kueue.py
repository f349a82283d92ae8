"""Trials whose jobs wait in a queue of Kueue."""

import pytest
from kinds_world import HELP, OPT_IN, TRAIN, KindsWorld, experiment, pod, replicas, training_job

from katib.template.trial_kind import is_suspended

pytestmark = OPT_IN


@pytest.fixture(scope="module")
def kueue(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("kueue", "training") as world:
        world.start_controllers()
        flavour = f"flavour-{world.namespace}"
        world.kubernetes.apply(queue_part("ResourceFlavor", flavour, {}), world.namespace)
        world.create(queue_part("LocalQueue", "team", {"clusterQueue": flavour}))
        world.room = lambda milli: world.kubernetes.apply(
            queue_part("ClusterQueue", flavour, cluster_queue(flavour, milli, world.namespace)), world.namespace
        )
        world.room(0)
        try:
            yield world
        finally:
            world.kubernetes.kubectl("delete", "clusterqueue,resourceflavor", flavour, "--wait=false", check=False)


def queue_part(kind, name, spec):
    return {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": {"name": name}, "spec": spec}


def cluster_queue(flavour, milli, namespace):
    resources = [{"name": name, "nominalQuota": quota} for name, quota in (("cpu", f"{milli}m"), ("memory", "1Gi"))]
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceGroups": [
            {"coveredResources": ["cpu", "memory"], "flavors": [{"name": flavour, "resources": resources}]}
        ],
    }


def queued(job):
    return {**job, "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "team"}}}


def is_finished(job):
    held = {each["type"] for each in job.get("status", {}).get("conditions") or () if each["status"] == "True"}
    return bool(held & {"Complete", "SuccessCriteriaMet", "Failed", "Succeeded"})


KUEUED = {
    "queued-job": (
        "main",
        {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": pod("main", TRAIN)}},
    ),
    "queued-pytorchjob": (
        "pytorch",
        training_job("PyTorchJob", "pytorchReplicaSpecs", replicas("pytorch", Master=TRAIN, Worker=HELP)),
    ),
}


@pytest.mark.controllers("kueue", "training")
def test_jobs_wait_for_room_in_their_queue(kueue):
    for name, (container, job) in KUEUED.items():
        kueue.create(experiment(name, queued(job), container=container))

    def told():
        found = [each for name in KUEUED for each in kueue.messages(name)]
        return len(found) == 4 and all(each.get("reason") == "JobSuspended" for each in found) and found

    found = kueue.until(told, "every trial says that it is suspended")
    assert {each["type"] for each in found} == {"Running"}
    assert not kueue.get("pods")["items"]
    kueue.room(30)  # one Job (10m, and 10m of its collector), or one PyTorchJob with its worker, at a time
    admitted, most = set(), 0

    def over():
        nonlocal admitted, most
        jobs = [each for name in KUEUED for each in kueue.of("jobs,pytorchjobs", name)]
        now = {each["metadata"]["name"] for each in jobs if not is_suspended(each) and not is_finished(each)}
        # Kinds are listed one after the other; what two looks see was there at once.
        most = max(most, len(admitted & now))
        admitted = now
        ends = [kueue.get("experiment", name)["status"]["conditions"][-1]["type"] for name in KUEUED]
        return all(each in ("Succeeded", "Failed") for each in ends)

    kueue.until(over, "both experiments are over", 240)
    for name in KUEUED:
        kueue.check_succeeded(name)
    assert most <= 1
