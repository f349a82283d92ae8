"""Our records as MLflow's JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from katib.api.trial import TrialState
from katib.rest.mlflow.fields import milliseconds_of
from katib.store.tracking.mlflow_status import MLFLOW_STATUSES
from katib.store.tracking.records import DEFAULT_PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.store.protocol import Observed
    from katib.store.tracking.records import DatasetUse, Metric, Project, Run

__all__ = [
    "CODE",
    "CONTEXT",
    "DEFAULT_ID",
    "NOTE",
    "PARENT",
    "RUN_NAME",
    "USER",
    "double",
    "experiment",
    "experiment_id_of",
    "latest_metric",
    "observed",
    "pairs",
    "run",
    "run_info",
    "state_of",
]

DEFAULT_ID: Final = "0"
"""What MLflow's clients call the experiment of runs that name none."""
PARENT: Final = "mlflow.parentRunId"
RUN_NAME: Final = "mlflow.runName"
NOTE: Final = "mlflow.note.content"
USER: Final = "mlflow.user"
CONTEXT: Final = "mlflow.data.context"

CODE: Final = {
    "mlflow.source.git.commit": "revision",
    "mlflow.source.git.repoURL": "repository",
    "mlflow.source.git.branch": "branch",
    "mlflow.source.name": "entry_point",
}
"""Where in a run's provenance the tags belong that MLflow's client sets by itself."""
_STATES: Final = {
    "RUNNING": TrialState.RUNNING,
    "SCHEDULED": TrialState.CREATED,
    "FINISHED": TrialState.SUCCEEDED,
    "FAILED": TrialState.FAILED,
    "KILLED": TrialState.KILLED,
}
_NUMBERS: Final = ("", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
"""The statuses by their numbers in MLflow's messages."""


def state_of(status: Any) -> TrialState | None:
    """Return the state that a status means, by its name or its number; None for what is none."""
    if isinstance(status, int) and not isinstance(status, bool) and 0 <= status < len(_NUMBERS):
        status = _NUMBERS[status]
    return _STATES.get(status) if isinstance(status, str) else None


def experiment_id_of(project_id: str, project: str) -> str:
    """Return what MLflow calls a project."""
    return DEFAULT_ID if project == DEFAULT_PROJECT else project_id


def experiment(project: Project) -> dict[str, Any]:
    """Return a project."""
    tags = dict(project.facts.tags)
    if project.description:
        tags.setdefault(NOTE, project.description)
    return {
        "experiment_id": experiment_id_of(project.id, project.name),
        "name": project.name,
        "artifact_location": f"mlflow-artifacts:/{project.id}",
        "lifecycle_stage": _stage(project),
        "last_update_time": milliseconds_of(project.updated),
        "creation_time": milliseconds_of(project.created),
        "tags": pairs(tags),
        "workspace": project.namespace,
    }


def run_info(found: Run) -> dict[str, Any]:
    """Return the row of a run."""
    info = {
        "run_id": found.id,
        "run_uuid": found.id,
        "run_name": found.name,
        "experiment_id": experiment_id_of(found.project_id, found.project),
        "user_id": found.owner,
        "status": MLFLOW_STATUSES[found.state],
        "start_time": milliseconds_of(found.began),
        "artifact_uri": f"mlflow-artifacts:/{found.project_id}/{found.id}/artifacts",
        "lifecycle_stage": _stage(found),
    }
    if found.ended is not None:
        info["end_time"] = milliseconds_of(found.ended)
    return info


def run(found: Run) -> dict[str, Any]:
    """Return a run with what was logged to it."""
    # Those of a trial that we drive are not stored as tags, but MLflow's pages and clients look for them there.
    tags = {**found.facts.tags, RUN_NAME: found.name}
    if found.parent_id is not None:
        tags[PARENT] = found.parent_id
    for name, text in ((USER, found.owner), (NOTE, found.description)):
        if text:
            tags.setdefault(name, text)
    return {
        "info": run_info(found),
        "data": {
            "metrics": [message for metric in found.metrics if (message := latest_metric(metric, found)) is not None],
            "params": [{"key": parameter.name, "value": parameter.text} for parameter in found.parameters],
            "tags": pairs(tags),
        },
        "inputs": {"dataset_inputs": [_dataset_input(use) for use in found.datasets]},
    }


def latest_metric(metric: Metric, found: Run) -> dict[str, Any] | None:
    """Return the latest report of a metric; None where it is a word, which MLflow has no place for."""
    if metric.value is None:
        return None
    return {
        "key": metric.name,
        "value": double(metric.value),
        "timestamp": milliseconds_of(metric.latest_time or found.began),
        "step": metric.latest_step or 0,
    }


def observed(point: Observed, found: Run) -> dict[str, Any] | None:
    """Return one report of a metric; None where it is a word."""
    if point.value is None:
        return None
    return {
        "key": point.name,
        "value": double(point.value),
        "timestamp": milliseconds_of(point.time or found.began),
        "step": point.step or 0,
    }


def double(value: float) -> float | str:
    """Return a number as the JSON of protocol buffers has it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _dataset_input(use: DatasetUse) -> dict[str, Any]:
    version = use.version
    dataset = {
        "name": version.name,
        "digest": version.digest,
        "source_type": version.source_type,
        "source": version.uri,
    }
    for name, value in (("schema", version.schema), ("profile", version.profile)):
        if value is not None:
            dataset[name] = value if isinstance(value, str) else json.dumps(value)
    tags = dict(use.tags)
    if use.role:
        tags[CONTEXT] = use.role
    return {"tags": pairs(tags), "dataset": dataset}


def pairs(texts: Mapping[str, str]) -> list[dict[str, str]]:
    """Return texts by name as MLflow writes them."""
    return [{"key": name, "value": text} for name, text in texts.items()]


def _stage(record: Project | Run) -> str:
    return "active" if record.deleted is None else "deleted"
