"""What a run left behind: the records of the tracking store, in the terms of ModelDB (facts, store 6.1).

A namespace has projects. A project has runs. A search (an experiment, whoever drives it) is itself a run of its project, its *root
run*, and its trials are runs below that one. Any run becomes the root of an experiment when a run is put below it, so a parent run
of MLflow and its nested runs are an experiment and its trials like those of ``katib run``.

Ids are 32 hexadecimal digits and are never used twice. Times are aware and come back in UTC.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from katib.api.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from katib.store.protocol import Reported

__all__ = [
    "DEFAULT_PROJECT",
    "Artifact",
    "ArtifactState",
    "AuditEntry",
    "ChartPoint",
    "Comment",
    "Comparison",
    "Dataset",
    "DatasetUse",
    "DatasetVersion",
    "ExperimentKind",
    "Facts",
    "FlatMetric",
    "FlatRun",
    "Found",
    "Json",
    "Lifecycle",
    "LineageEdge",
    "Log",
    "LogReceipt",
    "Metric",
    "NewRun",
    "Node",
    "NodeKind",
    "Parameter",
    "Project",
    "Purged",
    "RetentionPolicy",
    "Run",
    "RunPart",
    "RunScope",
    "SampleChange",
    "SearchExperiment",
]

DEFAULT_PROJECT: Final = "Default"
"""The project of what names none; every namespace has it as soon as it is needed. MLflow's clients know it as experiment ``0``."""

Json: TypeAlias = Any
"""What ``json`` reads and writes, NaN and infinities included."""

T = TypeVar("T")


class Lifecycle(enum.Enum):
    """Which records are meant."""

    ACTIVE = "active"
    DELETED = "deleted"
    """Deleted, and not purged yet."""
    ALL = "all"


