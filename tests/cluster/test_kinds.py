"""Trials that are run by controllers of their own: Kubeflow's training operator."""

import pytest
from kinds_world import (
    FAIL,
    FOREVER,
    HELP,
    OPT_IN,
    TRAIN,
    KindsWorld,
    collected_pods,
    experiment,
    given,
    loss_of,
    replicas,
    state_of,
    training_job,
)
from singlenode.images import image_name

import katib
from katib.client.katib_client import KatibClient

pytestmark = [*OPT_IN, pytest.mark.controllers("training")]


def pytorch_job(**programs):
    return training_job("PyTorchJob", "pytorchReplicaSpecs", replicas("pytorch", **programs))


@pytest.fixture(scope="module")
def world(kubeconfig):  # noqa: ARG001 - there is a cluster
    """An operator that was there, with experiments that waited, before anybody knew the kind."""
    with KindsWorld("training") as world:
        for name, trials, programs in (
            ("early", 3, {"Master": TRAIN, "Worker": HELP}),
            ("broken", 1, {"Master": FOREVER, "Worker": FAIL}),
            ("endless", 1, {"Master": FOREVER, "Worker": (2, HELP)}),
        ):
            world.create(experiment(name, pytorch_job(**programs), container="pytorch", trials=trials))

        def told():
            found = world.get("events")["items"]
            return [each["message"] for each in found if each["reason"] == "UnknownKind"]

        world.unknown = world.until(told, "it is told that nobody knows the kind")
        world.start_controllers()
        yield world


def test_a_kind_that_is_defined_later_is_picked_up(world):
    assert "PyTorchJob" in world.unknown[0]
    running = set()

    def over():
        states = [each.get("type") for each in world.messages("early")]
        running.add(states.count("Running"))
        condition = world.get("experiment", "early")["status"]["conditions"][-1]
        return condition if condition["type"] in ("Succeeded", "Failed") else None

    end = world.until(over, "the experiment is over", 180)
    trials = world.of("trials", "early")
    assert end["type"] == "Succeeded", (end, trials)
    assert [state_of(trial) for trial in trials] == ["Succeeded"] * 3
    assert max(running) <= 2


def test_only_the_master_is_collected(world):
    world.over("early")
    trials = world.of("trials", "early")
    assert [loss_of(trial) for trial in trials] == [given(trial) for trial in trials]


def test_a_replica_that_fails_fails_the_trial_with_the_reason(world):
    end, (trial,) = world.over("broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    said = trial["status"]["conditions"][-1]["message"]
    assert "exit code 7" in said, said
    assert "-worker-0 ended" in said, said
    world.until(lambda: not world.of("pods", "broken"), "its pods are gone")


BRING = """
import json, pathlib, sys
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
model, data = (json.loads(words[f"--{each}_provider_parameters"]) for each in ("model", "dataset"))
for folder, name in (("model", model["model_uri"]), ("dataset", data["repo_id"])):
    place = pathlib.Path("/workspace", folder)
    place.mkdir(exist_ok=True)
    (place / "name").write_text(name)
"""
"""Kubeflow's storage initializer, which would fetch them, in what it is told and what it leaves."""

TUNE = """
import json, os, pathlib, sys, time
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
training, lora = json.loads(words["--training_parameters"]), json.loads(words["--lora_config"])
assert [type(training["learning_rate"]), type(training["fp16"]), type(lora["r"])] == [float, bool, int], words
assert os.environ["WORLD_SIZE"] == "2"
model = pathlib.Path(words["--model_dir"], "name")
while not model.exists():
    time.sleep(0.1)  # the master's first container brings it
assert model.read_text() == words["--model_uri"]
loss = training["learning_rate"] if os.environ["RANK"] == "0" else -1.0
print({"loss": loss * 2, "grad_norm": 1.5, "epoch": 0.0}, flush=True)
print({"train_runtime": 1.25, "train_loss": loss, "epoch": 1.0}, flush=True)
"""
"""Kubeflow's trainer likewise: it reads its words, and prints what the Trainer of transformers does."""


def test_a_trainer_is_tuned_by_master_and_worker_on_one_volume(world, kubeconfig, tmp_path):
    folder, name = tmp_path / "volume", world.namespace
    folder.mkdir()
    folder.chmod(0o777)
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "storageClassName": name,
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"},
    }
    body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume}
    world.kubernetes.kubectl("create", "--filename=-", stdin=body)
    try:
        with KatibClient(config_file=str(kubeconfig), namespace=world.namespace) as client:
            client.tune(
                "tuned",
                katib.HuggingFaceModelParams("hf://openai-community/gpt2", "AutoModelForCausalLM"),
                katib.HuggingFaceDatasetParams("imdatta0/ultrachat_1k", split="train[:8]"),
                katib.HuggingFaceTrainerParams(
                    {
                        "learning_rate": katib.search.double(1e-5, 5e-5),
                        "fp16": katib.search.categorical([True, False]),
                    },
                    {"r": katib.search.int(8, 32)},
                ),
                {"size": "1Gi", "storage_class": name, "access_modes": ["ReadWriteMany"]},
                objective_metric_name="train_loss",
                objective_type="minimize",
                additional_metric_names=["loss"],
                max_trial_count=2,
                parallel_trial_count=2,
                max_failed_trial_count=0,
                resources_per_trial=katib.TrainerResources(2, 1, {"cpu": "20m", "memory": "32Mi"}),
                storage_initializer_image=image_name("trial"),
                storage_initializer_command=["python", "-c", BRING],
                trainer_image=image_name("trial"),
                trainer_command=["python", "-c", TUNE],
            )
            client.wait_for_experiment_condition("tuned", timeout=180)
            for trial in client.list_trials("tuned"):
                given_values = {each.name: each.value for each in trial.spec.parameter_assignments}
                observed = {each.name: float(each.latest) for each in trial.status.observation.metrics}
                rate = float(given_values["learning_rate"])
                assert observed == pytest.approx({"train_loss": rate, "loss": 2 * rate})
            client.delete_experiment("tuned")
            assert world.get("persistentvolumeclaim", "tuned")["status"]["phase"] == "Bound"
    finally:
        for words in (("persistentvolumeclaim", "tuned", "--namespace", name), ("persistentvolume", name)):
            world.kubernetes.kubectl("delete", *words, "--wait=false", check=False)


def test_a_trial_that_is_deleted_takes_its_job_and_pods_along(world):
    # The last test: Kubernetes' garbage collector takes half a minute to learn of new kinds.
    world.until(
        lambda: [each["status"].get("phase") for each in world.of("pods", "endless")] == ["Running"] * 3,
        "master and workers run",
    )
    assert len(collected_pods(world.of("pods", "endless"))) == 1
    world.kubernetes.kubectl("delete", "experiment", "endless", "--namespace", world.namespace)
    world.until(lambda: not world.of("pytorchjobs,pods,trials", "endless"), "neither job nor pods are there")
