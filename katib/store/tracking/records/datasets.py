"""Data, its versions, and that a run used one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from katib.store.tracking.records.nodes import Facts, Json

__all__ = ["Dataset", "DatasetUse", "DatasetVersion"]


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
