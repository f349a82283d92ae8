"""Under which names a run keeps what Optuna knows of a trial or a study: exactly, beside what everybody can search for.

Parameters and values are in the tables of parameters and metrics too, as text and numbers; a search uses those. Optuna gets back what
stands in the properties here, so that a choice that is ``None``, ``True`` or ``1`` is none of the texts ``null``, ``true`` and ``1``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "DIRECTIONS",
    "DISTRIBUTION",
    "HEARTBEAT",
    "INTERMEDIATE",
    "METRIC_NAMES",
    "NAME",
    "SYSTEM",
    "USER",
    "VALUES",
    "Sorted",
    "json_value",
    "metric_name",
    "of_prefix",
    "parameter_text",
    "sort_out",
]

DIRECTIONS: Final = "optuna.directions"
NAME: Final = "optuna.name"
"""What the study is called where that cannot be the name of an experiment."""

DISTRIBUTION: Final = "optuna.distribution."
"""Of each parameter: its place among them, its value as Optuna has it inside, and its distribution as Optuna writes it."""

USER: Final = "optuna.user."
SYSTEM: Final = "optuna.system."
VALUES: Final = "optuna.values"
HEARTBEAT: Final = "optuna.heartbeat"
"""When the process that runs the trial was last heard of: microseconds since 1970."""

INTERMEDIATE: Final = "intermediate_value"
"""The metric of what a trial reports on its way. Of several reports of one step the last counts."""

METRIC_NAMES: Final = "study:metric_names"
"""The system attribute in which Optuna keeps what ``Study.set_metric_names`` was told."""


def metric_name(index: int, names: Sequence[str] | None = None) -> str:
    """Return the metric in which an objective is logged: what the study calls it, or else ``value``, ``value_1`` and so on."""
    if names is not None and index < len(names):
        return names[index]
    return "value" if index == 0 else f"value_{index}"


def parameter_text(value: object) -> str:
    """Return a parameter as everybody reads it: a text as it is, a number so that it comes back equal, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(float(value))
    return json.dumps(value)


def json_value(key: str, value: Any) -> Any:
    """Return an attribute as it comes back, or raise ``TypeError`` like Optuna's own storages where it is no JSON."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"the attribute {key!r} is no JSON: {error}") from None


class Sorted(NamedTuple):
    """The properties of a trial by what they are; names without their beginnings."""

    distributions: dict[str, Any]
    user: dict[str, Any]
    system: dict[str, Any]


def sort_out(properties: Mapping[str, Any]) -> Sorted:
    """Return the properties of a trial by what they are."""
    found = Sorted({}, {}, {})
    for name, value in properties.items():
        for prefix, kind in ((DISTRIBUTION, found.distributions), (USER, found.user), (SYSTEM, found.system)):
            if name.startswith(prefix):
                kind[name[len(prefix) :]] = value
                break
    return found


def of_prefix(properties: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the properties whose names begin so, without the beginning."""
    return {name[len(prefix) :]: value for name, value in properties.items() if name.startswith(prefix)}
