"""What ModelDB kept: projects, runs of no experiment, parameters in a table, tags, datasets, artifacts, comments, lineage, audit."""  # noqa: INP001 - Alembic loads migrations by path and orders them by name

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op
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
from katib.store.sql.migrations.steps import add_column, create_index, drop_not_null
from katib.store.sql.values import pack
from katib.store.summary import reported_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

revision = "0005"
down_revision = "0004"

_CHUNK = 1000

_metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_trials = Table("trials", _metadata, Column("id", Integer, primary_key=True), info={"old": True})

Table(
    "projects",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("namespace", StoredName(255), nullable=False),
    Column("name", StoredName(255), nullable=False),
    Column("description", StoredText, nullable=False),
    Column("owner", StoredName(255), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", BigInteger),
    UniqueConstraint("namespace", "name"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)


def _tags(of: str, key: str, table: str) -> Table:
    return Table(
        f"{of}_tags",
        _metadata,
        Column(key, Integer, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False),
        Column("name", StoredName(255), nullable=False),
        Column("text", StoredText, nullable=False),
        PrimaryKeyConstraint(key, "name"),
        sqlite_with_rowid=False,
        **TABLE_OPTIONS,
    )


def _properties(of: str, key: str, table: str) -> Table:
    return Table(
        f"{of}_properties",
        _metadata,
        Column(key, Integer, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False),
        Column("name", StoredName(255), nullable=False),
        Column("value", Document, nullable=False),
        Column("text", StoredText, nullable=False),
        Column("number", Double),
        PrimaryKeyConstraint(key, "name"),
        sqlite_with_rowid=False,
        **TABLE_OPTIONS,
    )


_tags("project", "project_id", "projects")
_properties("project", "project_id", "projects")
_tags("run", "trial_id", "trials")
_properties("run", "trial_id", "trials")

Table(
    "parameter_names",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", StoredText, nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

Table(
    "parameters",
    _metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("parameter_id", Integer, ForeignKey("parameter_names.id"), nullable=False),
    Column("text", StoredText, nullable=False),
    Column("number", Double),
    PrimaryKeyConstraint("trial_id", "parameter_id"),
    Index(None, "parameter_id", "number"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)

Table(
    "provenance",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("document", Document, nullable=False),
    UniqueConstraint("kind", "digest"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

Table(
    "datasets",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("project_id", Integer, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("name", StoredName(255), nullable=False),
    Column("description", StoredText, nullable=False),
    Column("owner", StoredName(255), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    UniqueConstraint("project_id", "name"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

_tags("dataset", "dataset_id", "datasets")
_properties("dataset", "dataset_id", "datasets")

Table(
    "dataset_versions",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("dataset_id", Integer, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", StoredName(255), nullable=False),
    Column("uri", StoredText, nullable=False),
    Column("source_type", StoredName(255), nullable=False),
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

Table(
    "run_datasets",
    _metadata,
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("version_id", Integer, ForeignKey("dataset_versions.id", ondelete="CASCADE"), nullable=False),
    Column("role", StoredName(255), nullable=False),
    Column("tags", Document, nullable=False),
    PrimaryKeyConstraint("trial_id", "version_id", "role"),
    Index(None, "version_id"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)

Table(
    "artifacts",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("path", StoredText, nullable=False),
    Column("type", StoredName(255), nullable=False),
    Column("uri", StoredText, nullable=False),
    Column("state", String(16), nullable=False),
    Column("size", BigInteger),
    Column("sha256", String(64)),
    Column("content_type", StoredName(255)),
    Column("metadata", Document, nullable=False),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("trial_id", "digest"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

Table(
    "file_removals",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("namespace", StoredName(255), nullable=False),
    Column("project", String(32), nullable=False),
    Column("run", String(32), nullable=False),
    Index(None, "namespace"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

Table(
    "comments",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("uid", StoredName(32), nullable=False, unique=True),
    Column("trial_id", Integer, ForeignKey("trials.id", ondelete="CASCADE"), nullable=False),
    Column("author", StoredName(255), nullable=False),
    Column("text", StoredText, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("edited", BigInteger),
    Index(None, "trial_id"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)

Table(
    "lineage",
    _metadata,
    Column("input_kind", String(16), nullable=False),
    Column("input_id", Integer, nullable=False),
    Column("output_kind", String(16), nullable=False),
    Column("output_id", Integer, nullable=False),
    PrimaryKeyConstraint("input_kind", "input_id", "output_kind", "output_id"),
    Index(None, "output_kind", "output_id"),
    sqlite_with_rowid=False,
    **TABLE_OPTIONS,
)

Table(
    "audit",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("namespace", StoredName(255), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("actor", StoredName(255), nullable=False),
    Column("action", String(32), nullable=False),
    Column("node_kind", String(16)),
    Column("node_id", String(64)),
    Column("details", Document, nullable=False),
    Index(None, "namespace", "id"),
    Index(None, "node_kind", "node_id"),
    sqlite_autoincrement=True,
    **TABLE_OPTIONS,
)


def _new_columns() -> dict[str, tuple[Column[Any], ...]]:
    return {
        "experiments": (
            Column("project_id", Integer),
            Column("root_id", Integer),
            Column("kind", String(16)),
            Column("title", StoredName(255)),
            Column("description", StoredText),
            Column("owner", StoredName(255)),
            Column("updated", BigInteger),
            Column("deleted", BigInteger),
            Column("objective", StoredText),
            Column("objective_type", StoredName(16)),
            Column("best_value", Double),
            Column("trial_count", BigInteger),
        ),
        "trials": (
            Column("uid", StoredName(32)),
            Column("project_id", Integer),
            Column("title", StoredText),
            Column("description", StoredText),
            Column("owner", StoredName(255)),
            Column("began", BigInteger),
            Column("deleted", BigInteger),
            Column("code_id", Integer),
            Column("environment_id", Integer),
            Column("place", Document),
        ),
        "summaries": (
            Column("first_value", Double),
            Column("first_kind", sa.SmallInteger),
            Column("first_step", BigInteger),
            Column("latest_step", BigInteger),
            Column("project_id", Integer),
        ),
    }


def upgrade() -> None:
    """Go from the schema before to this one; there is no way back."""
    drop_not_null(op, "trials", Column("experiment_id", Integer))
    drop_not_null(op, "trials", Column("trial_index", BigInteger))
    for table, columns in _new_columns().items():
        for column in columns:
            add_column(op, table, column)
    bind = op.get_bind()
    for new in _metadata.sorted_tables:
        if "old" not in new.info:
            new.create(bind, checkfirst=True)
            for index in sorted(new.indexes, key=lambda index: str(index.name)):
                index.create(bind, checkfirst=True)  # one that was killed may have made the table only
    _fill_projects(bind)
    _fill_trials(bind)
    _fill_experiments(bind)
    _fill_summaries(bind)
    create_index(op, "ix_experiments_project_id_title", "experiments", ["project_id", "title"], unique=True)
    create_index(op, "ix_experiments_root_id", "experiments", ["root_id"])
    create_index(op, "ix_trials_uid", "trials", ["uid"], unique=True)
    create_index(op, "ix_trials_project_id_began_id_deleted", "trials", ["project_id", "began", "id", "deleted"])
    of_metric = ["project_id", "metric_id", "latest_kind", "latest_value"]
    create_index(op, "ix_summaries_project_id_metric_id_latest_kind_latest_value", "summaries", of_metric)
    create_index(op, "ix_trials_project_id_change", "trials", ["project_id", "change"])


def _old(table: str, /, **types: Any) -> Any:
    return sa.table(table, *(sa.column(column, kind) for column, kind in types.items()))


_projects = _metadata.tables["projects"]
_experiments = _old(
    "experiments",
    id=Integer(),
    uid=String(),
    namespace=StoredName(255),
    name=StoredName(255),
    created=BigInteger(),
    spec=Document(),
    status=Document(),
    project_id=Integer(),
    root_id=Integer(),
    kind=String(16),
    title=StoredName(255),
    updated=BigInteger(),
    objective=StoredText(),
    objective_type=String(16),
    best_value=Double(),
    trial_count=BigInteger(),
)
_runs = _old(
    "trials",
    id=Integer(),
    experiment_id=Integer(),
    name=StoredName(255),
    state=String(32),
    assignments=Document(),
    created=BigInteger(),
    started=BigInteger(),
    finished=BigInteger(),
    reason=StoredText(),
    message=StoredText(),
    imported=sa.Boolean(),
    attempt=Integer(),
    labels=Document(),
    change=BigInteger(),
    uid=String(32),
    project_id=Integer(),
    began=BigInteger(),
)
_summaries = _old(
    "summaries",
    trial_id=Integer(),
    metric_id=Integer(),
    first=StoredText(),
    first_value=Double(),
    first_kind=sa.SmallInteger(),
    project_id=Integer(),
)


def _fill_projects(bind: Any) -> None:
    """Give every namespace its default project, and every experiment that one."""
    known = dict(bind.execute(sa.select(_projects.c.namespace, _projects.c.id)).all())
    spaces = bind.execute(
        sa.select(_experiments.c.namespace, sa.func.min(_experiments.c.created)).group_by("namespace")
    )
    for namespace, created in spaces.all():
        if namespace not in known:
            row = {
                "uid": uuid.uuid4().hex,
                "namespace": namespace,
                "name": "Default",
                "description": "",
                "owner": "",
                "created": created,
                "updated": created,
            }
            known[namespace] = bind.execute(sa.insert(_projects), row).inserted_primary_key[0]
        bind.execute(
            sa.update(_experiments)
            .where(_experiments.c.namespace == namespace, _experiments.c.project_id.is_(None))
            .values(project_id=known[namespace], kind="katib", title=_experiments.c.name)
        )


def _in_chunks(bind: Any, query: Any, key: Any) -> Iterator[Sequence[Any]]:
    last = -1
    while rows := bind.execute(query.where(key > last).order_by(key).limit(_CHUNK)).all():
        yield rows
        last = rows[-1][0]


def _fill_trials(bind: Any) -> None:
    """Give trials their ids and projects, and put their parameters into the table."""
    projects = dict(bind.execute(sa.select(_experiments.c.id, _experiments.c.project_id)).all())
    names = _metadata.tables["parameter_names"]
    values = _metadata.tables["parameters"]
    keys: dict[str, int] = {name: key for key, name in bind.execute(sa.select(names.c.id, names.c.name))}
    query = sa.select(_runs.c.id, _runs.c.experiment_id, _runs.c.assignments, _runs.c.created, _runs.c.started).where(
        _runs.c.uid.is_(None)
    )
    for rows in _in_chunks(bind, query, _runs.c.id):
        found = [
            (trial, name, text)
            for trial, _, assignments, _, _ in rows
            for name, text in dict(json.loads(assignments)).items()
        ]
        for name in sorted({name for _, name, _ in found} - set(keys)):
            keys[name] = bind.execute(
                sa.insert(names), {"name": name, "digest": hashlib.sha256(name.encode()).hexdigest()}
            ).inserted_primary_key[0]
        bind.execute(sa.delete(values).where(values.c.trial_id.in_([row[0] for row in rows])))
        facts = [
            {
                "trial_id": trial,
                "parameter_id": keys[name],
                "text": str(text),
                "number": pack(reported_number(str(text)))[0],
            }
            for trial, name, text in found
        ]
        if facts:
            bind.execute(sa.insert(values), facts)
        bind.execute(
            sa.update(_runs)
            .where(_runs.c.id == sa.bindparam("key"))
            .values(uid=sa.bindparam("new_uid"), project_id=sa.bindparam("project"), began=sa.bindparam("start")),
            [
                {
                    "key": trial,
                    "new_uid": uuid.uuid4().hex,
                    "project": projects[experiment],
                    "start": created if started is None else started,
                }
                for trial, experiment, _, created, started in rows
            ],
        )


_STATES = {
    "Created": "Created",
    "Running": "Running",
    "Restarting": "Running",
    "Succeeded": "Succeeded",
    "Failed": "Failed",
}


def _fill_experiments(bind: Any) -> None:
    """Give experiments their root runs, and columns what documents say."""
    query = sa.select(_experiments).where(_experiments.c.root_id.is_(None))
    for rows in _in_chunks(bind, query, _experiments.c.id):
        for row in rows:
            status, spec = json.loads(row.status), json.loads(row.spec)
            counters = _old("counters", name=String(64), value=BigInteger())
            change = counters.c.name == "change"
            bind.execute(sa.update(counters).where(change).values(value=counters.c.value + 1))
            conditions = status.get("conditions") or [{"type": "Created"}]
            root = {
                "name": row.name,
                "state": _STATES.get(conditions[-1]["type"], "Killed"),
                "assignments": "[]",
                "created": row.created,
                "reason": "",
                "message": "",
                "imported": False,
                "attempt": 0,
                "labels": "{}",
                "change": bind.execute(sa.select(counters.c.value).where(change)).scalar_one(),
                "uid": uuid.uuid4().hex,
                "project_id": row.project_id,
                "began": row.created,
            }
            bind.execute(sa.insert(_runs), root)
            key = bind.execute(sa.select(_runs.c.id).where(_runs.c.uid == root["uid"])).scalar_one()
            objective = spec.get("objective") or {}
            bind.execute(
                sa.update(_experiments)
                .where(_experiments.c.id == row.id)
                .values(
                    root_id=key,
                    updated=row.created,
                    objective=objective.get("objectiveMetricName"),
                    objective_type=objective.get("type"),
                    trial_count=status.get("trials") or 0,
                )
            )


def _fill_summaries(bind: Any) -> None:
    """Put first values beside their texts."""
    summaries = _summaries.c
    for (word,) in bind.execute(sa.select(summaries.first).where(summaries.first_kind.is_(None)).distinct()).all():
        value, kind = pack(reported_number(word))
        bind.execute(
            sa.update(_summaries)
            .where(summaries.first == word, summaries.first_kind.is_(None))
            .values(first_value=value, first_kind=int(kind))
        )
    of_trial = sa.select(_runs.c.project_id).where(_runs.c.id == summaries.trial_id).scalar_subquery()
    bind.execute(sa.update(_summaries).where(summaries.project_id.is_(None)).values(project_id=of_trial))
