"""Experiments and trials as the JSON texts in which a driver elsewhere sends them to a store, and back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, ValidationError

from katib.api.base import ApiModel, Time
from katib.api.experiment import Experiment, Observation
from katib.api.trial import EarlyStoppingRule, TrialState
from katib.engine.trial import TrialRecord
from katib.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["experiment_of", "experiment_text", "job_of", "job_text", "trial_of", "trial_text"]

ModelT = TypeVar("ModelT", bound=ApiModel)

_MOST_PROBLEMS = 20
_DEEPEST = 200
"""Levels of JSON; writing it is as deep in calls."""
_LARGEST = 2**31 - 1
"""Of an index and of an attempt; databases take no larger ones."""


class _TrialText(ApiModel):
    """``TrialRecord`` in JSON."""

    index: int = Field(ge=0, le=_LARGEST)
    name: str = Field(min_length=1)
    state: TrialState
    assignments: list[tuple[str, str]] = Field(default_factory=list)
    created: Time
    started: Time | None = None
    finished: Time | None = None
    observation: Observation | None = None
    reason: str = ""
    message: str = ""
    imported: bool = False
    stopping: TrialState | None = None
    attempt: int = Field(default=0, ge=0, le=_LARGEST)
    labels: dict[str, str] = Field(default_factory=dict)
    rules: list[EarlyStoppingRule] = Field(default_factory=list)


def experiment_text(experiment: Experiment) -> str:
    """Return an experiment as JSON, with the microseconds of its times."""
    return _text(experiment.model_dump(by_alias=True, exclude_none=True))


def experiment_of(text: str, field: str) -> Experiment:
    """Return the experiment of a JSON text, whose form alone is looked at: its driver has taken it.

    Raises:
        InvalidInput: It is none.
    """
    return _model(Experiment, text, field)


def trial_text(record: TrialRecord) -> str:
    """Return a trial as JSON."""
    document: dict[str, Any] = {
        "index": record.index,
        "name": record.name,
        "state": record.state.value,
        "assignments": record.assignments,
        "created": record.created,
        "attempt": record.attempt,
    }
    # Much of a trial is empty, and there are thousands of them.
    for name in ("started", "finished", "reason", "message", "imported", "stopping"):
        if value := getattr(record, name):
            document[name] = value
    if record.observation is not None:
        document["observation"] = record.observation.model_dump(by_alias=True, exclude_none=True)
    if record.labels:
        document["labels"] = dict(record.labels)
    if record.rules:
        document["rules"] = [rule.model_dump(by_alias=True, exclude_none=True) for rule in record.rules]
    return _text(document)


def trial_of(text: str, field: str) -> TrialRecord:
    """Return the trial of a JSON text.

    Raises:
        InvalidInput: It is none.
    """
    found = _model(_TrialText, text, field)
    return TrialRecord(
        index=found.index,
        name=found.name,
        state=found.state,
        assignments=tuple(found.assignments),
        created=found.created,
        started=found.started,
        finished=found.finished,
        observation=found.observation,
        reason=found.reason,
        message=found.message,
        imported=found.imported,
        stopping=found.stopping,
        attempt=found.attempt,
        labels=found.labels,
        rules=tuple(found.rules),
    )


def job_text(job: Mapping[str, Any]) -> str:
    """Return a job as JSON."""
    return _text(dict(job))


def job_of(text: str, field: str) -> dict[str, Any] | None:
    """Return the job of a JSON text; None of an empty one.

    Raises:
        InvalidInput: It is no JSON object.
    """
    if not text:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput([Problem(field, f"must be a JSON object: {error}")]) from None
    if not isinstance(found, dict):
        raise InvalidInput([Problem(field, "must be a JSON object")])
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return found
    raise InvalidInput([Problem(field, f"must be at most {_DEEPEST} levels deep")])


def _parts(value: Any) -> list[Any]:
    """Return the values in a value that hold others."""
    found = value.values() if isinstance(value, dict) else value
    return [each for each in found if isinstance(each, (dict, list))]


def _text(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), default=_jsonable)


def _jsonable(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a document")


def _model(kind: type[ModelT], text: str, field: str) -> ModelT:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        problems = [
            Problem(".".join([field, *map(str, fault["loc"])]), fault["msg"])
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise InvalidInput(problems[:_MOST_PROBLEMS]) from None
