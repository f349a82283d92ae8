"""What is shipped of each kind holds together, and the pods of a job are found where they are."""

import copy
from pathlib import Path

import pytest
import yaml

from katib.admission import admit
from katib.api.document import load
from katib.engine.outcome import JobOutcome
from katib.template.condition import condition_problem, outcome
from katib.template.render import render
from katib.template.trial_kind import is_suspended, pod_templates, stays_when_finished, trial_kind, trial_kinds

FOLDER = Path(__file__).parents[3] / "trial_templates"
FOLDERS = sorted(path.parent.name for path in FOLDER.glob("*/profile.yaml"))
KINDS = {kind.kind.lower(): kind for kind in trial_kinds()}


def job_of(folder):
    return yaml.safe_load((FOLDER / folder / "template.yaml").read_text())["trialSpec"]


def found(job, labels=None):
    """Return which pod templates a job has, and which are primary."""
    return {template.path: template.primary for template in pod_templates(job, labels)}


def test_kinds_of_the_issue_are_there():
    assert set(FOLDERS) == set(KINDS)
    assert {kind.kind for kind in KINDS.values()} == {
        *(
            "Job",
            "TrainJob",
            "TFJob",
            "PyTorchJob",
            "MPIJob",
            "XGBoostJob",
            "MXJob",
            "PaddleJob",
            "JAXJob",
            "ChainerJob",
        ),
        *("JobSet", "RayJob", "Workflow", "PipelineRun"),
    }


def test_a_kind_that_nobody_knows_is_suspended_where_most_are():
    assert is_suspended({"apiVersion": "example.com/v1", "kind": "Farm", "spec": {"suspend": True}})
    assert not is_suspended({"apiVersion": "example.com/v1", "kind": "Farm", "spec": {"suspend": "later"}})


@pytest.mark.parametrize(
    ("job", "spec"),
    [
        ({"kind": "Job", "spec": {"ttlSecondsAfterFinished": 0, "parallelism": 1}}, {"parallelism": 1}),
        (
            {"kind": "PyTorchJob", "spec": {"runPolicy": {"ttlSecondsAfterFinished": 0, "backoffLimit": 1}}},
            {"runPolicy": {"backoffLimit": 1}},
        ),
        (
            {"kind": "Workflow", "spec": {"ttlStrategy": {"secondsAfterCompletion": 0}, "entrypoint": "a"}},
            {"entrypoint": "a"},
        ),
        ({"kind": "Farm", "spec": None}, None),
    ],
)
def test_no_job_takes_itself_away_before_its_end_is_read(job, spec):
    stays_when_finished(job)
    assert job["spec"] == spec


@pytest.mark.parametrize("folder", FOLDERS)
class TestEveryKind:
    """Each folder is whole, and its parts agree."""

    def test_profile_has_known_fields_only(self, folder):
        profile = yaml.safe_load((FOLDER / folder / "profile.yaml").read_text())
        required = {"apiVersion", "kind", "plural", "successCondition", "failureCondition"}
        optional = {"podTemplates", "primaryPodTemplates", "primaryPodLabels", "runningCondition", "suspend", "podsBy"}
        assert required <= set(profile) <= required | optional
        assert {field for template in profile.get("podTemplates", []) for field in template} <= {"path", "labels"}
        assert set(profile.get("suspend", {})) <= {"path", "value"}

    def test_a_queue_suspends_it_where_its_profile_says(self, folder):
        job, kind = job_of(folder), KINDS[folder]
        assert not is_suspended(job)
        assert not is_suspended({**job, "spec": None})
        if kind.suspend is None:
            return
        *parents, last = kind.suspend.split(".")
        place = job
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = kind.suspend_value
        assert is_suspended(job)

    def test_kind_is_found_in_every_version_of_its_group(self, folder):
        kind = KINDS[folder]
        assert trial_kind(kind.api_version, kind.kind) == kind
        assert trial_kind(f"{kind.group}/v9", kind.kind) == kind
        assert trial_kind("example.com/v1", kind.kind) is None

    def test_conditions_can_be_read_and_a_job_without_a_status_runs(self, folder):
        kind = KINDS[folder]
        for query in (kind.success_condition, kind.failure_condition, kind.running_condition or "status"):
            assert condition_problem(query) == ""
        assert outcome(job_of(folder), kind.success_condition, kind.failure_condition) == JobOutcome("running")

    def test_pods_are_in_the_job_or_made_by_a_controller(self, folder):
        kind = KINDS[folder]
        assert (kind.pods_by == "template") == bool(kind.pod_templates) == bool(pod_templates(job_of(folder)))

    def test_primary_pods_of_the_template_have_the_primary_container(self, folder):
        template = yaml.safe_load((FOLDER / folder / "template.yaml").read_text())
        templates = pod_templates(template["trialSpec"], template.get("primaryPodLabels"))
        primary = [pod.template for pod in templates if pod.primary]
        assert primary or KINDS[folder].pods_by == "controller"
        for pod in primary:
            names = [container["name"] for container in pod["spec"]["containers"]]
            assert template["primaryContainerName"] in names
            # Without a command its output could not be collected.
            assert all(container["command"] for container in pod["spec"]["containers"])

    def test_example_is_admitted_and_has_the_template(self, folder):
        text = (FOLDER / folder / "experiment.yaml").read_text()
        experiment = admit(text, config_maps=None)
        assert experiment.metadata.name == folder
        assert experiment.spec.trial_template.success_condition == KINDS[folder].success_condition
        template = yaml.safe_load((FOLDER / folder / "template.yaml").read_text())
        assert yaml.safe_load(text)["spec"]["trialTemplate"] == template
        assert template["trialSpec"]["kind"] == KINDS[folder].kind

    def test_readme_says_what_it_is_and_what_it_needs(self, folder):
        readme = (FOLDER / folder / "README.md").read_text()
        assert readme.startswith(f"# {KINDS[folder].kind}\n")
        assert "\nNeeds " in readme
        assert KINDS[folder].pods_by == "template" or "webhook" in readme


