"""From the models of ``katib.api`` to the structural schemas of Kubernetes: types and descriptions, nothing that is checked across fields.

Descriptions are the docstrings of models and of their fields. Fields for anything (a job, a container) keep what they are given. What is
written by people may be a number where the format has text; what is written by programs may not.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, PlainValidator

from katib.api.base import BlankIsAbsent, Int32, NumberText, ObjectMeta, Time

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Schema", "described", "fields_of", "schema_of"]

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_NUMBER_TEXT: Final[Schema] = {
    # Kubernetes has a name for "text or a whole number", but none for "text or a number". Anything but a scalar is refused, and a
    # bare yes or no, which YAML takes for true and false.
    "x-kubernetes-preserve-unknown-fields": True,
    "maxItems": 0,
    "maxProperties": 0,
    "not": {"enum": [True, False, [], {}]},
}
_SPECIAL: Final[tuple[tuple[Any, Schema], ...]] = (
    (Int32, {"type": "integer", "format": "int32"}),
    (Time, {"type": "string", "format": "date-time"}),
)
_SCALARS: Final[Mapping[Any, Schema]] = {
    str: _TEXT,
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Any: {"x-kubernetes-preserve-unknown-fields": True},
}


def schema_of(annotation: Any, *, by_people: bool) -> Schema:
    """Return the structural schema of a type.

    Args:
        annotation: A model, or what a field of one is annotated with.
        by_people: Whether people write it.
    """
    if annotation == NumberText:
        return dict(_NUMBER_TEXT) if by_people else dict(_TEXT)
    for special, schema in _SPECIAL:
        if annotation == special:
            return dict(schema)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], by_people=by_people)
    if origin in (Union, UnionType):
        (present,) = [argument for argument in arguments if argument is not NoneType]
        return schema_of(present, by_people=by_people)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], by_people=by_people)}
    if origin is dict:
        if arguments[1] is Any:
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        return {"type": "object", "additionalProperties": schema_of(arguments[1], by_people=by_people)}
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _object(annotation, by_people=by_people)
    raise TypeError(f"{annotation} has no structural schema")


def _annotated(annotation: Any, metadata: tuple[Any, ...], *, by_people: bool) -> Schema:
    if any(isinstance(item, PlainValidator) and item.json_schema_input_type == int | str for item in metadata):
        return {"x-kubernetes-int-or-string": True}
    schema = schema_of(annotation, by_people=by_people)
    if BlankIsAbsent in metadata and "enum" in schema:
        schema["enum"] = [*schema["enum"], ""]
    return schema


def _object(model: type[BaseModel], *, by_people: bool) -> Schema:
    if issubclass(model, ObjectMeta):
        return {"type": "object"}
    schema: Schema = {"type": "object", "description": described(model)}
    schema["properties"] = {
        name: {
            "description": description,
            **_without_description(schema_of(annotation, by_people=by_people), description),
        }
        for name, (annotation, description) in fields_of(model).items()
    }
    required = [field.alias or name for name, field in model.model_fields.items() if field.is_required()]
    if required and by_people:
        schema["required"] = required
    return schema


def _without_description(schema: Schema, description: str) -> Schema:
    """Return the schema of a field, which is described by the field's own words where it has some."""
    return {key: value for key, value in schema.items() if key != "description" or not description}


@cache
def fields_of(model: type[BaseModel]) -> Mapping[str, tuple[Any, str]]:
    """Return a model's fields as a document names them: their annotation and the first words said about them."""
    hints = get_type_hints(model, include_extras=True)
    said = _field_docstrings(model)
    return {
        field.alias or name: (hints[name], _plain(said.get(name, "")) or _said_of_type(hints[name]))
        for name, field in model.model_fields.items()
    }


def described(model: type[BaseModel]) -> str:
    """Return a model's docstring as plain text."""
    return _plain(inspect.getdoc(model) or "")


def _said_of_type(annotation: Any) -> str:
    """Return what the docstring of the model says that a field holds, alone or in a list."""
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        return described(annotation)
    return next((said for argument in get_args(annotation) if (said := _said_of_type(argument))), "")


def _field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Return the texts that stand below the fields of a class."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    statements = body.body if isinstance(body, ast.ClassDef) else []
    return {
        field.target.id: text.value.value
        for field, text in pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _plain(text: str) -> str:
    """Return a docstring on one line, without marks of its markup."""
    return " ".join(text.split()).replace("``", "'")
