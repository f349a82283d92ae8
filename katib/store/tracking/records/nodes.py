"""What a record is, wherever it is: its kind and id, what people say of it, and pages of them."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEFAULT_PROJECT", "Facts", "Found", "Json", "Lifecycle", "Node", "NodeKind"]


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
class Found(Generic[T]):
    """A page of what was found.

    Attributes:
        cursor: What to ask the next page with; None on the last one.
        total: How many pass the filter in all; None where it was not asked for.
    """

    items: tuple[T, ...]
    cursor: str | None
    total: int | None = None
