"""Keeps the suggestion servers that experiments have for themselves as the configuration wants them, and takes them away in the end.

All of it can be done again at any time: what a Deployment was made from is written on it, so that the next operator, and a changed
configuration, find out whether there is anything to do.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Conflict, InvalidInput, Overloaded
from katib.kube.errors import NotFound
from katib.kube.reflector import Reflector
from katib.kube.resource import DEPLOYMENTS, PERSISTENT_VOLUME_CLAIMS, PODS, SERVICES, Resource
from katib.operator import kinds
from katib.operator.composed_service import DEPLOYMENT_LABEL, DIGEST, composed
from katib.operator.katib_config import SUGGESTION_PORT
from katib.operator.pod_reasons import waiting_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from katib.api.experiment import Experiment
    from katib.kube.client import Client
    from katib.operator.composed_service import ComposedObjects
    from katib.operator.katib_config import SuggestionEntry

__all__ = ["ComposedServices", "Readiness"]

_VOLUMES: Final = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
_BY_UID: Final = "experiment-uid"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether an experiment's own server answers.

    Attributes:
        ready: Whether it does.
        message: A sentence for people.
    """

    ready: bool
    message: str


class ComposedServices:
    """The suggestion servers of all experiments that have their own.

    Args:
        client: Of the API server.
        namespace: The only one that is looked at; None for all.
        on_change: Called with an experiment's namespace, name and uid when its server became another: ready, ill, or gone.
    """

    def __init__(
        self, client: Client, *, namespace: str | None, on_change: Callable[[str, str, str], None] = lambda *_: None
    ) -> None:
        self._client = client
        self._on_change = on_change
        self._lock = threading.Lock()
        self._addresses: dict[tuple[str, str], str] = {}
        self.deployments = Reflector(
            client,
            DEPLOYMENTS,
            namespace=namespace,
            label_selector=f"{DEPLOYMENT_LABEL},{kinds.EXPERIMENT_UID_LABEL}",
            on_change=self._changed,
            keep=_compact,
        )
        self.deployments.add_index(_BY_UID, lambda deployment: [_uid_of(deployment)])

    def address(self, experiment: Experiment, entry: SuggestionEntry, *, probes: bool) -> str:
        """Return where an experiment's server answers, having made it as the configuration wants it.

        Raises:
            Overloaded: It does not answer yet; the sentence says why.
            KatibError: The API server could not be asked or told something.
        """
        want = composed(experiment, entry, probes=probes)
        deployment = self._ensure(experiment, want)
        readiness = self._readiness(deployment, entry)
        if not readiness.ready:
            raise Overloaded(readiness.message)
        return self._address(experiment, want)

    def readiness(self, experiment: Experiment, entry: SuggestionEntry) -> Readiness | None:
        """Return what is known of an experiment's server without asking anybody; None where it has none."""
        found = self.deployments.indexed(_BY_UID, experiment.metadata.uid or "")
        return self._readiness(found[0], entry, ask=False) if found else None

    def doubt(self, experiment: Experiment) -> None:
        """Have the address looked up again: nobody answered there."""
        with self._lock:
            for key in [key for key in self._addresses if key[0] == experiment.metadata.uid]:
                del self._addresses[key]

    def refresh(self, experiment: Experiment, entry: SuggestionEntry, *, probes: bool) -> None:
        """Bring a server that is there up to date with a changed configuration."""
        if self.deployments.indexed(_BY_UID, experiment.metadata.uid or ""):
            self._ensure(experiment, composed(experiment, entry, probes=probes))

    def remove(self, experiment: Experiment) -> None:
        """Take an experiment's server away; its volume stays as long as the experiment does."""
        uid = experiment.metadata.uid or ""
        for deployment in self.deployments.indexed(_BY_UID, uid):
            metadata = deployment["metadata"]
            if metadata.get("deletionTimestamp"):
                continue
            self._client.delete(DEPLOYMENTS, metadata["name"], metadata["namespace"], uid=metadata["uid"])
            service = self._found(SERVICES, metadata)
            if service is not None and _controller(service) == uid:
                self._client.delete(SERVICES, metadata["name"], metadata["namespace"], uid=service["metadata"]["uid"])
        self.doubt(experiment)

    # -- making -------------------------------------------------------------------------------------------------------

    def _ensure(self, experiment: Experiment, want: ComposedObjects) -> dict[str, Any]:
        metadata = want.deployment["metadata"]
        known = self.deployments.get(metadata["namespace"], metadata["name"])
        if known is not None and _is_made_from(known, want.digest) and _controller(known) == experiment.metadata.uid:
            return known
        if want.volume is not None:
            self._apply(_VOLUMES, want.volume, experiment)
        if want.claim is not None and self._found(PERSISTENT_VOLUME_CLAIMS, want.claim["metadata"]) is None:
            # One that is there is bound: nearly nothing of it may be changed, and what it holds is the point of it.
            self._apply(PERSISTENT_VOLUME_CLAIMS, want.claim, experiment)
        self._remember(want, self._apply(SERVICES, want.service, experiment))
        # Last, as its annotation says that all of it is there.
        made = self._apply(DEPLOYMENTS, want.deployment, experiment)
        self.deployments.put(made)
        return made

    def _apply(self, resource: Resource, body: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
        """Apply one object, unless there is one of this name that is somebody else's."""
        metadata = body["metadata"]
        found = self._found(resource, metadata)
        if found is not None:
            name = f"{resource.kind} {metadata['name']}"
            if found["metadata"].get("deletionTimestamp"):
                raise Overloaded(f"{name} of another suggestion server is still being taken away")
            labels = found["metadata"].get("labels") or {}
            owner = _controller(found) if resource.namespaced else labels.get(kinds.EXPERIMENT_UID_LABEL)
            if owner != experiment.metadata.uid:
                raise Conflict(
                    f"{name}, which the experiment's suggestion server needs, is there already and belongs to something else; "
                    "delete it, or call the experiment something else"
                )
            body = {**body, "metadata": {**metadata, "uid": found["metadata"]["uid"]}}
        try:
            return self._client.apply(resource, body, field_manager=kinds.FIELD_MANAGER)
        except InvalidInput as error:
            # Not the experiment's fault: it waits until the configuration is mended.
            raise Overloaded(f"the suggestion server cannot be made of what the configuration says: {error}") from error

    def _found(self, resource: Resource, metadata: Mapping[str, Any]) -> dict[str, Any] | None:
        try:
            return self._client.get(resource, metadata["name"], metadata.get("namespace"))
        except NotFound:
            return None

    # -- asking -------------------------------------------------------------------------------------------------------

    def _address(self, experiment: Experiment, want: ComposedObjects) -> str:
        key = _address_key(want)
        with self._lock:
            known = self._addresses.get(key)
        if known is None:
            service = self._found(SERVICES, want.service["metadata"])
            if service is None:  # somebody deleted it: the next look makes it again
                self._apply(SERVICES, want.service, experiment)
                raise Overloaded(f"the Service {want.service['metadata']['name']} is gone and is made again")
            known = self._remember(want, service)
        return known

    def _remember(self, want: ComposedObjects, service: Mapping[str, Any]) -> str:
        """Keep a Service's address: that of the cluster, as a name may not be known everywhere at once."""
        metadata = service["metadata"]
        host = (service.get("spec") or {}).get("clusterIP") or "None"
        if host == "None":
            host = f"{metadata['name']}.{metadata['namespace']}"
        elif ":" in host:
            host = f"[{host}]"
        address = f"{host}:{SUGGESTION_PORT}"
        with self._lock:
            self._addresses[_address_key(want)] = address
        return address

    def _readiness(self, deployment: Mapping[str, Any], entry: SuggestionEntry, *, ask: bool = True) -> Readiness:
        metadata, status = deployment["metadata"], deployment.get("status") or {}
        name = metadata["name"]
        current = (status.get("observedGeneration") or 0) >= (metadata.get("generation") or 0)
        conditions = {each.get("type"): each for each in status.get("conditions") or ()}
        if current and (status.get("availableReplicas") or 0) > 0:
            return Readiness(ready=True, message=f"Deployment {name} is ready")
        said = f"the suggestion server {name} (image {entry.container.get('image')}) is not ready yet"
        failure = conditions.get("ReplicaFailure")
        if failure is not None and failure.get("status") == "True":
            return Readiness(ready=False, message=f"{said}: {failure.get('message') or failure.get('reason')}")
        waiting = self._waiting(metadata) if ask else None
        return Readiness(ready=False, message=f"{said}: {waiting}" if waiting else said)

    def _waiting(self, metadata: Mapping[str, Any]) -> str:
        """Return what its pods say, newest first."""
        selector = f"{DEPLOYMENT_LABEL}={metadata['name']}"
        pods, _ = self._client.list(PODS, metadata["namespace"], label_selector=selector)
        pods.sort(key=lambda pod: pod["metadata"].get("creationTimestamp") or "", reverse=True)
        waiting = waiting_of(pods)
        if waiting is not None:
            return waiting[1]
        return _ended(pods)

    def _changed(self, old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        if old is not None and new is not None and _outlook(old) == _outlook(new):
            return
        metadata = (new or old or {})["metadata"]
        name = (metadata.get("labels") or {}).get(kinds.EXPERIMENT_LABEL, "")
        self._on_change(metadata["namespace"], name, _uid_of(new or old or {}))


def _ended(pods: Iterable[Mapping[str, Any]]) -> str:
    """Return how the container of a pod ended that is to be started again."""
    for pod in pods:
        for container in (pod.get("status") or {}).get("containerStatuses") or ():
            ended = (container.get("lastState") or {}).get("terminated")
            if ended:
                reason = ended.get("reason") or "Error"
                return f"its container ended with exit code {ended.get('exitCode')} ({reason})"
    return ""


def _address_key(want: ComposedObjects) -> tuple[str, str]:
    metadata = want.service["metadata"]
    return str(metadata["labels"][kinds.EXPERIMENT_UID_LABEL]), metadata["name"]


def _is_made_from(deployment: Mapping[str, Any], digest: str) -> bool:
    metadata = deployment["metadata"]
    return not metadata.get("deletionTimestamp") and (metadata.get("annotations") or {}).get(DIGEST) == digest


def _controller(obj: Mapping[str, Any]) -> str | None:
    owners = obj["metadata"].get("ownerReferences") or ()
    found: str | None = next((owner.get("uid") for owner in owners if owner.get("controller")), None)
    return found


def _uid_of(deployment: Mapping[str, Any]) -> str:
    uid: str = (deployment["metadata"].get("labels") or {}).get(kinds.EXPERIMENT_UID_LABEL, "")
    return uid


def _outlook(deployment: Mapping[str, Any]) -> tuple[Any, ...]:
    status = deployment.get("status") or {}
    failing = [each.get("type") for each in status.get("conditions") or () if each.get("type") == "ReplicaFailure"]
    return (
        deployment["metadata"]["uid"],
        bool(deployment["metadata"].get("deletionTimestamp")),
        (status.get("availableReplicas") or 0) > 0,
        (status.get("observedGeneration") or 0) >= (deployment["metadata"].get("generation") or 0),
        failing,
    )


def _compact(deployment: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept: not the spec, which is made anew to be compared."""
    return {name: deployment[name] for name in ("apiVersion", "kind", "metadata", "status") if name in deployment}
