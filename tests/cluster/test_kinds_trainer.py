"""Trials that are JobSets, and TrainJobs of Kubeflow Trainer, whose pods the webhook gives the collector."""

import pytest
from kinds_world import FAIL, FOREVER, HELP, OPT_IN, TRAIN, KindsWorld, experiment, given, pod, state_of
from singlenode.images import image_name

from katib.client.katib_client import KatibClient

pytestmark = OPT_IN


@pytest.fixture(scope="module")
def trainer(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("trainer", webhook=True) as world:
        world.start_controllers()
        yield world


def job_set(leader, helper, **more):
    def replicated(name, program, count=1):
        spec = {"parallelism": count, "completions": count, "backoffLimit": 0, "template": pod("main", program)}
        return {"name": name, "replicas": 1, "template": {"spec": spec}}

    spec = {
        "replicatedJobs": [replicated("leader", leader), replicated("helper", helper, 2)],
        "successPolicy": {"operator": "All", "targetReplicatedJobs": ["leader"]},
        **more,
    }
    return {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "spec": spec}


@pytest.mark.controllers("trainer")
def test_jobset(trainer):
    # The helpers are not told to end before the leader's log is read.
    trainer.create(experiment("jobset", job_set(TRAIN, HELP), template={"retain": True}))
    trainer.check_succeeded("jobset")
    with KatibClient(config_file=str(trainer.kubernetes.kubeconfig), namespace=trainer.namespace) as client:
        for trial in trainer.of("trials", "jobset"):
            printed = [*client.get_job_logs("jobset", trial["metadata"]["name"])]
            assert printed == [f"loss={given(trial)[0]}"] * 3


@pytest.mark.controllers("trainer")
def test_a_jobset_whose_helper_fails(trainer):
    trainer.create(experiment("jobset-broken", job_set(FOREVER, FAIL), trials=1))
    end, (trial,) = trainer.over("jobset-broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    assert "exit code 7" in trial["status"]["conditions"][-1]["message"]
    trainer.until(lambda: not trainer.of("jobsets,jobs,pods", "jobset-broken"), "nothing of it is left")


RUNTIME = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainingRuntime",
    "metadata": {"name": "plain"},
    "spec": {
        "mlPolicy": {"numNodes": 1},
        "template": {
            "spec": {
                "replicatedJobs": [
                    {
                        "name": "node",
                        "template": {
                            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
                            "spec": {
                                "backoffLimit": 0,
                                "template": pod("node", "raise SystemExit('to be overridden')"),
                            },
                        },
                    }
                ]
            }
        },
    },
}


def train_job(program, nodes=2):
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "spec": {
            "runtimeRef": {"name": "plain", "kind": "TrainingRuntime"},
            "trainer": {
                "numNodes": nodes,
                "image": image_name("trial"),
                "command": ["python", "-c", program, "${trialParameters.lr}"],
            },
        },
    }


@pytest.mark.controllers("trainer")
def test_trainjob(trainer):
    trainer.create(RUNTIME)
    first = f"import os\nif os.environ['JOB_COMPLETION_INDEX'] != '0': print('loss=-1'); raise SystemExit\n{TRAIN}"
    trainer.create(experiment("trainjob", train_job(first), container="node"))
    trainer.check_succeeded("trainjob")


@pytest.mark.controllers("trainer")
def test_a_trainjob_that_fails(trainer):
    trainer.create(RUNTIME)
    trainer.create(experiment("trainjob-broken", train_job(FAIL), container="node", trials=1))
    end, (trial,) = trainer.over("trainjob-broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    assert "exit code 7" in trial["status"]["conditions"][-1]["message"]
    trainer.until(lambda: not trainer.of("trainjobs,jobsets,jobs,pods", "trainjob-broken"), "nothing of it is left")
