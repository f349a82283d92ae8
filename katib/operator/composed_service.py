"""The objects of a suggestion server that one experiment has for itself, because the configuration names an image for its algorithm.

Names, labels and ports are Katib's. Pure: an experiment and an entry of the configuration in, documents out.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.operator import kinds
from katib.operator.katib_config import PORT_NAME, SUGGESTION_PORT
from katib.operator.trial_objects import owner_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment
    from katib.operator.katib_config import SuggestionEntry

__all__ = ["DEPLOYMENT_LABEL", "DIGEST", "SUGGESTION_LABEL", "ComposedObjects", "composed", "service_name"]

DEPLOYMENT_LABEL: Final = "katib.kubeflow.org/deployment"
SUGGESTION_LABEL: Final = "katib.kubeflow.org/suggestion"
DIGEST: Final = "katib.kubeflow.org/composed-from"
"""An annotation that tells whether a Deployment is what the configuration wants now."""

_CONTAINER: Final = "suggestion"
_VOLUME: Final = "suggestion-volume"
_HEALTH_NAME: Final = "manager.v1beta1.Suggestion"
_LONGEST: Final = 63
_DIGITS: Final = 10
_CONFINED: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True, slots=True)
class ComposedObjects:
    """What one server consists of.

    Attributes:
        service: Where it is asked.
        deployment: What answers.
        claim: Of its volume, for experiments that are resumed from one.
        volume: For the claim, where the configuration describes one.
    """

    service: dict[str, Any]
    deployment: dict[str, Any]
    claim: dict[str, Any] | None = None
    volume: dict[str, Any] | None = None

    @property
    def digest(self) -> str:
        """What the Deployment's annotation says when all of this was applied."""
        text: str = self.deployment["metadata"]["annotations"][DIGEST]
        return text


def service_name(experiment: Experiment, algorithm: str) -> str:
    """Return ``<experiment>-<algorithm>``, shortened where it is longer than the name of a Service may be."""
    name = f"{experiment.metadata.name}-{algorithm}".replace(".", "-")
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=_DIGITS // 2).hexdigest()
    return f"{name[: _LONGEST - 1 - _DIGITS].rstrip('-')}-{digest}"


def composed(experiment: Experiment, entry: SuggestionEntry, *, probes: bool) -> ComposedObjects:
    """Return the objects of an experiment's own suggestion server.

    Args:
        experiment: With its uid; it owns all of them, except a volume, which no namespaced object can own.
        entry: Of its algorithm.
        probes: Whether the server is asked how it is.
    """
    name, namespace = service_name(experiment, entry.algorithm), experiment.metadata.namespace
    chosen = {DEPLOYMENT_LABEL: name, kinds.EXPERIMENT_LABEL: experiment.metadata.name}
    labels = {**chosen, SUGGESTION_LABEL: experiment.metadata.name, kinds.EXPERIMENT_UID_LABEL: experiment.metadata.uid}
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": labels,
        "ownerReferences": [owner_reference(experiment)],
    }
    from_volume = experiment.spec.resume_policy == "FromVolume"
    claim = volume = None
    if from_volume:
        claim = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata,
            "spec": copy.deepcopy(dict(entry.claim_spec)),
        }
        if entry.volume_spec is not None:
            volume = _volume(f"{name}-{namespace}", entry, labels, claim)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "type": "ClusterIP",
            "selector": chosen,
            "ports": [{"name": PORT_NAME, "port": SUGGESTION_PORT, "targetPort": SUGGESTION_PORT, "protocol": "TCP"}],
        },
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": dict(metadata),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": chosen},
            # A volume that one pod has cannot be given to the next before it has gone.
            "strategy": {"type": "Recreate"} if from_volume else {"type": "RollingUpdate"},
            "template": {
                # A mesh would encrypt what the operator sends in the clear, and the pod would not understand it.
                "metadata": {"labels": {**labels, "sidecar.istio.io/inject": "false"}},
                "spec": _pod(entry, name if from_volume else None, probes=probes),
            },
        },
    }
    digest = hashlib.blake2b(
        json.dumps([service, deployment, claim, volume], sort_keys=True).encode(), digest_size=16
    ).hexdigest()
    deployment["metadata"]["annotations"] = {DIGEST: digest}  # type: ignore[index]  # it is a mapping
    return ComposedObjects(service, deployment, claim, volume)


def _pod(entry: SuggestionEntry, claim: str | None, *, probes: bool) -> dict[str, Any]:
    container = copy.deepcopy(dict(entry.container))
    container["name"] = container.get("name") or _CONTAINER
    container.setdefault("imagePullPolicy", "IfNotPresent")
    container["securityContext"] = {**_CONFINED, **(container.get("securityContext") or {})}
    own = {"name": PORT_NAME, "containerPort": SUGGESTION_PORT, "protocol": "TCP"}
    container["ports"] = [own, *(container.get("ports") or [])]
    if probes:
        asked: dict[str, Any] = {"grpc": {"port": SUGGESTION_PORT, "service": _HEALTH_NAME}}
        # Five minutes to start: some algorithms import half a framework.
        container.setdefault("startupProbe", {**asked, "periodSeconds": 1, "failureThreshold": 300})
        container.setdefault("readinessProbe", {**asked, "periodSeconds": 10, "failureThreshold": 12})
        container.setdefault("livenessProbe", {**asked, "periodSeconds": 120, "failureThreshold": 12})
    spec: dict[str, Any] = {"containers": [container]}
    if entry.service_account:
        spec["serviceAccountName"] = entry.service_account
    else:
        spec["automountServiceAccountToken"] = False
    if claim is not None:
        container["volumeMounts"] = [
            *(container.get("volumeMounts") or []),
            {"name": _VOLUME, "mountPath": entry.mount_path},
        ]
        spec["volumes"] = [{"name": _VOLUME, "persistentVolumeClaim": {"claimName": claim}}]
    return spec


def _volume(
    name: str, entry: SuggestionEntry, labels: Mapping[str, str | None], claim: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the volume that is there for one claim only, and goes with it, as Katib forces it to."""
    spec = copy.deepcopy(dict(entry.volume_spec or {}))
    spec["persistentVolumeReclaimPolicy"] = "Delete"
    metadata = claim["metadata"]
    spec.setdefault("claimRef", {"namespace": metadata["namespace"], "name": metadata["name"]})
    if "storageClassName" in claim["spec"]:
        spec.setdefault("storageClassName", claim["spec"]["storageClassName"])
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {**entry.volume_labels, **labels}},
        "spec": spec,
    }
