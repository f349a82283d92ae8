"""Experiments as users write and read them, from and to the objects of an API server."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.api import document as documents
from katib.api.defaults import with_defaults
from katib.api.parse import parse_experiment
from katib.api.partial import partial_experiment
from katib.errors import InvalidExperiment, InvalidInput, Problem
from katib.operator.admitted import with_status
from katib.operator.cluster_leases import without_lease_template
from katib.operator.kinds import RECENT_REQUESTS, REQUEST_ID, STOP
from katib.operator.recent_requests import mark_of
from katib.store.protocol import Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from katib.api.experiment import Experiment
    from katib.experiments.protocol import ExperimentQuery

__all__ = [
    "check_query",
    "event_of",
    "experiment_of",
    "label_selector",
    "object_of",
    "readable",
    "single_document",
    "state_of",
]

_OF_THE_SERVER: Final = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
    "selfLink",
)
"""Of the metadata; a document that was read from a cluster can be written to another one."""
_OF_REQUESTS: Final = (STOP, REQUEST_ID, RECENT_REQUESTS)
"""Annotations that only requests of ours make."""
_STATES: Final = ("Created", "Running", "Restarting", "Succeeded", "Failed", "Stopped")
_PLACE: Final = re.compile(r"[a-z0-9.-]{1,253}/[a-z0-9.-]{1,253}")


def single_document(text: str) -> dict[str, Any]:
    """Return the one document of a text.

    Raises:
        InvalidExperiment: It has several, or none.
    """
    read = documents.load(text)
    if len(read) != 1:
        raise InvalidExperiment([Problem("", f"one experiment is wanted here, not {len(read)}")])
    return read[0].content


def check_query(query: ExperimentQuery) -> None:
    """Refuse a question that has no answer.

    Raises:
        InvalidInput: It asks for states that are none, for no experiments, or goes on after what was no page.
    """
    found = [
        Problem("states", f"is none of {', '.join(_STATES)}", state) for state in query.states if state not in _STATES
    ]
    if query.limit < 1:
        found.append(Problem("limit", "must be at least 1", query.limit))
    if query.after and not _PLACE.fullmatch(query.after):
        found.append(Problem("after", "is not what a page before has said", query.after))
    if found:
        raise InvalidInput(found)


def object_of(content: Mapping[str, Any], namespace: str, request_id: str) -> dict[str, Any]:
    """Return the object to create for a document that was admitted: as its user wrote it, without defaults.

    Args:
        content: Of the document.
        namespace: Takes the place of the document's.
        request_id: Of whoever asks for it.
    """
    document: dict[str, Any] = parse_experiment(content).to_document()
    document.pop("status", None)
    metadata = {name: value for name, value in document["metadata"].items() if name not in _OF_THE_SERVER}
    kept = {name: text for name, text in (metadata.get("annotations") or {}).items() if name not in _OF_REQUESTS}
    metadata = {**metadata, "namespace": namespace}
    # Numbers that remember how they were written are plain ones from here on.
    plain: dict[str, Any] = json.loads(json.dumps({**document, "metadata": metadata}))
    said = json.dumps([plain, kept], sort_keys=True).encode()
    plain["metadata"]["annotations"] = {**kept, REQUEST_ID: mark_of(request_id, said)}
    return plain


def experiment_of(resource: Mapping[str, Any]) -> Experiment:
    """Return an experiment with its defaults and its status.

    Fields that somebody else's CRD has let in are left out: whether it can run, the operator says in its status.

    Raises:
        InvalidExperiment: It is none.
    """
    metadata = {name: value for name, value in resource["metadata"].items() if name != "managedFields"}
    document = {
        "apiVersion": resource.get("apiVersion"),
        "kind": resource.get("kind"),
        "metadata": metadata,
        "spec": resource.get("spec") or {},
    }
    try:
        found = parse_experiment(document)
    except InvalidInput as error:
        part = partial_experiment(document, error.problems)
        if part is None:
            raise
        found = part.experiment
    return without_lease_template(with_status(with_defaults(found), resource.get("status")))


def readable(resources: Iterable[Mapping[str, Any]]) -> list[Experiment]:
    """Return the experiments among objects; what is none at all is left out, as one such object hides no other."""
    found = []
    for resource in resources:
        try:
            found.append(experiment_of(resource))
        except InvalidInput:
            continue
    return found


def state_of(experiment: Experiment) -> str:
    """Return where an experiment stands: its current condition; ``Created`` before its operator has seen it."""
    conditions = experiment.status.conditions if experiment.status else []
    return next((each.type for each in reversed(conditions) if each.status == "True"), "Created")


def event_of(document: Mapping[str, Any]) -> Event:
    """Return what an Event object tells; it may be written by any program, and by the rules of either of its APIs."""
    about = document.get("involvedObject") or {}
    series = document.get("series") or {}
    created = (document.get("metadata") or {}).get("creationTimestamp")
    first = document.get("firstTimestamp") or document.get("eventTime") or created
    last = series.get("lastObservedTime") or document.get("lastTimestamp") or first
    return Event(
        reason=str(document.get("reason") or ""),
        message=str(document.get("message") or ""),
        kind="Warning" if document.get("type") == "Warning" else "Normal",
        trial=str(about.get("name") or "") if about.get("kind") == "Trial" else None,
        count=int(series.get("count") or document.get("count") or 1),
        first=_moment(first),
        last=_moment(last),
    )


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC) if text else datetime.fromtimestamp(0, UTC)


def label_selector(labels: Mapping[str, str]) -> str:
    """Return the selector of objects that have all of some labels."""
    return ",".join(f"{name}={text}" for name, text in sorted(labels.items()))
