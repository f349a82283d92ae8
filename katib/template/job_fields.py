"""Which fields a ``batch/v1`` Job has, as deep as people write them; a misspelt one is found before a cluster (or nobody) does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.api.similar import did_you_mean
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["container_names", "job_problems"]

_ANY: Final[dict[str, Any]] = {}
"""Fields below are not looked at."""

_COUNT: Final = range(2**63)
"""A whole number that is not negative."""
_RESTART: Final = ("Never", "OnFailure")
"""What a Job allows of a pod's policies."""

_ENV: Final = {"name": str, "value": str, "valueFrom": _ANY}
_CONTAINER: Final[dict[str, Any]] = {
    "args": [str],
    "command": [str],
    "env": [_ENV],
    "envFrom": [_ANY],
    "image": str,
    "imagePullPolicy": str,
    "lifecycle": _ANY,
    "livenessProbe": _ANY,
    "name": str,
    "ports": [_ANY],
    "readinessProbe": _ANY,
    "resizePolicy": [_ANY],
    "resources": _ANY,
    "restartPolicy": str,
    "restartPolicyRules": [_ANY],
    "securityContext": _ANY,
    "startupProbe": _ANY,
    "stdin": bool,
    "stdinOnce": bool,
    "terminationMessagePath": str,
    "terminationMessagePolicy": str,
    "tty": bool,
    "volumeDevices": [_ANY],
    "volumeMounts": [_ANY],
    "workingDir": str,
}
_POD: Final[dict[str, Any]] = {
    "activeDeadlineSeconds": _COUNT,
    "affinity": _ANY,
    "automountServiceAccountToken": bool,
    "containers": [_CONTAINER],
    "dnsConfig": _ANY,
    "dnsPolicy": str,
    "enableServiceLinks": bool,
    "ephemeralContainers": [_ANY],
    "hostAliases": [_ANY],
    "hostIPC": bool,
    "hostNetwork": bool,
    "hostPID": bool,
    "hostUsers": bool,
    "hostname": str,
    "hostnameOverride": str,
    "imagePullSecrets": [_ANY],
    "initContainers": [_CONTAINER],
    "nodeName": str,
    "nodeSelector": _ANY,
    "os": _ANY,
    "overhead": _ANY,
    "preemptionPolicy": str,
    "priority": int,
    "priorityClassName": str,
    "readinessGates": [_ANY],
    "resourceClaims": [_ANY],
    "resources": _ANY,
    "restartPolicy": _RESTART,
    "runtimeClassName": str,
    "schedulerName": str,
    "schedulingGates": [_ANY],
    "securityContext": _ANY,
    "serviceAccount": str,
    "serviceAccountName": str,
    "setHostnameAsFQDN": bool,
    "shareProcessNamespace": bool,
    "subdomain": str,
    "terminationGracePeriodSeconds": _COUNT,
    "tolerations": [_ANY],
    "topologySpreadConstraints": [_ANY],
    "volumes": [_ANY],
}
_JOB: Final[dict[str, Any]] = {
    "apiVersion": str,
    "kind": str,
    "metadata": _ANY,
    "spec": {
        "activeDeadlineSeconds": _COUNT,
        "backoffLimit": _COUNT,
        "backoffLimitPerIndex": _COUNT,
        "completionMode": str,
        "completions": _COUNT,
        "managedBy": str,
        "manualSelector": bool,
        "maxFailedIndexes": _COUNT,
        "parallelism": _COUNT,
        "podFailurePolicy": _ANY,
        "podReplacementPolicy": str,
        "selector": _ANY,
        "successPolicy": _ANY,
        "suspend": bool,
        "template": {"metadata": _ANY, "spec": _POD},
        "ttlSecondsAfterFinished": _COUNT,
    },
    "status": _ANY,
}
_NAMES: Final = {str: "text", int: "a whole number", bool: "true or false"}


def job_problems(job: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Yield unknown and ill-typed fields of a rendered Job, and values no Job can have, below ``path``."""
    yield from _problems(dict(job), _JOB, path)
    if not _containers(job):
        yield Problem(f"{path}.spec.template.spec.containers", "is required: at least one container")


def container_names(job: Mapping[str, Any]) -> list[str]:
    """Return the names of a Job's containers; none where it has something else in their place."""
    return [str(container.get("name")) for container in _containers(job) if isinstance(container, dict)]


def _containers(job: Mapping[str, Any]) -> list[Any]:
    found: Any = job
    for field in ("spec", "template", "spec", "containers"):
        found = found.get(field) if isinstance(found, dict) else None
    return found if isinstance(found, list) else []


def _problems(value: Any, shape: Any, path: str) -> Iterator[Problem]:
    if value is None:
        return
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield Problem(path, "must be a mapping of fields", value)
        elif shape:
            for name, child in value.items():
                if name not in shape:
                    yield Problem(f"{path}.{name}", "is not a field of a Job", hint=did_you_mean(str(name), shape))
                else:
                    yield from _problems(child, shape[name], f"{path}.{name}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield Problem(path, "must be a list", value)
        else:
            for index, child in enumerate(value):
                yield from _problems(child, shape[0], f"{path}[{index}]")
    elif (wanted := _wanted(value, shape)) is not None:
        yield Problem(path, f"must be {wanted}", value)


def _wanted(value: Any, shape: Any) -> str | None:
    """Return what a scalar has to be, or None where it is that."""
    if isinstance(shape, tuple):
        return None if value in shape else " or ".join(shape)
    kind = int if isinstance(shape, range) else shape
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return _NAMES[kind]
    return "from 0 to 2^63 - 1" if isinstance(shape, range) and value not in shape else None
