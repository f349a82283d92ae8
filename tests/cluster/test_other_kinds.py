"""Trials that are run by controllers of their own, one group of them after the other: ``make e2e-kinds``; they take minutes, so the gate has
``test_kinds.py`` alone.
"""

import os

import pytest
from kinds_world import (
    FAIL,
    FOREVER,
    HELP,
    TRAIN,
    KindsWorld,
    experiment,
    given,
    loss_of,
    pod,
    replicas,
    state_of,
    training_job,
)
from singlenode.images import image_name

import katib
from katib.client.katib_client import KatibClient

pytestmark = [
    pytest.mark.xdist_group("kinds"),
    pytest.mark.skipif("KATIB_E2E_KINDS" not in os.environ, reason="trials of other kinds: `make e2e-kinds` runs them"),
]


def check_succeeded(world, name, trials=2):
    """Check that an experiment's trials have what their primary pods printed, and nothing of the others."""
    end, found = world.over(name)
    assert end["type"] == "Succeeded", (end, world.messages(name))
    assert [state_of(trial) for trial in found] == ["Succeeded"] * trials, world.messages(name)
    assert [loss_of(trial) for trial in found] == [given(trial) for trial in found]


# -- Kubeflow's training operator --------------------------------------------------------------------------------------

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
    check_succeeded(training, name)


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
    check_succeeded(training, "patient")


def squared(x: float) -> dict[str, float]:
    print(f"trying {x!r}")  # noqa: T201 - as people do
    return {"loss": (x - 1) ** 2}


@pytest.mark.controllers("training")
def test_a_function_is_tuned_in_pytorchjobs(training):
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
            base_image=image_name("trial"),
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


# -- MXNet -------------------------------------------------------------------------------------------------------------


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
    check_succeeded(mxnet, "mxjob")


# -- JobSet and Kubeflow Trainer ---------------------------------------------------------------------------------------


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
    trainer.create(experiment("jobset", job_set(TRAIN, HELP)))
    check_succeeded(trainer, "jobset")


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
    check_succeeded(trainer, "trainjob")


@pytest.mark.controllers("trainer")
def test_a_trainjob_that_fails(trainer):
    trainer.create(RUNTIME)
    trainer.create(experiment("trainjob-broken", train_job(FAIL), container="node", trials=1))
    end, (trial,) = trainer.over("trainjob-broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    assert "exit code 7" in trial["status"]["conditions"][-1]["message"]
    trainer.until(lambda: not trainer.of("trainjobs,jobsets,jobs,pods", "trainjob-broken"), "nothing of it is left")


# -- KubeRay -----------------------------------------------------------------------------------------------------------

DASHBOARD = (
    "import http.server, json\n"
    "status = 'RUNNING'\n"
    "class Answers(http.server.BaseHTTPRequestHandler):\n"
    "    def do_POST(self):\n"
    "        global status\n"
    "        status = self.path.rpartition('/')[2]\n"
    "        self.do_GET()\n"
    "    def do_GET(self):\n"
    "        said = json.dumps({'status': status, 'message': 'told so', 'submission_id': 'x'}).encode()\n"
    "        self.send_response(200)\n"
    "        self.send_header('Content-Length', str(len(said)))\n"
    "        self.end_headers()\n"
    "        self.wfile.write(said)\n"
    "http.server.ThreadingHTTPServer(('', 8265), Answers).serve_forever()\n"
)
"""Stands for Ray's head, whose image is not to be had here: what KubeRay asks of it, and the submitter tells it."""
TELL = (
    "import os, urllib.request\n"
    "address = os.environ['RAY_DASHBOARD_ADDRESS']\n"
    "urllib.request.urlopen(f'http://{{address}}/told/{status}', data=b'').read()\n"
)


def ray_job(submitter):
    head, worker = pod("head", DASHBOARD, restart=None), pod("worker", HELP, restart=None)
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"annotations": {"ray.io/overwrite-container-cmd": "true"}},
        "spec": {
            "shutdownAfterJobFinishes": True,
            "backoffLimit": 0,
            "entrypoint": "python train.py",
            "submitterPodTemplate": pod("submitter", submitter),
            "rayClusterSpec": {
                "headGroupSpec": {"rayStartParams": {}, "template": head},
                "workerGroupSpecs": [
                    {
                        "groupName": "workers",
                        "replicas": 1,
                        "minReplicas": 1,
                        "maxReplicas": 1,
                        "rayStartParams": {},
                        "template": worker,
                    }
                ],
            },
        },
    }


