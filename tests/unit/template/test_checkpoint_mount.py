"""The checkpoint's folder in a trial's pod: what the trainer is shown, and what makes it."""

import copy

import pytest

from katib.api.trial import Trial
from katib.errors import InvalidInput
from katib.template.checkpoint_mount import CheckpointMount
from katib.template.collection import CollectorSettings, with_collector

PATH = "/opt/katib/data"
MAIN = {"name": "main", "image": "trainer", "command": ["python", "train.py"]}
CLAIM = {"name": "mine", "persistentVolumeClaim": {"claimName": "shared"}}


def pod_of(container=MAIN, *, parent="", path=PATH, **pod):
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "search-2", "namespace": "team"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [copy.deepcopy(container)], **pod}}},
    }
    document = {
        "metadata": {"name": "search-2", "namespace": "team", "labels": {"katib.kubeflow.org/experiment": "search"}},
        "spec": {
            "objective": {"type": "maximize", "objectiveMetricName": "acc"},
            "runSpec": job,
            "primaryContainerName": "main",
            "metricsCollector": {"collector": {"kind": "StdOut"}},
        },
    }
    settings = CollectorSettings(
        image="collector:1",
        store_address="store",
        checkpoints=CheckpointMount(path, "search", claim="search-pbt", parent=parent),
    )
    return with_collector(Trial.model_validate(document), settings)["spec"]["template"]["spec"]


def trainer_of(pod):
    (found,) = [each for each in pod["containers"] if each["name"] == "main"]
    return found


def maker_of(pod):
    (found,) = [each for each in pod["initContainers"] if each["name"].startswith("katib-checkpoint")]
    return found


def mounted(container, path):
    found = [each for each in container["volumeMounts"] if each["mountPath"].rstrip("/") == path]
    assert len(found) == 1
    return found[0]


def test_a_trial_is_shown_its_own_folder_of_the_experiments_volume():
    pod = pod_of(parent="search-1")
    volume = {"name": "suggestion-volume", "persistentVolumeClaim": {"claimName": "search-pbt"}}
    assert volume in pod["volumes"]
    trainer, maker = trainer_of(pod), maker_of(pod)
    assert mounted(trainer, PATH) == {"name": volume["name"], "mountPath": PATH, "subPath": "search/search-2"}
    assert {"name": "KATIB_TRIAL_DIR", "value": PATH} in trainer["env"]
    assert maker["volumeMounts"] == [{"name": volume["name"], "mountPath": "/checkpoints", "subPath": "search"}]
    assert maker["command"][-3:] == ["/checkpoints", "search-2", "search-1"]
    assert pod["initContainers"].index(maker) == 0, "before anybody collects"
    assert "restartPolicy" not in maker
    security = maker["securityContext"]
    assert (security["runAsNonRoot"], security["readOnlyRootFilesystem"]) == (True, True)
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_one_without_a_parent_begins_with_an_empty_folder():
    assert maker_of(pod_of())["command"][-2:] == ["/checkpoints", "search-2"]


@pytest.mark.parametrize("own", [{}, {"subPath": "population"}])
def test_a_volume_of_the_template_is_used_and_divided(own):
    container = {**MAIN, "volumeMounts": [{"name": "mine", "mountPath": f"{PATH}/", **own}]}
    pod = pod_of(container, volumes=[CLAIM])
    before = "population/" if own else ""
    assert mounted(trainer_of(pod), PATH)["subPath"] == f"{before}search/search-2"
    assert maker_of(pod)["volumeMounts"][0] == {
        "name": "mine",
        "mountPath": "/checkpoints",
        "subPath": f"{before}search",
    }
    assert [each for each in pod["volumes"] if "persistentVolumeClaim" in each] == [CLAIM]


@pytest.mark.parametrize(
    ("volume", "mount", "said"),
    [
        ({"emptyDir": {}}, {}, "an emptyDir"),
        ({"configMap": {"name": "c"}}, {}, "a configMap"),
        ({"persistentVolumeClaim": {"claimName": "c"}}, {"readOnly": True}, "readOnly"),
        ({"persistentVolumeClaim": {"claimName": "c"}}, {"subPathExpr": "$(X)"}, "a subPathExpr"),
    ],
)
def test_what_trials_cannot_share_is_refused(volume, mount, said):
    container = {**MAIN, "volumeMounts": [{"name": "mine", "mountPath": PATH, **mount}]}
    with pytest.raises(InvalidInput) as caught:
        pod_of(container, volumes=[{"name": "mine", **volume}])
    (problem,) = caught.value.problems
    assert problem.path == "spec.trialTemplate.trialSpec.spec.template.spec.containers[0].volumeMounts"
    assert said in problem.message


def test_names_and_variables_of_the_template_are_left_alone():
    taken = [{"name": "suggestion-volume", "emptyDir": {}}]
    first = {"name": "katib-checkpoint", "image": "mine"}
    pod = pod_of({**MAIN, "env": [{"name": "KATIB_TRIAL_DIR", "value": "/x"}]}, volumes=taken, initContainers=[first])
    assert pod["initContainers"][0] == first
    assert [each["name"] for each in pod["initContainers"][1:]] == ["katib-checkpoint-2", "katib-collector"]
    assert mounted(trainer_of(pod), PATH)["name"] == "suggestion-volume-2"
    assert [each for each in trainer_of(pod)["env"] if each["name"] == "KATIB_TRIAL_DIR"] == [
        {"name": "KATIB_TRIAL_DIR", "value": "/x"}
    ]


@pytest.mark.parametrize(
    ("container", "of_pod", "opened", "user"),
    [
        ({}, {}, True, None),
        ({"runAsUser": 1000}, {}, False, 1000),
        ({}, {"runAsUser": 2000}, False, None),
        ({}, {"runAsUser": 0}, True, 65532),
        ({"runAsUser": 0}, {"runAsUser": 2000}, True, None),
    ],
)
def test_what_is_made_is_the_trainers_or_open_to_everybody(container, of_pod, opened, user):
    maker = maker_of(pod_of({**MAIN, "securityContext": container}, securityContext=of_pod))
    assert ("--open" in maker["command"]) is opened
    assert maker["securityContext"].get("runAsUser") == user
