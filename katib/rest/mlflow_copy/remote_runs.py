"""What an MLflow server says of an experiment or a run, as our records have it; what is missing or something else is told with its field."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from katib.api.trial import TrialState
from katib.errors import InvalidInput
from katib.metrics.sample import Sample
from katib.rest.mlflow import messages
from katib.rest.mlflow.dataset_inputs import DatasetInput
from katib.rest.mlflow.fields import Fields

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["RUN_ID", "RemoteExperiment", "RemoteRun", "digest_of", "sample_of"]

RUN_ID: Final = "katib.run_id"
"""The tag of a run that is a copy of one of ours; it holds the id of that."""


@dataclass(frozen=True, slots=True)
class RemoteExperiment:
    """An experiment of MLflow's."""

    id: str
    name: str
    deleted: bool
    tags: dict[str, str]

    @classmethod
    def of(cls, fields: Fields) -> RemoteExperiment:
        """Read one."""
        return cls(
            fields.required("experiment_id"),
            fields.required("name"),
            fields.text("lifecycle_stage") == "deleted",
            fields.pairs("tags"),
        )


@dataclass(frozen=True, slots=True)
class RemoteRun:
    """A run of MLflow's.

    Attributes:
        experiment_id: Of MLflow's.
        metrics: Names of those that it reported.
        models: How many logged models came out of it.
        digest: Of all that the server says of it; another one when anything of that changes.
    """

    id: str
    experiment_id: str
    name: str
    owner: str
    state: TrialState
    started: datetime | None
    ended: datetime | None
    deleted: bool
    parameters: dict[str, str]
    tags: dict[str, str]
    metrics: tuple[str, ...]
    inputs: tuple[DatasetInput, ...]
    models: int
    digest: str

    @property
    def parent_id(self) -> str | None:
        """The run that it is nested in."""
        return self.tags.get(messages.PARENT) or None

    @property
    def code(self) -> dict[str, str]:
        """Where its code is from, as the tags say that MLflow's client sets."""
        return {ours: self.tags[theirs] for theirs, ours in messages.CODE.items() if self.tags.get(theirs)}

    @classmethod
    def of(cls, fields: Fields) -> RemoteRun:
        """Read one."""
        info, data = fields.message("info"), fields.message("data")
        tags, parameters = data.pairs("tags"), data.pairs("params")
        status = info.document.get("status")
        state = messages.state_of(status)
        if state is None:
            raise InvalidInput(f"its status is {str(status)[:80]!r}, which is none")
        run_id = info.text("run_id") or info.required("run_uuid")
        metrics = data.messages("metrics")
        return cls(
            id=run_id,
            experiment_id=info.required("experiment_id"),
            name=info.text("run_name") or tags.get(messages.RUN_NAME) or f"run-{run_id[:8]}",
            owner=info.text("user_id") or tags.get(messages.USER, ""),
            state=state,
            started=info.time("start_time"),
            ended=info.time("end_time") if info.integer("end_time") else None,
            deleted=info.text("lifecycle_stage") == "deleted",
            parameters=parameters,
            tags=tags,
            metrics=tuple(dict.fromkeys(metric.required("key") for metric in metrics)),
            inputs=tuple(map(DatasetInput.of, _below(fields, "inputs", "dataset_inputs"))),
            models=len(_below(fields, "outputs", "model_outputs")),
            digest=digest_of(
                {
                    "info": info.document,
                    "tags": tags,
                    "params": parameters,
                    "metrics": sorted(json.dumps(metric.document, sort_keys=True) for metric in metrics),
                    "inputs": fields.document.get("inputs"),
                }
            ),
        )


def sample_of(fields: Fields) -> Sample:
    """Read one value of a metric."""
    time = fields.time("timestamp")
    number = fields.number("value")
    if fields.document.get("is_nan") is True:
        number = math.nan
    return Sample(fields.required("key"), repr(number), time, fields.integer("step") or 0)


def digest_of(document: Any) -> str:
    """Return what tells a document from any other one."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:32]


def _below(fields: Fields, name: str, inner: str) -> list[Fields]:
    return fields.message(name).messages(inner) if fields.document.get(name) else []
