"""What people say and do, and what was made from what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from katib.store.tracking.records.nodes import Json, Node

__all__ = ["AuditEntry", "Comment", "LineageEdge"]


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
