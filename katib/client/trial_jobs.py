"""The job of a trial that runs a Python function: a Job, or a PyTorchJob with workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.client.documents import document_of
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BASE_IMAGE_PYTORCH",
    "BASE_IMAGE_TENSORFLOW",
    "BASE_IMAGE_TENSORFLOW_GPU",
    "PYTORCH_CONTAINER",
    "JobSettings",
    "TrainerResources",
    "environment",
    "job_limits",
    "pod_template",
    "pytorch_job",
    "resources",
    "trainer_resources",
    "trial_container",
    "trial_job",
]

BASE_IMAGE_TENSORFLOW: Final = "docker.io/tensorflow/tensorflow:2.13.0"
BASE_IMAGE_TENSORFLOW_GPU: Final = "docker.io/tensorflow/tensorflow:2.13.0-gpu"
BASE_IMAGE_PYTORCH: Final = "docker.io/pytorch/pytorch:2.2.1-cuda12.1-cudnn8-runtime"
_CONTAINER: Final = "training-container"
PYTORCH_CONTAINER: Final = "pytorch"
_GPU: Final = "nvidia.com/gpu"


@dataclass
class TrainerResources:
    """What a PyTorchJob has.

    Attributes:
        num_workers: Pods, the master included.
        num_procs_per_worker: Processes in each, started by ``torchrun``.
        resources_per_worker: What each pod may take, as a dict of cpu, memory and gpu.
    """

    num_workers: int
    num_procs_per_worker: int
    resources_per_worker: Any = field(default=None)


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How a trial is run.

    Attributes:
        image: The container's.
        program: What ``python -c`` is given.
        arguments: The program's.
        interpreter: The Python that runs it.
        resources: A dict of cpu, memory and gpu, Kubernetes' own form, or ``TrainerResources`` for a PyTorchJob.
        env: Variables by name, or a list in Kubernetes' form.
        retries: How often a trial that fails is tried again.
        deadline_seconds: How long it may take.
    """

    image: str
    program: str
    arguments: Sequence[str]
    interpreter: str = "python"
    resources: Any = None
    env: Any = None
    retries: int = 0
    deadline_seconds: int | None = None


def trial_job(settings: JobSettings) -> tuple[dict[str, Any], str]:
    """Return the job of a trial, and the name of its primary container.

    Raises:
        InvalidInput: Of the resources or the variables.
    """
    distributed = trainer_resources(settings.resources)
    name = _CONTAINER if distributed is None else PYTORCH_CONTAINER
    container = trial_container(
        {
            "name": name,
            "image": settings.image,
            "command": [settings.interpreter, "-u", "-c", settings.program],
            "args": [*settings.arguments],
        },
        env=settings.env,
        asked=settings.resources if distributed is None else distributed.resources_per_worker,
    )
    template = pod_template({"containers": [container]})
    limits = job_limits(settings.retries, settings.deadline_seconds)
    if distributed is None:
        return {"apiVersion": "batch/v1", "kind": "Job", "spec": {**limits, "template": template}}, name
    return pytorch_job(distributed, template, template, limits), name


def trainer_resources(asked: Any) -> TrainerResources | None:
    """Return what a PyTorchJob is to have, also where it is said with Katib's own class of that name; None where a Job is meant."""
    if isinstance(asked, TrainerResources) or asked is None:
        return asked
    fields = ("num_workers", "num_procs_per_worker", "resources_per_worker")
    if not all(hasattr(asked, each) for each in fields):
        return None
    return TrainerResources(*(getattr(asked, each) for each in fields))


def trial_container(container: dict[str, Any], *, env: Any = None, asked: Any = None) -> dict[str, Any]:
    """Return a container with its variables and resources, as ``environment`` and ``resources`` take them."""
    variables, sources = environment(env)
    more = (("env", variables), ("envFrom", sources), ("resources", resources(asked)))
    return container | {field: value for field, value in more if value}


