"""Times, JSON and enums of the store's API, from messages and into them. A fault is told with the field it is in."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.api.trial import TrialState
from katib.errors import InvalidInput, Problem
from katib.rpc import store_v1 as wire
from katib.store.tracking.records import ArtifactState, ExperimentKind, Lifecycle, NodeKind

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping

__all__ = [
    "ARTIFACT_STATES",
    "EXPERIMENT_KINDS",
    "LIFECYCLES",
    "NODE_KINDS",
    "OBJECTIVE_TYPES",
    "RUN_STATES",
    "EnumValues",
    "fill_document",
    "fill_value",
    "fill_values",
    "read_document",
    "read_time",
    "read_value",
    "read_values",
]

_DEEPEST: Final = 30
"""Levels of JSON: each is three of messages, of which protobuf's readers take a hundred."""
_WHOLE: Final = 2.0**53


class EnumValues:
    """An enum of the API beside ours.

    Args:
        prefix: Of the API's names.
        values: Ours by the rest of those names.
    """

    def __init__(self, prefix: str, values: Mapping[str, Any]) -> None:
        self._ours = {int(getattr(wire, f"{prefix}_{name}")): value for name, value in values.items()}
        self._numbers = {value: number for number, value in self._ours.items()}
        self._names = ", ".join(f"{prefix}_{name}" for name in values)

    def number(self, value: Any) -> Any:
        """Return the API's number of one of ours; of what it does not know, that of UNSPECIFIED."""
        return self._numbers.get(value, 0)

    def read(self, number: int, field: str) -> Any:
        """Return ours.

        Raises:
            InvalidInput: It is unspecified, or a number that has no meaning.
        """
        found = self._ours.get(number)
        if found is None:
            raise InvalidInput([Problem(field, f"must be one of {self._names}", number or None)])
        return found

    def read_or(self, number: int, field: str, default: Any) -> Any:
        """Return ours, or a default for what is unspecified."""
        return self.read(number, field) if number else default


def _by_name(kinds: type[enum.Enum]) -> dict[str, Any]:
    return {kind.name: kind for kind in kinds}


RUN_STATES: Final = EnumValues("RUN_STATE", _by_name(TrialState))
NODE_KINDS: Final = EnumValues("NODE_KIND", _by_name(NodeKind))
LIFECYCLES: Final = EnumValues("LIFECYCLE", _by_name(Lifecycle))
EXPERIMENT_KINDS: Final = EnumValues("EXPERIMENT_KIND", _by_name(ExperimentKind))
ARTIFACT_STATES: Final = EnumValues("ARTIFACT_STATE", _by_name(ArtifactState))
OBJECTIVE_TYPES: Final = EnumValues("OBJECTIVE_TYPE", {"MINIMIZE": "minimize", "MAXIMIZE": "maximize"})


def read_time(message: Any, field: str, *, where: str = "") -> datetime | None:
    """Return the time in a field of a message, None where there is none.

    Raises:
        InvalidInput: It is none between the years 1 and 9999.
    """
    if not message.HasField(field):
        return None
    try:
        found: datetime = getattr(message, field).ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput([Problem(f"{where}{field}", "must be a time of the years 1 to 9999")]) from None
    return found


def read_value(value: Any) -> Any:
    """Return what ``json`` would have read."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number: float = value.number_value
        return int(number) if number.is_integer() and abs(number) <= _WHOLE else number
    if kind == "struct_value":
        return read_values(value.struct_value.fields)
    if kind == "list_value":
        return [read_value(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def read_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON by name."""
    return {name: read_value(value) for name, value in values.items()}


def read_document(message: Any, field: str) -> dict[str, Any] | None:
    """Return the JSON object in a field of a message; None where there is none."""
    return read_values(getattr(message, field).fields) if message.HasField(field) else None


def fill_value(target: Any, value: Any, depth: int = 0) -> None:
    """Write JSON into a ``google.protobuf.Value``; what is too deep for a message becomes its text."""
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, (int, float)):
        target.number_value = _double(value)
    elif value is None:
        target.null_value = 0
    elif depth >= _DEEPEST:
        target.string_value = json.dumps(value)
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        fill_values(target.struct_value.fields, value, depth + 1)
    else:
        target.list_value.SetInParent()
        for item in value:
            fill_value(target.list_value.values.add(), item, depth + 1)


def fill_values(target: Any, values: Mapping[str, Any], depth: int = 0) -> None:
    """Write JSON by name into a map of ``google.protobuf.Value``."""
    for name, value in values.items():
        fill_value(target[name], value, depth)


def fill_document(target: Any, document: Mapping[str, Any] | None) -> None:
    """Write a JSON object into a ``google.protobuf.Struct``, which stays absent where there is none."""
    if document is not None:
        target.SetInParent()
        fill_values(target.fields, document)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number that is longer than any double
        return math.inf if value > 0 else -math.inf
