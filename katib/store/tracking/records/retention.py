"""What is removed for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Purged", "RetentionPolicy"]


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
