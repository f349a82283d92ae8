"""The optional webhook for pods: those of kinds whose controllers make pods of something else than a pod template in the job.

Everything else is collected from without it. Whatever happens here, the pod is let through: at worst a trial has no metrics, and says
why. Only what finds the trial asks the API server, and that is remembered (``pod_webhook_owners``).
"""

from __future__ import annotations

import base64
import copy
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from katib.api.trial import Trial
from katib.errors import InvalidInput, KatibError
from katib.operator import kinds
from katib.operator.trial_objects import is_final
from katib.template.collection import collect_from_pod
from katib.template.trial_kind import pod_templates, trial_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from katib.operator.pod_webhook_owners import TrialFinder
    from katib.template.collection import CollectorSettings

__all__ = ["PodWebhook", "UnreadableReview"]

_LOGGER: Final = logging.getLogger(__name__)
_API_VERSION: Final = "admission.k8s.io/v1"
_COLLECTOR_VARIABLE: Final = "KATIB_COLLECTOR"
_LONGEST_WARNING: Final = 250
"""The API server cuts what is longer."""


class UnreadableReview(Exception):
    """What was sent is no review of a pod."""


class PodWebhook:
    """Answers admission reviews.

    Args:
        find: Finds the trial that a pod belongs to.
        settings: Of a trial's collector.
        record: Takes an event: about what, reason, message, kind.

    Example::

        answer = PodWebhook(finder, settings_of).review(json.loads(body))
    """

    def __init__(
        self,
        find: TrialFinder,
        settings: Callable[[Trial], CollectorSettings],
        *,
        record: Callable[[dict[str, Any], str, str, str], None] = lambda *_: None,
    ) -> None:
        self._find = find
        self._settings = settings
        self._record = record

    def review(self, document: object) -> dict[str, Any]:
        """Return the answer to a review, which always lets the pod through.

        Raises:
            UnreadableReview: It is none.
        """
        request = document.get("request") if isinstance(document, dict) else None
        if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
            raise UnreadableReview("an AdmissionReview with a request is wanted")
        response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
        try:
            operations, warning = self._look_at(request)
        except Exception as error:
            # Whose pod it is may not be known, so that its maker is told nothing.
            _LOGGER.warning("a pod is let through as it is: %s", error, exc_info=not isinstance(error, KatibError))
            operations, warning = [], ""
        if operations:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode("ascii")
        if warning:
            response["warnings"] = [warning[:_LONGEST_WARNING]]
        return {"apiVersion": _API_VERSION, "kind": "AdmissionReview", "response": response}

    def _look_at(self, request: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
        """Return the patch of a pod, and what its maker is to be told."""
        pod, namespace = request.get("object"), request.get("namespace")
        if (
            request.get("operation") != "CREATE"
            or (request.get("resource") or {}).get("resource") != "pods"
            or request.get("subResource")
            or not isinstance(pod, dict)
            or not isinstance(namespace, str)
        ):
            return [], ""
        found = self._find.trial_of(pod, namespace)
        if found is None or _is_collected(pod):
            return [], ""
        trial = Trial.model_validate({name: found[name] for name in ("metadata", "spec")})
        changed = copy.deepcopy(pod)
        metadata = changed["metadata"] = changed.get("metadata") or {}
        _label(metadata, trial, found)
        warning = ""
        if not is_final(found) and _is_primary(pod, trial):
            spec = copy.deepcopy(changed.get("spec") or {})
            labelled = copy.deepcopy(metadata)
            try:
                collect_from_pod(spec, labelled, trial, self._settings(trial))
            except InvalidInput as error:  # its pod runs as it would have run
                said = "; ".join(str(problem) for problem in error.problems)
                warning = f"katib: no metrics will be collected from this pod: {said}"
                if not request.get("dryRun"):
                    self._record(dict(found), "CollectorNotInjected", said, "Warning")
            else:
                changed["spec"], changed["metadata"] = spec, {**metadata, "labels": labelled["labels"]}
        return _patch(pod, changed), warning


def _is_collected(pod: Mapping[str, Any]) -> bool:
    """Whether the pod came with the collector, from its template."""
    spec = pod.get("spec") or {}
    return any(
        variable.get("name") == _COLLECTOR_VARIABLE
        for container in spec.get("initContainers") or ()
        for variable in container.get("env") or ()
    )


def _is_primary(pod: Mapping[str, Any], trial: Trial) -> bool:
    """Whether metrics are collected from this pod."""
    wanted, run = trial.spec.primary_pod_labels, trial.spec.run_spec or {}
    if pod_templates(run, wanted):
        return False  # those that are to have the collector came with it
    if wanted is None:
        kind = trial_kind(run.get("apiVersion"), run.get("kind"))
        wanted = dict(kind.primary_pod_labels) if kind is not None else {}
    labels = (pod.get("metadata") or {}).get("labels") or {}
    return all(labels.get(name) == value for name, value in wanted.items())


def _label(metadata: dict[str, Any], trial: Trial, found: Mapping[str, Any]) -> None:
    """Label every pod of a trial, so that the operator sees it; a label that the pod has stays, but for the trial's."""
    labels = found["metadata"].get("labels") or {}
    metadata["labels"] = {
        **{name: value for name, value in labels.items() if isinstance(value, str)},
        **(metadata.get("labels") or {}),
        kinds.TRIAL_LABEL: trial.metadata.name,
    }


def _patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the operations that make one pod of another: whole fields of ``spec``, and the labels."""
    operations: list[dict[str, Any]] = []
    labels = new["metadata"].get("labels")
    if labels != (old.get("metadata") or {}).get("labels"):
        if not old.get("metadata"):
            operations.append({"op": "add", "path": "/metadata", "value": {}})
        operations.append({"op": "add", "path": "/metadata/labels", "value": labels})
    before, after = old.get("spec") or {}, new.get("spec") or {}
    # "add" puts a field of an object in the place of what is there.
    operations += [
        {"op": "add", "path": f"/spec/{name}", "value": value}
        for name, value in after.items()
        if value != before.get(name)
    ]
    return operations
