"""ModelDB's queries as filters and orders of ``katib.store.query``, which compares numbers as doubles and sorts them as numbers.

What a predicate says is put into a tree and printed, never pasted into a text.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Unsupported
from katib.rest.modeldb.fields import whole_number
from katib.rest.modeldb.key_values import VALUE_TYPES, as_number
from katib.store.query import print_filter
from katib.store.query.printing import print_field
from katib.store.query.tree import (
    And,
    Compare,
    Contains,
    Field,
    In,
    IsNan,
    IsNull,
    Milliseconds,
    Not,
    Or,
    Reading,
)
from katib.store.query.vocabulary import EXPERIMENTS, PROJECTS, RUNS, Entity, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from katib.rest.modeldb.fields import Fields
    from katib.store.query.tree import Filter
    from katib.store.query.tree import Operator as Sign
    from katib.store.query.vocabulary import Vocabulary

__all__ = ["IS_TRIAL", "filter_of", "order_of"]

_OPERATORS: Final = ("EQ", "NE", "GT", "GTE", "LT", "LTE", "CONTAIN", "NOT_CONTAIN", "IN", "NOT_IN")
_SIGNS: Final[Mapping[str, Sign]] = {"EQ": "=", "NE": "!=", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}
_ATTRIBUTES: Final[Mapping[str, Mapping[str, str]]] = {
    RUNS.noun: {
        "id": "run_id",
        "name": "run_name",
        "owner": "user_id",
        "project_id": "project_id",
        "project.name": "project",
        "experiment_id": "experiment_id",
        "experiment.name": "experiment",
        "date_created": "creation_time",
        "start_time": "start_time",
        "end_time": "end_time",
    },
    EXPERIMENTS.noun: {
        "id": "experiment_id",
        "name": "name",
        "owner": "user_id",
        "project_id": "project_id",
        "date_created": "creation_time",
        "date_updated": "last_update_time",
    },
    PROJECTS.noun: {
        "id": "experiment_id",
        "name": "name",
        "owner": "user_id",
        "date_created": "creation_time",
        "date_updated": "last_update_time",
    },
}
"""ModelDB's names of what every record has, and ours; MLflow's search for projects calls their id ``experiment_id``."""
_IDS: Final = frozenset({"id", "project_id", "experiment_id"})
_ENTITIES: Final = (
    ("metrics.", Entity.METRIC, Type.NUMBER),
    ("observations.attribute.", Entity.METRIC, Type.NUMBER),
    ("observations.", Entity.METRIC, Type.NUMBER),
    ("hyperparameters.", Entity.PARAMETER, Type.TEXT),
    ("attributes.", Entity.PROPERTY, Type.TEXT),
)
_DATASET_KEYS: Final = frozenset({"name", "digest", "context"})

IS_TRIAL: Final = IsNull(Field(Entity.ATTRIBUTE, "experiment_id", Type.TEXT), negated=True)
"""Runs of an experiment, which all of ModelDB's are; the root runs of experiments are none."""


def filter_of(predicates: Sequence[Fields], vocabulary: Vocabulary, local: Callable[[str], str], *also: Filter) -> str:
    """Return the filter of predicates that all have to hold.

    Args:
        local: Makes of an id what the store knows it by.
        also: Further conditions.

    Raises:
        InvalidInput: A predicate compares what cannot be compared.
        Unsupported: It speaks of what cannot be looked for here.
    """
    items = [*also, *(_condition(fields, vocabulary, local) for fields in predicates)]
    return print_filter(And(tuple(items))) if items else ""


def order_of(key: str, vocabulary: Vocabulary, *, ascending: bool) -> list[str]:
    """Return the order of a sort key: numbers as numbers, and after them what is none.

    Raises:
        Unsupported: There is no such order here.
    """
    if not key:
        return []
    found = _named(key, vocabulary)
    if found is None or found.entity in {Entity.TAG, Entity.DATASET}:
        raise Unsupported(f"{vocabulary.noun} cannot be sorted by {key[:80]!r} here (docs/modeldb.md)")
    fields = [found]
    if found.entity.is_typed_by_use:
        fields.insert(0, replace(found, type=Type.NUMBER, reading=Reading.NUMBER))
    return [f"{print_field(field)} {'ASC' if ascending else 'DESC'}" for field in fields]


def _named(key: str, vocabulary: Vocabulary) -> Field | None:
    """Return the field that a key names, None for none."""
    ours = _ATTRIBUTES[vocabulary.noun].get(key)
    if ours is not None:
        attribute = vocabulary.attribute(ours)
        return None if attribute is None else Field(Entity.ATTRIBUTE, attribute.name, attribute.type)
    for prefix, entity, kind in _ENTITIES:
        if key.startswith(prefix) and len(key) > len(prefix) and entity in vocabulary.entities:
            return Field(entity, key[len(prefix) :], kind)
    if Entity.DATASET in vocabulary.entities and key.startswith("datasets.") and key[9:] in _DATASET_KEYS:
        return Field(Entity.DATASET, key[9:], Type.TEXT)
    return None


