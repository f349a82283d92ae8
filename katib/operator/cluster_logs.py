"""What the pods of a trial printed: the primary container of the newest primary pod, and of those that follow it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, NotFound
from katib.kube.errors import ServerAway
from katib.kube.resource import LEASES, PODS
from katib.operator import kinds
from katib.operator.trial_objects import is_final
from katib.template.collection import COLLECTOR_CONTAINER

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from katib.operator.cluster_client import ClusterClient

__all__ = ["trial_logs"]

_LOOK_AGAIN: Final = 0.5
_PATIENCE: Final = 60.0
"""Seconds for which an API server that is away is asked again for the rest of a log."""

Object = dict[str, Any]


def trial_logs(client: ClusterClient, namespace: str, trial: str, *, follow: bool) -> Iterator[bytes]:
    """Yield what a trial prints; see ``Experiments.logs``.

    Raises:
        NotFound: At once: there is no such trial, or it has ended and its pods are gone.
    """
    found = client.get(kinds.TRIALS, trial, namespace)
    if ((found.get("spec") or {}).get("runSpec") or {}).get("kind") == LEASES.kind:
        raise NotFound(f"what trial {trial} prints is with whoever runs it: its experiment has no trial template")
    pod = _newest_pod(client, found)
    if pod is None and is_final(found):
        raise NotFound(
            f"the pods of trial {trial} are gone, and what they printed with them; spec.trialTemplate.retain: true keeps both"
        )
    return _followed(client, found, pod) if follow else _printed(client, found, pod)


def _printed(client: ClusterClient, trial: Object, pod: Object | None) -> Iterator[bytes]:
    if pod is None:
        return
    try:
        yield from _pieces(client, trial, pod, follow=False)
    except InvalidInput:  # it has not started, so there is nothing
        return


def _followed(client: ClusterClient, trial: Object, pod: Object | None) -> Iterator[bytes]:
    """Yield what is printed in one pod after the other, until the trial has ended."""
    namespace, name = trial["metadata"]["namespace"], trial["metadata"]["name"]
    read: set[str] = set()
    while True:
        yield b""  # whoever reads no more can be let go
        if pod is not None and pod["metadata"]["uid"] not in read:
            try:
                yield from _pieces(client, trial, pod, follow=True)
                read.add(pod["metadata"]["uid"])
            except InvalidInput:  # it has not started
                pass
            except NotFound:  # it went just now
                read.add(pod["metadata"]["uid"])
        try:
            trial = client.get(kinds.TRIALS, name, namespace)
        except NotFound:
            return
        pod = _newest_pod(client, trial)
        new = pod is not None and pod["metadata"]["uid"] not in read
        if is_final(trial) and not (new and _has_started(pod)):
            return
        time.sleep(_LOOK_AGAIN)


def _pieces(client: ClusterClient, trial: Object, pod: Object, *, follow: bool) -> Generator[bytes]:
    """Yield the log of a pod; when the server breaks off, the rest of it, without what was yielded."""
    metadata = pod["metadata"]
    container = _container(trial, pod)
    yielded, until = 0, time.monotonic() + _PATIENCE
    while True:
        skip = yielded
        try:
            for piece in client.pod_log(metadata["namespace"], metadata["name"], container, follow=follow):
                until = time.monotonic() + _PATIENCE
                new = piece[skip:]
                skip -= min(skip, len(piece))
                if new:
                    yielded += len(new)
                    yield new
        except ServerAway:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_AGAIN)
        else:
            return


def _newest_pod(client: ClusterClient, trial: Mapping[str, Any]) -> Object | None:
    """Return the newest pod of a trial that has its primary container."""
    metadata, spec = trial["metadata"], trial.get("spec") or {}
    selector = f"{kinds.TRIAL_LABEL}={metadata['name']}"
    pods, _ = client.list(PODS, metadata["namespace"], label_selector=selector)
    wanted = spec.get("primaryPodLabels") or {}
    chosen = [pod for pod in pods if wanted.items() <= (pod["metadata"].get("labels") or {}).items()] or pods
    chosen = [pod for pod in chosen if _is_collected(pod)] or chosen
    return max(chosen, key=lambda pod: (pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]), default=None)


def _is_collected(pod: Mapping[str, Any]) -> bool:
    """Whether a pod has the collector: of a job of several pods those have it that are primary."""
    return any(each["name"].startswith(COLLECTOR_CONTAINER) for each in pod["spec"].get("initContainers") or ())


def _container(trial: Mapping[str, Any], pod: Mapping[str, Any]) -> str:
    names = [str(each["name"]) for each in pod["spec"]["containers"]]
    wanted = (trial.get("spec") or {}).get("primaryContainerName")
    if wanted in names:
        return str(wanted)
    return next((name for name in names if name != COLLECTOR_CONTAINER), names[0])


def _has_started(pod: Mapping[str, Any] | None) -> bool:
    return pod is not None and (pod.get("status") or {}).get("phase") not in (None, "Pending")
