"""Experiments: read and listed (``experiment_writes`` does the rest, and imports more). Each function runs on a connection in the caller's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from katib.api.base import ObjectMeta
from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
from katib.errors import NotFound
from katib.store.protocol import ExperimentSummary, ExperimentVersion
from katib.store.sql.documents import load, load_model
from katib.store.sql.schema import OURS, experiments
from katib.store.sql.values import moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["BY_NAME", "OUR_METADATA", "list_experiments", "list_versions", "read_experiment"]

OUR_METADATA = frozenset(
    {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "resourceVersion", "generation"}
)
"""Metadata that columns hold, or that a new object does not have."""

_columns = experiments.c
_OURS_THERE = (_columns.kind == OURS) & _columns.deleted.is_(None)
BY_NAME = (_columns.namespace == bindparam("namespace")) & (_columns.name == bindparam("name")) & _OURS_THERE
_READ = select(
    _columns.namespace,
    _columns.name,
    _columns.uid,
    _columns.created,
    _columns.version,
    _columns.generation,
    _columns.metadata,
    _columns.spec,
    _columns.status,
).where(BY_NAME)
_LIST = (
    select(
        _columns.name,
        _columns.namespace,
        _columns.uid,
        _columns.created,
        _columns.status,
        _columns.algorithm,
        _columns.max_trials,
    )
    .where(_OURS_THERE)
    .order_by(_columns.namespace, _columns.name)
)
_LIST_NAMESPACE = _LIST.where(_columns.namespace == bindparam("namespace"))
_VERSIONS = (
    select(_columns.namespace, _columns.name, _columns.uid, _columns.version)
    .where(_OURS_THERE)
    .order_by(_columns.namespace, _columns.name)
)
_VERSIONS_NAMESPACE = _VERSIONS.where(_columns.namespace == bindparam("namespace"))
_VERSIONS_NAME = _VERSIONS.where(_columns.name == bindparam("name"))
_VERSION = _VERSIONS_NAMESPACE.where(_columns.name == bindparam("name"))


def list_versions(connection: Connection, namespace: str | None, name: str | None) -> list[ExperimentVersion]:
    """Return what experiments there are, in the versions that they have."""
    if namespace is None:
        query = _VERSIONS if name is None else _VERSIONS_NAME
    else:
        query = _VERSIONS_NAMESPACE if name is None else _VERSION
    values = {key: value for key, value in (("namespace", namespace), ("name", name)) if value is not None}
    return [
        ExperimentVersion(namespace=row.namespace, name=row.name, uid=row.uid, version=str(row.version))
        for row in connection.execute(query, values)
    ]


def read_experiment(connection: Connection, namespace: str, name: str) -> Experiment:
    """Return one experiment, or raise NotFound."""
    row = connection.execute(_READ, {"namespace": namespace, "name": name}).first()
    if row is None:
        raise NotFound(f"namespace {namespace!r} has no experiment named {name!r}")
    namespace, name, uid, created, version, generation, metadata, spec, status = row
    return Experiment(
        metadata=ObjectMeta.model_validate(
            {
                **load(metadata),
                "name": name,
                "namespace": namespace,
                "uid": uid,
                "creationTimestamp": moment(created),
                "resourceVersion": str(version),
                "generation": generation,
            }
        ),
        spec=load_model(ExperimentSpec, spec, name),
        status=load_model(ExperimentStatus, status, name),
    )


def list_experiments(connection: Connection, namespace: str | None) -> list[ExperimentSummary]:
    """Return experiments in short, by namespace and name; reads one row for each."""
    if namespace is None:
        rows = connection.execute(_LIST)
    else:
        rows = connection.execute(_LIST_NAMESPACE, {"namespace": namespace})
    return [
        ExperimentSummary(
            name=name,
            namespace=namespace,
            uid=uid,
            created=moment(created),
            status=load_model(ExperimentStatus, status, name),
            algorithm=algorithm,
            max_trials=max_trials,
        )
        for name, namespace, uid, created, status, algorithm, max_trials in rows
    ]