def _condition(fields: Fields, vocabulary: Vocabulary, local: Callable[[str], str]) -> Filter:
    key, operator = fields.required("key"), fields.one_of("operator", _OPERATORS)
    value = fields.value("value")
    if fields.one_of("value_type", VALUE_TYPES) == "NUMBER" and isinstance(value, str):
        value = _number_in(value, fields)
    if value is None:
        raise fields.wrong("value", "is required", "nothing")
    if key == "tags":
        return _tags(fields, operator, value)
    if key in {"datasets", "dataset"}:
        key = "datasets.name"
    field = _named(key, vocabulary)
    if field is None:
        raise Unsupported(f"{vocabulary.noun} cannot be looked for by {key[:80]!r} here (docs/modeldb.md)")
    if key in _IDS:
        value = (
            [local(one) if isinstance(one, str) else one for one in value]
            if isinstance(value, list)
            else (local(value) if isinstance(value, str) else value)
        )
    if operator in {"IN", "NOT_IN"}:
        return _among(fields, field, value, negated=operator == "NOT_IN")
    if operator in {"CONTAIN", "NOT_CONTAIN"}:
        if field.type is not Type.TEXT or not isinstance(value, str):
            raise fields.wrong("operator", "is for texts")
        return Contains(field, value, negated=operator == "NOT_CONTAIN")
    return _comparison(fields, field, operator, value)


def _tags(fields: Fields, operator: str, value: Any) -> Filter:
    """Return the condition on tags, which have no values: one is there, or it is not."""
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise fields.wrong("value", "has to be a tag")
    if operator not in {"EQ", "NE", "IN", "NOT_IN"} or (isinstance(value, list) and operator in {"EQ", "NE"}):
        raise Unsupported("tags are looked for as they are: EQ, NE, IN or NOT_IN")
    there = [IsNull(Field(Entity.TAG, name, Type.TEXT), negated=True) for name in names]
    one = there[0] if len(there) == 1 else Or(tuple(there))
    return one if operator in {"EQ", "IN"} else Not(one)


def _comparison(fields: Fields, field: Field, operator: str, value: Any) -> Filter:
    sign = _SIGNS[operator]
    if field.type is Type.TIME:
        time = whole_number(value)
        if time is None:
            raise fields.wrong("value", "has to be a time in milliseconds")
        return Compare(field, sign, Milliseconds(time))
    number = as_number(value) if field.type is Type.NUMBER or not isinstance(value, str) else None
    if number is None:
        return _text_comparison(fields, field, sign, value)
    if field.entity.is_typed_by_use:
        field = replace(field, type=Type.NUMBER, reading=Reading.NUMBER)
    if field.type is not Type.NUMBER:
        raise fields.wrong("value", "has to be a text")
    if not math.isnan(number):
        return Compare(field, sign, number)
    # As everywhere, nothing is less or greater than NaN; that it is equal to itself is what a caller means who looks for it.
    return IsNan(field, negated=sign == "!=") if sign in {"=", "!="} else Compare(field, "<", -math.inf)


def _text_comparison(fields: Fields, field: Field, sign: Sign, value: Any) -> Filter:
    if field.type is not Type.TEXT:
        raise fields.wrong("value", "has to be a number")
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str):
        raise fields.wrong("value", "has to be a text or a number")
    if sign not in {"=", "!="}:
        raise fields.wrong("operator", "is for numbers and times, and the value is a text")
    return Compare(field, sign, value)


def _among(fields: Fields, field: Field, value: Any, *, negated: bool) -> Filter:
    if not isinstance(value, list) or not value:
        raise fields.wrong("value", "of IN has to be a list with something in it")
    if all(isinstance(one, str) for one in value) and field.type is Type.TEXT:
        return In(field, tuple(value), negated=negated)
    numbers = [number for one in value if (number := as_number(one)) is not None and not math.isnan(number)]
    if len(numbers) != len(value) or not (field.type is Type.NUMBER or field.entity.is_typed_by_use):
        raise fields.wrong("value", "of IN has to be a list of texts or one of numbers, as the key has them")
    return In(replace(field, type=Type.NUMBER, reading=_number_reading(field)), tuple(numbers), negated=negated)


def _number_reading(field: Field) -> Reading:
    return Reading.NUMBER if field.entity.is_typed_by_use else field.reading


def _number_in(text: str, fields: Fields) -> Any:
    number = as_number(text)
    if number is not None:
        return number
    whole = whole_number(text)
    if whole is not None:
        return whole
    try:
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        raise fields.wrong("value", "has to be a number") from None
