"""The Suggestion of an experiment: how many points were asked for and given, and the newest of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.engine.conditions import with_condition
from katib.engine.status import over
from katib.operator.trial_objects import owner_reference

if TYPE_CHECKING:
    from datetime import datetime

    from katib.api.experiment import Experiment
    from katib.engine.ledger import Ledger
    from katib.operator.conversation import Conversation

__all__ = ["suggestion_object", "suggestion_status"]

_SHOWN: Final = 50
"""Points in the status; all of them are in their Trials and in the store, and an object in etcd must not grow with their number."""


def suggestion_object(experiment: Experiment, *, requests: int) -> dict[str, Any]:
    """Return the Suggestion of an experiment, without its status."""
    spec = experiment.spec
    algorithm = spec.algorithm.to_document() if spec.algorithm else {"algorithmName": ""}
    body: dict[str, Any] = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Suggestion",
        "metadata": {
            "name": experiment.metadata.name,
            "namespace": experiment.metadata.namespace,
            "labels": dict(experiment.metadata.labels or {}),
            "ownerReferences": [owner_reference(experiment)],
        },
        "spec": {"algorithm": algorithm, "requests": requests, "resumePolicy": spec.resume_policy or "Never"},
    }
    if spec.early_stopping is not None:
        body["spec"]["earlyStopping"] = spec.early_stopping.to_document()
    return body


def suggestion_status(
    experiment: Experiment, ledger: Ledger, *, issued: int, conversation: Conversation, now: datetime
) -> dict[str, Any]:
    """Return its status."""
    status = experiment.status
    started = status.start_time if status and status.start_time else now
    conditions = with_condition([], "Created", "SuggestionCreated", "Suggestion is created", started)
    completed = None
    readiness = conversation.readiness
    if readiness is not None and not over(status):
        conditions = with_condition(
            conditions,
            "DeploymentReady",
            "DeploymentReady" if readiness.ready else "DeploymentNotReady",
            readiness.message,
            started,
            status="True" if readiness.ready else "False",
        )
    if conversation.state.error:
        conditions = with_condition(conditions, "Failed", "SuggestionFailed", conversation.state.error, started)
    elif over(status) and status is not None:
        completed = status.completion_time or started
        if readiness is not None and experiment.spec.resume_policy != "LongRunning":
            conditions = with_condition(
                conditions,
                "DeploymentReady",
                "Suggestion is succeeded",
                "Deployment is not ready",
                started,
                status="False",
            )
        conditions = with_condition(
            conditions, "Running", "Suggestion is succeeded", "Suggestion is not running", started, status="False"
        )
        conditions = with_condition(
            conditions, "Succeeded", "Experiment is succeeded", "Suggestion is succeeded", completed
        )
    elif readiness is None or readiness.ready:
        message = conversation.trouble or "Suggestion is running"
        conditions = with_condition(conditions, "Running", "SuggestionRunning", message, started)
    newest = [ledger.at(index) for index in range(max(issued - _SHOWN, 0), issued) if _has(ledger, index)]
    found: dict[str, Any] = {
        "startTime": _text(started),
        "suggestionCount": issued,
        "conditions": [condition.to_document() for condition in conditions],
        "suggestions": [
            {
                "name": record.name,
                "parameterAssignments": [{"name": name, "value": value} for name, value in record.assignments],
                **({"labels": dict(record.labels)} if record.labels else {}),
                **({"earlyStoppingRules": [rule.to_document() for rule in record.rules]} if record.rules else {}),
            }
            for record in newest
        ],
    }
    if completed is not None:
        found["completionTime"] = _text(completed)
    if conversation.settings:
        found["algorithmSettings"] = [{"name": name, "value": value} for name, value in conversation.settings]
    return found


def _has(ledger: Ledger, index: int) -> bool:
    try:
        ledger.at(index)
    except KeyError:
        return False
    return True


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
