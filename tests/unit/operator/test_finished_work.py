"""A Job of one pod has succeeded when the containers that it describes have ended well; hardly anything else is judged before the Job says it."""

import pytest

from katib.api.trial_kind import trial_kind
from katib.engine.outcome import JobOutcome
from katib.operator.finished_work import end_of_work

KIND = trial_kind("batch/v1", "Job")


def job(**spec):
    template = {"spec": {"containers": [{"name": "main"}], "initContainers": [{"name": "katib-collector"}]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"uid": "j"}, "spec": {"template": template} | spec}


def ended(name, code=0):
    return {"name": name, "state": {"terminated": {"exitCode": code}}}


def running(name):
    return {"name": name, "state": {"running": {}}}


MAIN, COLLECTOR = ended("main"), ended("katib-collector")


def pod(main=MAIN, collector=COLLECTOR, *, owner="j", **metadata):
    return {
        "metadata": {"name": "p", "ownerReferences": [{"uid": owner}], **metadata},
        "status": {
            "containerStatuses": [main] if main else [],
            "initContainerStatuses": [collector] if collector else [],
        },
    }


def end(job_, *pods, kind=KIND, condition=KIND.success_condition):
    return end_of_work(job_, pods, kind=kind, success_condition=condition)


def done(job_, *pods, **more):
    return end(job_, *pods, **more) == JobOutcome("succeeded")


def test_a_job_is_done_when_its_containers_have_ended_well():
    assert done(job(), pod())
    assert done(job(completions=1, parallelism=1, managedBy="kubernetes.io/job-controller"), pod())
    assert done(job(), pod(), pod(owner="the attempt before"))


@pytest.mark.parametrize(
    "pods",
    [
        (),
        (pod(main=running("main")),),
        (pod(main=ended("main", 1)),),
        (pod(main=None),),
        (pod(collector=running("katib-collector")),),
        (pod(collector=ended("katib-collector", 137)),),
        (pod(collector=None),),
        (pod(deletionTimestamp="2026-01-01T00:00:00Z"),),
        (pod(), pod()),
        (pod(owner="another job"),),
    ],
)
def test_a_pod_that_is_not_done_is_waited_for(pods):
    assert end(job(), *pods) is None


@pytest.mark.parametrize(
    "spec",
    [{"completions": 2}, {"parallelism": 2}, {"completions": 0}, {"suspend": True}, {"managedBy": "somebody/else"}],
)
def test_a_job_of_another_sort_says_itself_when_it_is_done(spec):
    assert end(job(**spec), pod()) is None


def test_a_condition_of_the_users_own_is_asked_of_the_job():
    assert end(job(), pod(), condition='status.conditions.#(type=="Mine")#') is None
    assert end(job(), pod(), kind=trial_kind("kubeflow.org/v1", "TFJob")) is None
    assert end(job(), pod(), kind=None) is None


def test_a_native_sidecar_of_others_is_not_waited_for():
    beside = pod()
    beside["status"]["initContainerStatuses"] += [running("mesh"), ended("mesh-2", 137)]
    assert done(job(), beside)


def beside_mesh(main=MAIN, collector=COLLECTOR, mesh=None):
    found = pod(main, collector)
    found["status"]["containerStatuses"].insert(0, mesh or running("istio-proxy"))
    return found


def again(name, code=0):
    return {**running(name), "lastState": ended(name, code)["state"]}


def test_a_container_of_others_that_never_ends_is_not_waited_for():
    assert done(job(), beside_mesh())
    assert done(job(), beside_mesh(mesh=ended("istio-proxy", 1)))
    # What ends while its pod does not is started again.
    assert done(job(), beside_mesh(collector=again("katib-collector")))
    assert end(job(), beside_mesh(collector=again("katib-collector", 137))) is None
    assert end(job(), beside_mesh(collector=running("katib-collector"))) is None, "it may have something to say"
    assert end(job(), pod(collector=again("katib-collector"))) is None


def test_a_failure_beside_a_container_that_never_ends_is_final():
    failed = beside_mesh(main=ended("main", 3), collector=again("katib-collector"))
    template = {"spec": {**job()["spec"]["template"]["spec"], "restartPolicy": "Never"}}
    said = (
        "container istio-proxy, which its job does not describe, runs on, so that its job neither ends nor tries again"
    )
    assert end(job(template=template), failed) == JobOutcome("failed", message=said)
    assert end(job(template=template), pod(main=ended("main", 3))) is None, "the Job may try again"
    assert end(job(), failed) is None, "the container is started again"
    assert end(job(template=template), beside_mesh(main=running("main"))) is None
