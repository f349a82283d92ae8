"""The tables of what ModelDB kept: projects, parameters, tags, datasets, artifacts, comments, lineage, and who changed what.

They follow the rules of ``katib.store.sql.schema``. A row without a namespace of its own belongs to a project, which has one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from katib.store.sql.column_types import TABLE_OPTIONS, Document, StoredName, StoredText
from katib.store.sql.schema import LONGEST_NAME, metadata

__all__ = [
    "archived_runs",
    "archives",
    "artifacts",
    "audit",
    "comments",
    "dataset_properties",
    "dataset_tags",
    "dataset_versions",
    "datasets",
    "file_removals",
    "leases",
    "lineage",
    "metadata",
    "parameter_names",
    "parameters",
    "project_properties",
    "project_tags",
    "projects",
    "provenance",
    "run_datasets",
    "run_properties",
    "run_tags",
]

projects = Table(
    "projects",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("namespace", StoredName(LONGEST_NAME), nullable=False),
    Column("name", StoredName(LONGEST_NAME), nullable=False),
    Column("description", StoredText, nullable=False),
    Column("owner", StoredName(LONGEST_NAME), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", BigInteger),
    Column("retention", Document),
    UniqueConstraint("namespace", "name"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""``retention`` is what the project wants purged, NULL where it says nothing (``katib.store.sql.tracking.retention_rows``)."""


def _tags(of: str, key: str, table: str) -> Table:
    return Table(
        f"{of}_tags",
        metadata,
        Column(key, Integer, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False),
        Column("name", StoredName(LONGEST_NAME), nullable=False),
        Column("text", StoredText, nullable=False),
        PrimaryKeyConstraint(key, "name"),
        sqlite_with_rowid=False,
        **TABLE_OPTIONS,
    )


def _properties(of: str, key: str, table: str) -> Table:
    """``text`` is what filters compare (a string as it is, other JSON as JSON), ``number`` the value of a number."""
    return Table(
        f"{of}_properties",
        metadata,
        Column(key, Integer, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False),
        Column("name", StoredName(LONGEST_NAME), nullable=False),
        Column("value", Document, nullable=False),
        Column("text", StoredText, nullable=False),
        Column("number", Double),
        PrimaryKeyConstraint(key, "name"),
        sqlite_with_rowid=False,
        **TABLE_OPTIONS,
    )


project_tags = _tags("project", "project_id", "projects")
project_properties = _properties("project", "project_id", "projects")
run_tags = _tags("run", "trial_id", "trials")
run_properties = _properties("run", "trial_id", "trials")

parameter_names = Table(
    "parameter_names",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", StoredText, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

parameters = Table(
    "parameters",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("parameter_id", Integer, ForeignKey("parameter_names.id"), nullable=False),
    Column("text", StoredText, nullable=False),
    Column("number", Double),
    PrimaryKeyConstraint("trial_id", "parameter_id"),
    Index(None, "parameter_id", "number"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)
"""``number`` is NULL for what is no finite number. No index over texts: MySQL has none for texts of any length."""

provenance = Table(
    "provenance",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("document", Document, nullable=False),
    UniqueConstraint("kind", "digest"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""Code and environments, each once however many runs had it; ``digest`` is the SHA-256 of the document."""

datasets = Table(
    "datasets",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("project_id", Integer, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("name", StoredName(LONGEST_NAME), nullable=False),
    Column("description", StoredText, nullable=False),
    Column("owner", StoredName(LONGEST_NAME), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    UniqueConstraint("project_id", "name"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

dataset_tags = _tags("dataset", "dataset_id", "datasets")
dataset_properties = _properties("dataset", "dataset_id", "datasets")

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("dataset_id", Integer, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", StoredName(LONGEST_NAME), nullable=False),
    Column("uri", StoredText, nullable=False),
    Column("source_type", StoredName(LONGEST_NAME), nullable=False),
    Column("size", BigInteger),
    Column("row_count", BigInteger),
    Column("schema", Document),
    Column("profile", Document),
    Column("parent_id", Integer),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("dataset_id", "digest"),
    UniqueConstraint("dataset_id", "number"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

run_datasets = Table(
    "run_datasets",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("version_id", Integer, ForeignKey("dataset_versions.id", ondelete="CASCADE"), nullable=False),
    Column("role", StoredName(LONGEST_NAME), nullable=False),
    Column("tags", Document, nullable=False),
    PrimaryKeyConstraint("trial_id", "version_id", "role"),
    Index(None, "version_id"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("path", StoredText, nullable=False),
    Column("type", StoredName(LONGEST_NAME), nullable=False),
    Column("uri", StoredText, nullable=False),
    Column("state", String(16), nullable=False),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    Column("content_type", StoredName(LONGEST_NAME)),
    Column("metadata", Document, nullable=False),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("trial_id", "digest"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""``digest`` stands for the path (``katib.store.sql.keys.digest_of``)."""

file_removals = Table(
    "file_removals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("namespace", StoredName(LONGEST_NAME), nullable=False),
    Column("project", String(32), nullable=False),
    Column("run", String(32), nullable=False),
    Index(None, "namespace"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""Runs that were purged and whose files are to be removed: written with the purge, so that one that is killed is finished later."""

archives = Table(
    "archives",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", String(32), nullable=False, unique=True),
    Column("namespace", StoredName(LONGEST_NAME), nullable=False),
    Column("project", String(32), nullable=False),
    Column("written", BigInteger),
    Index(None, "namespace"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
"""Files into which runs go before they are purged; ``written`` is when one was complete, NULL until then. A row goes with its last run."""

archived_runs = Table(
    "archived_runs",
    metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("archive_id", Integer, ForeignKey("archives.id"), nullable=False),
    Column("deleted", BigInteger),
    PrimaryKeyConstraint("trial_id"),
    Index(None, "archive_id"),
    **TABLE_OPTIONS,
)
"""Which file has a run that is not purged yet, so that a killed purge writes the same file again. ``deleted`` is the run's own."""

leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", StoredName(LONGEST_NAME), nullable=False),
    Column("beat", BigInteger, nullable=False),
    **TABLE_OPTIONS,
)
"""What one process does at a time: ``holder`` is empty where nobody does it; ``beat`` grows for as long as the holder lives."""

comments = Table(
    "comments",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("author", StoredName(LONGEST_NAME), nullable=False),
    Column("text", StoredText, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("edited", BigInteger),
    Index(None, "trial_id"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

lineage = Table(
    "lineage",
    metadata,
    Column("input_kind", String(16), nullable=False),
    Column("input_id", Integer, nullable=False),
    Column("output_kind", String(16), nullable=False),
    Column("output_id", Integer, nullable=False),
    PrimaryKeyConstraint("input_kind", "input_id", "output_kind", "output_id"),
    Index(None, "output_kind", "output_id"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)
"""What was made from what; ids are those of ``trials``, ``dataset_versions`` and ``artifacts``, so purges look here too."""

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("namespace", StoredName(LONGEST_NAME), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("actor", StoredName(LONGEST_NAME), nullable=False),
    Column("action", String(32), nullable=False),
    Column("node_kind", String(16)),
    Column("node_id", String(64)),
    Column("details", Document, nullable=False),
    Index(None, "namespace", "id"),
    Index(None, "node_kind", "node_id"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)
