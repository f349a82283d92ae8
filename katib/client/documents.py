"""What people hand over as an experiment, as one plain document: our models, Katib's, those of ``kubernetes.client``, dicts, or a mix.

``kubernetes`` is not imported: its objects say by themselves what their fields are called in a document.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from katib.api.base import ApiModel
from katib.errors import InvalidExperiment, InvalidInput, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["as_text", "document_of", "experiment_document"]

_DEEPEST: Final = 100
_FILES: Final = (".yaml", ".yml", ".json")


def experiment_document(experiment: object) -> dict[str, Any] | str:
    """Return an experiment as a document, or as the YAML text that it is.

    Args:
        experiment: A ``V1beta1Experiment``, an ``Experiment``, a dict in either spelling of Katib's SDK, a YAML text, or the path of a file.

    Raises:
        InvalidExperiment: It is none of these, or holds something that is in no document.
    """
    if isinstance(experiment, Path):
        try:
            return experiment.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise InvalidExperiment(f"{experiment} cannot be read: {reason}") from error
    if isinstance(experiment, str):
        if experiment.strip().endswith(_FILES) and "\n" not in experiment.strip():
            raise InvalidExperiment(
                f"a text is YAML itself: for the file of that name write Path({experiment.strip()!r})"
            )
        return experiment
    document = document_of(experiment)
    if not isinstance(document, dict):
        raise InvalidExperiment(
            f"an experiment is a V1beta1Experiment, a dict, a YAML text or a Path, not {type(experiment).__name__}"
        )
    metadata = document.get("metadata")
    if isinstance(metadata, dict) and "generate_name" in metadata and "generateName" not in metadata:
        metadata["generateName"] = metadata.pop("generate_name")  # as Katib's client looks for it in a dict
    return document


def document_of(value: object, path: str = "") -> Any:
    """Return a value as JSON has it, with the fields' names of documents; absent fields are left out.

    Raises:
        InvalidInput: There is something in it that is in no document; the message says where.
    """
    return _plain(value, path, 0)


def _plain(value: object, path: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise InvalidInput([Problem(path, "is nested too deeply, or holds itself")])
    if isinstance(value, enum.Enum):
        return _plain(value.value, path, depth)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return _number(value, path)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(child, _below(path, key), depth + 1) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(child, f"{path}[{index}]", depth + 1) for index, child in enumerate(value)]
    fields = _fields_of(value)
    if fields is not None:
        return {name: _plain(child, _below(path, name), depth + 1) for name, child in fields if child is not None}
    return _other(value, path)


def _number(value: float, path: str) -> float:
    if math.isnan(value) or abs(value) == math.inf:
        raise InvalidInput([Problem(path, "must be a finite number", repr(value))])
    return value


def _below(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _fields_of(value: object) -> Iterable[tuple[str, Any]] | None:
    """Return the fields of a model by their names in a document, or None for what is none."""
    if isinstance(value, ApiModel):
        known = [(field.alias or name, getattr(value, name, None)) for name, field in type(value).model_fields.items()]
        return [*known, *(value.model_extra or {}).items()]
    names = getattr(value, "attribute_map", None)
    if isinstance(names, dict):  # what OpenAPI's generator makes: kubernetes.client, kubeflow.katib, kubeflow.training
        return [(name, getattr(value, attribute, None)) for attribute, name in names.items()]
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):  # pydantic's, such as kubeflow_katib_api
        dumped: Mapping[str, Any] = dump(by_alias=True, exclude_none=True, mode="json")
        return dumped.items()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return None


def _other(value: object, path: str) -> Any:
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():  # one number of numpy's
        return _plain(item(), path, 0)
    message = (
        f"a {type(value).__name__} cannot stand in an experiment: use numbers, texts, lists, dicts or Kubernetes models"
    )
    raise InvalidInput([Problem(path, message)])


def as_text(document: dict[str, Any] | str) -> str:
    """Return a document as the text that experiments are created from."""
    return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
