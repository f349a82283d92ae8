"""An algorithm's settings: texts in the experiment, typed values in the algorithm, and one source for every message about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from katib.api.similar import did_you_mean
from katib.errors import InvalidSettings, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.base import KeyValue

__all__ = ["AlgorithmSettings", "parse_settings"]

_LONGEST: Final = 200
"""What of a value is shown again in a message."""


class AlgorithmSettings(BaseModel):
    """Base of every algorithm's ``Settings``: one field for each setting, its description in the docstring below it.

    Texts are converted to the field's type. ``None`` and the empty text stand for None where the field allows it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


S = TypeVar("S", bound=AlgorithmSettings)


def parse_settings(
    model: type[S], settings: Sequence[KeyValue] | None, *, algorithm: str, path: str, kind: str = "algorithm"
) -> S:
    """Return the typed settings.

    Args:
        model: The algorithm's ``Settings``.
        settings: As in the experiment.
        algorithm: Its name, for messages.
        path: Where the list of settings is in the experiment.
        kind: What it is, for messages.

    Raises:
        InvalidSettings: With one problem for each setting that is unknown, given twice, or not what is allowed.
    """
    values: dict[str, Any] = {}
    places: dict[str, int] = {}
    problems = []
    for place, setting in enumerate(settings or []):
        if setting.name in places:
            problems.append(Problem(f"{path}[{place}].name", "is set twice", setting.name))
        places[setting.name] = place
        values[setting.name] = None if setting.value in ("None", "") else setting.value
    try:
        parsed = model.model_validate(values)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            name = str(item["loc"][0]) if item["loc"] else ""
            where = f"{path}[{places[name]}]" if name in places else path
            problems.append(_problem(item, name, where, model, (kind, algorithm)))
    if problems:
        raise InvalidSettings(problems)
    return parsed


def _problem(item: Any, name: str, where: str, model: type[AlgorithmSettings], of: tuple[str, str]) -> Problem:
    kind, algorithm = of
    known = list(model.model_fields)
    if item["type"] == "extra_forbidden":
        listed = f"; it has {', '.join(known)}" if known else "; it has none"
        return Problem(
            f"{where}.name",
            f"is not a setting of {kind} {algorithm!r}{listed}",
            name,
            did_you_mean(name, known),
            katib_text=f"unknown setting {name} for algorithm {algorithm}",
        )
    if item["type"] == "missing":
        return Problem(where, f"the setting {name!r} of {kind} {algorithm!r} is required")
    if item["type"] == "value_error" and not name:
        said = str(item["ctx"]["error"])
        return Problem(where, said, katib_text=said if said.split(" ", 1)[0] in (*known, "Required") else "")
    said = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    # Katib's texts begin with the setting's name themselves.
    message = said if said.startswith(f"{name} ") else f"the setting {name!r} {said[0].lower()}{said[1:]}"
    return Problem(f"{where}.value", message, item["input"], katib_text=_katib_text(item, name, said))


def _katib_text(item: Any, name: str, said: str) -> str:
    """Return what Katib's services say of a value they do not take; empty for what none of them checks.

    Their texts are alike where their checks are, so the kind of fault is enough to find most of them; a check that has a text of its
    own here raises it, with the setting's name or from the word after it on.
    """
    match item["type"]:
        case "value_error" if said.startswith(f"{name} "):
            return said.partition("; ")[0]  # what follows is ours
        case "value_error" if said.startswith("should "):
            return f"{name} {said}"
        case "greater_than_equal" if item["ctx"]["ge"] == 0:
            return f"{name} should be great or equal than zero"
        case "greater_than" if item["ctx"]["gt"] == 0:
            return f"{name} should be great than zero"
        case ("int_parsing" | "int_from_float" | "int_type" | "float_parsing" | "float_type" | "bool_parsing") as kind:
            return f"failed to validate {name}({str(item['input'])[:_LONGEST]}): {_conversion_error(item['input'], kind, said)}"
        case _:
            return ""


def _conversion_error(value: object, kind: str, said: str) -> str:
    """Return what Python says of the conversion that Katib's services try."""
    text = str(value)[:_LONGEST]
    convert = int if kind.startswith("int") else float if kind.startswith("float") else None
    try:
        if convert is not None:
            convert(text)
    except ValueError as error:
        return str(error)
    return said
