"""The tables, as of the newest migration.

Rules of the schema (facts, store 6.2): integer keys inside and names outside; metric names once; points clustered by series; one
summary row per trial and metric, changed in the transaction that adds the points, so that no search ever reads points; ids are
never used twice. Times are microseconds since 1970, UTC. Documents are JSON text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from katib.store.sql.text import storable

if TYPE_CHECKING:
    from sqlalchemy import Dialect

__all__ = [
    "REVISIONS",
    "collectors",
    "counters",
    "events",
    "experiments",
    "metadata",
    "metrics",
    "observations",
    "requests",
    "revision_table",
    "summaries",
    "trial_jobs",
    "trials",
]

REVISIONS = ("0001", "0002")
"""Every schema there has been, oldest first; the last is this one. A test holds it equal to the migrations."""


class StoredName(TypeDecorator[str]):
    """A name that anyone may look for: what UTF-8 cannot hold is escaped instead of failing the query."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Escape lone surrogates."""
        return None if value is None else storable(value)


class StoredText(StoredName):
    """Text as reported by strangers, of any length."""

    impl = Text
    cache_ok = True


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Alembic's own table, under a name of ours so that the store can share a database; not part of `metadata`, as Alembic owns it.
revision_table = Table(
    "katib_store_revision",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="katib_store_revision_pkc"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Counters that only grow; ``change`` numbers what was recorded, in the order of recording (clocks go backwards)."""

experiments = Table(
    "experiments",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(64), nullable=False, unique=True),
    Column("namespace", StoredName(255), nullable=False),
    Column("name", StoredName(255), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("algorithm", StoredText, nullable=False),
    Column("max_trials", Integer),
    Column("status", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("spec", Text, nullable=False),
    UniqueConstraint("namespace", "name"),
    sqlite_autoincrement=True,
)

trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment_id", Integer, ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    Column("trial_index", BigInteger, nullable=False),
    Column("name", StoredName(255), nullable=False),
    Column("state", String(32), nullable=False),
    Column("assignments", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("finished", BigInteger),
    Column("observation", Text),
    Column("reason", StoredText, nullable=False),
    Column("message", StoredText, nullable=False),
    Column("imported", Boolean, nullable=False),
    Column("stopping", String(32)),
    Column("attempt", Integer, nullable=False),
    Column("labels", Text, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("rules", Text),
    UniqueConstraint("experiment_id", "trial_index"),
    UniqueConstraint("experiment_id", "name"),
    Index(None, "experiment_id", "change"),
    sqlite_autoincrement=True,
)

trial_jobs = Table(
    "trial_jobs",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("job", Text, nullable=False),
)
"""Apart from ``trials``, because lists of trials never want these documents."""

collectors = Table(
    "collectors",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("next_sequence", BigInteger, nullable=False),
    Column("checkpoint", Text),
)
"""How far the reports of a trial are stored, and where its collector stands."""

metrics = Table(
    "metrics",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", StoredText, nullable=False, unique=True),
    sqlite_autoincrement=True,
)

observations = Table(
    "observations",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True),
    Column("metric_id", Integer, ForeignKey("metrics.id"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("value", Double),
    Column("kind", SmallInteger, nullable=False),
    Column("text", StoredText),
    Column("time", BigInteger),
    Column("step", BigInteger),
    sqlite_with_rowid=False,
)
"""Every report. ``kind`` (``katib.store.sql.values``) holds what a database's double cannot; ``text`` only what they do not give back."""

summaries = Table(
    "summaries",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True),
    Column("metric_id", Integer, ForeignKey("metrics.id"), primary_key=True),
    Column("first_sequence", BigInteger, nullable=False),
    Column("first", StoredText, nullable=False),
    Column("first_time", BigInteger),
    Column("latest", StoredText, nullable=False),
    Column("latest_time", BigInteger),
    Column("latest_value", Double),
    Column("latest_kind", SmallInteger, nullable=False),
    Column("min", StoredText, nullable=False),
    Column("min_value", Double),
    Column("min_kind", SmallInteger, nullable=False),
    Column("max", StoredText, nullable=False),
    Column("max_value", Double),
    Column("max_kind", SmallInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment_id", Integer, ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    Column("trial", StoredText),
    Column("kind", String(16), nullable=False),
    Column("reason", StoredText, nullable=False),
    Column("message", StoredText, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("change", BigInteger, nullable=False),
    UniqueConstraint("experiment_id", "digest"),
    Index(None, "experiment_id", "change"),
    sqlite_autoincrement=True,
)
"""``digest`` stands for (trial, kind, reason, message): the same words again find their row without an index over long texts."""

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment_id", Integer, ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    Column("action", String(16), nullable=False),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("experiment_id", "action"),
    sqlite_autoincrement=True,
)
