"""From a document to an ``Experiment``: every field that is missing, unknown or of the wrong kind, all at once."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from katib.api.experiment import Experiment
from katib.api.similar import did_you_mean
from katib.errors import InvalidExperiment, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["parse_experiment"]

_WANTED = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping of fields",
    "model_attributes_type": "must be a mapping of fields",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "missing": "is required",
    "int_or_text": "must be a number or a name",
}
_QUOTES = "put it in quotes if it is meant as text (YAML reads a bare yes, no, on, off or number as something else)"


def parse_experiment(document: Mapping[str, Any]) -> Experiment:
    """Return the experiment of a document.

    Raises:
        InvalidExperiment: With one problem for each field that does not fit, in the order of the file.
    """
    kind, version = document.get("kind"), document.get("apiVersion")
    if (kind, version) != ("Experiment", "kubeflow.org/v1beta1"):
        raise InvalidExperiment(_wrong_kind(kind, version))
    try:
        # A file has camelCase names only; snake_case ones would work here and be ignored by a cluster.
        return Experiment.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidExperiment([_problem(item) for item in error.errors(include_url=False)]) from None


def _wrong_kind(kind: object, version: object) -> list[Problem]:
    problems = []
    if version != "kubeflow.org/v1beta1":
        problems.append(Problem("apiVersion", "must be 'kubeflow.org/v1beta1'", version))
    if kind != "Experiment":
        problems.append(Problem("kind", "must be 'Experiment'", kind))
    return problems


def _problem(error: Any) -> Problem:
    location = error["loc"]
    path, kind, value = _path(location), error["type"], error["input"]
    if kind == "extra_forbidden":
        known = _fields(location[:-1])
        name = str(location[-1])
        return Problem(path, "is not a field of the format", hint=did_you_mean(name, known))
    if kind == "missing":
        return Problem(path, "is required")
    if kind == "literal_error":
        allowed = [word.strip("'") for word in error["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
        return Problem(path, f"must be {'one of ' if len(allowed) > 1 else ''}{', '.join(allowed)}", value, hint)
    text = _WANTED.get(kind)
    if text is None:
        return Problem(path, error["msg"].replace("Input should", "should"), value)
    hint = _QUOTES if kind == "string_type" and isinstance(value, (bool, int, float)) else ""
    return Problem(path, text.format(**error.get("ctx", {})), value, hint)


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _fields(location: Sequence[int | str]) -> list[str]:
    """Return the field names a document may have at a location."""
    model: Any = Experiment
    for part in location:
        if isinstance(part, int):
            continue
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
        field = next((f for f in model.model_fields.values() if f.alias == part), None)
        model = None if field is None else _model_in(field.annotation)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """Return the model that an annotation such as ``list[Model] | None`` is about."""
    if isinstance(annotation, type) and not get_origin(annotation):
        return annotation if issubclass(annotation, BaseModel) else None
    if get_origin(annotation) in (list, Union, types.UnionType):
        return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)
    return None
