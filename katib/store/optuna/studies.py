"""Studies of Optuna's own as experiments: names, directions, attributes."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any, Final

from optuna.storages._base import DEFAULT_STUDY_NAME_PREFIX
from optuna.study import StudyDirection

from katib.store.optuna import facts
from katib.store.tracking.records import Facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from katib.store.tracking.records import SearchExperiment

__all__ = ["directions_of", "facts_of_new", "made_up_name", "name_of", "title_of", "type_of"]

_LONGEST: Final = 255
_KEPT: Final = 200


def made_up_name() -> str:
    """Return a name for a study that got none."""
    return f"{DEFAULT_STUDY_NAME_PREFIX}{uuid.uuid4()}"


def title_of(name: str) -> str:
    """Return what an experiment is called whose study has this name: the same where that is possible."""
    if name and len(name) <= _LONGEST and name.isprintable():
        return name
    return f"{name[:_KEPT]}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def name_of(experiment: SearchExperiment) -> str:
    """Return the name of a study."""
    name = experiment.facts.properties.get(facts.NAME)
    return name if isinstance(name, str) else experiment.name


def type_of(direction: StudyDirection) -> str:
    """Return a direction as our experiments say it."""
    if direction == StudyDirection.NOT_SET:
        return ""
    return "maximize" if direction == StudyDirection.MAXIMIZE else "minimize"


_DIRECTIONS: Final = {
    "maximize": StudyDirection.MAXIMIZE,
    "minimize": StudyDirection.MINIMIZE,
}


def facts_of_new(name: str, directions: Sequence[StudyDirection]) -> Facts:
    """Return what a new study's experiment is told beside its columns."""
    properties: dict[str, Any] = {facts.DIRECTIONS: [type_of(direction) for direction in directions]}
    if title_of(name) != name:
        properties[facts.NAME] = name
    return Facts(properties=properties)


def directions_of(experiment: SearchExperiment) -> list[StudyDirection]:
    """Return the directions of a study."""
    told = experiment.facts.properties.get(facts.DIRECTIONS)
    words = told if isinstance(told, list) else [experiment.objective_type]
    return [_DIRECTIONS.get(str(word), StudyDirection.NOT_SET) for word in words]
