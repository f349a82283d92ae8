"""Finds the records that requests name; what is deleted is not there, as in ModelDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from katib.errors import Conflict, NotFound
from katib.store.tracking.protocol import NO_LOG

if TYPE_CHECKING:
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Log, Project, Run, RunPart, SearchExperiment

__all__ = ["NO_PARTS", "experiment_at", "locked", "project_at", "project_named", "run_at", "writable"]

NO_PARTS: Final = frozenset["RunPart"]()


def project_at(tracking: Tracking, project_id: str) -> Project:
    """Return a project.

    Raises:
        NotFound: There is none, or it is deleted.
    """
    found = tracking.project(project_id)
    if found.deleted is not None:
        raise NotFound(f"the project {found.name!r} is deleted")
    return found


def project_named(tracking: Tracking, name: str) -> Project:
    """Return the project of a name.

    Raises:
        NotFound: There is none, or it is deleted.
    """
    found = tracking.project_named(name)
    if found.deleted is not None:
        raise NotFound(f"the project {found.name!r} is deleted")
    return found


def experiment_at(tracking: Tracking, experiment_id: str) -> SearchExperiment:
    """Return an experiment.

    Raises:
        NotFound: There is none, or it is deleted.
    """
    found = tracking.search(experiment_id)
    if found.deleted is not None:
        raise NotFound(f"the experiment {found.name!r} is deleted")
    return found


def run_at(tracking: Tracking, run_id: str, parts: frozenset[RunPart] = NO_PARTS) -> Run:
    """Return a run.

    Raises:
        NotFound: There is none, or it is deleted.
    """
    found = tracking.run(run_id, parts)
    if found.deleted is not None:
        raise NotFound(f"the run {found.name!r} is deleted")
    return found


def writable(tracking: Tracking, run_id: str, parts: frozenset[RunPart] = NO_PARTS) -> Run:
    """Return a run that nobody else changes until the change ends, so that what is read of it stays true meanwhile.

    Raises:
        NotFound: There is none, or it is deleted.
    """
    locked(tracking, run_id, NO_LOG)
    return tracking.run(run_id, parts)


def locked(tracking: Tracking, run_id: str, log: Log) -> None:
    """Log to a run, which nobody else changes then until the change ends.

    Raises:
        NotFound: There is none, or it is deleted.
        Conflict: As ``Tracking.log``.
    """
    try:
        tracking.log(run_id, log)
    except Conflict:
        run_at(tracking, run_id)
        raise
