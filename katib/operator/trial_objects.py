"""Trials between the engine and the API server: a record is written as a Trial object, and read back from one.

What a Trial has no field for is in annotations: the index, the attempt, that its result was given, and the standing order to end it.
Reading is done on plain JSON, as it happens with every event of a watch.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from katib.api.column_values import objective_text
from katib.api.experiment import Metric, Observation
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.naming import trial_index
from katib.engine.trial import TrialRecord
from katib.engine.trial_document import trial_resource
from katib.operator import kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import Experiment

__all__ = [
    "annotations_of",
    "compact",
    "experiment_names",
    "experiment_uid",
    "is_final",
    "lost_marks",
    "owner_reference",
    "owning_experiment",
    "record_of",
    "status_of",
    "trial_object",
]

_STATES: Final = {state.value: state for state in TrialState}
_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "annotations",
)
_SPEC: Final = ("parameterAssignments", "labels", "retainRun")
_STATUS: Final = ("startTime", "completionTime", "observation")


def trial_object(record: TrialRecord, experiment: Experiment, job: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the Trial to create for a record, without a status."""
    document = trial_resource(record, experiment, job=job).to_document()
    document.pop("status", None)
    metadata = document["metadata"]
    metadata.pop("creationTimestamp", None)
    metadata["labels"][kinds.EXPERIMENT_UID_LABEL] = experiment.metadata.uid
    metadata["annotations"] = annotations_of(record)
    metadata["ownerReferences"] = [owner_reference(experiment)]
    return document


