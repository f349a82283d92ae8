"""Why nothing happens to an experiment: which operators there are, which namespaces they watch, and whether they live.

A user's program asks, with whatever its user may see; what may not be seen is said with the question that an administrator can answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Denied, KatibError, NotFound
from katib.kube.resource import DEPLOYMENTS, LEASES
from katib.operator.kinds import COMPONENT_LABEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from katib.operator.cluster_client import ClusterClient

__all__ = ["WHO_OPERATES", "why_unattended"]

_SELECTOR: Final = f"{COMPONENT_LABEL}=operator"
WHO_OPERATES: Final = f"kubectl get deployments --all-namespaces --selector={_SELECTOR} --output=wide"
"""What shows which operators there are."""
_USUAL: Final = ("katib", "kubeflow")
"""Where one may be looked for by who may not look everywhere."""
_WATCH: Final = "--watch-namespace"
_LEASE: Final = "katib-operator"
_AGE: Final = 60.0
"""Seconds without a renewal after which the holder of a lease does not live, whatever clocks say."""


@dataclass(frozen=True, slots=True)
class _Operator:
    """One Deployment of an operator."""

    namespace: str
    name: str
    watches: str | None
    """The only namespace; None for all."""
    ready: int
    wanted: int

    @property
    def log(self) -> str:
        return f"kubectl --namespace={self.namespace} logs deployment/{self.name}"


def why_unattended(client: ClusterClient, namespace: str) -> str:
    """Return why no operator takes up the experiments of a namespace, and how to see it, as sentences for their user."""
    try:
        operators, is_all = _operators(client, namespace)
    except KatibError as error:
        return f"the cluster's operators cannot be looked up ({error}); `{WHO_OPERATES}` shows them"
    watching = [each for each in operators if each.watches in (None, namespace)]
    if watching:
        return _of_watching(client, watching[0])
    if operators:
        known = "; ".join(f"{each.namespace}/{each.name} watches {each.watches}" for each in operators)
        there = "" if is_all else ", of those that can be seen with your rights"
        others = "create the experiment where one does, or install one that watches this namespace"
        return f"no operator watches namespace {namespace!r}{there} ({known}): {others} (docs/install-kubernetes.md)"
    if not is_all:
        return (
            f"which operators there are cannot be seen with your rights: ask whoever runs the cluster whether one watches "
            f"namespace {namespace!r}; `{WHO_OPERATES}` shows them, and `{_WATCH}` among their arguments says what they watch"
        )
    holder = _holder_anywhere(client)
    if holder:
        return (
            f"the cluster has no Deployment of an operator, but one that is run otherwise ({holder}): it may watch other "
            f"namespaces than {namespace!r} only ({_WATCH} of `katib serve operator`)"
        )
    return "the cluster has no operator: `kubectl apply -k deploy/overlays/standalone` installs one (docs/install-kubernetes.md)"


def _operators(client: ClusterClient, namespace: str) -> tuple[list[_Operator], bool]:
    """Return the operators that may be seen, and whether these are all."""
    try:
        found, _ = client.list(DEPLOYMENTS, label_selector=_SELECTOR)
    except Denied:
        found = []
        for each in dict.fromkeys((namespace, *_USUAL)):
            try:
                found += client.list(DEPLOYMENTS, each, label_selector=_SELECTOR)[0]
            except (Denied, NotFound):
                continue
        return [_operator(each) for each in found], False
    return [_operator(each) for each in found], True


def _operator(deployment: Mapping[str, Any]) -> _Operator:
    metadata, spec = deployment["metadata"], deployment.get("spec") or {}
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
    words = [str(word) for each in containers for word in [*(each.get("command") or ()), *(each.get("args") or ())]]
    watches = _watched(words)
    return _Operator(
        namespace=metadata["namespace"],
        name=metadata["name"],
        watches=metadata["namespace"] if watches is not None and watches.startswith("$(") else watches,
        ready=(deployment.get("status") or {}).get("readyReplicas") or 0,
        wanted=spec.get("replicas", 1),
    )


def _watched(words: Iterable[str]) -> str | None:
    """Return the namespace that a command line names, which may be a variable of the pod's own."""
    is_next = False
    for word in words:
        if is_next:
            return word
        name, separator, value = word.partition("=")
        if name == _WATCH:
            if separator:
                return value
            is_next = True
    return None


def _of_watching(client: ClusterClient, operator: _Operator) -> str:
    name = f"operator {operator.namespace}/{operator.name}"
    if operator.ready == 0:
        describe = f"kubectl --namespace={operator.namespace} describe deployment {operator.name}"
        return f"{name} is not ready ({operator.ready} of {operator.wanted} pods): `{describe}` and `{operator.log}` say why"
    try:
        lease = client.get(LEASES, _LEASE, operator.namespace)
    except KatibError:
        lease = {}
    age = _age(lease)
    if age is not None and age > _AGE:
        held = f"its lease {operator.namespace}/{_LEASE} was renewed last {age:.0f} s ago"
        return f"{name} is ready but does not act: {held}; `{operator.log}` says why"
    return f"{name} watches this namespace and is ready, and should have: `{operator.log}` says what it does"


def _age(lease: Mapping[str, Any]) -> float | None:
    """Return how long ago a lease was renewed, by this machine's clock."""
    renewed = str((lease.get("spec") or {}).get("renewTime"))
    try:
        return time.time() - datetime.fromisoformat(renewed).astimezone(UTC).timestamp()
    except ValueError:
        return None


def _holder_anywhere(client: ClusterClient) -> str:
    """Return the lease of an operator that lives, and who holds it; empty where there is none, or none may be seen."""
    try:
        found = client.request("GET", LEASES.path(), query={"fieldSelector": f"metadata.name={_LEASE}"})
    except KatibError:
        return ""
    for lease in found.get("items") or []:
        holder, age = (lease.get("spec") or {}).get("holderIdentity"), _age(lease)
        if holder and age is not None and age <= _AGE:
            return f"lease {lease['metadata']['namespace']}/{_LEASE} is held by {holder}"
    return ""
