"""Runs, and which of them are looked for."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from katib.store.tracking.records.nodes import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from katib.api.trial import TrialState
    from katib.store.tracking.records.artifacts import Artifact
    from katib.store.tracking.records.datasets import DatasetUse
    from katib.store.tracking.records.measures import FlatMetric, Metric, Parameter
    from katib.store.tracking.records.nodes import Facts, Json

__all__ = ["Comparison", "FlatRun", "Run", "RunPart", "RunScope"]


class RunPart(enum.Enum):
    """What of a run is read besides its row: a field mask."""

    PARAMETERS = "parameters"
    METRICS = "metrics"
    TAGS = "tags"
    PROPERTIES = "properties"
    DATASETS = "datasets"
    ARTIFACTS = "artifacts"
    PROVENANCE = "provenance"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Parts that were not asked for are empty.

    Attributes:
        name: What people call it. Among the trials of one experiment it is the only one of this name; other runs may share names.
        experiment_id: The experiment whose trial it is; None for a run of its own.
        parent_id: The root run of that experiment.
        root_of: The experiment whose root run it is; None for most.
        index: Its number in its experiment.
        created: When it was recorded.
        began: When it started, or else when it was recorded.
        code: ``{"repository", "revision", "branch", "dirty", "entry_point", "archive", ...}``, as far as known; None where unknown.
        environment: ``{"image", "command", "args", "python", "requirements", "resources", "env", ...}``, likewise.
        place: ``{"node", "pod", "host", "attempt", ...}``, likewise.
        serial: A number that no other run of the store ever has; newer ones have greater ones.
        change: The number of the last change of its row (``Tracking.changed_runs``).
    """

    id: str
    namespace: str
    project_id: str
    project: str
    experiment_id: str | None
    experiment: str | None
    parent_id: str | None
    root_of: str | None
    name: str
    index: int | None
    state: TrialState
    reason: str
    message: str
    description: str
    owner: str
    created: datetime
    began: datetime
    started: datetime | None
    ended: datetime | None
    deleted: datetime | None
    facts: Facts
    parameters: tuple[Parameter, ...] = ()
    metrics: tuple[Metric, ...] = ()
    datasets: tuple[DatasetUse, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    code: Mapping[str, Json] | None = None
    environment: Mapping[str, Json] | None = None
    place: Mapping[str, Json] | None = None
    serial: int = 0
    change: int = 0


class FlatRun(NamedTuple):
    """One run as a row of a table, for exports of many.

    Attributes:
        created, started, ended: Microseconds since 1970, UTC.
        parameters: Texts as reported.
    """

    id: str
    name: str
    project: str
    experiment: str | None
    number: int | None
    state: str
    reason: str
    owner: str
    created: int
    started: int | None
    ended: int | None
    parameters: dict[str, str]
    metrics: dict[str, FlatMetric]
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class RunScope:
    """Which runs are looked through; conditions that are given hold together.

    Attributes:
        project_ids: Of one of these projects; empty for all of the namespace.
        experiment_ids: Trials of one of these experiments.
        parent_ids: Children of one of these runs.
        run_ids: Only these.
        roots_only: Only runs that are nobody's trial.
        lifecycle: Deleted ones or not; a run of a deleted experiment or project is deleted.
    """

    project_ids: Sequence[str] = ()
    experiment_ids: Sequence[str] = ()
    parent_ids: Sequence[str] = ()
    run_ids: Sequence[str] = ()
    roots_only: bool = False
    lifecycle: Lifecycle = Lifecycle.ACTIVE


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is the same in several runs, and what is not.

    Attributes:
        run_ids: In the order asked for; all tuples below have one value for each, None where the run has none.
        equal: Names (``params.lr``, ``metrics.loss``, ``tags.team``, ``environment.image``, ``code.revision``, ``datasets.train`` ...)
            that all runs have with one value, and the value.
        different: Names with several values, or that only some have.
    """

    run_ids: tuple[str, ...]
    equal: Mapping[str, Json]
    different: Mapping[str, tuple[Json, ...]]
