"""Trials that are Workflows of Argo, whose pods have containers of its own around the step; the webhook gives them the collector."""

import pytest
from kinds_world import FAIL, OPT_IN, TRAIN, KindsWorld, experiment, state_of
from singlenode.images import image_name

pytestmark = OPT_IN
PRIMARY = {"katib.kubeflow.org/model-training": "true"}


@pytest.fixture(scope="module")
def argo(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("argo", webhook=True) as world:
        world.start_controllers()
        rules = [{"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}]
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "steps"},
            "rules": rules,
        }
        world.create(role)
        account = f"--serviceaccount={world.namespace}:default"
        world.kubernetes.kubectl(
            "create", "rolebinding", "steps", "--role=steps", account, "--namespace", world.namespace
        )
        yield world


def workflow(program):
    def step(name, words, labels=None):
        container = {
            "image": image_name("trial"),
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", "-c", words, "${trialParameters.lr}"],
        }
        return {"name": name, "metadata": {"labels": labels or {}}, "container": container}

    templates = [
        {
            "name": "all",
            "steps": [[{"name": "first", "template": "prepare"}], [{"name": "second", "template": "train"}]],
        },
        step("prepare", "print('loss=-1')"),
        step("train", program, PRIMARY),
    ]
    spec = {"entrypoint": "all", "templates": templates, "ttlStrategy": {"secondsAfterCompletion": 0}}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": spec}


@pytest.mark.controllers("argo")
def test_workflow(argo):
    argo.create(experiment("workflow", workflow(TRAIN), template={"primaryPodLabels": PRIMARY}))
    argo.check_succeeded("workflow")
    argo.until(lambda: not argo.of("workflows,pods", "workflow"), "neither workflow nor pods are left")


@pytest.mark.controllers("argo")
def test_a_workflow_that_fails(argo):
    argo.create(experiment("broken", workflow(FAIL), trials=1, template={"primaryPodLabels": PRIMARY}))
    end, (trial,) = argo.over("broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    assert "exit code 7" in trial["status"]["conditions"][-1]["message"]
