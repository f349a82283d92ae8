"""Trials that are MPIJobs of the MPI operator on its own (v2beta1)."""

import pytest
from kinds_world import FAIL, HELP, OPT_IN, TRAIN, KindsWorld, experiment, replicas, state_of

pytestmark = OPT_IN

MPIJOBS = "mpijobs.v2beta1.kubeflow.org"
"""Said in full: kubectl remembers for hours that the training operator had another version."""


@pytest.fixture(scope="module")
def mpi(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("mpi") as world:
        world.start_controllers()
        yield world


def mpi_job(launcher, *, backoff=0, **policy):
    specs = replicas("mpi", Launcher=launcher, Worker=(2, HELP))
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "spec": {
            "slotsPerWorker": 1,
            "runPolicy": {"cleanPodPolicy": "All", "ttlSecondsAfterFinished": 0, "backoffLimit": backoff, **policy},
            "mpiReplicaSpecs": specs,
        },
    }


@pytest.mark.controllers("mpi")
def test_launchers_metrics_count(mpi):
    mpi.create(experiment("mpi", mpi_job(TRAIN), container="mpi"))
    mpi.check_succeeded("mpi")


@pytest.mark.controllers("mpi")
def test_a_launcher_fails_with_the_reason(mpi):
    mpi.create(experiment("mpi-broken", mpi_job(FAIL), container="mpi", trials=1))
    end, (trial,) = mpi.over("mpi-broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    assert "exit code 7" in trial["status"]["conditions"][-1]["message"]


@pytest.mark.controllers("mpi")
def test_a_suspended_one_waits_and_says_so(mpi):
    mpi.create(experiment("mpi-held", mpi_job(TRAIN, suspend=True), container="mpi", trials=1))
    mpi.until(
        lambda: any("suspended" in str(each).lower() for each in mpi.messages("mpi-held")),
        "the trial says that it waits",
    )
    assert not mpi.of("pods", "mpi-held")
    (job,) = mpi.of(MPIJOBS, "mpi-held")
    words = (MPIJOBS, job["metadata"]["name"], "--namespace", mpi.namespace)
    mpi.kubernetes.kubectl("patch", *words, "--type=merge", "--patch", '{"spec": {"runPolicy": {"suspend": false}}}')
    mpi.check_succeeded("mpi-held", trials=1)
