"""Experiments as the tracking store has them: any search, whoever drives it. Functions run in the caller's transaction."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, insert, select, update

from katib.api.trial import TrialState
from katib.errors import Conflict, NotFound
from katib.store.sql.documents import load
from katib.store.sql.key_lists import among_keys
from katib.store.sql.schema import experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.fact_rows import facts_of, mark_changed, write_facts
from katib.store.sql.tracking.project_rows import named_project_key
from katib.store.sql.tracking.root_runs import insert_root
from katib.store.sql.tracking.scope import (
    chunks,
    experiment_key,
    lock_experiment_row,
    project_key,
    refuse_deleted,
    short,
)
from katib.store.sql.tracking_tables import projects
from katib.store.sql.values import micros, moment, pack
from katib.store.tracking.records import DEFAULT_PROJECT, ExperimentKind, Facts, Node, NodeKind, SearchExperiment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope

__all__ = [
    "create_search",
    "free_title",
    "insert_search",
    "read_search",
    "read_search_named",
    "searches_by_key",
    "update_search",
]

_columns = experiments.c
_SOME = (
    select(
        _columns.id,
        _columns.uid,
        projects.c.uid,
        trials.c.id,
        trials.c.uid,
        _columns.namespace,
        func.coalesce(_columns.title, trials.c.name),  # one that is deleted has no title
        _columns.kind,
        _columns.description,
        _columns.owner,
        trials.c.state,
        _columns.created,
        trials.c.started,
        trials.c.finished,
        _columns.updated,
        _columns.deleted,
        _columns.algorithm,
        _columns.objective,
        _columns.objective_type,
        _columns.best_value,
        _columns.trial_count,
        _columns.spec,
    )
    .join(projects, projects.c.id == _columns.project_id)
    .join(trials, trials.c.id == _columns.root_id)
    .where(among_keys(_columns.id, "keys"))
)
_TITLED = select(_columns.id, _columns.uid).where(
    _columns.project_id == bindparam("project"), _columns.title == bindparam("title")
)
_WITH_ID = select(_columns.id, _columns.namespace).where(_columns.uid == bindparam("uid"))
_INSERT = insert(experiments)


def searches_by_key(connection: Connection, keys: Sequence[int]) -> dict[int, SearchExperiment]:
    """Return experiments by key."""
    rows = [row for some in chunks(keys) for row in connection.execute(_SOME, {"keys": some}).all()]
    facts = facts_of(connection, NodeKind.RUN, [row[3] for row in rows])
    return {
        key: SearchExperiment(
            id=uid,
            project_id=project,
            run_id=root,
            namespace=namespace,
            name=name,
            kind=ExperimentKind(kind),
            description=description or "",
            owner=owner or "",
            state=TrialState(state),
            created=moment(created),
            started=None if started is None else moment(started),
            ended=None if finished is None else moment(finished),
            updated=moment(updated),
            deleted=None if deleted is None else moment(deleted),
            algorithm=algorithm,
            objective=objective or "",
            objective_type=objective_type or "",
            best=best,
            trials=count or 0,
            spec=load(spec) if kind == ExperimentKind.KATIB.value else None,
            facts=facts.get(root_key, Facts()),
            serial=key,
        )
        for (
            key,
            uid,
            project,
            root_key,
            root,
            namespace,
            name,
            kind,
            description,
            owner,
            state,
            created,
            started,
            finished,
            updated,
            deleted,
            algorithm,
            objective,
            objective_type,
            best,
            count,
            spec,
        ) in rows
    }


def read_search(connection: Connection, scope: Scope, experiment_id: str) -> SearchExperiment:
    """Return an experiment, or raise NotFound."""
    key = experiment_key(connection, scope, experiment_id).key
    return searches_by_key(connection, [key])[key]


def read_search_named(connection: Connection, scope: Scope, project_id: str, name: str) -> SearchExperiment:
    """Return the experiment of a name, or raise NotFound."""
    project = project_key(connection, scope, project_id)
    row = connection.execute(_TITLED, {"project": project.key, "title": name}).first()
    if row is None:
        raise NotFound(f"project {project.id!r} has no experiment named {name!r}")
    return searches_by_key(connection, [row.id])[row.id]


def create_search(
    connection: Connection,
    scope: Scope,
    name: str,
    *,
    project_id: str | None,
    experiment_id: str | None,
    kind: ExperimentKind,
    description: str,
    algorithm: str,
    objective: str,
    objective_type: str,
    facts: Facts,
) -> SearchExperiment:
    """Insert an experiment that somebody else drives, or return the one that has the id."""
    uid = uuid.uuid4().hex if experiment_id is None else short("experiment_id", experiment_id)
    if experiment_id is not None:
        known = connection.execute(_WITH_ID, {"uid": uid}).first()
        if known is not None and known.namespace == storable(scope.namespace):
            return searches_by_key(connection, [known.id])[known.id]
        if known is not None:
            raise Conflict(f"the id {uid!r} is in use")
    short("the name of an experiment", name)
    if project_id is None:
        project = named_project_key(connection, scope, DEFAULT_PROJECT)
    else:
        known_project = project_key(connection, scope, project_id)
        refuse_deleted("project", known_project.deleted)
        project = known_project.key
    _refuse_title(connection, project, name)
    now = datetime.now(UTC)
    owner = storable(scope.actor)[:255]
    root = insert_root(connection, project=project, name=name, owner=owner, created=now, state=TrialState.RUNNING)
    write_facts(connection, NodeKind.RUN, root, facts)
    key = insert_search(
        connection,
        scope,
        uid=uid,
        project=project,
        root=root,
        title=name,
        created=now,
        kind=kind,
        description=description,
        algorithm=algorithm,
        objective=objective,
        objective_type=objective_type,
    )
    record_change(connection, scope, "create", Node(NodeKind.EXPERIMENT, uid), name=name)
    return searches_by_key(connection, [key])[key]


def insert_search(
    connection: Connection,
    scope: Scope,
    *,
    uid: str,
    project: int,
    root: int,
    title: str,
    created: datetime,
    kind: ExperimentKind = ExperimentKind.TRACKED,
    description: str = "",
    algorithm: str = "",
    objective: str = "",
    objective_type: str = "",
) -> int:
    """Insert the row of an experiment that somebody else drives, and return its key."""
    row = {
        "uid": uid,
        "namespace": scope.namespace,
        "name": uid,  # names are for experiments of ours, which are unique in their namespace
        "title": title,
        "kind": kind.value,
        "created": micros(created),
        "updated": micros(created),
        "version": 1,
        "generation": 1,
        "algorithm": algorithm,
        "status": "{}",
        "metadata": "{}",
        "spec": "{}",
        "project_id": project,
        "root_id": root,
        "description": description,
        "owner": storable(scope.actor)[:255],
        "objective": objective,
        "objective_type": short("the type of the objective", objective_type, required=False)[:16],
        "trial_count": 0,
    }
    key = connection.execute(_INSERT, row).inserted_primary_key
    return int(key[0]) if key else 0


def free_title(connection: Connection, project: int, wanted: str, uid: str) -> str:
    """Return a title that no experiment of the project has: the wanted one, or one like it."""
    if wanted and len(storable(wanted)) <= 240 and _titled(connection, project, wanted) is None:  # noqa: PLR2004 - room for the id
        return wanted
    return f"{storable(wanted)[:240]}-{uid[:8]}"


def _titled(connection: Connection, project: int, title: str) -> Any:
    return connection.execute(_TITLED, {"project": project, "title": title}).first()


def _refuse_title(connection: Connection, project: int, title: str) -> None:
    if _titled(connection, project, title) is not None:
        raise Conflict(f"the project has an experiment named {title!r} already")


def update_search(
    connection: Connection,
    scope: Scope,
    experiment_id: str,
    *,
    name: str | None,
    description: str | None,
    state: TrialState | None,
    objective: str | None,
    objective_type: str | None,
    best: float | None,
) -> SearchExperiment:
    """Change what is not None."""
    experiment = lock_experiment_row(connection, scope, experiment_id)
    refuse_deleted("experiment", experiment.deleted)
    ours = experiment.kind == ExperimentKind.KATIB.value
    if ours and (name, state, objective, objective_type, best) != (None,) * 5:
        raise Conflict("the experiment is driven here: only its description is anybody's to change")
    now = datetime.now(UTC)
    row: dict[str, Any] = {"updated": micros(now)}
    root: dict[str, Any] = {}
    if name is not None:
        short("the name of an experiment", name)
        taken = _titled(connection, experiment.project, name)
        if taken is not None and taken.id != experiment.key:
            raise Conflict(f"the project has an experiment named {name!r} already")
        row["title"] = root["name"] = name
    if description is not None:
        row["description"] = root["description"] = description
    if objective is not None:
        row["objective"] = objective
    if objective_type is not None:
        row["objective_type"] = short("the type of the objective", objective_type, required=False)[:16]
    if best is not None:
        row["best_value"] = pack(best)[0]
    if state is not None:
        root["state"] = state.value
        root["finished"] = None if state.is_active else micros(now)
    connection.execute(update(experiments).where(_columns.id == experiment.key).values(row))
    if root:
        connection.execute(update(trials).where(trials.c.id == experiment.root).values(root))
    mark_changed(connection, experiment.root)
    record_change(connection, scope, "update", Node(NodeKind.EXPERIMENT, experiment.id), fields=sorted({**row, **root}))
    return searches_by_key(connection, [experiment.key])[experiment.key]
