"""What one machine refuses of a Job, and what it only says."""

import pytest

from katib.runners.local_limits import notes, problems


def job(*, spec=None, pod=None, kind="Job", version="batch/v1", **container):
    main = {"name": "main", "command": ["true"], **container}
    return {
        "apiVersion": version,
        "kind": kind,
        "spec": {"backoffLimit": 0, **(spec or {}), "template": {"spec": {"containers": [main], **(pod or {})}}},
    }


def refused(document, *, with_image=False):
    return [problem.path for problem in problems(document, primary="main", with_image=with_image)]


def test_a_plain_job_is_accepted_without_a_word():
    assert refused(job()) == []
    assert notes(job(), primary="main", with_image=False) == []


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (job(kind="TFJob", version="kubeflow.org/v1"), "kind"),
        (job(version="batch/v2"), "kind"),
        (job(spec={"parallelism": 4}), "spec.parallelism"),
        (job(spec={"completions": 2}), "spec.completions"),
        (job(spec={"suspend": True}), "spec.suspend"),
        (job(command=None), "spec.template.spec.containers[0].command"),
        (job(command=None, args=["--x"]), "spec.template.spec.containers[0].command"),
        (job(pod={"initContainers": [{"name": "i"}]}), "spec.template.spec.initContainers[0].command"),
    ],
)
def test_what_would_be_another_trial_is_refused(document, path):
    assert refused(document) == [path]


def test_other_kinds_are_told_where_they_run():
    [problem] = problems(job(kind="PyTorchJob", version="kubeflow.org/v1"), primary="main", with_image=False)
    assert "Kubernetes" in str(problem)
    assert "PyTorchJob" in str(problem)


def test_an_image_needs_no_command_under_an_engine():
    assert refused(job(command=None, image="x"), with_image=True) == []


def test_everything_that_is_not_honoured_is_said_once():
    document = job(
        image="example/train:1",
        resources={"limits": {"cpu": "4"}},
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
        env=[
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        spec={"ttlSecondsAfterFinished": 10},
        pod={"volumes": [{"name": "data"}], "nodeSelector": {"gpu": "yes"}},
    )
    document["spec"]["template"]["spec"]["containers"].append({"name": "proxy"})
    said = notes(document, primary="main", with_image=False)
    text = "\n".join(said)
    for word in ("example/train:1", "resources", "volumeMounts", "volumes,", "nodeSelector", "ttlSecondsAfterFinished"):
        assert text.count(word) == 1, word
    assert "TOKEN" in text
    assert "NAME" not in text
    assert "proxy" in text


def test_attempts_that_nobody_asked_for_are_said():
    document = job()
    del document["spec"]["backoffLimit"]
    [note] = notes(document, primary="main", with_image=False)
    assert "backoffLimit" in note


def test_an_engine_honours_the_image():
    assert notes(job(image="example/train:1"), primary="main", with_image=True) == []
