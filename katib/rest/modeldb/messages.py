"""Our records as ModelDB's JSON: names as in its protocol buffers, 64-bit integers as texts, enums by name, empty fields there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from katib.rest.modeldb import key_values
from katib.rest.modeldb.fields import milliseconds_of
from katib.rest.modeldb.provenance import code_version, environment
from katib.store.tracking.records import ArtifactState, RunPart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.rest.modeldb.asked import Asked
    from katib.store.protocol import Observed
    from katib.store.tracking.records import Artifact, Comment, DatasetUse, Project, Run, SearchExperiment

__all__ = [
    "ARTIFACT_TYPES",
    "PARENT",
    "README",
    "SHOWN",
    "artifact",
    "comment",
    "dataset_use",
    "experiment",
    "observation",
    "project",
    "run",
]

ARTIFACT_TYPES: Final = ("IMAGE", "MODEL", "TENSORBOARD", "DATA", "BLOB", "STRING", "CODE", "CONTAINER")
SHOWN: Final = frozenset(RunPart)
PARENT: Final = "modeldb.parent"
"""The property that holds a run's parent: in ModelDB that is not its experiment's business."""
README: Final = "modeldb.readme"


def project(asked: Asked, found: Project) -> dict[str, Any]:
    """Return a project. It has no ``workspace_id``: clients would ask a service for its name that is not here."""
    return {
        "id": asked.shown(found.id),
        "name": found.name,
        "description": found.description,
        "date_created": milliseconds_of(found.created),
        "date_updated": milliseconds_of(found.updated),
        "readme_text": str(found.facts.properties.get(README, "")),
        "attributes": key_values.attributes(found.facts.properties),
        "tags": list(found.facts.tags),
        "owner": found.owner,
    }


def experiment(asked: Asked, found: SearchExperiment) -> dict[str, Any]:
    """Return an experiment."""
    return {
        "id": asked.shown(found.id),
        "project_id": asked.shown(found.project_id),
        "name": found.name,
        "description": found.description,
        "date_created": milliseconds_of(found.created),
        "date_updated": milliseconds_of(found.updated),
        "attributes": key_values.attributes(found.facts.properties),
        "tags": list(found.facts.tags),
        "owner": found.owner,
    }


def run(asked: Asked, found: Run, observations: Iterable[Observed] = ()) -> dict[str, Any]:
    """Return a run with what was logged to it."""
    properties = found.facts.properties
    parent = properties.get(PARENT)
    message: dict[str, Any] = {
        "id": asked.shown(found.id),
        "project_id": asked.shown(found.project_id),
        "experiment_id": asked.shown(found.experiment_id),
        "name": found.name,
        "description": found.description,
        "date_created": milliseconds_of(found.created),
        "date_updated": milliseconds_of(max(filter(None, (found.created, found.started, found.ended)))),
        "start_time": milliseconds_of(found.started),
        "end_time": milliseconds_of(found.ended),
        "parent_id": asked.shown(parent) if isinstance(parent, str) else "",
        "tags": list(found.facts.tags),
        "attributes": key_values.attributes(properties),
        "hyperparameters": key_values.hyperparameters(found.parameters, properties),
        "artifacts": [artifact(file) for file in found.artifacts],
        "datasets": [dataset_use(asked, use) for use in found.datasets],
        "metrics": key_values.metrics(found.metrics),
        "observations": [observation(point) for point in observations],
        "owner": found.owner,
    }
    code = code_version(found.code)
    if code is not None:
        message["code_version_snapshot"] = code
    seen = environment(found.environment)
    if seen is not None:
        message["environment"] = seen
    return message


def observation(point: Observed) -> dict[str, Any]:
    """Return one report of a metric."""
    return {
        "attribute": key_values.key_value(point.name, point.text if point.value is None else point.value),
        "timestamp": milliseconds_of(point.time),
        "epoch_number": point.step,
    }


def artifact(found: Artifact) -> dict[str, Any]:
    """Return the record of a file."""
    said = found.metadata
    kind = found.type.upper()
    return {
        "key": found.path,
        "path": str(said.get("path") or found.uri),
        "path_only": found.state is ArtifactState.LINK,
        "artifact_type": kind if kind in ARTIFACT_TYPES else "BLOB",
        "linked_artifact_id": str(said.get("linked_artifact_id") or ""),
        "filename_extension": str(said.get("filename_extension") or ""),
        "serialization": str(said.get("serialization") or ""),
        "artifact_subtype": str(said.get("artifact_subtype") or ""),
        "upload_completed": found.state is ArtifactState.STORED,
    }


def dataset_use(asked: Asked, use: DatasetUse) -> dict[str, Any]:
    """Return that a run used a version of a dataset."""
    return {
        "key": use.role or use.version.name,
        "path": use.version.uri,
        "path_only": True,
        "artifact_type": "DATA",
        "linked_artifact_id": asked.shown(use.version.id),
    }


def comment(asked: Asked, found: Comment) -> dict[str, Any]:
    """Return a comment."""
    return {
        "id": asked.shown(found.id),
        "user_id": found.author,
        "verta_id": found.author,
        "date_time": milliseconds_of(found.edited or found.created),
        "message": found.text,
    }