@pytest.fixture(scope="module")
def ray(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("ray") as world:
        world.start_controllers()
        yield world


@pytest.mark.controllers("ray")
def test_rayjob(ray):
    ray.create(experiment("rayjob", ray_job(TRAIN + TELL.format(status="SUCCEEDED")), container="submitter"))
    check_succeeded(ray, "rayjob")
    ray.until(lambda: not ray.of("rayjobs,rayclusters,pods", "rayjob"), "neither job nor cluster is left")


@pytest.mark.controllers("ray")
def test_a_rayjob_that_fails(ray):
    job = ray_job(TELL.format(status="FAILED"))
    ray.create(experiment("rayjob-broken", job, container="submitter", trials=1))
    end, (trial,) = ray.over("rayjob-broken")
    assert (end["type"], state_of(trial)) == ("Failed", "Failed")
    assert "told so" in trial["status"]["conditions"][-1]["message"]


# -- Kueue -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kueue(kubeconfig):  # noqa: ARG001 - there is a cluster
    with KindsWorld("kueue", "training") as world:
        world.start_controllers()
        flavour = f"flavour-{world.namespace}"
        world.kubernetes.apply(queue_part("ResourceFlavor", flavour, {}), world.namespace)
        world.create(queue_part("LocalQueue", "team", {"clusterQueue": flavour}))
        world.room = lambda milliCPU: world.kubernetes.apply(
            queue_part("ClusterQueue", flavour, cluster_queue(flavour, milliCPU, world.namespace)), world.namespace
        )
        world.room(0)
        try:
            yield world
        finally:
            world.kubernetes.kubectl("delete", "clusterqueue,resourceflavor", flavour, "--wait=false", check=False)


def queue_part(kind, name, spec):
    return {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind, "metadata": {"name": name}, "spec": spec}


def cluster_queue(flavour, milli, namespace):
    resources = [{"name": name, "nominalQuota": quota} for name, quota in (("cpu", f"{milli}m"), ("memory", "1Gi"))]
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "resourceGroups": [
            {"coveredResources": ["cpu", "memory"], "flavors": [{"name": flavour, "resources": resources}]}
        ],
    }


def queued(job):
    return {**job, "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "team"}}}


KUEUED = {
    "queued-job": (
        "main",
        {"apiVersion": "batch/v1", "kind": "Job", "spec": {"backoffLimit": 0, "template": pod("main", TRAIN)}},
    ),
    "queued-pytorchjob": (
        "pytorch",
        training_job("PyTorchJob", "pytorchReplicaSpecs", replicas("pytorch", Master=TRAIN, Worker=HELP)),
    ),
}


@pytest.mark.controllers("kueue", "training")
def test_jobs_wait_for_room_in_their_queue(kueue):
    for name, (container, job) in KUEUED.items():
        kueue.create(experiment(name, queued(job), container=container))

    def told():
        found = [each for name in KUEUED for each in kueue.messages(name)]
        return len(found) == 4 and all(each.get("reason") == "JobSuspended" for each in found) and found

    found = kueue.until(told, "every trial says that it is suspended")
    assert {each["type"] for each in found} == {"Running"}
    assert not kueue.get("pods")["items"]
    kueue.room(20)  # one Job of one pod, or one PyTorchJob of two, at a time
    most = 0

    def over():
        nonlocal most
        phases = [each.get("status", {}).get("phase") for name in KUEUED for each in kueue.of("pods", name)]
        most = max(most, phases.count("Running"))
        ends = [kueue.get("experiment", name)["status"]["conditions"][-1]["type"] for name in KUEUED]
        return all(each in ("Succeeded", "Failed") for each in ends)

    kueue.until(over, "both experiments are over", 240)
    for name in KUEUED:
        check_succeeded(kueue, name)
    assert 1 <= most <= 4, "the pods of what is admitted, and of what is ending"
