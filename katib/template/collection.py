"""Puts the collector into the pods of a trial while its job is rendered, so that metrics need no webhook.

A trainer's container begins with the launcher, with exactly the words of the template behind it, and the sidecar is a native one (an init
container that is restarted): it is there before the trainer and ends after it. Pure: a trial and settings in, a job out; the optional
webhook uses the same function on a pod. What the sidecar is told is the document that ``katib.metrics.sidecar.settings`` reads.
"""

from __future__ import annotations

import copy
import json
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from katib.api.similar import did_you_mean
from katib.errors import InvalidInput, Problem
from katib.template.checkpoint_mount import CheckpointMount, mount_checkpoints
from katib.template.shared_volumes import SharedVolumes
from katib.template.trial_environment import trial_environment
from katib.template.trial_kind import pod_templates, trial_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from katib.api.experiment import MetricsCollectorSpec
    from katib.api.trial import Trial

__all__ = ["COLLECTOR_CONTAINER", "CollectorSettings", "collect_from_pod", "with_collector"]

COLLECTOR_CONTAINER: Final = "katib-collector"
"""The sidecar's name, where no container of the template has it."""

_TRIAL_SPEC: Final = "spec.trialTemplate.trialSpec"
_TRIAL_LABEL: Final = "katib.kubeflow.org/trial"
_EXPERIMENT_LABEL: Final = "katib.kubeflow.org/experiment"
_LAUNCHER_IN_IMAGE: Final = "/usr/local/bin/launcher"
_USER: Final = 65532
_GRACE: Final = 30
"""What Kubernetes gives a pod by default, in seconds."""
_GRACE_TO_FLUSH: Final = 120
"""What a pod is given in which the sidecar learns of the trainer's end by being told to end."""
_MARGIN: Final = 2
_FILES: Final = ("File", "TensorFlowEvent")


