"""What is left of an experiment when the fields that do not fit are taken out, so that the rest of it can be checked as well.

Somebody who mistyped one field wants to hear of the other fault too, and of nothing that only follows from the first.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from katib.api.experiment import Experiment

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from katib.errors import Problem

__all__ = ["PartialExperiment", "partial_experiment"]

_ROUNDS: Final = 20
_HINTED: Final = re.compile(r"did you mean '([^']*)'\?")
_FOLLOWS: Final = {
    "spec.parameters": ("spec.constraints", "spec.initialTrials", "spec.trialTemplate", "spec.algorithm"),
    "spec.objective": ("spec.objective", "spec.objectives"),
}
"""Below what is checked against it: a fault there may only follow from what is missing here."""


@dataclass(frozen=True, slots=True)
class PartialExperiment:
    """The part of a document that fits.

    Attributes:
        experiment: Without defaults. A parameter that does not fit is there by its name alone.
        removed: Paths of what was taken out or stood in for, of the fields that were probably meant, and of conditions on such parameters.
    """

    experiment: Experiment
    removed: tuple[str, ...]

    def explains(self, problem: Problem) -> bool:
        """Whether a problem of the part may only follow from what was taken out."""
        causes = [*self.removed]
        for root, followers in _FOLLOWS.items():
            # What follows from one parameter of the list is not hidden: its name is known.
            if any(_overlap(root, path) and not path.startswith(f"{root}[") for path in self.removed):
                causes += followers
        return any(_overlap(problem.path, cause) for cause in causes)


def partial_experiment(document: Mapping[str, Any], problems: Sequence[Problem]) -> PartialExperiment | None:
    """Return the part of a document that fits the format, or None when nothing is left of it.

    Args:
        document: Whose kind is right.
        problems: Those of its format.
    """
    rest = copy.deepcopy(dict(document))
    removed = [path for problem in problems for path in _meant(problem)]
    for _ in range(_ROUNDS):
        try:
            return PartialExperiment(Experiment.model_validate(rest, by_alias=True, by_name=False), tuple(removed))
        except ValidationError as error:
            found = error.errors(include_url=False)
        named = {index for item in found if (index := _named_parameter(rest, item["loc"])) is not None}
        removed += _stand_in(rest, named)
        places = {
            _removable(item["loc"], item["type"]) for item in found if _named_parameter(rest, item["loc"]) not in named
        }
        if () in places:
            return None
        for place in places:
            _remove(rest, place)
            removed.append(".".join(place))
    return None


def _named_parameter(document: Mapping[str, Any], location: Sequence[int | str]) -> int | None:
    """Return the place of the parameter that an error is in, if that has a name others may refer to."""
    match tuple(location):
        case ("spec", "parameters", int(index), str(field), *_) if field != "name":
            return index if isinstance(document["spec"]["parameters"][index].get("name"), str) else None
    return None


def _stand_in(document: dict[str, Any], places: Collection[int]) -> list[str]:
    """Put parameters without a space where some do not fit, so that names stay known; return the paths that this explains.

    A parameter without a space is a problem itself, at a path that is explained, and nothing is made of such a space.
    """
    parameters = document["spec"]["parameters"] if places else []
    names = set()
    for place in places:
        names.add(parameters[place]["name"])
        parameters[place] = {"name": parameters[place]["name"], "parameterType": "unknown", "feasibleSpace": {}}
    return [f"spec.parameters[{place}]" for place in sorted(places)] + [
        f"spec.parameters[{place}].condition"
        for place, parameter in enumerate(parameters)
        if isinstance(parameter, dict)
        and isinstance(condition := parameter.get("condition"), dict)
        and isinstance(parent := condition.get("parameter"), str)
        and parent in names
    ]


def _meant(problem: Problem) -> list[str]:
    """Return the path of the field that a misspelt one was probably meant to be."""
    hinted = _HINTED.fullmatch(problem.hint)
    return [".".join([*problem.path.split(".")[:-1], hinted[1]])] if hinted else []


def _removable(location: Sequence[int | str], kind: str) -> tuple[str, ...]:
    """Return the field to take out for an error: the whole list for one of its elements, which would change their places."""
    place = location[:-1] if kind == "missing" else location
    first = next((index for index, part in enumerate(place) if isinstance(part, int)), len(place))
    return tuple(str(part) for part in place[:first])


def _remove(document: dict[str, Any], place: Sequence[str]) -> None:
    parent: Any = document
    for name in place[:-1]:
        parent = parent.get(name) if isinstance(parent, dict) else None
    if isinstance(parent, dict):
        parent.pop(place[-1], None)


def _overlap(one: str, other: str) -> bool:
    """Whether one path is the other, or lies below it."""
    short, long = sorted((one, other), key=len)
    return long.startswith(short) and long[len(short) : len(short) + 1] in ("", ".", "[")
