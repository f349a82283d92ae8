"""Trials that are the other kinds of Kubeflow's training operator, and what only PyTorchJobs have: early stopping, ``tune()``."""

import hashlib
from pathlib import Path

import pytest
from kinds_world import FAIL, HELP, OPT_IN, TRAIN, KindsWorld, experiment, replicas, state_of, training_job
from singlenode import images
from singlenode.trouble import NoMeans

import katib
from katib.client.katib_client import KatibClient

pytestmark = OPT_IN


ONLY_THE_FIRST = f"import os\nif os.environ['PROCESS_ID'] != '0': raise SystemExit\n{TRAIN}"
TRAINING = {
    "tfjob": ("tensorflow", "TFJob", "tfReplicaSpecs", {"Chief": TRAIN, "Worker": HELP, "PS": HELP}, {}),
    "xgboostjob": ("xgboost", "XGBoostJob", "xgbReplicaSpecs", {"Master": TRAIN, "Worker": HELP}, {}),
    "paddlejob": ("paddle", "PaddleJob", "paddleReplicaSpecs", {"Worker": (2, TRAIN)}, {}),
    "jaxjob": ("jax", "JAXJob", "jaxReplicaSpecs", {"Worker": (2, ONLY_THE_FIRST)}, {}),
    "mpijob": ("mpi", "MPIJob", "mpiReplicaSpecs", {"Launcher": TRAIN, "Worker": (2, HELP)}, {"slotsPerWorker": 1}),
}


@pytest.fixture(scope="module")
def training(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("training") as world:
        world.start_controllers()
        for name, (container, kind, field, programs, more) in TRAINING.items():
            job = training_job(kind, field, replicas(container, **programs), **more)
            world.create(experiment(name, job, container=container))
        yield world


@pytest.mark.controllers("training")
@pytest.mark.parametrize("name", TRAINING)
def test_kinds_of_the_training_operator(training, name):
    training.check_succeeded(name)


@pytest.mark.controllers("training")
@pytest.mark.parametrize("name", TRAINING)
def test_they_fail_with_the_reason(training, name):
    container, kind, field, programs, more = TRAINING[name]
    primary = "Launcher" if kind == "MPIJob" else next(iter(programs))
    specs = replicas(container, **{**programs, primary: FAIL})
    training.create(
        experiment(f"{name}-broken", training_job(kind, field, specs, **more), container=container, trials=1)
    )
    end, (trial,) = training.over(f"{name}-broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    assert "exit code 7" in trial["status"]["conditions"][-1]["message"]


@pytest.mark.controllers("training")
def test_a_master_is_stopped_early_and_its_workers_with_it(training):
    program = (
        "import sys, time\n"
        "steps = 3 if float(sys.argv[1]) < 0.05 else 6000\n"
        "for step in range(steps): print('loss=' + sys.argv[1], flush=True); time.sleep(0.1)\n"
    )
    job = training_job("PyTorchJob", "pytorchReplicaSpecs", replicas("pytorch", Master=program, Worker=HELP))
    values = {"name": "lr", "parameterType": "discrete", "feasibleSpace": {"list": ["0.01", "0.1"]}}
    settings = [{"name": "min_trials_required", "value": "1"}, {"name": "start_step", "value": "3"}]
    training.create(
        experiment(
            "stopped",
            job,
            container="pytorch",
            parallel=1,
            parameters=[values],
            algorithm={"algorithmName": "grid"},
            earlyStopping={"algorithmName": "medianstop", "algorithmSettings": settings},
        )
    )
    end, trials = training.over("stopped")
    assert end["type"] == "Succeeded", training.messages("stopped")
    assert sorted(state_of(trial) for trial in trials) == ["EarlyStopped", "Succeeded"], training.messages("stopped")
    training.until(lambda: not training.of("pytorchjobs,pods", "stopped"), "the jobs and all of their pods are gone")


@pytest.mark.controllers("training")
def test_a_controller_that_is_killed_and_comes_back_changes_nothing(training):
    job = training_job("PyTorchJob", "pytorchReplicaSpecs", replicas("pytorch", Master=TRAIN, Worker=HELP))
    training.controllers.kill("training")
    training.create(experiment("patient", job, container="pytorch"))
    training.until(lambda: len(training.of("pytorchjobs", "patient")) == 2, "both jobs are there")
    training.controllers.again("training")
    training.check_succeeded("patient")


@pytest.fixture(scope="module")
def torchrun(training):
    """The name of an image with Python and a double of ``torchrun``, which the node has."""
    recipe = Path(__file__).parent / "images" / "torchrun"
    packages = ("python3-minimal", "libpython3-stdlib", "base-files")
    parts = [*packages, *(path.read_text() for path in sorted(recipe.iterdir()))]
    name = f"katib.test/torchrun:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:10]}"
    layout = training.layout
    try:
        archive = images.build_of_packages(layout, recipe, name, packages=packages)
    except NoMeans as trouble:
        pytest.skip(str(trouble))
    images.give(layout, {name: archive})
    return name


def squared(x: float) -> dict[str, float]:
    print(f"trying {x!r}")  # noqa: T201 - as people do
    return {"loss": (x - 1) ** 2}


@pytest.mark.controllers("training")
def test_a_function_is_tuned_in_pytorchjobs(training, torchrun):
    with KatibClient(
        config_file=str(training.kubernetes.kubeconfig), namespace=training.namespace, backend="kubernetes"
    ) as client:
        client.tune(
            "tuned",
            objective=squared,
            parameters={"x": katib.search.double(-2, 2)},
            objective_metric_name="loss",
            objective_type="minimize",
            max_trial_count=2,
            parallel_trial_count=2,
            retain_trials=True,
            base_image=torchrun,
            interpreter="python3",
            resources_per_trial=katib.TrainerResources(
                num_workers=2, num_procs_per_worker=1, resources_per_worker={"cpu": "50m"}
            ),
        )
        done = client.wait_for_experiment_condition("tuned", timeout=180)
        assert done.status.trials_succeeded == 2
        for trial in client.list_trials("tuned"):
            x = float(trial.spec.parameter_assignments[0].value)
            (logged,) = [log for log in client.get_trial_metrics(trial.metadata.name) if log.metric.name == "loss"]
            assert float(logged.metric.value) == pytest.approx((x - 1) ** 2)
        jobs = training.of("pytorchjobs", "tuned")
        assert [job["spec"]["pytorchReplicaSpecs"]["Worker"]["replicas"] for job in jobs] == [1, 1]
