"""Datasets, their versions, and which runs used them. Functions run in the caller's transaction."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from katib.errors import Conflict, NotFound
from katib.store.sql.documents import load
from katib.store.sql.key_lists import among_keys
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.fact_rows import facts_of, mark_changed, write_facts
from katib.store.sql.tracking.given_values import json_text, texts_json, whole_number
from katib.store.sql.tracking.lineage_nodes import required_nodes
from katib.store.sql.tracking.lineage_rows import add_edges
from katib.store.sql.tracking.scope import (
    chosen_id,
    chunks,
    dataset_key,
    lock_run,
    project_key,
    refuse_deleted,
    short,
)
from katib.store.sql.tracking_tables import dataset_versions, datasets, projects, run_datasets
from katib.store.sql.values import micros, moment
from katib.store.tracking.records import Dataset, DatasetUse, DatasetVersion, Facts, Node, NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope
    from katib.store.tracking.records import Json

__all__ = [
    "add_dataset_version",
    "create_dataset",
    "dataset_uses",
    "list_dataset_versions",
    "list_datasets",
    "read_dataset",
    "read_dataset_version",
    "use_dataset",
]

_NO_FACTS = Facts()

_parents = dataset_versions.alias("parents")
_BY_ID = select(datasets.c.id, projects.c.namespace).join(projects).where(datasets.c.uid == bindparam("uid"))
_BY_NAME = select(datasets.c.id).where(
    datasets.c.project_id == bindparam("project"), datasets.c.name == bindparam("name")
)
_LOCK = select(datasets.c.id).where(datasets.c.id == bindparam("key")).with_for_update(key_share=True)
_INSERT = insert(datasets)
_TOUCH = update(datasets).where(datasets.c.id == bindparam("key")).values(updated=bindparam("now"))
_DATASETS = select(
    datasets.c.id,
    datasets.c.uid,
    projects.c.uid,
    datasets.c.name,
    datasets.c.description,
    datasets.c.owner,
    datasets.c.created,
    datasets.c.updated,
).join(projects)
_DATASET = _DATASETS.where(datasets.c.id == bindparam("key"))
_OF_PROJECT = _DATASETS.where(datasets.c.project_id == bindparam("project")).order_by(datasets.c.name)

_VERSION_COLUMNS = (
    dataset_versions.c.uid,
    datasets.c.uid,
    datasets.c.name,
    dataset_versions.c.number,
    dataset_versions.c.digest,
    dataset_versions.c.uri,
    dataset_versions.c.source_type,
    dataset_versions.c.size,
    dataset_versions.c.row_count,
    dataset_versions.c.schema,
    dataset_versions.c.profile,
    _parents.c.uid,
    dataset_versions.c.created,
)
_VERSIONS = (
    select(*_VERSION_COLUMNS)
    .select_from(dataset_versions)
    .join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
    .outerjoin(_parents, _parents.c.id == dataset_versions.c.parent_id)
)
_VERSION = _VERSIONS.where(dataset_versions.c.id == bindparam("key"))
_OF_DATASET = _VERSIONS.where(dataset_versions.c.dataset_id == bindparam("dataset")).order_by(dataset_versions.c.number)
_WITH_DIGEST = select(dataset_versions.c.id).where(
    dataset_versions.c.dataset_id == bindparam("dataset"), dataset_versions.c.digest == bindparam("digest")
)
_LAST_NUMBER = select(func.max(dataset_versions.c.number)).where(dataset_versions.c.dataset_id == bindparam("dataset"))
_INSERT_VERSION = insert(dataset_versions)

_OF_USE = (
    (run_datasets.c.trial_id == bindparam("run"))
    & (run_datasets.c.version_id == bindparam("version"))
    & (run_datasets.c.role == bindparam("in_role"))
)
_USE = select(run_datasets.c.tags).where(_OF_USE)
_INSERT_USE = insert(run_datasets)
_UPDATE_USE = update(run_datasets).where(_OF_USE).values(tags=bindparam("new_tags"))
_USES = (
    select(run_datasets.c.trial_id, run_datasets.c.role, run_datasets.c.tags, *_VERSION_COLUMNS)
    .select_from(run_datasets)
    .join(dataset_versions, dataset_versions.c.id == run_datasets.c.version_id)
    .join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
    .outerjoin(_parents, _parents.c.id == dataset_versions.c.parent_id)
    .where(among_keys(run_datasets.c.trial_id, "runs"))
    .order_by(run_datasets.c.trial_id, run_datasets.c.role, run_datasets.c.version_id)
)


def create_dataset(
    connection: Connection,
    scope: Scope,
    project_id: str,
    name: str,
    *,
    dataset_id: str | None = None,
    description: str = "",
    facts: Facts = _NO_FACTS,
) -> Dataset:
    """Insert a dataset, or return the one that has the id already.

    Raises:
        Conflict: The project has another one of the name, or is deleted; or somebody else's dataset has the id.
    """
    name = short("the name of a dataset", name)
    uid = chosen_id(dataset_id, "dataset_id")
    project = project_key(connection, scope, project_id)
    if dataset_id is not None:
        known = connection.execute(_BY_ID, {"uid": uid}).first()
        if known is not None and known.namespace == storable(scope.namespace):
            return _read(connection, known.id)
        if known is not None:
            raise Conflict(f"the id {uid!r} is in use")
    refuse_deleted("project", project.deleted)
    if connection.execute(_BY_NAME, {"project": project.key, "name": name}).first() is not None:
        raise Conflict(f"the project has a dataset named {name!r} already")
    return _read(
        connection, _insert(connection, scope, project.key, name, uid=uid, description=description, facts=facts)
    )


def _insert(
    connection: Connection, scope: Scope, project: int, name: str, *, uid: str, description: str, facts: Facts
) -> int:
    now = micros(datetime.now(UTC))
    row = {
        "uid": uid,
        "project_id": project,
        "name": name,
        "description": description,
        "owner": storable(scope.actor)[:255],
        "created": now,
        "updated": now,
    }
    inserted = connection.execute(_INSERT, row).inserted_primary_key
    key = int(inserted[0]) if inserted else 0
    write_facts(connection, NodeKind.DATASET, key, facts)
    record_change(connection, scope, "create", Node(NodeKind.DATASET, uid), name=name)
    return key


def read_dataset(connection: Connection, scope: Scope, dataset_id: str) -> Dataset:
    """Return a dataset, or raise NotFound."""
    return _read(connection, dataset_key(connection, scope, dataset_id))


def _read(connection: Connection, key: int) -> Dataset:
    (found,) = _datasets(connection, connection.execute(_DATASET, {"key": key}))
    return found


def list_datasets(connection: Connection, scope: Scope, project_id: str) -> list[Dataset]:
    """Return the datasets of a project, by name."""
    project = project_key(connection, scope, project_id).key
    return _datasets(connection, connection.execute(_OF_PROJECT, {"project": project}))


def _datasets(connection: Connection, rows: Iterable[Any]) -> list[Dataset]:
    rows = list(rows)
    facts = facts_of(connection, NodeKind.DATASET, [row[0] for row in rows])
    return [
        Dataset(
            id=uid,
            project_id=project_id,
            name=name,
            description=description,
            owner=owner,
            created=moment(created),
            updated=moment(updated),
            facts=facts.get(key, _NO_FACTS),
        )
        for key, uid, project_id, name, description, owner, created, updated in rows
    ]


def add_dataset_version(
    connection: Connection,
    scope: Scope,
    project_id: str,
    name: str,
    digest: str,
    *,
    uri: str = "",
    source_type: str = "",
    size: int | None = None,
    rows: int | None = None,
    schema: Json = None,
    profile: Json = None,
    parent_id: str | None = None,
) -> DatasetVersion:
    """Insert a version of the dataset of a name, and that one if it is new; or return the version that has the digest already.

    Raises:
        Conflict: The project is deleted.
        NotFound: No such project, or no such parent.
    """
    name, digest = short("the name of a dataset", name), short("the digest of a dataset", digest)
    row = {
        "digest": digest,
        "uri": uri,
        "source_type": short("source_type", source_type, required=False),
        "size": whole_number("size", size),
        "row_count": whole_number("rows", rows),
        "schema": json_text("schema", schema),
        "profile": json_text("profile", profile),
    }
    project = project_key(connection, scope, project_id)
    dataset = connection.execute(_BY_NAME, {"project": project.key, "name": name}).scalar()
    if dataset is not None:
        # Most calls are of runs that used what others used before: those wait for nobody.
        known = connection.execute(_WITH_DIGEST, {"dataset": dataset, "digest": digest}).scalar()
        if known is not None:
            return _read_version(connection, known)
    refuse_deleted("project", project.deleted)
    row["parent_id"] = None if parent_id is None else _version_key(connection, scope, parent_id)
    if dataset is None:
        dataset = _insert(connection, scope, project.key, name, uid=uuid.uuid4().hex, description="", facts=_NO_FACTS)
    else:
        # One writer at a time gives numbers; whoever waited here sees the version of the one before.
        if connection.execute(_LOCK, {"key": dataset}).first() is None:
            raise NotFound(f"the dataset {name!r} was removed meanwhile")
        known = connection.execute(_WITH_DIGEST, {"dataset": dataset, "digest": digest}).scalar()
        if known is not None:
            return _read_version(connection, known)
    return _read_version(connection, _insert_version(connection, scope, int(dataset), row))


def _insert_version(connection: Connection, scope: Scope, dataset: int, row: dict[str, Any]) -> int:
    now = micros(datetime.now(UTC))
    number = (connection.execute(_LAST_NUMBER, {"dataset": dataset}).scalar() or 0) + 1
    uid = uuid.uuid4().hex
    row |= {"uid": uid, "dataset_id": dataset, "number": number, "created": now}
    inserted = connection.execute(_INSERT_VERSION, row).inserted_primary_key
    key = int(inserted[0]) if inserted else 0
    connection.execute(_TOUCH, {"key": dataset, "now": now})
    if row["parent_id"] is not None:
        # Nothing was made from a new version yet, so no circle can close.
        version = NodeKind.DATASET_VERSION.value
        add_edges(connection, scope, [((version, row["parent_id"]), (version, key))], fresh=True)
    node = Node(NodeKind.DATASET_VERSION, uid)
    record_change(connection, scope, "create", node, number=number, digest=row["digest"])
    return key


def read_dataset_version(connection: Connection, scope: Scope, version_id: str) -> DatasetVersion:
    """Return a version of a dataset, or raise NotFound."""
    return _read_version(connection, _version_key(connection, scope, version_id))


def _version_key(connection: Connection, scope: Scope, version_id: str) -> int:
    node = Node(NodeKind.DATASET_VERSION, version_id)
    return required_nodes(connection, scope, [node])[node][1]


def _read_version(connection: Connection, key: int) -> DatasetVersion:
    return _version(connection.execute(_VERSION, {"key": key}).one())


def list_dataset_versions(connection: Connection, scope: Scope, dataset_id: str) -> list[DatasetVersion]:
    """Return the versions of a dataset, oldest first."""
    key = dataset_key(connection, scope, dataset_id)
    return [_version(row) for row in connection.execute(_OF_DATASET, {"dataset": key})]


def _version(row: Sequence[Any]) -> DatasetVersion:
    (
        uid,
        dataset_id,
        name,
        number,
        digest,
        uri,
        source_type,
        size,
        rows,
        schema,
        profile,
        parent_id,
        created,
    ) = row
    return DatasetVersion(
        id=uid,
        dataset_id=dataset_id,
        name=name,
        number=number,
        digest=digest,
        uri=uri,
        source_type=source_type,
        size=size,
        rows=rows,
        schema=None if schema is None else load(schema),
        profile=None if profile is None else load(profile),
        parent_id=parent_id,
        created=moment(created),
    )


def use_dataset(
    connection: Connection,
    scope: Scope,
    run_id: str,
    version_id: str,
    *,
    role: str = "",
    tags: Mapping[str, str] | None = None,
) -> None:
    """Insert that a run uses a version in a role, which makes the version an input of the run; again, it changes the tags.

    Args:
        tags: None leaves those there are.

    Raises:
        Conflict: The run is deleted; or the version was made from the run.
    """
    role = short("role", role, required=False)
    text = None if tags is None else texts_json("tags", tags)
    run = lock_run(connection, scope, run_id)
    refuse_deleted("run", run.deleted)
    version = _version_key(connection, scope, version_id)
    use = {"run": run.key, "version": version, "in_role": role}
    known = connection.execute(_USE, use).scalar()
    if known is not None and text in (None, known):
        return
    if known is not None:
        connection.execute(_UPDATE_USE, {**use, "new_tags": text})
    else:
        row = {"trial_id": run.key, "version_id": version, "role": role, "tags": text or "{}"}
        connection.execute(_INSERT_USE, row)
        add_edges(connection, scope, [((NodeKind.DATASET_VERSION.value, version), (NodeKind.RUN.value, run.key))])
    record_change(connection, scope, "use-dataset", Node(NodeKind.RUN, run.id), version=storable(version_id), role=role)
    mark_changed(connection, run.key)


def dataset_uses(connection: Connection, run_keys: Sequence[int]) -> dict[int, tuple[DatasetUse, ...]]:
    """Return what runs used, by key, in the order of roles; who used nothing is absent."""
    found: dict[int, list[DatasetUse]] = {}
    for some in chunks(run_keys):
        for run, role, tags, *version in connection.execute(_USES, {"runs": some}).all():
            found.setdefault(run, []).append(DatasetUse(_version(version), role, load(tags)))
    return {run: tuple(uses) for run, uses in found.items()}
