"""The claims of experiments whose trials hand on checkpoints: made once, and for those that need one."""

import pytest

from katib.api.experiment import AlgorithmSpec
from katib.api.trial import Trial
from katib.errors import Denied
from katib.kube.errors import AlreadyExists, Forbidden
from katib.operator.checkpoint_claims import CheckpointClaims, checkpoint_mount

JOB = {"spec": {"template": {"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "search-pbt"}}]}}}}


class ApiServer:
    def __init__(self):
        self.made, self.refusal = [], None

    def create(self, resource, body, *, field_manager):
        assert (resource.plural, field_manager) == ("persistentvolumeclaims", "katib-operator")
        self.made.append(body)
        if self.refusal:
            raise self.refusal
        return body


@pytest.fixture
def server():
    return ApiServer()


@pytest.fixture
def population(experiment):
    settings = [{"name": "suggestion_trial_dir", "value": "/opt/katib/data/"}]
    algorithm = AlgorithmSpec.model_validate({"algorithmName": "pbt", "algorithmSettings": settings})
    return experiment.model_copy(
        update={"spec": experiment.spec.model_copy(update={"algorithm": algorithm, "resume_policy": "Never"})}
    )


def nothing(_algorithm):
    return None


def test_a_claim_is_made_once_and_goes_with_its_experiment(server, population):
    claims = CheckpointClaims(server, nothing)
    for _ in range(2):
        claims.ensure(population, JOB)
    (made,) = server.made
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("search-pbt", "team")
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert made["spec"] == {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "5Gi"}}}


def test_what_the_configuration_says_of_it_counts(server, population):
    wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}
    CheckpointClaims(server, {"pbt": wanted}.get).ensure(population, JOB)
    assert server.made[0]["spec"] == wanted


def test_nothing_is_made_for_those_who_need_none(server, experiment, population):
    claims = CheckpointClaims(server, nothing)
    claims.ensure(experiment, JOB)
    claims.ensure(population, {"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "mine"}}]}})
    assert server.made == []


def test_one_that_is_there_is_taken(server, population):
    server.refusal = AlreadyExists("it is there")
    claims = CheckpointClaims(server, nothing)
    for _ in range(2):
        claims.ensure(population, JOB)
    assert len(server.made) == 1


def test_a_refusal_says_what_to_do_and_is_tried_again(server, population):
    claims = CheckpointClaims(server, nothing)
    server.refusal = Forbidden("exceeded quota: storage")
    with pytest.raises(Denied, match=r"mount one of yours at /opt/katib/data .*exceeded quota"):
        claims.ensure(population, JOB)
    server.refusal = None
    claims.ensure(population, JOB)
    assert len(server.made) == 2


def test_a_trial_knows_its_parent(experiment, population):
    trial = Trial.model_validate(
        {"metadata": {"name": "b"}, "spec": {"labels": {"pbt.suggestion.katib.kubeflow.org/parent": "a"}}}
    )
    mount = checkpoint_mount(population, trial)
    assert (mount.path, mount.experiment, mount.claim, mount.parent) == (
        "/opt/katib/data",
        "search",
        "search-pbt",
        "a",
    )
    assert checkpoint_mount(experiment, trial) is None