SUCCEEDED, FAILED, RUNNING = "succeeded", "failed", "running"


def conditions(**states):
    return {"conditions": [{"type": name, "status": status, "reason": "R"} for name, status in states.items()]}


@pytest.mark.parametrize(
    ("folder", "status", "wanted"),
    [
        ("job", conditions(SuccessCriteriaMet="True", Complete="True"), SUCCEEDED),
        ("job", conditions(FailureTarget="True", Failed="True"), FAILED),
        ("job", conditions(Suspended="True"), RUNNING),
        ("job", {"active": 1}, RUNNING),
        ("trainjob", conditions(Complete="True"), SUCCEEDED),
        ("tfjob", conditions(Created="True", Running="False", Succeeded="True"), SUCCEEDED),
        ("mpijob", conditions(Created="True", Running="True", Failed="False"), RUNNING),
        ("pytorchjob", conditions(Created="True", Restarting="True"), RUNNING),
        ("jobset", conditions(Completed="True"), SUCCEEDED),
        ("jobset", conditions(Failed="True"), FAILED),
        ("rayjob", {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}, SUCCEEDED),
        ("rayjob", {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed"}, FAILED),
        ("rayjob", {"jobDeploymentStatus": "Failed", "reason": "DeadlineExceeded"}, FAILED),
        ("rayjob", {"jobStatus": "STOPPED", "jobDeploymentStatus": "Complete"}, FAILED),
        ("rayjob", {"jobStatus": "", "jobDeploymentStatus": "Initializing"}, RUNNING),
        ("workflow", {"phase": "Succeeded"}, SUCCEEDED),
        ("workflow", {"phase": "Failed", "message": "child failed"}, FAILED),
        ("workflow", {"phase": "Error"}, FAILED),
        ("workflow", {"phase": "Pending"}, RUNNING),
        ("pipelinerun", conditions(Succeeded="True"), SUCCEEDED),
        ("pipelinerun", conditions(Succeeded="False"), FAILED),
        ("pipelinerun", conditions(Succeeded="Unknown"), RUNNING),
        ("chainerjob", conditions(Complete="True"), SUCCEEDED),
    ],
)
def test_ends_are_recognised(folder, status, wanted):
    kind = KINDS[folder]
    assert outcome({"status": status}, kind.success_condition, kind.failure_condition).kind == wanted


def pod(*names, **labels):
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name} for name in names]}}


def replicas(kind, field, **roles):
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": kind,
        "spec": {field: {role: {"replicas": 1, "template": template} for role, template in roles.items()}},
    }


MASTER = {"training.kubeflow.org/job-role": "master"}


@pytest.mark.parametrize("labels", [None, MASTER])
@pytest.mark.parametrize(
    ("roles", "primary"),
    [
        (("Worker", "PS", "Chief"), "Chief"),
        (("Worker", "PS", "Master"), "Master"),
        (("PS", "Worker", "Evaluator"), "Worker"),
        (("chief", "worker"), "chief"),
    ],
)
def test_first_role_that_a_job_has_is_primary(labels, roles, primary):
    job = replicas("TFJob", "tfReplicaSpecs", **dict.fromkeys(roles, pod("tensorflow")))
    assert found(job, labels) == {f"spec.tfReplicaSpecs.{role}.template": role == primary for role in roles}


def test_launcher_of_mpi_is_primary_whatever_label_nobody_can_know_before():
    job = replicas("MPIJob", "mpiReplicaSpecs", Launcher=pod("mpi"), Worker=pod("mpi"))
    wanted = {"spec.mpiReplicaSpecs.Launcher.template": True, "spec.mpiReplicaSpecs.Worker.template": False}
    assert found(job, {"mpi-job-role": "launcher"}) == wanted
    assert found({**job, "apiVersion": "kubeflow.org/v2beta1"}) == wanted


