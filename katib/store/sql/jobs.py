"""The job documents of trials. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from katib.store.sql.documents import dump, load
from katib.store.sql.keys import IN_LIMIT, experiment_key, trial_key, trial_keys
from katib.store.sql.schema import trial_jobs, trials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

__all__ = ["read_job", "read_jobs", "save_job", "save_jobs"]

_INSERT = insert(trial_jobs)
_UPDATE = update(trial_jobs).where(trial_jobs.c.trial_id == bindparam("key")).values(job=bindparam("job"))
_READ = select(trial_jobs.c.job).where(trial_jobs.c.trial_id == bindparam("key"))
_KNOWN = select(trial_jobs.c.trial_id).where(trial_jobs.c.trial_id.in_(bindparam("keys", expanding=True)))
_READ_ALL = select(trials.c.name, trial_jobs.c.job).join(trial_jobs).where(trials.c.experiment_id == bindparam("key"))


def save_job(connection: Connection, uid: str, trial: str, job: Mapping[str, Any]) -> None:
    """Insert or replace a job."""
    text = dump(dict(job))
    key = trial_key(connection, uid, trial)
    if connection.execute(_UPDATE, {"key": key, "job": text}).rowcount == 0:
        connection.execute(_INSERT, {"trial_id": key, "job": text})


def save_jobs(connection: Connection, uid: str, jobs: Mapping[str, Mapping[str, Any]]) -> None:
    """Insert or replace the jobs of several trials."""
    keys = trial_keys(connection, uid, list(jobs))
    wanted = list(keys.values())
    known = {
        key
        for start in range(0, len(wanted), IN_LIMIT)
        for key in connection.execute(_KNOWN, {"keys": wanted[start : start + IN_LIMIT]}).scalars()
    }
    rows = [(keys[name], dump(dict(job))) for name, job in jobs.items()]
    if old := [{"key": key, "job": text} for key, text in rows if key in known]:
        connection.execute(_UPDATE, old)
    if new := [{"trial_id": key, "job": text} for key, text in rows if key not in known]:
        connection.execute(_INSERT, new)


def read_job(connection: Connection, uid: str, trial: str) -> dict[str, Any] | None:
    """Return a job, or None."""
    text = connection.execute(_READ, {"key": trial_key(connection, uid, trial)}).scalar()
    job: dict[str, Any] | None = None if text is None else load(text)
    return job


def read_jobs(connection: Connection, uid: str) -> dict[str, dict[str, Any]]:
    """Return every job of an experiment by its trial's name."""
    rows = connection.execute(_READ_ALL, {"key": experiment_key(connection, uid)})
    return {name: load(job) for name, job in rows}
