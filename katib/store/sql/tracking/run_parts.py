"""Reads runs with what is asked for of them: one query for the rows and one for each kind of part, however many runs there are.

Functions run in the caller's transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select

from katib.api.trial import TrialState
from katib.errors import NotFound
from katib.store.sql.documents import load
from katib.store.sql.key_lists import among_keys
from katib.store.sql.schema import experiments, trials
from katib.store.sql.tracking.artifact_rows import artifacts_of
from katib.store.sql.tracking.dataset_rows import dataset_uses
from katib.store.sql.tracking.fact_rows import facts_of
from katib.store.sql.tracking.metric_rows import metrics_of
from katib.store.sql.tracking.parameter_rows import parameters_of
from katib.store.sql.tracking.provenance_rows import documents
from katib.store.sql.tracking.scope import chunks, experiment_key, run_key, run_keys
from katib.store.sql.tracking_tables import projects
from katib.store.sql.values import moment
from katib.store.tracking.records import Facts, NodeKind, Run, RunPart

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection

    from katib.store.sql.tracking.scope import Scope

__all__ = ["read_run", "read_run_named", "read_runs", "runs_by_key"]

_runs = trials.c
_as_root = experiments.alias("as_root")
_parent = trials.alias("parent")
_SOME = (
    select(
        _runs.id.label("key"),
        _runs.uid,
        projects.c.namespace,
        projects.c.uid.label("project"),
        projects.c.name.label("project_name"),
        experiments.c.uid.label("experiment"),
        _parent.c.uid.label("parent"),
        func.coalesce(experiments.c.title, _parent.c.name).label("parent_name"),
        _as_root.c.uid.label("root_of"),
        _runs.name,
        _runs.title,
        _runs.trial_index,
        _runs.state,
        _runs.reason,
        _runs.message,
        _runs.description,
        _runs.owner,
        _runs.created,
        _runs.began,
        _runs.started,
        _runs.finished,
        _runs.deleted,
        _runs.attempt,
        _runs.change,
        _runs.code_id,
        _runs.environment_id,
        _runs.place,
    )
    .join(projects, projects.c.id == _runs.project_id)
    .outerjoin(experiments, experiments.c.id == _runs.experiment_id)
    .outerjoin(_parent, _parent.c.id == experiments.c.root_id)
    .outerjoin(_as_root, _as_root.c.root_id == _runs.id)
    .where(among_keys(_runs.id, "keys"))
)
_NAMED = select(_runs.id).where(_runs.experiment_id == bindparam("experiment"), _runs.name == bindparam("name"))


def runs_by_key(connection: Connection, keys: Sequence[int], parts: Collection[RunPart]) -> dict[int, Run]:
    """Return runs by key; a key that nobody has is absent."""
    rows = [row for some in chunks(keys) for row in connection.execute(_SOME, {"keys": some}).all()]
    present = [row.key for row in rows]
    facts = facts_of(
        connection, NodeKind.RUN, present, tags=RunPart.TAGS in parts, properties=RunPart.PROPERTIES in parts
    )
    parameters = parameters_of(connection, present) if RunPart.PARAMETERS in parts else {}
    metrics = metrics_of(connection, present) if RunPart.METRICS in parts else {}
    datasets = dataset_uses(connection, present) if RunPart.DATASETS in parts else {}
    artifacts = artifacts_of(connection, present) if RunPart.ARTIFACTS in parts else {}
    provenance: dict[int, Any] = {}
    with_provenance = RunPart.PROVENANCE in parts
    if with_provenance:
        wanted = {key for row in rows for key in (row.code_id, row.environment_id) if key is not None}
        provenance = documents(connection, sorted(wanted))
    return {
        row.key: Run(
            id=row.uid,
            namespace=row.namespace,
            project_id=row.project,
            project=row.project_name,
            experiment_id=row.experiment,
            experiment=row.parent_name,
            parent_id=row.parent,
            root_of=row.root_of,
            name=row.name if row.title is None else row.title,
            index=row.trial_index,
            state=TrialState(row.state),
            reason=row.reason,
            message=row.message,
            description=row.description or "",
            owner=row.owner or "",
            created=moment(row.created),
            began=moment(row.began),
            started=None if row.started is None else moment(row.started),
            ended=None if row.finished is None else moment(row.finished),
            deleted=None if row.deleted is None else moment(row.deleted),
            facts=facts.get(row.key, Facts()),
            parameters=parameters.get(row.key, ()),
            metrics=metrics.get(row.key, ()),
            datasets=datasets.get(row.key, ()),
            artifacts=artifacts.get(row.key, ()),
            code=provenance.get(row.code_id),
            environment=provenance.get(row.environment_id),
            place=_place(row.place, row.attempt) if with_provenance else None,
            serial=row.key,
            change=row.change,
        )
        for row in rows
    }


def _place(document: str | None, attempt: int) -> dict[str, Any] | None:
    """Return where a run is or was; the attempt is that of trials we drive."""
    place: dict[str, Any] = {} if document is None else load(document)
    if attempt:
        place.setdefault("attempt", attempt)
    return place or None


def read_run(connection: Connection, scope: Scope, run_id: str, parts: Collection[RunPart]) -> Run:
    """Return a run, or raise NotFound."""
    key = run_key(connection, scope, run_id).key
    return runs_by_key(connection, [key], parts)[key]


def read_runs(connection: Connection, scope: Scope, run_ids: Sequence[str], parts: Collection[RunPart]) -> list[Run]:
    """Return those of several runs that are there, in the order asked for."""
    keys = run_keys(connection, scope, run_ids)
    found = runs_by_key(connection, [run.key for run in keys.values()], parts)
    return [found[keys[run_id].key] for run_id in run_ids if run_id in keys]


def read_run_named(
    connection: Connection, scope: Scope, experiment_id: str, name: str, parts: Collection[RunPart]
) -> Run:
    """Return a trial of an experiment by its name, or raise NotFound."""
    experiment = experiment_key(connection, scope, experiment_id)
    key = connection.execute(_NAMED, {"experiment": experiment.key, "name": name}).scalar()
    if key is None:
        raise NotFound(f"experiment {experiment_id!r} has no run named {name!r}")
    return runs_by_key(connection, [key], parts)[key]
