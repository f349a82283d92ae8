"""The job documents of trials. Functions run in the caller's transaction."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from katib.store.sql.documents import dump, load
from katib.store.sql.keys import experiment_key, trial_key, trial_keys
from katib.store.sql.schema import trial_jobs, trials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Insert

__all__ = ["read_job", "read_jobs", "save_job", "save_jobs"]

_INSERT = insert(trial_jobs)
_UPDATE = update(trial_jobs).where(trial_jobs.c.trial_id == bindparam("key")).values(job=bindparam("job"))
_READ = select(trial_jobs.c.job).where(trial_jobs.c.trial_id == bindparam("key"))
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
    if jobs:
        rows = [{"trial_id": keys[name], "job": dump(dict(job))} for name, job in jobs.items()]
        connection.execute(_replacing(connection.dialect.name), rows)


@cache
def _replacing(dialect: str) -> Insert:
    """Return what inserts a job or replaces the one there, which each database says in words of its own."""
    if dialect == "mysql":
        from sqlalchemy.dialects.mysql import insert as mysql_insert

        into = mysql_insert(trial_jobs)
        return into.on_duplicate_key_update(job=into.inserted.job)
    module = import_module(f"sqlalchemy.dialects.{dialect}")
    other = module.insert(trial_jobs)
    replacing: Insert = other.on_conflict_do_update(
        index_elements=[trial_jobs.c.trial_id], set_={"job": other.excluded.job}
    )
    return replacing


def read_job(connection: Connection, uid: str, trial: str) -> dict[str, Any] | None:
    """Return a job, or None."""
    text = connection.execute(_READ, {"key": trial_key(connection, uid, trial)}).scalar()
    job: dict[str, Any] | None = None if text is None else load(text)
    return job


def read_jobs(connection: Connection, uid: str) -> dict[str, dict[str, Any]]:
    """Return every job of an experiment by its trial's name."""
    rows = connection.execute(_READ_ALL, {"key": experiment_key(connection, uid)})
    return {name: load(job) for name, job in rows}
