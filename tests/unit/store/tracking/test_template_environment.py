import pytest

from katib.api.experiment import ExperimentSpec
from katib.store.tracking.template_environment import environment_of


def spec(job, primary="training"):
    return ExperimentSpec.model_validate({"trialTemplate": {"primaryContainerName": primary, "trialSpec": job}})


TRAINING = {
    "name": "training",
    "image": "registry.example/train:1",
    "command": ["python", "train.py"],
    "args": ["--lr=${trialParameters.lr}"],
    "resources": {"limits": {"cpu": "2"}},
    "env": [{"name": "TOKEN", "value": "secret"}, {"name": "MODE"}],
}
WANTED = {
    "job": "batch/v1 Job",
    "image": "registry.example/train:1",
    "command": ["python", "train.py"],
    "args": ["--lr=${trialParameters.lr}"],
    "resources": {"limits": {"cpu": "2"}},
    "env": ["TOKEN", "MODE"],
}


def job(containers, **more):
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": {"containers": containers, **more}}}}


def test_a_job_tells_its_container():
    assert environment_of(spec(job([TRAINING]))) == WANTED


def test_values_of_variables_stay_out():
    assert "secret" not in repr(environment_of(spec(job([TRAINING]))))


def test_other_containers_are_named_with_their_images():
    told = environment_of(
        spec(job([{"name": "side", "image": "side:2"}, TRAINING], initContainers=[{"name": "prepare"}]))
    )
    assert told == WANTED | {
        "containers": {"spec.template.spec.containers[0]": "side:2", "spec.template.spec.initContainers[0]": ""}
    }


def test_a_job_of_any_kind_is_looked_through():
    replicas = {
        role: {"replicas": 1, "template": {"spec": {"containers": [{"name": "pytorch", "image": f"{role}:1"}]}}}
        for role in ("Master", "Worker")
    }
    kind = {"apiVersion": "kubeflow.org/v1", "kind": "PyTorchJob", "spec": {"pytorchReplicaSpecs": replicas}}
    assert environment_of(spec(kind, "pytorch")) == {
        "job": "kubeflow.org/v1 PyTorchJob",
        "image": "Master:1",
        "containers": {"spec.pytorchReplicaSpecs.Worker.template.spec.containers[0]": "Worker:1"},
    }


@pytest.mark.parametrize("odd", [{}, {"spec": []}, {"containers": "none"}, {"containers": [None, 5]}])
def test_what_has_no_container_has_no_environment(odd):
    assert environment_of(spec(odd)) is None
    assert environment_of(ExperimentSpec()) is None
