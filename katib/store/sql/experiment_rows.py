"""Experiments: created, read, listed, changed, deleted. Each function runs on a connection in the caller's transaction."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, insert, select, update

from katib.api.base import ObjectMeta
from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
from katib.errors import Conflict, InvalidInput, NotFound, Problem
from katib.store.protocol import ExperimentSummary
from katib.store.sql.documents import dump, dump_model, load, load_model
from katib.store.sql.keys import check_length, experiment_key, lock_experiment
from katib.store.sql.schema import experiments
from katib.store.sql.values import micros, moment

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = [
    "create_experiment",
    "delete_experiment",
    "list_experiments",
    "read_experiment",
    "save_status",
    "update_spec",
]

DEFAULT_NAMESPACE = "default"

_OURS = frozenset(
    {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "resourceVersion", "generation"}
)
"""Metadata that columns hold, or that a new object does not have."""

_columns = experiments.c
_BY_NAME = (_columns.namespace == bindparam("namespace")) & (_columns.name == bindparam("name"))
_FIND = select(_columns.uid).where(_BY_NAME)
_INSERT = insert(experiments)
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
).where(_BY_NAME)
_LIST = select(
    _columns.name,
    _columns.namespace,
    _columns.uid,
    _columns.created,
    _columns.status,
    _columns.algorithm,
    _columns.max_trials,
).order_by(_columns.namespace, _columns.name)
_LIST_NAMESPACE = _LIST.where(_columns.namespace == bindparam("namespace"))
_SAVE_STATUS = (
    update(experiments)
    .where(_columns.uid == bindparam("of_uid"))
    .values(version=_columns.version + 1, status=bindparam("status"))
)
_VERSION = select(_columns.version).where(_columns.uid == bindparam("of_uid"))
_UPDATE_SPEC = (
    update(experiments)
    .where(_columns.uid == bindparam("of_uid"))
    .values(
        version=_columns.version + 1,
        generation=_columns.generation + 1,
        spec=bindparam("spec"),
        algorithm=bindparam("algorithm"),
        max_trials=bindparam("max_trials"),
    )
)
_DELETE = delete(experiments).where(_columns.uid == bindparam("of_uid"))


def create_experiment(connection: Connection, experiment: Experiment) -> Experiment:
    """Insert an experiment under a new uid and return it as stored."""
    name, namespace = experiment.metadata.name, experiment.metadata.namespace or DEFAULT_NAMESPACE
    if not name:
        raise InvalidInput([Problem("metadata.name", "an experiment needs a name")])
    check_length("metadata.name", name)
    check_length("metadata.namespace", namespace)
    row = {
        "uid": str(uuid.uuid4()),
        "namespace": namespace,
        "name": name,
        "created": micros(datetime.now(UTC)),
        "version": 1,
        "generation": 1,
        "status": dump_model(ExperimentStatus()),
        "metadata": _metadata_document(experiment.metadata),
        **_spec_columns(experiment.spec),
    }
    if connection.execute(_FIND, {"namespace": namespace, "name": name}).first() is not None:
        raise Conflict(f"namespace {namespace!r} has an experiment named {name!r} already")
    connection.execute(_INSERT, row)
    return read_experiment(connection, namespace, name)


def _metadata_document(metadata: ObjectMeta) -> str:
    document = metadata.model_dump(by_alias=True, exclude_none=True)
    return dump({key: value for key, value in document.items() if key not in _OURS})


def _spec_columns(spec: ExperimentSpec) -> dict[str, Any]:
    return {
        "spec": dump_model(spec),
        "algorithm": spec.algorithm.algorithm_name if spec.algorithm else "",
        "max_trials": spec.max_trial_count,
    }


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


def save_status(connection: Connection, uid: str, status: ExperimentStatus) -> None:
    """Replace a status, or raise NotFound."""
    if connection.execute(_SAVE_STATUS, {"of_uid": uid, "status": dump_model(status)}).rowcount == 0:
        experiment_key(connection, uid)


def update_spec(connection: Connection, uid: str, spec: ExperimentSpec, resource_version: str | None) -> None:
    """Replace a spec, unless the experiment is another than the one the change was made from."""
    columns = _spec_columns(spec)
    lock_experiment(connection, uid)
    version = str(connection.execute(_VERSION, {"of_uid": uid}).scalar_one())
    if resource_version is not None and resource_version != version:
        raise Conflict(
            f"the experiment was changed meanwhile (it is at version {version}, the change was made from {resource_version}): "
            "read it again and repeat the change"
        )
    connection.execute(_UPDATE_SPEC, {"of_uid": uid, **columns})


def delete_experiment(connection: Connection, uid: str) -> None:
    """Delete an experiment; the tables' foreign keys take everything of it along."""
    connection.execute(_DELETE, {"of_uid": uid})
