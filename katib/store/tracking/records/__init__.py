"""What a run left behind: the records of the tracking store, in the terms of ModelDB (facts, store 6.1).

A namespace has projects. A project has runs. A search (an experiment, whoever drives it) is itself a run of its project, its *root
run*, and its trials are runs below that one. Any run becomes the root of an experiment when a run is put below it, so a parent run
of MLflow and its nested runs are an experiment and its trials like those of ``katib run``.

Ids are 32 hexadecimal digits and are never used twice. Times are aware and come back in UTC.
"""

from __future__ import annotations

from katib.store.tracking.records.artifacts import Artifact, ArtifactState
from katib.store.tracking.records.datasets import Dataset, DatasetUse, DatasetVersion
from katib.store.tracking.records.history import AuditEntry, Comment, LineageEdge
from katib.store.tracking.records.logs import Log, LogReceipt, NewRun, RunChange, SampleChange
from katib.store.tracking.records.measures import ChartPoint, FlatMetric, Metric, Parameter
from katib.store.tracking.records.nodes import DEFAULT_PROJECT, Facts, Found, Json, Lifecycle, Node, NodeKind
from katib.store.tracking.records.projects import ExperimentKind, Project, SearchExperiment
from katib.store.tracking.records.retention import (
    ArchiveBatch,
    ArchivedRun,
    ArchiveWriter,
    LeaseState,
    ProjectRetention,
    Purged,
    RetentionPolicy,
)
from katib.store.tracking.records.runs import Comparison, FlatRun, Run, RunPart, RunScope

__all__ = [
    "DEFAULT_PROJECT",
    "ArchiveBatch",
    "ArchiveWriter",
    "ArchivedRun",
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
    "LeaseState",
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
    "ProjectRetention",
    "Purged",
    "RetentionPolicy",
    "Run",
    "RunChange",
    "RunPart",
    "RunScope",
    "SampleChange",
    "SearchExperiment",
]
