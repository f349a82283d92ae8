"""Projects, and the searches in them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from katib.store.tracking.records.retention import ProjectRetention

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from katib.api.trial import TrialState
    from katib.store.tracking.records.nodes import Facts, Json

__all__ = ["ExperimentKind", "Project", "SearchExperiment"]


@dataclass(frozen=True, slots=True)
class Project:
    """What belongs together.

    Attributes:
        retention: What of it is purged; nothing where nobody said.
    """

    id: str
    namespace: str
    name: str
    description: str
    owner: str
    created: datetime
    updated: datetime
    deleted: datetime | None
    facts: Facts
    retention: ProjectRetention = field(default_factory=ProjectRetention)


class ExperimentKind(enum.StrEnum):
    """Who drives an experiment."""

    KATIB = "katib"
    """We do: it has a spec."""
    OPTUNA = "optuna"
    TRACKED = "tracked"
    """Somebody who only reports."""


@dataclass(frozen=True, slots=True)
class SearchExperiment:
    """An experiment, and which search it was.

    Attributes:
        id: Its uid.
        run_id: Of its root run, which has its tags, properties, datasets, artifacts and comments.
        spec: Of Katib's: objective, parameters, algorithm and settings, seed, template, as YAML has them; else None.
        algorithm: Empty where nobody said.
        objective: The metric; empty where nobody said.
        objective_type: ``minimize``, ``maximize`` or empty.
        best: The best value of the objective so far.
        trials: How many it has.
        serial: A number that no other experiment of the store ever has; newer ones have greater ones.
        updated: When its row was changed last.
        deleted: When it was deleted; None while it is not.
    """

    id: str
    project_id: str
    run_id: str
    namespace: str
    name: str
    kind: ExperimentKind
    description: str
    owner: str
    state: TrialState
    created: datetime
    started: datetime | None
    ended: datetime | None
    updated: datetime
    deleted: datetime | None
    algorithm: str
    objective: str
    objective_type: str
    best: float | None
    trials: int
    spec: Mapping[str, Json] | None
    facts: Facts
    serial: int = 0