class NodeKind(enum.StrEnum):
    """What a record is, where it could be any."""

    PROJECT = "project"
    EXPERIMENT = "experiment"
    RUN = "run"
    DATASET = "dataset"
    DATASET_VERSION = "dataset-version"
    ARTIFACT = "artifact"


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One record of any kind."""

    kind: NodeKind
    id: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What people say of a record.

    Attributes:
        tags: Texts by name (a tag of ModelDB has an empty text).
        properties: Any JSON by name; what ModelDB calls attributes.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """What belongs together."""

    id: str
    namespace: str
    name: str
    description: str
    owner: str
    created: datetime
    updated: datetime
    deleted: datetime | None
    facts: Facts


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


@dataclass(frozen=True, slots=True)
class Parameter:
    """A hyperparameter as it was given.

    Attributes:
        text: As reported; never changed.
        number: The same as a double; None where it is no number.
    """

    name: str
    text: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one run in short; texts are as reported.

    Attributes:
        value: The latest report as a double; None for a word.
        latest_time: When it was reported, if that was said.
        latest_step: At which step.
        first_step: The step of the first report.
        min_value, max_value: NaN and words do not count; None where there is no number.
        count: How many reports.
    """

    name: str
    latest: str
    value: float | None
    latest_time: datetime | None
    latest_step: int | None
    first: str
    first_step: int | None
    min: str
    min_value: float | None
    max: str
    max_value: float | None
    count: int


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
class Dataset:
    """Data that has versions."""

    id: str
    project_id: str
    name: str
    description: str
    owner: str
    created: datetime
    updated: datetime
    facts: Facts


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One state of a dataset; its content is told by its digest.

    Attributes:
        number: Counted from 1 within the dataset.
        digest: Of the content, as the reporter computed it; one version of a dataset for each.
        uri: Where it is.
        source_type: Such as ``local``, ``s3``, ``code`` or what MLflow says; empty where nobody did.
        size: In bytes.
        rows: How many.
        schema: JSON; None where nobody said.
        profile: JSON: further numbers about it.
        parent_id: The version it was made from.
    """

    id: str
    dataset_id: str
    name: str
    number: int
    digest: str
    uri: str
    source_type: str
    size: int | None
    rows: int | None
    schema: Json
    profile: Json
    parent_id: str | None
    created: datetime


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """A run used a version of a dataset.

    Attributes:
        role: Such as ``training`` (MLflow's context); may be empty.
        tags: Of this use.
    """

    version: DatasetVersion
    role: str
    tags: Mapping[str, str] = field(default_factory=dict)


class ArtifactState(enum.StrEnum):
    """What of an artifact is there."""

    LINK = "link"
    """Nothing: it is somewhere else, at ``uri``."""
    PENDING = "pending"
    """Announced, not uploaded."""
    STORED = "stored"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a run, or a link to one.

    Attributes:
        path: Below the run's folder of artifacts; ModelDB's key.
        type: ``MODEL``, ``IMAGE``, ``DATA``, ... or empty.
        uri: Where it is.
        size: In bytes, once known.
        sha256: Of the content, once known.
        metadata: Anything else its writer said.
    """

    id: str
    run_id: str
    path: str
    type: str
    uri: str
    state: ArtifactState
    size: int | None
    sha256: str | None
    content_type: str | None
    metadata: Mapping[str, Json]
    created: datetime


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


class FlatMetric(NamedTuple):
    """One metric of one run, for exports.

    Attributes:
        latest: NaN and infinities as they are; None for a word.
        word: The latest report where it is no number.
        min, max: None where there is no number.
    """

    latest: float | None
    word: str | None
    min: float | None
    max: float | None


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
class Log:
    """What is logged to a run in one change.

    Attributes:
        samples: Reports of metrics. Of equal ones (metric, time, step, text), *n* in one log make sure that *n* are stored
            (ADR 0009), so the same log again changes nothing.
        parameters: Texts by name.
        facts: Tags and properties; those there are replaced.
        replace: Whether a parameter that has another text is replaced; otherwise that is a Conflict.
    """

    samples: Sequence[Reported] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    replace: bool = False


@dataclass(frozen=True, slots=True)
class SampleChange:
    """Reports of one run, for ``TrackingStore.together``: many of them are written as quickly as one.

    Attributes:
        first_sequence: The number of the first, for ``Tracking.append``; None for ``Tracking.log``.
    """

    namespace: str
    run_id: str
    samples: Sequence[Reported]
    first_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class LogReceipt:
    """What became of a log: how many reports were new, and how many were there before."""

    stored: int
    repeated: int


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be recorded.

    Attributes:
        project_id: Its project; may be left out beside one of the next two, and is ``Default`` where none of them is given.
        experiment_id: Of which it becomes a trial.
        parent_id: A run of which it becomes a child; that one becomes the root of an experiment if it is none yet.
        id: Chosen by the caller, so that a repeated call makes no second run; None for a new one.
        name: None for one made up.
        started: When it started; None for not yet.
    """

    project_id: str | None = None
    experiment_id: str | None = None
    parent_id: str | None = None
    id: str | None = None
    name: str | None = None
    state: TrialState = TrialState.RUNNING
    started: datetime | None = None
    ended: datetime | None = None
    description: str = ""
    owner: str | None = None
    log: Log = field(default_factory=Log)


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
class Found(Generic[T]):
    """A page of what was found.

    Attributes:
        cursor: What to ask the next page with; None on the last one.
        total: How many pass the filter in all; None where it was not asked for.
    """

    items: tuple[T, ...]
    cursor: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """A part of a series: the reports between two steps (or times, where no steps were reported), in short.

    Attributes:
        step: Of the last report in it.
        time: Likewise.
        value: The last number in it; NaN and infinities as they are.
        min, max: The extremes; None where it has no finite number.
        count: How many reports.
    """

    step: int | None
    time: datetime | None
    value: float | None
    min: float | None
    max: float | None
    count: int


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


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody said about a run."""

    id: str
    run_id: str
    author: str
    text: str
    created: datetime
    edited: datetime | None


@dataclass(frozen=True, slots=True, order=True)
class LineageEdge:
    """``output`` was made from ``input``."""

    input: Node
    output: Node


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change that somebody made.

    Attributes:
        action: Such as ``create``, ``update``, ``delete``, ``restore``, ``purge``, ``log``.
        details: What of it; small.
    """

    id: int
    time: datetime
    actor: str
    action: str
    node: Node | None
    details: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What is purged.

    Attributes:
        deleted_before: Everything deleted before that time.
        keep_best: Of each experiment of ``project_id``, the best so many trials by its objective; the other finished trials are
            deleted (softly). None keeps all.
        keep_artifacts: Whether files stay where rows go.
    """

    deleted_before: datetime | None = None
    keep_best: int | None = None
    project_id: str | None = None
    experiment_id: str | None = None
    keep_artifacts: bool = False


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did.

    Attributes:
        artifacts: Runs whose files may be removed now, as (project id, run id).
    """

    projects: int = 0
    experiments: int = 0
    runs: int = 0
    points: int = 0
    deleted: int = 0
    artifacts: tuple[tuple[str, str], ...] = ()
