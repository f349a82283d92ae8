"""What trials need of their pods beside metrics: a checkpoint to go on from, and an early end where the image has the command."""

import os
import shutil

import pytest
from bench_pods import HOST
from cluster_access import marks
from measured_operator import MeasuredOperator
from singlenode.images import image_name
from singlenode.layout import NODE, Layout

RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
FOLDER = "/opt/katib/data"
POPULATION = 5
TRAINER = f"""
import json, os, pathlib, sys
place = pathlib.Path(os.environ["KATIB_TRIAL_DIR"])
assert str(place) == "{FOLDER}"
checkpoint = place / "deep" / "checkpoint.json"
state = json.loads(checkpoint.read_text()) if checkpoint.exists() else []
state.append(float(sys.argv[1]))
checkpoint.parent.mkdir(exist_ok=True)
checkpoint.write_text(json.dumps(state))
print(f"generations={{len(state)}} score={{sum(state)}}")
"""
ENDLESS = """
import sys, time
loss = sys.argv[1]
with open("/metrics/log", "w") as log:
    while True:
        print(f"loss={loss}", file=log, flush=True)
        if loss == "1":
            break
        time.sleep(0.2)
"""


def experiment(name, container, *, objective, algorithm, parameter, trials, parallel, pod=None, **more):
    main = {
        "name": "main",
        "image": image_name("trial"),
        "imagePullPolicy": "IfNotPresent",
        "securityContext": RESTRICTED,
        **container,
    }
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 3,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [main],
        **(pod or {}),
    }
    return {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {
            "objective": objective,
            "algorithm": algorithm,
            "parallelTrialCount": parallel,
            "maxTrialCount": trials,
            "parameters": [parameter],
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": "x", "reference": parameter["name"]}],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {"backoffLimit": 0, "template": {"spec": spec}},
                },
            },
            **more,
        },
    }


def population(name, trials, **more):
    settings = {
        "suggestion_trial_dir": FOLDER,
        "n_population": str(POPULATION),
        "truncation_threshold": "0.4",
        "random_state": "7",
    }
    return experiment(
        name,
        {"command": ["python", "-c", TRAINER, "${trialParameters.x}"], **more.pop("container", {})},
        objective={
            "type": "maximize",
            "objectiveMetricName": "score",
            "additionalMetricNames": ["generations"],
        },
        algorithm={
            "algorithmName": "pbt",
            "algorithmSettings": [{"name": key, "value": value} for key, value in settings.items()],
        },
        parameter={"name": "rate", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "1"}},
        trials=trials,
        parallel=POPULATION,
        **more,
    )


@pytest.fixture(scope="module")
def operated(kubeconfig):
    store = ("--http-address", f"{HOST}:0", "--insecure-plaintext", "--insecure-anonymous")
    with MeasuredOperator(kubeconfig, store=store, options=("--collector-image", image_name("collector"))) as operated:
        yield operated


