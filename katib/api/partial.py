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
    from collections.abc import Mapping, Sequence

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
        experiment: Without defaults.
        removed: Paths of what was taken out, and of the fields that were probably meant.
    """

    experiment: Experiment
    removed: tuple[str, ...]

    def explains(self, problem: Problem) -> bool:
        """Whether a problem of the part may only follow from what was taken out."""
        causes = [*self.removed]
        for root, followers in _FOLLOWS.items():
            if any(_overlap(root, path) for path in self.removed):
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
            places = {_removable(item["loc"], item["type"]) for item in error.errors(include_url=False)}
        if () in places:
            return None
        for place in places:
            _remove(rest, place)
            removed.append(".".join(place))
    return None


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