def pod_template(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template of a trial's pods."""
    return {
        # As Katib's client makes them: a service mesh's proxy would keep the pod from ever ending.
        "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {"restartPolicy": "Never", **spec},
    }


def job_limits(retries: int, deadline_seconds: int | None) -> dict[str, int]:
    """Return how often a trial is tried, and for how long."""
    limits = {"backoffLimit": retries}
    if deadline_seconds is not None:
        limits["activeDeadlineSeconds"] = deadline_seconds
    return limits


def pytorch_job(
    asked: TrainerResources, master: Mapping[str, Any], worker: Mapping[str, Any], limits: Mapping[str, int]
) -> dict[str, Any]:
    """Return a PyTorchJob.

    Args:
        asked: How many workers and processes.
        master: The pod template of the first worker.
        worker: That of the others.
        limits: Of its run.

    Raises:
        InvalidInput: There are no so many.
    """
    for field_name, number in (
        ("num_workers", asked.num_workers),
        ("num_procs_per_worker", asked.num_procs_per_worker),
    ):
        if type(number) is not int or number < 1:
            raise InvalidInput(
                [Problem(f"resources_per_trial.{field_name}", "must be a whole number from 1 on", number)]
            )
    # The operator's restart policy stands beside the template, and takes the place of the one in it.
    replicas = {"Master": {"replicas": 1, "restartPolicy": "Never", "template": master}}
    if asked.num_workers > 1:
        replicas["Worker"] = {"replicas": asked.num_workers - 1, "restartPolicy": "Never", "template": worker}
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "spec": {
            "runPolicy": dict(limits),
            "nprocPerNode": str(asked.num_procs_per_worker),
            "pytorchReplicaSpecs": replicas,
        },
    }


def resources(asked: Any) -> dict[str, Any] | None:
    """Return what a container asks for, in Kubernetes' form.

    Args:
        asked: A dict of cpu, memory, gpu (NVIDIA's) or any resource of the cluster by its name, requested and limited alike; or a
            ``V1ResourceRequirements``, or a dict with ``requests`` or ``limits``.

    Raises:
        InvalidInput: It is something else.
    """
    if asked is None:
        return None
    stated = document_of(asked, "resources_per_trial")
    if not isinstance(stated, dict):
        raise InvalidInput(
            [Problem("resources_per_trial", "must be a dict such as {'cpu': '2', 'memory': '4Gi'}", repr(asked))]
        )
    if not stated or {"requests", "limits", "claims"} & stated.keys():
        return stated or None
    amounts = {(_GPU if name.lower() == "gpu" else name): str(amount) for name, amount in stated.items()}
    amounts = {(name.lower() if name.lower() in {"cpu", "memory"} else name): text for name, text in amounts.items()}
    return {"requests": amounts, "limits": dict(amounts)}


def environment(asked: Any) -> tuple[list[Any], list[Any]]:
    """Return variables as a container's ``env`` and ``envFrom``.

    Args:
        asked: A dict of texts, or a list of ``V1EnvVar`` and ``V1EnvFromSource``, also as dicts.

    Raises:
        InvalidInput: It is something else.
    """
    if not asked:
        return [], []
    if isinstance(asked, dict):
        return [{"name": str(name), "value": str(value)} for name, value in asked.items()], []
    env, env_from = [], []
    for index, one in enumerate(asked if isinstance(asked, (list, tuple)) else [asked]):
        path = f"env_per_trial[{index}]"
        stated = document_of(one, path)
        if isinstance(stated, dict) and "name" in stated:
            env.append(stated)
        elif isinstance(stated, dict) and stated.keys() & {"configMapRef", "secretRef"}:
            env_from.append(stated)
        else:
            raise InvalidInput(
                [Problem(path, "must be a V1EnvVar, a V1EnvFromSource, or one of them as a dict", repr(one))]
            )
    return env, env_from
