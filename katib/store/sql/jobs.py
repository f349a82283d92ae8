"""The job documents of trials. Functions run in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from katib.store.sql.documents import dump, load
from katib.store.sql.keys import trial_key
from katib.store.sql.schema import trial_jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

__all__ = ["read_job", "save_job"]

_INSERT = insert(trial_jobs)
_UPDATE = update(trial_jobs).where(trial_jobs.c.trial_id == bindparam("key")).values(job=bindparam("job"))
_READ = select(trial_jobs.c.job).where(trial_jobs.c.trial_id == bindparam("key"))


def save_job(connection: Connection, uid: str, trial: str, job: Mapping[str, Any]) -> None:
    """Insert or replace a job."""
    text = dump(dict(job))
    key = trial_key(connection, uid, trial)
    if connection.execute(_UPDATE, {"key": key, "job": text}).rowcount == 0:
        connection.execute(_INSERT, {"trial_id": key, "job": text})


def read_job(connection: Connection, uid: str, trial: str) -> dict[str, Any] | None:
    """Return a job, or None."""
    text = connection.execute(_READ, {"key": trial_key(connection, uid, trial)}).scalar()
    job: dict[str, Any] | None = None if text is None else load(text)
    return job