@pytest.mark.parametrize(
    ("labels", "primary"),
    [
        ({"training.kubeflow.org/replica-type": "worker"}, {"Worker"}),
        ({"training.kubeflow.org/replica-type": "worker", **MASTER}, {"Worker"}),
        ({"role": "loud"}, {"Scheduler"}),
        ({"role": "loud", "training.kubeflow.org/replica-type": "worker"}, set()),
        ({}, {"Scheduler", "Worker"}),
        ({"nobody": "knows"}, {"Worker"}),
    ],
)
def test_labels_of_the_user_win_where_the_job_decides_them(labels, primary):
    job = replicas("MXJob", "mxReplicaSpecs", Scheduler=pod("mxnet", role="loud"), Worker=pod("mxnet"))
    assert {path.split(".")[2] for path, is_primary in found(job, labels).items() if is_primary} == primary


def test_jobs_of_a_set_are_known_by_their_names():
    jobs = [{"name": name, "template": {"spec": {"template": pod("main")}}} for name in ("data", "node")]
    job = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "spec": {"replicatedJobs": jobs}}
    paths = [f"spec.replicatedJobs[{index}].template.spec.template" for index in (0, 1)]
    assert found(job) == dict(zip(paths, (True, False), strict=True))
    labels = {"jobset.sigs.k8s.io/replicatedjob-name": "node", "batch.kubernetes.io/job-completion-index": "0"}
    assert found(job, labels) == dict(zip(paths, (False, True), strict=True))


def test_pods_of_a_kind_nobody_knows_are_found_and_primary_without_labels():
    job = {
        "apiVersion": "example.com/v1",
        "kind": "Farm",
        "spec": {
            "fields": [{"template": pod("a", crop="corn")}, {"deep": {"podTemplate": pod("b")}}],
            "spec": {"x": []},
        },
    }
    paths = ["spec.fields[0].template", "spec.fields[1].deep.podTemplate"]
    assert found(job) == dict.fromkeys(paths, True)
    assert found(job, {"crop": "corn"}) == dict(zip(paths, (True, False), strict=True))
    assert found(job, {"made-by": "farmer"}) == dict.fromkeys(paths, True)


def test_templates_are_parts_of_the_job():
    job = job_of("pytorchjob")
    for template in pod_templates(job):
        template.template["spec"]["added"] = template.path
    assert job["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["added"].endswith("Worker.template")


@pytest.mark.parametrize("rubbish", [None, [], "text", 5, {}, {"spec": None}, {"spec": {"containers": "x"}}, pod()])
@pytest.mark.parametrize("folder", FOLDERS)
def test_job_with_something_else_in_their_place_has_no_pods(folder, rubbish):
    job = copy.deepcopy(job_of(folder))
    for template in pod_templates(job):
        template.template.clear()
        template.template.update(rubbish if isinstance(rubbish, dict) else {"spec": rubbish})
    assert pod_templates(job) == []
    assert pod_templates({**job, "spec": rubbish}) == []


def test_labels_for_a_queue_reach_the_job_and_its_pods(made):
    text = """
apiVersion: batch/v1
kind: Job
metadata:
  labels: {kueue.x-k8s.io/queue-name: team, kueue.x-k8s.io/priority-class: low}
  annotations: {note: kept}
spec:
  suspend: true
  template:
    metadata: {labels: {kueue.x-k8s.io/podset: main}}
    spec: {restartPolicy: Never, containers: [{name: main, image: i, command: [run, "${trialParameters.x}", "${trialParameters.y}"]}]}
"""
    experiment = made(text, metadata={"name": "tune", "labels": {"kueue.x-k8s.io/max-exec-time-seconds": "60"}})
    job = render(experiment, "tune-1", [("x", "a"), ("y", "b")], template=experiment.spec.trial_template.trial_spec)
    kept = {name: value for name, value in job["metadata"]["labels"].items() if name.startswith("kueue")}
    assert kept == {
        "kueue.x-k8s.io/queue-name": "team",
        "kueue.x-k8s.io/priority-class": "low",
        "kueue.x-k8s.io/max-exec-time-seconds": "60",
    }
    assert job["metadata"]["annotations"] == {"note": "kept"}
    assert job["spec"]["suspend"] is True
    assert pod_templates(job)[0].template["metadata"]["labels"] == {"kueue.x-k8s.io/podset": "main"}


def test_profiles_are_documents_as_our_own_reader_wants_them():
    assert all(len(load((FOLDER / folder / "profile.yaml").read_bytes())) == 1 for folder in FOLDERS)
