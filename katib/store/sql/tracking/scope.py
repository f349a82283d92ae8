"""From the ids the world uses to the keys inside, within one namespace: what is in another one is not found.

Every function of this package that is given an id comes here first; nothing else joins a row to its namespace.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, select

from katib.errors import Conflict, InvalidInput, NotFound, Problem
from katib.store.sql.keys import IN_LIMIT, check_length
from katib.store.sql.schema import experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking_tables import artifacts, dataset_versions, datasets, projects
from katib.store.tracking.records import NodeKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection, Select

    from katib.store.tracking.records import Node

__all__ = [
    "ExperimentKey",
    "ProjectKey",
    "RunKey",
    "Scope",
    "chosen_id",
    "chunks",
    "dataset_key",
    "dataset_version_key",
    "experiment_key",
    "lock_experiment_row",
    "lock_project",
    "lock_run",
    "node_key",
    "project_key",
    "refuse_deleted",
    "run_key",
    "run_keys",
    "short",
]

_LONGEST_ID: Final = 32


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a call looks, and who calls."""

    namespace: str
    actor: str


class ProjectKey(NamedTuple):
    """A project."""

    key: int
    id: str
    deleted: int | None


class ExperimentKey(NamedTuple):
    """An experiment, with its project's key and its root run's."""

    key: int
    id: str
    project: int
    root: int
    kind: str
    deleted: int | None


class RunKey(NamedTuple):
    """A run, with its project's key and the key of the experiment it is a trial of, if it is one."""

    key: int
    id: str
    project: int
    experiment: int | None
    deleted: int | None


_PROJECT = select(projects.c.id, projects.c.uid, projects.c.deleted).where(
    projects.c.uid == bindparam("uid"), projects.c.namespace == bindparam("namespace")
)
_LOCK_PROJECT = _PROJECT.with_for_update(key_share=True)
_EXPERIMENT = select(
    experiments.c.id,
    experiments.c.uid,
    experiments.c.project_id,
    experiments.c.root_id,
    experiments.c.kind,
    experiments.c.deleted,
).where(experiments.c.uid == bindparam("uid"), experiments.c.namespace == bindparam("namespace"))
_LOCK_EXPERIMENT = _EXPERIMENT.with_for_update(key_share=True)
_RUNS = (
    select(trials.c.id, trials.c.uid, trials.c.project_id, trials.c.experiment_id, trials.c.deleted)
    .join(projects, projects.c.id == trials.c.project_id)
    .where(projects.c.namespace == bindparam("namespace"))
)
_RUN = _RUNS.where(trials.c.uid == bindparam("uid"))
_LOCK_RUN = _RUN.with_for_update(key_share=True, of=trials)
_SOME_RUNS = _RUNS.where(trials.c.uid.in_(bindparam("uids", expanding=True)))
_DATASET = (
    select(datasets.c.id)
    .join(projects)
    .where(datasets.c.uid == bindparam("uid"), projects.c.namespace == bindparam("namespace"))
)
_VERSION = (
    select(dataset_versions.c.id)
    .join(datasets, datasets.c.id == dataset_versions.c.dataset_id)
    .join(projects, projects.c.id == datasets.c.project_id)
    .where(dataset_versions.c.uid == bindparam("uid"), projects.c.namespace == bindparam("namespace"))
)
_ARTIFACT = (
    select(artifacts.c.id)
    .join(trials)
    .join(projects, projects.c.id == trials.c.project_id)
    .where(artifacts.c.uid == bindparam("uid"), projects.c.namespace == bindparam("namespace"))
)


def chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield parts that fit into one IN list."""
    for start in range(0, len(keys), IN_LIMIT):
        yield keys[start : start + IN_LIMIT]


def chosen_id(wanted: str | None, what: str) -> str:
    """Return the id of something new: the one the caller chose, or a new one.

    Raises:
        InvalidInput: It cannot be an id.
    """
    if wanted is None:
        return uuid.uuid4().hex
    if not wanted or len(wanted) > _LONGEST_ID or not wanted.isascii() or not wanted.isalnum():
        raise InvalidInput([Problem(what, f"an id has 1 to {_LONGEST_ID} ASCII letters and digits", wanted)])
    return wanted


def short(what: str, name: str, *, required: bool = True) -> str:
    """Return a name as it is stored.

    Raises:
        InvalidInput: It is empty though it must not be, or too long.
    """
    if required and not name:
        raise InvalidInput([Problem(what, "is required")])
    check_length(what, name)
    return storable(name)


def refuse_deleted(what: str, deleted: int | None) -> None:
    """Raise Conflict where something is deleted."""
    if deleted is not None:
        raise Conflict(f"the {what} is deleted: restore it first")


def _one(connection: Connection, query: Select[Any], scope: Scope, what: str, uid: str) -> Any:
    row = connection.execute(query, {"uid": storable(uid), "namespace": storable(scope.namespace)}).first()
    if row is None:
        raise NotFound(f"namespace {scope.namespace!r} has no {what} with the id {uid!r}")
    return row


def project_key(connection: Connection, scope: Scope, project_id: str) -> ProjectKey:
    """Return a project's key, or raise NotFound."""
    return ProjectKey(*_one(connection, _PROJECT, scope, "project", project_id))


def lock_project(connection: Connection, scope: Scope, project_id: str) -> ProjectKey:
    """Return a project's key and keep other writers from it until the transaction ends."""
    return ProjectKey(*_one(connection, _LOCK_PROJECT, scope, "project", project_id))


def experiment_key(connection: Connection, scope: Scope, experiment_id: str) -> ExperimentKey:
    """Return an experiment's keys, or raise NotFound."""
    return ExperimentKey(*_one(connection, _EXPERIMENT, scope, "experiment", experiment_id))


def lock_experiment_row(connection: Connection, scope: Scope, experiment_id: str) -> ExperimentKey:
    """Return an experiment's keys and keep other writers from it until the transaction ends."""
    return ExperimentKey(*_one(connection, _LOCK_EXPERIMENT, scope, "experiment", experiment_id))


def run_key(connection: Connection, scope: Scope, run_id: str) -> RunKey:
    """Return a run's keys, or raise NotFound."""
    return RunKey(*_one(connection, _RUN, scope, "run", run_id))


def lock_run(connection: Connection, scope: Scope, run_id: str) -> RunKey:
    """Return a run's keys and keep other writers from its row until the transaction ends."""
    return RunKey(*_one(connection, _LOCK_RUN, scope, "run", run_id))


def run_keys(connection: Connection, scope: Scope, run_ids: Iterable[str]) -> dict[str, RunKey]:
    """Return the keys of runs by id; those that are not there are left out."""
    wanted = sorted({storable(run_id) for run_id in run_ids})
    return {
        row.uid: RunKey(*row)
        for some in chunks(wanted)
        for row in connection.execute(_SOME_RUNS, {"uids": some, "namespace": storable(scope.namespace)}).all()
    }


def dataset_key(connection: Connection, scope: Scope, dataset_id: str) -> int:
    """Return a dataset's key, or raise NotFound."""
    return int(_one(connection, _DATASET, scope, "dataset", dataset_id)[0])


def dataset_version_key(connection: Connection, scope: Scope, version_id: str) -> int:
    """Return the key of a version of a dataset, or raise NotFound."""
    return int(_one(connection, _VERSION, scope, "dataset version", version_id)[0])


def node_key(connection: Connection, scope: Scope, node: Node) -> int:
    """Return the key of any record in its table; of an experiment, that of its root run, which has its facts."""
    if node.kind is NodeKind.PROJECT:
        return project_key(connection, scope, node.id).key
    if node.kind is NodeKind.EXPERIMENT:
        return experiment_key(connection, scope, node.id).root
    if node.kind is NodeKind.RUN:
        return run_key(connection, scope, node.id).key
    if node.kind is NodeKind.DATASET:
        return dataset_key(connection, scope, node.id)
    if node.kind is NodeKind.DATASET_VERSION:
        return dataset_version_key(connection, scope, node.id)
    return int(_one(connection, _ARTIFACT, scope, "artifact", node.id)[0])
