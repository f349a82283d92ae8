"""Experiments as the operator works with them: defaulted, checked, with their template and seed; once for each generation."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from katib.admission import admit
from katib.api.experiment import ExperimentStatus
from katib.api.parse import parse_experiment
from katib.errors import InvalidExperiment, InvalidInput, NotFound
from katib.kube.resource import CONFIG_MAPS
from katib.operator.kinds import COMPONENT_LABEL
from katib.template.collection_check import collection_problems

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from katib.api.experiment import Experiment
    from katib.kube.client import Client

__all__ = ["ApiConfigMaps", "admitted", "refusal", "with_status"]

_BUDGET: Final = {
    "maxTrialCount": "max_trial_count",
    "parallelTrialCount": "parallel_trial_count",
    "maxFailedTrialCount": "max_failed_trial_count",
}
_METADATA: Final = ("name", "namespace", "uid", "labels", "annotations", "generation", "creationTimestamp")


@dataclass(frozen=True, slots=True)
class ApiConfigMaps:
    """ConfigMaps of the cluster, for templates that are kept there.

    Those of another namespace are read only where their owners share them: with Katib's label for templates.
    """

    client: Client
    namespace: str = ""
    """Of the experiment."""

    def read(self, namespace: str, name: str, key: str) -> str:
        """Return the text of a key.

        Raises:
            NotFound: There is none.
        """
        found = self.client.get(CONFIG_MAPS, name, namespace)
        shared = (found["metadata"].get("labels") or {}).get(COMPONENT_LABEL) == "trial-templates"
        if namespace != self.namespace and not shared:
            raise NotFound(
                f"ConfigMap {namespace}/{name} is in another namespace and not shared; "
                f"its owner shares it with the label {COMPONENT_LABEL}=trial-templates"
            )
        data = found.get("data") or {}
        if key not in data:
            known = ", ".join(sorted(data)) or "none"
            raise NotFound(f"ConfigMap {namespace}/{name} has no key {key!r} (it has {known})")
        text: str = data[key]
        return text


def admitted(
    resource: Mapping[str, Any], config_maps: ApiConfigMaps, *, served: Collection[str] = (), webhook: bool = False
) -> Experiment:
    """Return the experiment of a resource, without its status.

    Args:
        resource: Of the API server.
        config_maps: Where templates may be kept.
        served: Algorithms that other services have, and judge.
        webhook: Whether one sees the pods that controllers make.

    Raises:
        InvalidInput: With every problem.
        KatibError: Its template cannot be read now.
    """
    metadata = {field: resource["metadata"][field] for field in _METADATA if field in resource["metadata"]}
    document = {
        "apiVersion": resource["apiVersion"],
        "kind": resource["kind"],
        "metadata": metadata,
        "spec": resource.get("spec") or {},
    }
    config_maps = replace(config_maps, namespace=metadata["namespace"])
    experiment = _admit(document, config_maps, served, begun=_has_begun(resource))
    if faults := collection_problems(experiment, webhook=webhook):
        raise InvalidExperiment(faults)
    if experiment.spec.seed is None:
        # No need to write it anywhere: the uid is as good a draw as any, and stays.
        digest = hashlib.blake2b((experiment.metadata.uid or "").encode(), digest_size=4).digest()
        spec = experiment.spec.model_copy(update={"seed": int.from_bytes(digest, "big") >> 1})
        experiment = experiment.model_copy(update={"spec": spec})
    return experiment


def _admit(document: dict[str, Any], config_maps: ApiConfigMaps, served: Collection[str], *, begun: bool) -> Experiment:
    """Return the experiment of a document; one that has begun is not refused for its budget, which may be edited at any time.

    Raises:
        InvalidInput: With every problem.
        KatibError: Its template cannot be read now.
    """
    try:
        return admit(json.dumps(document), config_maps=config_maps, served_elsewhere=served)
    except InvalidExperiment as error:
        if not begun:
            raise
        first = error
    spec = {name: value for name, value in document["spec"].items() if name not in _BUDGET}
    try:
        admitted = admit(json.dumps({**document, "spec": spec}), config_maps=config_maps, served_elsewhere=served)
    except InvalidExperiment:
        raise first from None
    stated = parse_experiment(document).spec
    budget = {field: value for field in _BUDGET.values() if (value := getattr(stated, field)) is not None}
    return admitted.model_copy(update={"spec": admitted.spec.model_copy(update=budget)})


def _has_begun(resource: Mapping[str, Any]) -> bool:
    """Whether an experiment has run, so that it was without fault when it began."""
    conditions = (resource.get("status") or {}).get("conditions") or ()
    return any(each.get("type") in ("Running", "Restarting") for each in conditions)


def with_status(experiment: Experiment, status: Mapping[str, Any] | None) -> Experiment:
    """Return the experiment with the status that a resource has; one that cannot be read counts as none."""
    try:
        parsed = ExperimentStatus.model_validate(status or {})
    except ValueError:
        parsed = ExperimentStatus()
    return experiment.model_copy(update={"status": parsed})


def refusal(error: InvalidInput) -> str:
    """Return what is wrong with an experiment, as one text for a condition."""
    text = str(error)
    longest = 8_000
    return text if len(text) <= longest else f"{text[:longest]} …"