@pytest.fixture
def volume(operated, kubernetes, tmp_path):
    """Makes a volume for a claim of the namespace: a folder of this machine, which is the node."""
    if kubernetes.kubeconfig.absolute() != Layout.of_environment().kubeconfig.absolute():
        pytest.skip("the cluster's node may be another machine: this test's volume is a folder")
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)
    for parent in folder.parents:
        if parent.stat().st_uid == os.getuid() and parent.is_relative_to(tmp_path.parents[1]):
            parent.chmod(parent.stat().st_mode | 0o111)
    made = []

    def volume(claim):
        name = f"katib-test-{operated.namespace}-{claim}"
        on_node = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}]
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": marks()},
            "spec": {
                "capacity": {"storage": "100Gi"},
                "accessModes": ["ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"namespace": operated.namespace, "name": claim},
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": on_node}},
            },
        }
        kubernetes.kubectl("create", "--filename=-", stdin=body)
        made.append(name)
        return folder

    yield volume
    for name in made:
        kubernetes.kubectl("delete", "persistentvolume", name, "--ignore-not-found", "--wait=false", check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def world(operated, kubernetes):
    return World(operated, kubernetes)


class World:
    """One namespace with an operator."""

    def __init__(self, operated, kubernetes):
        self.namespace, self.kubernetes = operated.namespace, kubernetes

    def create(self, body):
        self.kubernetes.apply(body, self.namespace)

    def get(self, *words):
        return self.kubernetes.get(*words, "--namespace", self.namespace)

    def trials(self, name):
        found = self.get("trials", f"--selector=katib.kubeflow.org/experiment={name}")["items"]
        return sorted(found, key=lambda each: int(each["metadata"]["annotations"]["katib.kubeflow.org/trial-index"]))

    def ended(self, name):
        def condition():
            conditions = self.get("experiment", name).get("status", {}).get("conditions") or [{}]
            return conditions[-1] if conditions[-1].get("type") in ("Succeeded", "Failed") else None

        return self.kubernetes.wait_for(condition, seconds=240, what=f"{name} is over", namespace=self.namespace)


def measured(trial):
    return {each["name"]: float(each["latest"]) for each in trial["status"]["observation"]["metrics"]}


def generation(trial):
    return int(trial["spec"]["labels"]["pbt.suggestion.katib.kubeflow.org/generation"])


def test_a_population_hands_its_checkpoints_on(world, volume):
    folder = volume("population-pbt")
    world.create(population("population", POPULATION + 3))
    assert world.ended("population")["type"] == "Succeeded"
    trials = world.trials("population")
    assert {trial["status"]["conditions"][-1]["type"] for trial in trials} == {"Succeeded"}
    assert max(map(generation, trials)) >= 1
    scores = {trial["metadata"]["name"]: measured(trial)["score"] for trial in trials}
    for trial in trials:
        assert measured(trial)["generations"] == generation(trial) + 1
        parent = trial["spec"]["labels"].get("pbt.suggestion.katib.kubeflow.org/parent")
        own = float(trial["spec"]["parameterAssignments"][0]["value"])
        assert measured(trial)["score"] == pytest.approx(own + scores.get(parent, 0.0))
        assert (parent is None) == (generation(trial) == 0)
    assert {each.name for each in (folder / "population").iterdir() if each.is_dir()} == set(scores)
    (claim,) = world.get("persistentvolumeclaims")["items"]
    assert claim["metadata"]["ownerReferences"][0]["kind"] == "Experiment"
    world.kubernetes.kubectl("delete", "experiment/population", "--namespace", world.namespace)
    world.kubernetes.wait_for(
        lambda: not world.get("persistentvolumeclaims")["items"],
        seconds=120,
        what="the claim goes with the experiment",
        namespace=world.namespace,
    )


def test_a_volume_that_no_trial_shares_is_refused_at_once(world):
    pod = {"volumes": [{"name": "data", "emptyDir": {}}]}
    container = {"volumeMounts": [{"name": "data", "mountPath": f"{FOLDER}/"}]}
    world.create(population("alone", 5, container=container, pod=pod))
    said = world.ended("alone")
    assert (said["type"], said["reason"]) == ("Failed", "InvalidExperiment")
    assert "has an emptyDir where trials hand on their checkpoints" in said["message"]


def test_a_trial_whose_image_has_the_command_is_stopped_early(world):
    source = {"fileSystemPath": {"path": "/metrics/log", "kind": "File", "format": "TEXT"}}
    settings = [{"name": "min_trials_required", "value": "1"}, {"name": "start_step", "value": "1"}]
    world.create(
        experiment(
            "stopped",
            {"args": ["python", "-c", ENDLESS, "${trialParameters.x}"]},
            objective={"type": "minimize", "objectiveMetricName": "loss"},
            algorithm={"algorithmName": "grid"},
            parameter={"name": "loss", "parameterType": "discrete", "feasibleSpace": {"list": ["1", "5"]}},
            trials=2,
            parallel=1,
            metricsCollectorSpec={"collector": {"kind": "File"}, "source": source},
            earlyStopping={"algorithmName": "medianstop", "algorithmSettings": settings},
        )
    )
    assert world.ended("stopped")["type"] == "Succeeded"
    first, second = world.trials("stopped")
    assert first["status"]["conditions"][-1]["type"] == "Succeeded"
    assert second["status"]["conditions"][-1]["type"] == "EarlyStopped"
    assert "greater than 1" in second["status"]["conditions"][-1]["message"]
    assert measured(second) == {"loss": 5.0}
