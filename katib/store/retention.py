"""A policy of retention, carried out: rows go from the store, then the files of purged runs from where artifacts are kept.

Files go only after their rows are gone for good, and are forgotten only after they are gone: whoever is killed in between leaves a note
in the store that the next call works off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from katib.store.artifacts import ArtifactStore
    from katib.store.tracking.protocol import Tracking, TrackingStore
    from katib.store.tracking.records import Purged, RetentionPolicy

__all__ = ["Retained", "apply_retention", "remove_files"]

_AT_A_TIME: Final = 100


@dataclass(frozen=True, slots=True)
class Retained:
    """What was done.

    Attributes:
        purged: The rows.
        files: Files that were removed.
        waiting: Whether files of purged runs are still to be removed, as nobody said where they are.
    """

    purged: Purged
    files: int
    waiting: bool


def apply_retention(
    store: TrackingStore,
    artifacts: ArtifactStore | None,
    namespace: str,
    policy: RetentionPolicy,
    *,
    actor: str = "",
    progress: Callable[[Purged], None] | None = None,
) -> Retained:
    """Purge a namespace, and remove the files of what was purged now or before.

    Example::

        month = RetentionPolicy(deleted_before=datetime.now(UTC) - timedelta(days=30))
        with open_store("katib.db") as store:
            apply_retention(store, open_artifacts("artifacts"), "default", month)

    Args:
        artifacts: Where the files are; None leaves them, and the notes about them, for another call.
        actor: Who does it, for the audit.
        progress: Called now and then with what is gone so far.

    Raises:
        NotFound: The policy speaks of a project or an experiment that is not there.
        StoreUnavailable, Denied: The store or the artifacts cannot be used; the next call goes on.
    """
    tracking = store.tracking(namespace, actor=actor)
    purged = tracking.purge(policy, progress=progress)
    files = 0 if artifacts is None else remove_files(tracking, artifacts)
    return Retained(purged, files, waiting=bool(tracking.files_to_remove(limit=1)))


def remove_files(tracking: Tracking, artifacts: ArtifactStore) -> int:
    """Remove the files of purged runs of a namespace, and return how many there were."""
    removed = 0
    while pending := tracking.files_to_remove(limit=_AT_A_TIME):
        removed += sum(artifacts.delete_all(f"{project}/{run}") for project, run in pending)
        tracking.files_removed(pending)
    return removed
