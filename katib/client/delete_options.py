"""How an experiment is deleted, in Kubernetes' words: ``V1DeleteOptions``, or the same as a dict.

An API server gets them as they are. Everywhere else holds what can: a dry run, and what must be true of the experiment.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from katib.api.similar import did_you_mean
from katib.client.documents import document_of
from katib.errors import Conflict, InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment

__all__ = ["DeleteOptions"]

_ARGUMENT: Final = "delete_options"
_FIELDS: Final = {
    "api_version": "apiVersion",
    "kind": "kind",
    "dry_run": "dryRun",
    "grace_period_seconds": "gracePeriodSeconds",
    "ignore_store_read_error_with_cluster_breaking_potential": "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphan_dependents": "orphanDependents",
    "preconditions": "preconditions",
    "propagation_policy": "propagationPolicy",
}
_PRECONDITIONS: Final = {"uid": "uid", "resource_version": "resourceVersion"}
_POLICIES: Final = ("Foreground", "Background", "Orphan")
_CLUSTERS: Final = {
    "gracePeriodSeconds": "trials end within their own grace",
    "orphanDependents": "trials end with their experiment",
    "ignoreStoreReadErrorWithClusterBreakingPotential": "that is of etcd",
}
"""What only a cluster heeds, and what holds elsewhere."""


class DeleteOptions:
    """Options that were handed over, read.

    Args:
        given: A ``V1DeleteOptions``, a dict of its fields in either spelling, or None.

    Attributes:
        document: As an API server is sent them; empty where nothing was said.

    Raises:
        InvalidInput: It is something else, or says something that is no option.
    """

    def __init__(self, given: Any) -> None:
        self.document: dict[str, Any] = {}
        if given is None:
            return
        stated = document_of(given, _ARGUMENT)
        if not isinstance(stated, dict):
            message = "must be a V1DeleteOptions or a dict such as {'propagation_policy': 'Foreground'}"
            raise InvalidInput([Problem(_ARGUMENT, message, repr(given))])
        named = _named(_ARGUMENT, stated, _FIELDS)
        self.document = {name: value for name, value in named.items() if name not in ("apiVersion", "kind")}
        if isinstance(self.document.get("preconditions"), dict):
            path = f"{_ARGUMENT}.preconditions"
            self.document["preconditions"] = _named(path, self.document["preconditions"], _PRECONDITIONS)
        if isinstance(self.document.get("dryRun"), str):
            self.document["dryRun"] = [self.document["dryRun"]]
        self._check()

    def _check(self) -> None:
        policy, grace = self.document.get("propagationPolicy"), self.document.get("gracePeriodSeconds")
        problems = []
        if policy is not None and policy not in _POLICIES:
            hint = did_you_mean(str(policy), _POLICIES)
            problems.append(Problem(_path("propagationPolicy"), f"must be one of {', '.join(_POLICIES)}", policy, hint))
        if grace is not None and (type(grace) is not int or grace < 0):
            problems.append(Problem(_path("gracePeriodSeconds"), "must be a whole number from 0 on", repr(grace)))
        if self.document.get("dryRun", []) not in ([], ["All"]):
            problems.append(Problem(_path("dryRun"), "must be ['All']", repr(self.document["dryRun"])))
        must = self.document.get("preconditions", {})
        if not isinstance(must, dict) or not all(isinstance(value, str) for value in must.values()):
            problems.append(Problem(_path("preconditions"), "must have a uid, a resource_version or both", repr(must)))
        if problems:
            raise InvalidInput(problems)

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is to be deleted."""
        return bool(self.document.get("dryRun"))

    def hold(self, experiment: Experiment) -> None:
        """Hold to them where experiments are no objects of an API server; what means nothing there is warned of.

        Raises:
            Conflict: Something that must be true of the experiment is not.
        """
        idle = [f"{name} ({why})" for name, why in _CLUSTERS.items() if self.document.get(name) is not None]
        if self.document.get("propagationPolicy") == "Orphan":
            idle.append("propagationPolicy Orphan (trials end with their experiment)")
        metadata = experiment.metadata
        must = self.document.get("preconditions") or {}
        for name, found in (("uid", metadata.uid), ("resourceVersion", metadata.resource_version)):
            if name not in must:
                continue
            if name == "resourceVersion" and not found:
                idle.append("preconditions.resourceVersion (experiments have none here: use the uid)")
            elif found != must[name]:
                message = (
                    f"experiment {metadata.name!r} is not deleted: its {name} is {found}, and was to be {must[name]}"
                )
                raise Conflict(message)
        if idle:
            said = f"delete_options means nothing here in {', '.join(idle)}"
            warnings.warn(said, UserWarning, stacklevel=4)  # of the caller of ``delete_experiment``


def _path(field: str) -> str:
    return f"{_ARGUMENT}.{next(name for name, written in _FIELDS.items() if written == field)}"


def _named(path: str, stated: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return fields by their names in a document; those without a value are left out."""
    found = {}
    for name, value in stated.items():
        written = names.get(name, name)
        if written not in names.values():
            raise InvalidInput([Problem(path, f"has no {name!r}", hint=did_you_mean(name, [*names]))])
        if value is not None:
            found[written] = value
    return found
