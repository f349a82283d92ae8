"""What is removed for good, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime, timedelta

__all__ = [
    "ArchiveBatch",
    "ArchiveWriter",
    "ArchivedRun",
    "LeaseState",
    "ProjectRetention",
    "Purged",
    "RetentionPolicy",
]


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What is purged.

    Attributes:
        deleted_before: Everything deleted before that time.
        keep_best: Of each experiment of ``project_id``, the best so many trials by its objective; the other finished trials are
            deleted (softly). None keeps all.
        keep_artifacts: Whether files stay where rows go.
        without_own: Whether projects that have a policy of their own are left alone.
    """

    deleted_before: datetime | None = None
    keep_best: int | None = None
    project_id: str | None = None
    experiment_id: str | None = None
    keep_artifacts: bool = False
    without_own: bool = False


@dataclass(frozen=True, slots=True)
class ProjectRetention:
    """What a project wants purged, whenever somebody purges by the projects' own policies.

    Attributes:
        deleted_for: What was deleted longer ago than this; None leaves the deleted.
        keep_best: As in ``RetentionPolicy``.
        archive: Whether runs go into an archive before they are purged, and stay where there is none.
        keep_artifacts: As in ``RetentionPolicy``.
    """

    deleted_for: timedelta | None = None
    keep_best: int | None = None
    archive: bool = False
    keep_artifacts: bool = False

    @property
    def removes(self) -> bool:
        """Whether anything goes by it."""
        return self.deleted_for is not None or self.keep_best is not None


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did.

    Attributes:
        deleted: Trials that were deleted (softly), as they are not among the best.
        artifacts: Runs whose files may be removed now, as (project id, run id).
        archived: Runs that were written into an archive.
    """

    projects: int = 0
    experiments: int = 0
    runs: int = 0
    points: int = 0
    deleted: int = 0
    artifacts: tuple[tuple[str, str], ...] = ()
    archived: int = 0


@dataclass(frozen=True, slots=True)
class ArchivedRun:
    """One run that goes into an archive.

    Attributes:
        deleted: When it was deleted, which its own record does not say any more; None where nobody knows.
    """

    id: str
    deleted: datetime | None


@dataclass(frozen=True, slots=True)
class ArchiveBatch:
    """Runs of one project that go into an archive together; those of one batch are always the same."""

    id: str
    namespace: str
    project_id: str
    runs: tuple[ArchivedRun, ...]


class ArchiveWriter(Protocol):
    """Where a purge writes runs before it removes them.

    What returns is durable; a second call replaces what the first one wrote. Runs are read from the store, and nothing is stored unless
    the batch is still to be written once all of it is read (``Tracking.is_archived``): then nothing of it had been removed.
    """

    def write_points(self, batch: ArchiveBatch) -> None:
        """Write what the runs of a batch reported."""

    def write_runs(self, batch: ArchiveBatch) -> None:
        """Write the runs themselves, without which points count for nothing."""


@dataclass(frozen=True, slots=True)
class LeaseState:
    """Who does something that one process does at a time.

    Attributes:
        beat: Grows for as long as the holder lives.
    """

    holder: str
    beat: int
