"""Experiments: created, changed, deleted. Each function runs on a connection in the caller's transaction."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, insert, select, update

from katib.api.experiment import Experiment, ExperimentSpec, ExperimentStatus
from katib.errors import Conflict, InvalidInput, Problem
from katib.store.sql.documents import dump, dump_model
from katib.store.sql.experiment_rows import BY_NAME, OUR_METADATA, read_experiment
from katib.store.sql.keys import check_length, lock_experiment
from katib.store.sql.schema import LONGEST_NAME, experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.fact_rows import write_facts
from katib.store.sql.tracking.project_rows import named_project_key
from katib.store.sql.tracking.provenance_rows import intern
from katib.store.sql.tracking.purging import remove_experiment
from katib.store.sql.tracking.root_runs import best_value, follow_status, insert_root, read_search
from katib.store.sql.tracking.scope import Scope
from katib.store.sql.values import micros
from katib.store.tracking.records import DEFAULT_PROJECT, ExperimentKind, Facts, Node, NodeKind
from katib.store.tracking.template_environment import environment_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from katib.api.base import ObjectMeta

__all__ = [
    "PROJECT_LABEL",
    "create_experiment",
    "delete_experiment",
    "insert_experiment",
    "metadata_document",
    "save_status",
    "spec_columns",
    "update_spec",
]

DEFAULT_NAMESPACE: Final = "default"

PROJECT_LABEL: Final = "katib.kubeflow.org/project"
"""The label that names an experiment's project; without it, it is the default one."""

_columns = experiments.c
_FIND = select(_columns.uid).where(BY_NAME)
_FIND_TITLE = select(_columns.uid).where(
    _columns.project_id == bindparam("project"), _columns.title == bindparam("title")
)
_INSERT = insert(experiments)
_SAVE_STATUS = (
    update(experiments)
    .where(_columns.uid == bindparam("of_uid"))
    .values(
        version=_columns.version + 1,
        status=bindparam("status"),
        updated=bindparam("updated"),
        trial_count=bindparam("trial_count"),
        best_value=bindparam("best_value"),
    )
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
        objective=bindparam("objective"),
        objective_type=bindparam("objective_type"),
        updated=bindparam("updated"),
    )
)


def create_experiment(connection: Connection, experiment: Experiment, owner: str = "") -> Experiment:
    """Insert an experiment under a new uid, with its root run, and return it as stored."""
    name, namespace = experiment.metadata.name, experiment.metadata.namespace or DEFAULT_NAMESPACE
    if not name:
        raise InvalidInput([Problem("metadata.name", "an experiment needs a name")])
    check_length("metadata.name", name)
    check_length("metadata.namespace", namespace)
    labels = experiment.metadata.labels or {}
    if connection.execute(_FIND, {"namespace": namespace, "name": name}).first() is not None:
        raise Conflict(f"namespace {namespace!r} has an experiment named {name!r} already")
    scope = Scope(namespace, owner)
    project = named_project_key(connection, scope, labels.get(PROJECT_LABEL) or DEFAULT_PROJECT)
    if connection.execute(_FIND_TITLE, {"project": project, "title": name}).first() is not None:
        raise Conflict(f"its project has an experiment named {name!r} already, which somebody else drives")
    insert_experiment(
        connection,
        scope,
        experiment,
        uid=str(uuid.uuid4()),
        name=name,
        title=name,
        project=project,
        created=datetime.now(UTC),
    )
    return read_experiment(connection, namespace, name)


def insert_experiment(
    connection: Connection,
    scope: Scope,
    experiment: Experiment,
    *,
    uid: str,
    name: str,
    title: str,
    project: int,
    created: datetime,
) -> int:
    """Insert an experiment whose names are free, with its root run and an empty status, and return the key of that run."""
    owner = storable(scope.actor)[:LONGEST_NAME]
    root = insert_root(connection, project=project, name=title, owner=owner, created=created)
    write_facts(connection, NodeKind.RUN, root, Facts(tags=experiment.metadata.labels or {}))
    environment = environment_of(experiment.spec)
    if environment is not None:
        key = intern(connection, "environment", environment)
        connection.execute(update(trials).where(trials.c.id == root).values(environment_id=key))
    row = {
        "uid": uid,
        "namespace": scope.namespace,
        "name": name,
        "title": title,
        "kind": ExperimentKind.KATIB.value,
        "owner": owner,
        "created": micros(created),
        "updated": micros(datetime.now(UTC)),
        "trial_count": 0,
        "version": 1,
        "generation": 1,
        "status": dump_model(ExperimentStatus()),
        "metadata": metadata_document(experiment.metadata),
        "project_id": project,
        "root_id": root,
        **spec_columns(experiment.spec),
    }
    connection.execute(_INSERT, row)
    record_change(connection, scope, "create", Node(NodeKind.EXPERIMENT, uid), name=name)
    return root


def metadata_document(metadata: ObjectMeta) -> str:
    """Return what is kept of metadata beside what has columns."""
    document = metadata.model_dump(by_alias=True, exclude_none=True)
    return dump({key: value for key, value in document.items() if key not in OUR_METADATA})


def spec_columns(spec: ExperimentSpec) -> dict[str, Any]:
    """Return the columns of a spec."""
    return {
        "spec": dump_model(spec),
        "algorithm": spec.algorithm.algorithm_name if spec.algorithm else "",
        "max_trials": spec.max_trial_count,
        "objective": spec.objective.objective_metric_name if spec.objective else None,
        "objective_type": spec.objective.type if spec.objective else None,
    }


def save_status(connection: Connection, uid: str, status: ExperimentStatus) -> None:
    """Replace a status, or raise NotFound."""
    lock_experiment(connection, uid)
    search = read_search(connection, uid)
    row = {
        "of_uid": uid,
        "status": dump_model(status),
        "updated": micros(datetime.now(UTC)),
        "trial_count": status.trials,
        "best_value": None if search is None else best_value(status, search.spec),
    }
    connection.execute(_SAVE_STATUS, row)
    follow_status(connection, uid, status, search)


def update_spec(connection: Connection, uid: str, spec: ExperimentSpec, resource_version: str | None) -> None:
    """Replace a spec, unless the experiment is another than the one the change was made from."""
    columns = {**spec_columns(spec), "updated": micros(datetime.now(UTC))}
    lock_experiment(connection, uid)
    version = str(connection.execute(_VERSION, {"of_uid": uid}).scalar_one())
    if resource_version is not None and resource_version != version:
        raise Conflict(
            f"the experiment was changed meanwhile (it is at version {version}, the change was made from {resource_version}): "
            "read it again and repeat the change"
        )
    connection.execute(_UPDATE_SPEC, {"of_uid": uid, **columns})


def delete_experiment(connection: Connection, uid: str) -> None:
    """Remove an experiment for good, with everything of it."""
    remove_experiment(connection, uid)
