"""ModelDB's typed values beside our texts and our JSON.

Its numbers are doubles. JSON has no NaN and no infinities, so these are the texts ``NaN``, ``Infinity`` and ``-Infinity``, as protocol
buffers write doubles. A hyperparameter is a text here; where its type does not show in the text (the text ``"3"``, a list), a property
of the run says it (``KIND``), which callers of this API do not see.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from katib.rest.modeldb.failures import invalid
from katib.rest.modeldb.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.store.tracking.records import Json, Metric, Parameter

__all__ = [
    "KIND",
    "OWN",
    "VALUE_TYPES",
    "as_number",
    "attribute_of",
    "attributes",
    "hyperparameter_of",
    "hyperparameters",
    "key_value",
    "metric_text",
    "metrics",
    "number_text",
    "strict",
]

OWN: Final = "modeldb."
"""How properties begin that this API keeps for itself."""
KIND: Final = "modeldb.kind."
VALUE_TYPES: Final = ("STRING", "NUMBER", "LIST", "BLOB")
_NUMBERS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_EXACT: Final = 2**53


def as_number(value: Any) -> float | None:
    """Return a JSON number, or one of the three words for what is none in JSON, as a double; None for anything else."""
    if isinstance(value, str):
        return _NUMBERS.get(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def number_text(value: Any) -> str | None:
    """Return the text of a number, None for what is none: an integer that a double holds has no fraction in it."""
    number = as_number(value)
    if number is None:
        return None
    return str(value) if isinstance(value, int) and abs(value) <= _EXACT else repr(number)


def _typed(fields: Fields) -> tuple[str, Any]:
    """Return the key and the value of a ``KeyValue``: a number that came as a text is one, if its type says so."""
    key, value = fields.required("key"), fields.value("value")
    kind = fields.one_of("value_type", VALUE_TYPES)
    if kind == "NUMBER" and isinstance(value, str) and as_number(value) is None:
        try:
            value = float(value) if value.isascii() and "_" not in value else value
        except ValueError:
            raise fields.wrong("value", "has to be a number") from None
    if isinstance(value, int) and not isinstance(value, bool) and as_number(value) is None:
        raise fields.wrong("value", "is too large for a double")
    return key, value


def metric_text(fields: Fields) -> tuple[str, str]:
    """Return the name of a metric and its value as it is reported."""
    key, value = _typed(fields)
    text = number_text(value)
    if text is None and isinstance(value, bool):
        text = str(value).lower()
    if text is None and isinstance(value, str) and value:
        text = value
    if text is None:
        raise fields.wrong("value", "of a metric has to be a number or a text")
    return key, text


def metrics(found: tuple[Metric, ...]) -> list[dict[str, Any]]:
    """Return the last report of every metric."""
    return [key_value(metric.name, metric.latest if metric.value is None else metric.value) for metric in found]


def hyperparameter_of(fields: Fields) -> tuple[str, str, str]:
    """Return the name of a hyperparameter, its text, and the type that the text does not show; empty for none."""
    key, value = _typed(fields)
    text = number_text(value)
    if isinstance(value, str):
        if text is not None and fields.one_of("value_type", VALUE_TYPES) == "NUMBER":
            return key, text, ""
        return key, value, "text" if _reads_as_number(value) else ""
    return (key, text, "") if text is not None else (key, _json(value), "json")


def hyperparameters(found: tuple[Parameter, ...], properties: Mapping[str, Json]) -> list[dict[str, Any]]:
    """Return hyperparameters with the types they were given."""
    return [key_value(parameter.name, _value(parameter, properties.get(KIND + parameter.name))) for parameter in found]


def _value(parameter: Parameter, kind: Json) -> Json:
    if kind == "json":
        try:
            return json.loads(parameter.text)
        except (ValueError, RecursionError):  # somebody else has given it another value since
            return parameter.text
    return parameter.text if parameter.number is None or kind == "text" else parameter.number


def attribute_of(fields: Fields) -> tuple[str, Json]:
    """Return the name of an attribute and its value."""
    key, value = _typed(fields)
    if key.startswith(OWN):
        raise fields.wrong("key", f"must not begin with {OWN!r}")
    if fields.one_of("value_type", VALUE_TYPES) == "NUMBER" and isinstance(value, str):
        return key, as_number(value)
    return key, value


def attributes(properties: Mapping[str, Json]) -> list[dict[str, Any]]:
    """Return properties, those excepted that are this API's own."""
    return [key_value(name, value) for name, value in properties.items() if not name.startswith(OWN)]


def key_value(key: str, value: Json) -> dict[str, Any]:
    """Return a ``KeyValue``."""
    match value:
        case bool():
            kind = "BLOB"
        case int() | float():
            kind = "NUMBER"
        case str():
            kind = "STRING"
        case list():
            kind = "LIST"
        case _:
            kind = "BLOB"
    return {"key": key, "value": strict(value), "value_type": kind}


def strict(value: Json) -> Json:
    """Return a value with words where a number is none in JSON."""
    match value:
        case float() if math.isnan(value):
            return "NaN"
        case float() if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        case list():
            return [strict(item) for item in value]
        case dict():
            return {name: strict(item) for name, item in value.items()}
    return value


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _json(value: Json) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        raise invalid("value", "is no JSON that can be stored") from None
