"""What of a Job one machine cannot honour: refused where the trial would be another one without it, said where it would not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.errors import Problem
from katib.runners.container import main_container, pod_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["notes", "problems"]

_POD: Final = {
    "affinity": "affinity",
    "dnsConfig": "dnsConfig",
    "hostAliases": "hostAliases",
    "imagePullSecrets": "imagePullSecrets",
    "nodeSelector": "nodeSelector",
    "priorityClassName": "priorityClassName",
    "runtimeClassName": "runtimeClassName",
    "schedulerName": "schedulerName",
    "securityContext": "securityContext",
    "serviceAccountName": "serviceAccountName",
    "tolerations": "tolerations",
    "topologySpreadConstraints": "topologySpreadConstraints",
    "volumes": "volumes",
}
_CONTAINER: Final = (
    "envFrom",
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "volumeDevices",
    "volumeMounts",
)
_JOB: Final = ("backoffLimitPerIndex", "podFailurePolicy", "successPolicy", "ttlSecondsAfterFinished")


def problems(job: Mapping[str, Any], *, primary: str | None, with_image: bool) -> Iterator[Problem]:
    """Yield why a Job cannot be run on this machine at all, with paths below the Job.

    Args:
        job: The template.
        primary: ``primaryContainerName``.
        with_image: An engine runs the image, so that the image may decide what to run.
    """
    kind, version = job.get("kind"), job.get("apiVersion")
    if kind != "Job" or version != "batch/v1":
        yield Problem("kind", "needs Kubernetes: on one machine a trial is a Job of batch/v1", f"{kind} of {version}")
        return
    spec = job.get("spec") or {}
    for field in ("parallelism", "completions"):
        if isinstance(spec.get(field), int) and spec[field] != 1:
            yield Problem(f"spec.{field}", "needs Kubernetes: on one machine a trial is one pod", spec[field])
    if spec.get("suspend"):
        yield Problem("spec.suspend", "needs Kubernetes: nothing on one machine would ever start it", spec["suspend"])
    main = main_container(job, primary)
    for field in ("initContainers", "containers"):
        for index, container in enumerate(pod_spec(job).get(field) or []):
            if not isinstance(container, dict) or (field == "containers" and container is not main):
                continue
            if not with_image and not container.get("command"):
                yield Problem(
                    f"spec.template.spec.{field}[{index}].command",
                    "is required on one machine, where nothing says what the image would run"
                    " (or use --runtime docker or podman)",
                )


def notes(job: Mapping[str, Any], *, primary: str | None, with_image: bool) -> list[str]:
    """Return sentences on what is not honoured; the trial runs all the same."""
    spec, pod = job.get("spec") or {}, pod_spec(job)
    main = main_container(job, primary)
    found: list[str] = []
    if not with_image and main.get("image"):
        found.append(f"the image {main['image']} is not used: the command runs with what is installed on this machine")
    ignored = [field for field in _JOB if field in spec]
    ignored += [name for field, name in _POD.items() if pod.get(field)]
    containers = [main, *(item for item in pod.get("initContainers") or [] if isinstance(item, dict))]
    ignored += [field for field in _CONTAINER if any(container.get(field) for container in containers)]
    if "backoffLimit" not in spec:
        found.append(
            "a failing trial is tried 7 times, as on Kubernetes, since the Job states no backoffLimit (0 fails at once)"
        )
    if ignored:
        found.append(f"not honoured on one machine: {', '.join(dict.fromkeys(ignored))}")
    unknown = [
        str(item.get("name"))
        for container in containers
        for item in container.get("env") or []
        if isinstance(item, dict) and item.get("valueFrom") and not _is_known(item["valueFrom"])
    ]
    if unknown:
        found.append(
            f"these environment variables come from a cluster and are not set: {', '.join(dict.fromkeys(unknown))}"
        )
    others = [
        str(item.get("name")) for item in pod.get("containers") or [] if item is not main and isinstance(item, dict)
    ]
    if others:
        found.append(f"only the container {main.get('name')} is run, not {', '.join(others)}")
    return found


def _is_known(source: Mapping[str, Any]) -> bool:
    path = str((source.get("fieldRef") or {}).get("fieldPath", ""))
    return path.startswith("metadata.")
