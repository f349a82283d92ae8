"""An algorithm's settings: texts in the experiment, typed values in the algorithm, and one source for every message about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from katib.api.similar import did_you_mean
from katib.errors import InvalidSettings, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.api.base import KeyValue

__all__ = ["AlgorithmSettings", "parse_settings"]


class AlgorithmSettings(BaseModel):
    """Base of every algorithm's ``Settings``: one field for each setting, its description in the docstring below it.

    Texts are converted to the field's type. ``None`` and the empty text stand for None where the field allows it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


S = TypeVar("S", bound=AlgorithmSettings)


def parse_settings(model: type[S], settings: Sequence[KeyValue] | None, *, algorithm: str, path: str) -> S:
    """Return the typed settings.

    Args:
        model: The algorithm's ``Settings``.
        settings: As in the experiment.
        algorithm: Its name, for messages.
        path: Where the list of settings is in the experiment.

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
            problems.append(_problem(item, name, where, algorithm, model))
    if problems:
        raise InvalidSettings(problems)
    return parsed


def _problem(item: Any, name: str, where: str, algorithm: str, model: type[AlgorithmSettings]) -> Problem:
    if item["type"] == "extra_forbidden":
        known = list(model.model_fields)
        listed = f"; it has {', '.join(known)}" if known else "; it has none"
        return Problem(
            f"{where}.name", f"is not a setting of algorithm {algorithm!r}{listed}", name, did_you_mean(name, known)
        )
    if item["type"] == "missing":
        return Problem(where, f"the setting {name!r} of algorithm {algorithm!r} is required")
    if item["type"] == "value_error" and not name:
        return Problem(where, str(item["ctx"]["error"]))
    said = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    # Katib's texts begin with the setting's name themselves.
    message = said if said.startswith(f"{name} ") else f"the setting {name!r} {said[0].lower()}{said[1:]}"
    return Problem(f"{where}.value", message, item["input"])