def owner_reference(experiment: Experiment) -> dict[str, Any]:
    """Return what makes an object go with its experiment."""
    return {
        "apiVersion": experiment.api_version,
        "kind": experiment.kind,
        "name": experiment.metadata.name,
        "uid": experiment.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def owning_experiment(trial: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the reference to the experiment that a Trial object goes with; None where somebody took it away."""
    for owner in trial["metadata"].get("ownerReferences") or ():
        if owner.get("kind") == kinds.EXPERIMENTS.kind and owner.get("controller"):
            found: Mapping[str, Any] = owner
            return found
    return None


def experiment_uid(trial: Mapping[str, Any]) -> str:
    """Return the uid of a Trial's experiment, by its owner and else by its label, as others may edit both; empty where neither is there."""
    owner = owning_experiment(trial)
    said = owner.get("uid") if owner else (trial["metadata"].get("labels") or {}).get(kinds.EXPERIMENT_UID_LABEL)
    return str(said or "")


def experiment_names(trial: Mapping[str, Any]) -> set[str]:
    """Return the names of the experiments that a Trial may belong to by its owner and its label."""
    owner = owning_experiment(trial) or {}
    label = (trial["metadata"].get("labels") or {}).get(kinds.EXPERIMENT_LABEL)
    return {str(name) for name in (owner.get("name"), label) if name}


def lost_marks(trial: Mapping[str, Any], experiment: Experiment, record: TrialRecord) -> dict[str, Any] | None:
    """Return the merge patch that puts back what somebody took from a Trial and by which it is followed; None where all is there."""
    metadata = trial["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    own_labels = {
        kinds.EXPERIMENT_LABEL: experiment.metadata.name,
        kinds.EXPERIMENT_UID_LABEL: experiment.metadata.uid or "",
    }
    own = annotations_of(record)
    if not record.state.is_active or is_final(trial):
        own.pop(kinds.STOPPING, None)  # it has been carried out
    patch: dict[str, Any] = {}
    if lost := {name: value for name, value in own_labels.items() if labels.get(name) != value}:
        patch["labels"] = lost
    # What an order says may be edited: it is an order all the same.
    if lost := {
        name: value
        for name, value in own.items()
        if annotations.get(name) != value and not (name == kinds.STOPPING and annotations.get(name))
    }:
        patch["annotations"] = lost
    if owning_experiment(trial) is None:
        patch["ownerReferences"] = [*(metadata.get("ownerReferences") or ()), owner_reference(experiment)]
    return {"metadata": {"uid": metadata["uid"], **patch}} if patch else None


def annotations_of(record: TrialRecord) -> dict[str, str]:
    """Return the annotations that say what a Trial has no field for."""
    found = {kinds.INDEX: str(record.index)}
    if record.stopping is not None:
        order = {"final": record.stopping.value, "reason": record.reason, "message": record.message}
        found[kinds.STOPPING] = json.dumps(order, sort_keys=True)
    if record.attempt > 1:
        found[kinds.ATTEMPT] = str(record.attempt)
    if record.imported:
        found[kinds.IMPORTED] = "true"
    return found


def status_of(record: TrialRecord, experiment: Experiment) -> dict[str, Any]:
    """Return a Trial's status for a record."""
    document: dict[str, Any] = trial_resource(record, experiment).to_document()
    status: dict[str, Any] = document["status"]
    if record.observation is not None:
        status["objectiveValue"] = objective_text(experiment.spec.objective, record.observation)
    return {name: value for name, value in status.items() if value is not None}


def record_of(trial: Mapping[str, Any]) -> TrialRecord | None:
    """Return the record of a Trial object; None for one that this operator did not make."""
    metadata = trial["metadata"]
    annotations = metadata.get("annotations") or {}
    try:
        index = _index_by_name(trial)
        if index is None:
            index = int(annotations[kinds.INDEX])
        attempt = int(annotations.get(kinds.ATTEMPT, 0))
    except (KeyError, ValueError):
        return None
    spec, status = trial.get("spec") or {}, trial.get("status") or {}
    condition = _current(status)
    state = _STATES[condition["type"]] if condition else TrialState.CREATED
    reason, message = (
        (condition.get("reason") or "", condition.get("message") or "") if condition else ("TrialCreated", "")
    )
    stopping = _order(annotations.get(kinds.STOPPING)) if state.is_active else None
    if stopping is not None:
        final, reason, message = stopping
    return TrialRecord(
        index=index,
        name=metadata["name"],
        state=state,
        assignments=tuple((item["name"], item["value"]) for item in spec.get("parameterAssignments") or ()),
        created=_time(metadata.get("creationTimestamp")) or datetime.now(UTC),
        started=_time(status.get("startTime")),
        finished=_time(status.get("completionTime")),
        observation=_observation(status.get("observation")),
        reason=reason,
        message=message,
        imported=annotations.get(kinds.IMPORTED) == "true",
        stopping=final if stopping is not None else None,
        attempt=attempt or (1 if state is not TrialState.CREATED else 0),
        labels=spec.get("labels") or {},
        rules=tuple(EarlyStoppingRule.model_validate(rule) for rule in spec.get("earlyStoppingRules") or ()),
    )


def is_final(trial: Mapping[str, Any]) -> bool:
    """Whether a Trial has ended."""
    condition = _current(trial.get("status") or {})
    return condition is not None and not _STATES[condition["type"]].is_active


def compact(trial: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a Trial: of one that has ended, only what is read of it again, as there may be ten thousands."""
    if not is_final(trial):
        return trial
    # The names are this module's, one for all trials; those that came with the object are its own.
    found: dict[str, Any] = {name: trial[name] for name in ("apiVersion", "kind") if name in trial}
    found["metadata"] = _kept(trial["metadata"], _METADATA)
    found["metadata"]["ownerReferences"] = [
        _reference(
            str(owner.get("apiVersion")),
            str(owner.get("kind")),
            str(owner.get("name")),
            str(owner.get("uid")),
            controller=bool(owner.get("controller")),
        )
        for owner in trial["metadata"].get("ownerReferences") or ()
    ]
    spec, status = trial.get("spec") or {}, trial.get("status") or {}
    found["spec"] = _kept(spec, _SPEC)
    found["spec"]["runSpec"] = _kept(spec.get("runSpec") or {}, ("apiVersion", "kind"))
    found["status"] = _kept(status, _STATUS)
    found["status"]["conditions"] = [_current(status)]
    return found


def _index_by_name(trial: Mapping[str, Any]) -> int | None:
    """Return the index that a Trial's name says, which nobody can edit; None where the suggestion service chose the name."""
    owner, labels = owning_experiment(trial) or {}, trial["metadata"].get("labels") or {}
    experiment = owner.get("name") or labels.get(kinds.EXPERIMENT_LABEL) or ""
    return trial_index(experiment, experiment_uid(trial), trial["metadata"]["name"])


@lru_cache(maxsize=1024)
def _reference(api_version: str, kind: str, name: str, uid: str, *, controller: bool) -> dict[str, Any]:
    """Return an owner reference, one for all that have the same owner."""
    found: dict[str, Any] = {"apiVersion": api_version, "kind": kind, "name": name, "uid": uid}
    return {**found, "controller": controller, "blockOwnerDeletion": False}


def _kept(fields: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: fields[name] for name in names if name in fields}


def _current(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the condition that says where a Trial is: the last one that holds."""
    for condition in reversed(status.get("conditions") or ()):
        if condition.get("status") == "True" and condition.get("type") in _STATES:
            found: Mapping[str, Any] = condition
            return found
    return None


def _order(text: str | None) -> tuple[TrialState, str, str] | None:
    if not text:
        return None
    try:
        order = json.loads(text)
        return _STATES[order["final"]], str(order.get("reason", "")), str(order.get("message", ""))
    except (ValueError, KeyError, TypeError, RecursionError):  # somebody edited it: it is an order to end all the same
        return TrialState.KILLED, "TrialStopped", "Stopped by the annotation on the Trial"


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _observation(observation: Mapping[str, Any] | None) -> Observation | None:
    if not observation:
        return None
    return Observation(metrics=[Metric.model_validate(metric) for metric in observation.get("metrics") or ()])