def _small() -> dict[str, Any]:
    return {"requests": {"cpu": "10m", "memory": "40Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}}


@dataclass(frozen=True)
class CollectorSettings:
    """How the trials of an operator are collected from.

    Attributes:
        image: With the sidecar, and the launcher at ``/usr/local/bin/launcher``.
        store_address: Where the store server answers HTTP: ``http://katib-store.katib:8080``, or ``HOST:PORT`` for ``http``.
        pull_policy: Of the image.
        resources: Of the sidecar.
        report_token: Lets the sidecar report of this trial (``katib.access.report_token``); empty where the store wants none.
        store_ca: The certificate (PEM) that vouches for the store's.
        stop_grace: Seconds between TERM and KILL when a trial is stopped early.
        metrics: What to listen for, the objective first; by default all that the trial's objective names.
        webhook: Whether a webhook sees the pods that controllers make of something else than a pod template.
        trial_index: The trial's place in its experiment, for its environment.
        parameter_kinds: The types of the experiment's parameters, for the same; None where they are not known.
        checkpoints: Where the trial finds its parent's checkpoint; None where it has none.
    """

    image: str
    store_address: str
    pull_policy: str = "IfNotPresent"
    resources: Mapping[str, Any] = field(default_factory=_small)
    report_token: str = field(default="", repr=False)
    store_ca: str = field(default="", repr=False)
    stop_grace: int = 30
    metrics: tuple[str, ...] = ()
    webhook: bool = False
    trial_index: int | None = None
    parameter_kinds: Mapping[str, str] | None = None
    checkpoints: CheckpointMount | None = None


def with_collector(trial: Trial, settings: CollectorSettings) -> dict[str, Any]:
    """Return the trial's job with the collector in its primary pods.

    Example::

        job = with_collector(trial, CollectorSettings(image="katib-collector:1", store_address="http://katib-store:8080"))

    Raises:
        InvalidInput: It cannot be put there; the sentence says what to write instead.
    """
    job: dict[str, Any] = copy.deepcopy(trial.spec.run_spec or {})
    kind = trial_kind(job.get("apiVersion"), job.get("kind"))
    templates = pod_templates(job, trial.spec.primary_pod_labels)
    if not templates and not settings.webhook and _kind_of(trial.spec.metrics_collector) != "Push":
        if kind is not None and kind.pods_by == "controller":
            message = (
                f"the pods of a {job.get('kind')} are made by its controller and not described in it: metrics are collected "
                "from them only through the webhook; turn it on, or report them from the training code (collector Push)"
            )
        else:
            message = (
                "has no pod template, so there is nothing to collect metrics from; turn the webhook on, or report them from the "
                "training code (collector Push)"
            )
        raise InvalidInput([Problem(_TRIAL_SPEC, message)])
    if templates and not any(template.primary for template in templates):
        labels = ", ".join(f"{name}={value}" for name, value in (trial.spec.primary_pod_labels or {}).items())
        places = ", ".join(template.path for template in templates)
        message = f"no pod template has the labels {labels}; there are those at {places}"
        raise InvalidInput([Problem("spec.trialTemplate.primaryPodLabels", message)])
    for template in templates:
        metadata = template.template["metadata"] = template.template.get("metadata") or {}
        _label(metadata, trial)
        if template.primary:
            collect_from_pod(
                template.template["spec"], metadata, trial, settings, path=f"{_TRIAL_SPEC}.{template.path}.spec"
            )
    return job


def collect_from_pod(
    pod_spec: dict[str, Any],
    metadata: dict[str, Any],
    trial: Trial,
    settings: CollectorSettings,
    *,
    path: str = "spec",
) -> None:
    """Put the collector into a primary pod, or the template of one, in place.

    Args:
        pod_spec: Its ``spec``.
        metadata: Its ``metadata``.
        trial: Whose metrics are collected.
        settings: How.
        path: Of ``pod_spec``, for messages.

    Raises:
        InvalidInput: It cannot be put there.
    """
    _label(metadata, trial)
    container, place = _primary(pod_spec, trial, path)
    spec = trial.spec.metrics_collector
    kind = _kind_of(spec)
    command = container.get("command")
    wrapped = isinstance(command, list) and bool(command)
    if kind == "StdOut" and not wrapped:
        raise InvalidInput(
            [
                Problem(
                    f"{place}.command",
                    "is required to collect metrics from what the container prints: what its image runs by itself is not looked up; "
                    "write it down, such as command: [python, /app/train.py]",
                )
            ]
        )
    volumes = SharedVolumes(pod_spec, container, place)
    folder = volumes.exchange()
    shared = _metrics_path(spec, volumes, place)
    grace = pod_spec.get("terminationGracePeriodSeconds")
    if grace is None and not wrapped:
        pod_spec["terminationGracePeriodSeconds"] = _GRACE_TO_FLUSH
    if wrapped:
        container["command"] = [
            f"{folder}/launcher",
            "--folder",
            folder,
            *(["--output"] if kind == "StdOut" else []),
            *(["--share", shared] if shared else []),
            "--grace",
            str(max(1, (_GRACE if grace is None else int(grace)) - _MARGIN)),
            "--stop-grace",
            str(settings.stop_grace),
            "--",
            *(command or []),
        ]
    _prepend(container, _trainer_environment(trial, settings, folder))
    said = _document(
        trial,
        settings,
        container,
        folder=folder,
        path=shared or "",
        wrapped=wrapped,
        ends_with_trainer=_ends_with_trainer(pod_spec, kind),
    )
    sidecar = _sidecar(pod_spec, container, settings, said, folder)
    volumes.mount_in(sidecar)
    volumes.hide_token(sidecar)
    pod_spec.setdefault("initContainers", [])
    if settings.checkpoints is not None:
        said_of = mount_checkpoints(pod_spec, container, place, settings.checkpoints, trial.metadata.name)
        making = {**said_of, **_own_container(pod_spec, container, settings)}
        pod_spec["initContainers"] = [*(pod_spec["initContainers"] or []), making]
    # Behind the others: a mesh's own sidecar is there before, and nobody waits beside them.
    pod_spec["initContainers"] = [*(pod_spec["initContainers"] or []), sidecar]
    if kind == "Custom":
        _add_custom(pod_spec, trial, settings, volumes, folder)


# -- the trainer's container ------------------------------------------------------------------------------------------


def _primary(pod_spec: dict[str, Any], trial: Trial, path: str) -> tuple[dict[str, Any], str]:
    """Return the primary container and its path."""
    containers = pod_spec["containers"]
    names = [str(container.get("name")) for container in containers]
    wanted = trial.spec.primary_container_name
    if not wanted and len(containers) == 1:
        return containers[0], f"{path}.containers[0]"
    for index, container in enumerate(containers):
        if wanted and container.get("name") == wanted:
            return container, f"{path}.containers[{index}]"
    message = f"is none of the containers at {path}.containers, which are {', '.join(names)}"
    hint = did_you_mean(wanted or "", names)
    raise InvalidInput([Problem("spec.trialTemplate.primaryContainerName", message, wanted, hint)])


def _trainer_environment(trial: Trial, settings: CollectorSettings, folder: str) -> list[dict[str, Any]]:
    known = trial_environment(
        name=trial.metadata.name,
        experiment=(trial.metadata.labels or {}).get(_EXPERIMENT_LABEL, ""),
        namespace=trial.metadata.namespace or "default",
        index=settings.trial_index,
        assignments=[(item.name, item.value) for item in trial.spec.parameter_assignments],
        kinds=settings.parameter_kinds,
    )
    return _environment({**known, "KATIB_METRICS_FILE": f"{folder}/metrics.jsonl"})


def _environment(values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return variables with just these values: a dollar would begin a reference to another."""
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in values.items()]


def _ends_with_trainer(pod_spec: Mapping[str, Any], kind: str) -> bool:
    """Whether a pod is over as soon as its primary container has ended, however that ends."""
    return pod_spec.get("restartPolicy") == "Never" and len(pod_spec["containers"]) == 1 and kind != "Custom"


def _prepend(container: dict[str, Any], variables: Sequence[dict[str, Any]]) -> None:
    """Give a container variables that it has not; before its own, which may refer to them."""
    own = container.get("env") or []
    names = {variable.get("name") for variable in own}
    container["env"] = [*(variable for variable in variables if variable["name"] not in names), *own]


def _label(metadata: dict[str, Any], trial: Trial) -> None:
    metadata["labels"] = {
        **(trial.metadata.labels or {}),
        **(trial.spec.labels or {}),
        **(metadata.get("labels") or {}),
        _TRIAL_LABEL: trial.metadata.name,
    }


# -- where metrics are ------------------------------------------------------------------------------------------------


def _kind_of(spec: MetricsCollectorSpec | None) -> str:
    return spec.collector.kind if spec and spec.collector else "StdOut"


def _metrics_path(spec: MetricsCollectorSpec | None, volumes: SharedVolumes, place: str) -> str | None:
    """Return the path of the metrics, whose folder both containers have now; None where they are in no file."""
    stated = spec.source.file_system_path if spec and spec.source else None
    kind = _kind_of(spec)
    if stated is None or not stated.path or kind not in (*_FILES, "Custom"):
        return None
    where = "spec.metricsCollectorSpec.source.fileSystemPath.path"
    path = posixpath.normpath(stated.path)
    is_folder = kind == "TensorFlowEvent" or (kind == "Custom" and stated.kind == "Directory")
    folder = path if is_folder else posixpath.dirname(path)
    if not path.startswith("/") or folder in ("/", "//"):
        message = "must be an absolute path in a folder of its own, which the trainer and the collector share"
        raise InvalidInput([Problem(where, message, stated.path)])
    volumes.share(folder, place)
    return path


def _metrics(trial: Trial, settings: CollectorSettings) -> list[str]:
    if settings.metrics:
        return list(settings.metrics)
    objective = trial.spec.objective
    if objective is None:
        return []
    others = [
        *(objective.additional_metric_names or []),
        *(strategy.name for strategy in objective.metric_strategies or []),
        *(bound.metric_name for bound in objective.bounds or []),
    ]
    return list(dict.fromkeys([objective.objective_metric_name, *others]))


def _document(
    trial: Trial,
    settings: CollectorSettings,
    container: Mapping[str, Any],
    *,
    folder: str,
    path: str,
    wrapped: bool,
    ends_with_trainer: bool,
) -> dict[str, Any]:
    """Return what the sidecar is told."""
    spec = trial.spec.metrics_collector
    source = spec.source if spec else None
    kind = _kind_of(spec)
    address = settings.store_address
    said: dict[str, Any] = {
        "namespace": trial.metadata.namespace or "default",
        "trial": trial.metadata.name,
        "metrics": _metrics(trial, settings),
        "store": address if "://" in address else f"http://{address}",
        "kind": kind,
        "folder": folder,
        "wrapped": wrapped,
        "ends_itself": wrapped and ends_with_trainer,
    }
    if path and kind in _FILES:
        said["path"] = path
        said["is_json"] = bool(source and source.file_system_path and source.file_system_path.format == "JSON")
    if source and source.filter and source.filter.metrics_format:
        said["filters"] = list(source.filter.metrics_format)
    if trial.spec.objective is not None:
        said["maximize"] = trial.spec.objective.type == "maximize"
    if trial.spec.early_stopping_rules:
        said["rules"] = [
            {
                "name": rule.name,
                "value": rule.value,
                "comparison": rule.comparison,
                "start_step": rule.start_step or 0,
            }
            for rule in trial.spec.early_stopping_rules
        ]
    if kind == "PrometheusMetric":
        said["http"] = _http(spec, container)
    if settings.store_ca:
        said["store_ca"] = settings.store_ca
    return said


def _http(spec: MetricsCollectorSpec | None, container: Mapping[str, Any]) -> dict[str, Any]:
    stated = spec.source.http_get if spec and spec.source else None
    port = 8080 if stated is None or stated.port is None else stated.port
    if isinstance(port, str):
        port = _port_named(port, container)
    found: dict[str, Any] = {"port": port}
    if stated is not None:
        found |= {"path": stated.path or "/metrics", "host": stated.host or "127.0.0.1"}
        found["scheme"] = (stated.scheme or "HTTP").lower()
        found["headers"] = [[header.name, header.value] for header in stated.http_headers or []]
    return found


def _port_named(name: str, container: Mapping[str, Any]) -> int:
    if name.isdecimal():
        return int(name)
    ports = {str(port.get("name")): port.get("containerPort") for port in container.get("ports") or []}
    if not isinstance(ports.get(name), int):
        message = f"is no port of container {container.get('name')!r}, which has {', '.join(ports) or 'none'}"
        raise InvalidInput([Problem("spec.metricsCollectorSpec.source.httpGet.port", message, name)])
    return int(ports[name] or 0)


# -- the sidecar ------------------------------------------------------------------------------------------------------


def _sidecar(
    pod_spec: Mapping[str, Any],
    primary: Mapping[str, Any],
    settings: CollectorSettings,
    said: Mapping[str, Any],
    folder: str,
) -> dict[str, Any]:
    secret = {"KATIB_REPORT_TOKEN": settings.report_token} if settings.report_token else {}
    text = json.dumps(said, separators=(",", ":"), sort_keys=True)
    return {
        "name": _free_name(pod_spec, COLLECTOR_CONTAINER),
        "restartPolicy": "Always",
        "env": [
            *_environment({"KATIB_COLLECTOR": text, **secret}),
            {"name": "KATIB_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        ],
        # Kubernetes starts no further container before this has ended: the trainer finds its launcher.
        "lifecycle": {"postStart": {"exec": {"command": [_LAUNCHER_IN_IMAGE, "--install", folder]}}},
        **_own_container(pod_spec, primary, settings),
    }


def _own_container(
    pod_spec: Mapping[str, Any], primary: Mapping[str, Any], settings: CollectorSettings
) -> dict[str, Any]:
    """Return what every container has that is put beside the trainer's."""
    return {
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "resources": copy.deepcopy(dict(settings.resources)),
        "securityContext": {
            **_user(pod_spec, primary),
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _user(pod_spec: Mapping[str, Any], primary: Mapping[str, Any]) -> dict[str, int]:
    """Return who the sidecar is: the trainer's user where the template says one, as it reads the trainer's files; never root.

    Where nobody says one it is the image's: some clusters choose a user for every container and take no other.
    """
    of_pod = (pod_spec.get("securityContext") or {}).get("runAsUser")
    own = (primary.get("securityContext") or {}).get("runAsUser")
    if own:
        return {"runAsUser": own}
    return {"runAsUser": _USER} if of_pod == 0 else {}


def _free_name(pod_spec: Mapping[str, Any], name: str) -> str:
    taken = {str(container.get("name")) for container in _all_containers(pod_spec)}
    return next(each for each in _candidates(name) if each not in taken)


def _all_containers(pod_spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for group in ("initContainers", "containers"):
        yield from pod_spec.get(group) or []


def _candidates(name: str) -> Iterator[str]:
    yield name
    for number in range(2, 1_000):
        yield f"{name}-{number}"


def _add_custom(
    pod_spec: dict[str, Any], trial: Trial, settings: CollectorSettings, volumes: SharedVolumes, folder: str
) -> None:
    """Add the user's own collector beside the trainer."""
    spec = trial.spec.metrics_collector
    stated = spec.collector.custom_collector if spec and spec.collector else None
    where = "spec.metricsCollectorSpec.collector.customCollector"
    if not stated or not stated.get("name") or not stated.get("image"):
        raise InvalidInput([Problem(where, "is required: a container with a name and an image")])
    container = copy.deepcopy(stated)
    if container["name"] in {each.get("name") for each in _all_containers(pod_spec)}:
        raise InvalidInput([Problem(f"{where}.name", "is the name of another container of the pod", container["name"])])
    _prepend(
        container,
        _environment(
            {
                "KATIB_TRIAL_NAME": trial.metadata.name,
                "KATIB_NAMESPACE": trial.metadata.namespace or "default",
                "KATIB_STORE_ADDRESS": settings.store_address,
                "KATIB_REPORT_TOKEN": settings.report_token,
                "KATIB_COLLECTION_FOLDER": folder,
                "KATIB_METRICS_FILE": f"{folder}/metrics.jsonl",
            }
        ),
    )
    volumes.mount_in(container)
    pod_spec["containers"].append(container)
