"""The tables, as of the newest migration.

Rules of the schema (facts, store 6.2): integer keys inside and names outside; metric names once; points clustered by series; one
summary row per trial and metric, changed in the transaction that adds the points, so that no search ever reads points; ids are
never used twice. Times are microseconds since 1970, UTC. Documents are JSON text.
"""

from __future__ import annotations

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
    UniqueConstraint,
)

from katib.store.sql.column_types import TABLE_OPTIONS, Document, StoredName, StoredText

__all__ = [
    "LONGEST_NAME",
    "OURS",
    "REVISIONS",
    "answers",
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
    "unclaimed_observations",
    "unclaimed_trials",
]

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every schema there has been, oldest first; the last is this one. A test holds it equal to the migrations."""

LONGEST_NAME = 255
"""Characters in the name of a namespace, an experiment or a trial."""

OURS = "katib"
"""The kind of an experiment that we drive (``ExperimentKind.KATIB``)."""

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
    **TABLE_OPTIONS,
)
"""Counters that only grow; ``change`` numbers what was recorded, in the order of recording (clocks go backwards).

``writers`` counts nothing: where the database has no other lock to share, writers lock this row. Nor do ``lineage …``, one for each
namespace, which whoever adds lineage there locks.
"""

experiments = Table(
    "experiments",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(64), nullable=False, unique=True),
    Column("namespace", StoredName(LONGEST_NAME), nullable=False),
    Column("name", StoredName(LONGEST_NAME), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("algorithm", StoredText, nullable=False),
    Column("max_trials", Integer),
    Column("status", Document, nullable=False),
    Column("metadata", Document, nullable=False),
    Column("spec", Document, nullable=False),
    Column("project_id", Integer),
    Column("root_id", Integer),
    Column("kind", String(16)),
    Column("title", StoredName(LONGEST_NAME)),
    Column("description", StoredText),
    Column("owner", StoredName(LONGEST_NAME)),
    Column("updated", BigInteger),
    Column("deleted", BigInteger),
    Column("objective", StoredText),
    Column("objective_type", StoredName(16)),
    Column("best_value", Double),
    Column("trial_count", BigInteger),
    UniqueConstraint("namespace", "name"),
    Index(None, "project_id", "title", unique=True),
    Index(None, "root_id"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""Searches. ``title`` is what people call one and unique in its project; ``name`` is that too for experiments of ours, and after a
deletion it is another, so that the name is free. The row of ``trials`` that is the *root run* has state, times and facts. Columns that
a migration added have no NOT NULL and no foreign key, which SQLite adds to no table; only ``description`` to ``trial_count`` may be NULL.
"""

trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("experiment_id", Integer, ForeignKey("experiments.id", ondelete="CASCADE")),
    Column("trial_index", BigInteger),
    Column("name", StoredName(LONGEST_NAME), nullable=False),
    Column("state", String(32), nullable=False),
    Column("assignments", Document, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("finished", BigInteger),
    Column("observation", Document),
    Column("reason", StoredText, nullable=False),
    Column("message", StoredText, nullable=False),
    Column("imported", Boolean, nullable=False),
    Column("stopping", String(32)),
    Column("attempt", Integer, nullable=False),
    Column("labels", Document, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("rules", Document),
    Column("uid", StoredName(32)),
    Column("project_id", Integer),
    Column("title", StoredText),
    Column("description", StoredText),
    Column("owner", StoredName(LONGEST_NAME)),
    Column("began", BigInteger),
    Column("deleted", BigInteger),
    Column("code_id", Integer),
    Column("environment_id", Integer),
    Column("place", Document),
    UniqueConstraint("experiment_id", "trial_index"),
    UniqueConstraint("experiment_id", "name"),
    Index(None, "name"),
    Index(None, "experiment_id", "change"),
    Index(None, "uid", unique=True),
    Index(None, "project_id", "began", "id", "deleted"),
    Index(None, "project_id", "change"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""Runs: the trials of experiments, and those of no experiment (``experiment_id`` and ``trial_index`` are NULL), root runs among them.

``title`` is what people call a run where that is not its name, ``began`` its start or else its creation. ``deleted`` is set in each
run that a deletion took along.
"""

trial_jobs = Table(
    "trial_jobs",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("job", Document, nullable=False),
    **TABLE_OPTIONS,
)
"""Apart from ``trials``, because lists of trials never want these documents."""

collectors = Table(
    "collectors",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("next_sequence", BigInteger, nullable=False),
    Column("checkpoint", Document),
    Column("collected", BigInteger),
    **TABLE_OPTIONS,
)
"""How far the reports of a trial are stored, and where its collector stands.

``next_sequence`` counts every report, ``collected`` those of the collector; NULL where no others ever came.
"""

metrics = Table(
    "metrics",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", StoredText, nullable=False),
    Column("digest", String(64), nullable=False, server_default=""),
    UniqueConstraint("name").ddl_if(dialect="sqlite"),  # of the first schema; SQLite drops no constraint
    Index(None, "digest", unique=True),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""``digest`` stands for the name (``katib.store.sql.keys.digest_of``): names may be longer than any index takes."""

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
    Index(None, "trial_id", "metric_id", "time"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)
"""Every report. ``kind`` (``katib.store.sql.values``) holds what a database's double cannot; ``text`` only what they do not give back."""

unclaimed_trials = Table(
    "unclaimed_trials",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", StoredName(LONGEST_NAME), nullable=False),
    Column("namespace", StoredName(LONGEST_NAME), nullable=False),
    Column("next_sequence", BigInteger, nullable=False),
    UniqueConstraint("name", "namespace"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""Trials that something was reported of over Katib's wire, and that are of no experiment here: ``namespace`` is empty where unknown."""

unclaimed_observations = Table(
    "unclaimed_observations",
    metadata,
    Column("trial_id", Integer, ForeignKey("unclaimed_trials.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("metric_id", Integer, ForeignKey("metrics.id"), nullable=False),
    Column("time", BigInteger),
    Column("text", StoredText, nullable=False),
    Index(None, "trial_id", "metric_id", "time"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)

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
    Column("first_value", Double),
    Column("first_kind", SmallInteger),
    Column("first_step", BigInteger),
    Column("latest_step", BigInteger),
    Column("project_id", Integer),
    Index(None, "project_id", "metric_id", "latest_kind", "latest_value"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)
"""``project_id`` is that of the trial, here too for the index: looking for runs by a metric reads those of the project and no others."""

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
    **TABLE_OPTIONS,
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
    **TABLE_OPTIONS,
)

answers = Table(
    "answers",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("answer", Document, nullable=False),
    Column("given", BigInteger, nullable=False),
    Index(None, "given"),
    **TABLE_OPTIONS,
)
"""What was answered to changes that may be asked for again: ``digest`` stands for the namespace and the id of a request, ``request``
for all that was asked for. Kept for a day.
"""
