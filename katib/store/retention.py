"""A policy of retention, carried out: runs go into an archive, rows from the store, then files from where artifacts are kept.

Rows go only after the archive has them for good, and files only after their rows are gone; files are forgotten only after they are gone.
Whoever is killed in between leaves a note in the store that the next call works off.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.errors import Conflict
from katib.store.tracking.records import Lifecycle, ProjectRetention, Purged, RetentionPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta

    from katib.store.artifacts import ArtifactStore
    from katib.store.tracking.protocol import Tracking, TrackingStore
    from katib.store.tracking.records import Project

__all__ = [
    "PlannedPurge",
    "Retained",
    "RetentionRules",
    "apply_plan",
    "apply_retention",
    "plan_retention",
    "projects_with_retention",
    "purge_with_files",
    "refuse_without_archive",
    "remove_files",
    "total",
]

_AT_A_TIME: Final = 100
_PAGE: Final = 1000
_NONE: Final = ProjectRetention()


@dataclass(frozen=True, slots=True)
class Retained:
    """What was done.

    Attributes:
        purged: The rows.
        files: Files that were removed.
        waiting: Whether files of purged runs are still to be removed, as nobody said where they are.
    """

    purged: Purged = field(default_factory=Purged)
    files: int = 0
    waiting: bool = False

    def __add__(self, later: Retained) -> Retained:
        return Retained(total([self.purged, later.purged]), self.files + later.files, later.waiting)


def total(purges: Sequence[Purged]) -> Purged:
    """Return what several purges did together."""
    return Purged(
        projects=sum(purged.projects for purged in purges),
        experiments=sum(purged.experiments for purged in purges),
        runs=sum(purged.runs for purged in purges),
        points=sum(purged.points for purged in purges),
        deleted=sum(purged.deleted for purged in purges),
        artifacts=tuple(place for purged in purges for place in purged.artifacts),
        archived=sum(purged.archived for purged in purges),
    )


def apply_retention(
    store: TrackingStore,
    artifacts: ArtifactStore | None,
    namespace: str,
    policy: RetentionPolicy,
    *,
    archive: ArtifactStore | None = None,
    actor: str = "",
    progress: Callable[[Purged], None] | None = None,
) -> Retained:
    """Purge a namespace, and remove the files of what was purged now or before.

    Example::

        month = RetentionPolicy(deleted_before=datetime.now(UTC) - timedelta(days=30))
        with open_store("katib.db") as store:
            apply_retention(store, open_artifacts("artifacts"), "default", month, archive=open_artifacts("archive"))

    Args:
        artifacts: Where the files are; None leaves them, and the notes about them, for another call.
        archive: Where runs are written before they go; None for nowhere.
        actor: Who does it, for the audit.
        progress: Called now and then with what is gone so far.

    Raises:
        NotFound: The policy speaks of a project or an experiment that is not there.
        StoreUnavailable, Denied: The store, the archive or the artifacts cannot be used; the next call goes on.
        Unsupported: An archive needs the extra ``export``, which is not installed.
    """
    return purge_with_files(
        store.tracking(namespace, actor=actor), artifacts, policy, archive=archive, progress=progress
    )


def purge_with_files(
    tracking: Tracking,
    artifacts: ArtifactStore | None,
    policy: RetentionPolicy,
    *,
    archive: ArtifactStore | None = None,
    progress: Callable[[Purged], None] | None = None,
) -> Retained:
    """Do what ``apply_retention`` does, in a namespace that is open already."""
    writer = None
    if archive is not None:
        from katib.store.archive import Archive

        writer = Archive(tracking, archive)
    purged = tracking.purge(policy, progress=progress, archive=writer)
    files = 0 if artifacts is None else remove_files(tracking, artifacts)
    return Retained(purged, files, waiting=bool(tracking.files_to_remove(limit=1)))


def remove_files(tracking: Tracking, artifacts: ArtifactStore) -> int:
    """Remove the files of purged runs of a namespace, and return how many there were."""
    removed = 0
    while pending := tracking.files_to_remove(limit=_AT_A_TIME):
        removed += sum(artifacts.delete_all(f"{project}/{run}") for project, run in pending)
        tracking.files_removed(pending)
    return removed


# -- the projects' own policies ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """What somebody who purges says instead of the projects.

    Attributes:
        deleted_for, keep_best: What goes; without both, the projects' own policies say it, and projects without one are left alone.
        archive, keep_artifacts: How it goes; None for what each project says.
        project_id: Only this project; None for all of the namespace.
    """

    deleted_for: timedelta | None = None
    keep_best: int | None = None
    archive: bool | None = None
    keep_artifacts: bool | None = None
    project_id: str | None = None

    @property
    def say_what(self) -> bool:
        """Whether they say what goes."""
        return self.deleted_for is not None or self.keep_best is not None


@dataclass(frozen=True, slots=True)
class PlannedPurge:
    """One purge of several.

    Attributes:
        archive: Whether runs go into an archive first.
        project: Whose policy it is by; None for those that have none.
    """

    policy: RetentionPolicy
    archive: bool
    project: Project | None = None


def projects_with_retention(tracking: Tracking) -> Iterator[Project]:
    """Yield the projects of a namespace that have a policy of their own, deleted ones too."""
    cursor = None
    while True:
        page = tracking.find_projects(lifecycle=Lifecycle.ALL, limit=_PAGE, cursor=cursor)
        yield from (project for project in page.items if project.retention != _NONE)
        cursor = page.cursor
        if cursor is None:
            return


def plan_retention(tracking: Tracking, rules: RetentionRules, *, now: datetime | None = None) -> list[PlannedPurge]:
    """Return the purges of a namespace that rules and the projects' own policies ask for, one for each project and one for the rest.

    Raises:
        NotFound: There is no such project.
    """
    moment = now or datetime.now(UTC)
    planned = []
    if rules.project_id is None:
        projects = list(projects_with_retention(tracking))
    else:
        projects = [tracking.project(rules.project_id)]
    for project in projects:
        own = project.retention
        what = ProjectRetention(rules.deleted_for, rules.keep_best) if rules.say_what else own
        if what.removes:
            policy = RetentionPolicy(
                deleted_before=None if what.deleted_for is None else moment - what.deleted_for,
                keep_best=what.keep_best,
                project_id=project.id,
                keep_artifacts=own.keep_artifacts if rules.keep_artifacts is None else rules.keep_artifacts,
            )
            planned.append(PlannedPurge(policy, own.archive if rules.archive is None else rules.archive, project))
    if rules.say_what and rules.project_id is None:
        others = RetentionPolicy(
            deleted_before=None if rules.deleted_for is None else moment - rules.deleted_for,
            keep_best=rules.keep_best,
            keep_artifacts=bool(rules.keep_artifacts),
            without_own=True,
        )
        planned.append(PlannedPurge(others, bool(rules.archive)))
    return planned


def refuse_without_archive(tracking: Tracking, policy: RetentionPolicy) -> None:
    """Refuse to purge by a policy, without an archive, what a project wants archived.

    Raises:
        NotFound: The policy speaks of a project or an experiment that is not there.
        Conflict: A project does.
    """
    project_id = policy.project_id
    if policy.experiment_id is not None:
        project_id = tracking.search(policy.experiment_id).project_id
    projects = projects_with_retention(tracking) if project_id is None else [tracking.project(project_id)]
    for project in projects:
        if project.retention.archive:
            raise _unmet(project)


def _unmet(project: Project | None) -> Conflict:
    name = "" if project is None else f" {project.name!r}"
    return Conflict(
        f"the project{name} wants its runs archived before they are purged, and there is no archive: say where with"
        " --archive URL, or purge it with --no-archive"
    )


def apply_plan(
    tracking: Tracking,
    plan: Sequence[PlannedPurge],
    *,
    artifacts: ArtifactStore | None = None,
    archive: ArtifactStore | None = None,
    progress: Callable[[Purged], None] | None = None,
) -> Retained:
    """Make purges one after another.

    Args:
        artifacts: Where the files are; None leaves them for another call.
        archive: Where runs go whose project wants that.
        progress: Called now and then with what is gone so far.

    Raises:
        Conflict: A project wants an archive, and nobody said where one is; nothing is purged then.
        StoreUnavailable, Denied, Unsupported: As ``apply_retention``; what was purged before stays so.
    """
    unmet = [purge.project for purge in plan if purge.archive and archive is None]
    if unmet:
        raise _unmet(unmet[0])
    done = Retained(waiting=bool(tracking.files_to_remove(limit=1)))
    for purge in plan:
        done += purge_with_files(
            tracking,
            artifacts,
            purge.policy,
            archive=archive if purge.archive else None,
            progress=_after(done.purged, progress),
        )
    return done


def _after(before: Purged, progress: Callable[[Purged], None] | None) -> Callable[[Purged], None] | None:
    """Let somebody be told of all purges together."""
    if progress is None:
        return None
    return lambda purged: progress(replace(total([before, purged]), artifacts=()))
