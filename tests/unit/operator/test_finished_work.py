"""A Job of one pod has succeeded when that pod's containers have ended well; in all other cases the Job is waited for."""

import pytest

from katib.api.trial_kind import trial_kind
from katib.operator.finished_work import is_done

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


def done(job_, *pods, kind=KIND, condition=KIND.success_condition):
    return is_done(job_, pods, kind=kind, success_condition=condition)


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
    assert not done(job(), *pods)


@pytest.mark.parametrize(
    "spec",
    [{"completions": 2}, {"parallelism": 2}, {"completions": 0}, {"suspend": True}, {"managedBy": "somebody/else"}],
)
def test_a_job_of_another_sort_says_itself_when_it_is_done(spec):
    assert not done(job(**spec), pod())


def test_a_condition_of_the_users_own_is_asked_of_the_job():
    assert not done(job(), pod(), condition='status.conditions.#(type=="Mine")#')
    assert not done(job(), pod(), kind=trial_kind("kubeflow.org/v1", "TFJob"))
    assert not done(job(), pod(), kind=None)


def test_containers_of_others_have_to_have_ended_too():
    beside = pod()
    beside["status"]["initContainerStatuses"].append(ended("mesh"))
    assert done(job(), beside)
    beside["status"]["initContainerStatuses"].append(running("mesh-2"))
    assert not done(job(), beside)
