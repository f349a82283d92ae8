"""Trials that are MXJobs, whose last controller is the training operator 1.8."""

import pytest
from kinds_world import HELP, OPT_IN, TRAIN, KindsWorld, experiment, replicas, training_job

pytestmark = OPT_IN


@pytest.fixture(scope="module")
def mxnet(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("mxnet") as world:
        world.start_controllers()
        yield world


@pytest.mark.controllers("mxnet")
def test_mxjob(mxnet):
    short = "import time\ntime.sleep(5)\n"  # the job has succeeded when its scheduler has
    specs = replicas("mxnet", Scheduler=short, Server=HELP, Worker=TRAIN)
    mxnet.create(
        experiment("mxjob", training_job("MXJob", "mxReplicaSpecs", specs, jobMode="MXTrain"), container="mxnet")
    )
    mxnet.check_succeeded("mxjob")
