"""Runs: recorded, changed, put below each other. Functions run in the caller's transaction."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import bindparam, func, insert, select, update

from katib.errors import Conflict, InvalidInput, Problem
from katib.store.sql.changes import next_change
from katib.store.sql.documents import dump, load
from katib.store.sql.keys import digest_of
from katib.store.sql.observation_rows import append_numbered, read_numbered
from katib.store.sql.schema import LONGEST_NAME, experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking import metric_rows, parameter_rows
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.fact_rows import mark_changed, write_facts
from katib.store.sql.tracking.project_rows import named_project_key
from katib.store.sql.tracking.provenance_rows import documents, intern
from katib.store.sql.tracking.root_runs import NO_TRIAL
from katib.store.sql.tracking.run_parts import runs_by_key
from katib.store.sql.tracking.scope import (
    chosen_id,
    lock_experiment_row,
    lock_run,
    project_key,
    refuse_deleted,
    run_key,
    short,
)
from katib.store.sql.tracking.search_rows import free_title, insert_search
from katib.store.sql.tracking_tables import projects
from katib.store.sql.values import micros
from katib.store.tracking.protocol import ALL_PARTS, NO_LOG
from katib.store.tracking.records import DEFAULT_PROJECT, ExperimentKind, LogReceipt, Node, NodeKind, Run, RunPart

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from katib.api.trial import TrialState
    from katib.store.protocol import Observed, Reported
    from katib.store.sql.tracking.scope import ProjectKey, RunKey, Scope
    from katib.store.tracking.records import Json, Log, NewRun

__all__ = [
    "append",
    "delete_metrics",
    "delete_parameters",
    "insert_run",
    "log",
    "read_series",
    "set_parent",
    "update_run",
]

_DEEPEST: Final = 100
"""Runs above one another."""

_runs = trials.c
_WITH_ID = (
    select(_runs.id, projects.c.namespace)
    .join(projects, projects.c.id == _runs.project_id)
    .where(_runs.uid == bindparam("uid"))
)
_NAMED = select(_runs.id).where(_runs.experiment_id == bindparam("experiment"), _runs.name == bindparam("name"))
_LAST_INDEX = select(func.max(_runs.trial_index)).where(_runs.experiment_id == bindparam("experiment"))
_INSERT = insert(trials)
_ROOT_OF = select(experiments.c.id, experiments.c.kind, experiments.c.deleted).where(
    experiments.c.root_id == bindparam("run")
)
_LOCK = select(experiments.c.id).where(experiments.c.id == bindparam("key")).with_for_update(key_share=True)
_COUNT_TRIALS = (
    update(experiments)
    .where(experiments.c.id == bindparam("key"))
    .values(trial_count=func.coalesce(experiments.c.trial_count, 0) + 1, updated=bindparam("now"))
)
_ABOVE = (
    select(experiments.c.root_id)
    .join(trials, _runs.experiment_id == experiments.c.id)
    .where(_runs.id == bindparam("run"))
)
_as_root = experiments.alias("as_root")
_ROW = (
    select(
        _runs.name,
        _runs.title,
        _runs.description,
        _runs.state,
        _runs.created,
        _runs.code_id,
        _runs.environment_id,
        _runs.place,
        experiments.c.kind,
        _as_root.c.id.label("root_of"),
        _as_root.c.kind.label("root_kind"),
    )
    .outerjoin(experiments, experiments.c.id == _runs.experiment_id)
    .outerjoin(_as_root, _as_root.c.root_id == _runs.id)
    .where(_runs.id == bindparam("run"))
)
_UPDATE = update(trials).where(_runs.id == bindparam("run"))


class _Home(NamedTuple):
    """Where a new run goes."""

    project: int
    experiment: int | None = None
    unique_name: bool = False


def insert_run(connection: Connection, scope: Scope, new: NewRun) -> tuple[int, str | None]:
    """Insert the row of a run and return its key and its id; if one has the id chosen, its key and None.

    Raises:
        Conflict: The id is in use elsewhere, or the name is.
        InvalidInput, NotFound: It cannot be where it is to be.
    """
    uid = chosen_id(new.id, "id")
    if new.id is not None:
        known = connection.execute(_WITH_ID, {"uid": uid}).first()
        if known is not None and known.namespace == storable(scope.namespace):
            return known.id, None
        if known is not None:
            raise Conflict(f"the id {uid!r} is in use")
    home = _home(connection, scope, new)
    now = datetime.now(UTC)
    row: dict[str, Any] = {
        **NO_TRIAL,
        "uid": uid,
        "project_id": home.project,
        "experiment_id": home.experiment,
        "state": new.state.value,
        "created": micros(now),
        "started": None if new.started is None else micros(new.started),
        "began": micros(new.started or now),
        "finished": None if new.ended is None else micros(new.ended),
        "description": new.description,
        "owner": storable(scope.actor if new.owner is None else new.owner)[:LONGEST_NAME],
        **_name(connection, home, new.name, uid),
    }
    if home.experiment is not None:
        last = connection.execute(_LAST_INDEX, {"experiment": home.experiment}).scalar()
        row["trial_index"] = 0 if last is None else last + 1
        connection.execute(_COUNT_TRIALS, {"key": home.experiment, "now": row["created"]})
    row["change"] = next_change(connection)
    inserted = connection.execute(_INSERT, row).inserted_primary_key
    return int(inserted[0]) if inserted else 0, uid


def _home(connection: Connection, scope: Scope, new: NewRun) -> _Home:
    """Return where a new run goes, its experiment locked; a run that gets its first child becomes the root of one."""
    project: ProjectKey | None = None
    if new.project_id is not None:
        project = project_key(connection, scope, new.project_id)
        refuse_deleted("project", project.deleted)
    if new.experiment_id is not None:
        found = lock_experiment_row(connection, scope, new.experiment_id)
        refuse_deleted("experiment", found.deleted)
        if found.kind == ExperimentKind.KATIB.value:
            raise Conflict("the experiment is driven here: nobody else adds trials to it")
        home = _Home(found.project, found.key, unique_name=True)
    elif new.parent_id is not None:
        parent = lock_run(connection, scope, new.parent_id)
        refuse_deleted("parent run", parent.deleted)
        home = _Home(parent.project, _experiment_below(connection, scope, parent))
    elif project is None:
        home = _Home(named_project_key(connection, scope, DEFAULT_PROJECT))
    else:
        home = _Home(project.key)
    if project is not None and project.key != home.project:
        raise InvalidInput([Problem("project_id", "is not the project of what the run is put below", new.project_id)])
    return home


def _experiment_below(connection: Connection, scope: Scope, parent: RunKey) -> int:
    """Return the key of the experiment whose root is a run, locked; inserted if the run is the root of none yet."""
    known = connection.execute(_ROOT_OF, {"run": parent.key}).first()
    if known is not None:
        if known.kind == ExperimentKind.KATIB.value:
            raise Conflict("the experiment is driven here: nobody else adds trials to it")
        connection.execute(_LOCK, {"key": known.id}).close()
        return int(known.id)
    row = connection.execute(select(_runs.name, _runs.title).where(_runs.id == parent.key)).one()
    uid = uuid.uuid4().hex
    key = insert_search(
        connection,
        scope,
        uid=uid,
        project=parent.project,
        root=parent.key,
        title=free_title(connection, parent.project, row.title or row.name, uid),
        created=datetime.now(UTC),
    )
    record_change(connection, scope, "create", Node(NodeKind.EXPERIMENT, uid), root=parent.id)
    return key


def _name(connection: Connection, home: _Home, wanted: str | None, uid: str) -> dict[str, Any]:
    """Return the columns of a name: another run of the experiment may have it already where that is allowed."""
    if wanted is None:
        return {"name": f"run-{uid[:12]}", "title": None}
    if not wanted:
        raise InvalidInput([Problem("name", "is required, or left out")])
    if home.experiment is None and len(storable(wanted)) <= LONGEST_NAME:
        return {"name": wanted, "title": None}
    if home.unique_name:
        short("name", wanted)
    if len(storable(wanted)) <= LONGEST_NAME:
        if connection.execute(_NAMED, {"experiment": home.experiment, "name": wanted}).first() is None:
            return {"name": wanted, "title": None}
        if home.unique_name:
            raise Conflict(f"the experiment has a run named {wanted!r} already")
    return {"name": f"{storable(wanted)[:200]}-{digest_of(uid)[:12]}", "title": wanted}


def _write_log(connection: Connection, key: int, given: Log, *, replace: bool = True) -> LogReceipt:
    if given.parameters:
        parameter_rows.add_parameters(connection, key, given.parameters, replace=replace)
    if given.facts.tags or given.facts.properties:
        write_facts(connection, NodeKind.RUN, key, given.facts)
    return metric_rows.log_samples(connection, key, given.samples)


def log(connection: Connection, scope: Scope, run_id: str, given: Log) -> LogReceipt:
    """Log to a run."""
    run = lock_run(connection, scope, run_id)
    refuse_deleted("run", run.deleted)
    if given.parameters or given.facts.tags or given.facts.properties:
        mark_changed(connection, run.key)
        record_change(
            connection,
            scope,
            "log",
            Node(NodeKind.RUN, run.id),
            parameters=sorted(given.parameters)[:20],
            tags=sorted(given.facts.tags)[:20],
            properties=sorted(given.facts.properties)[:20],
        )
    return _write_log(connection, run.key, given, replace=given.replace)


def append(
    connection: Connection, scope: Scope, run_id: str, samples: Sequence[Reported], *, first_sequence: int
) -> int:
    """Append numbered reports, and return the number of the next one."""
    run = run_key(connection, scope, run_id)
    refuse_deleted("run", run.deleted)
    return append_numbered(connection, run.key, run_id, samples, first_sequence=first_sequence, place=None)


def read_series(
    connection: Connection,
    scope: Scope,
    run_id: str,
    metric: str | None,
    *,
    after_sequence: int | None,
    limit: int | None,
) -> list[Observed]:
    """Return what was reported of a run."""
    run = run_key(connection, scope, run_id)
    return read_numbered(connection, run.key, metric, after_sequence=after_sequence, limit=limit)


def delete_parameters(connection: Connection, scope: Scope, run_id: str, names: Collection[str] | None) -> None:
    """Remove parameters of a run, or all."""
    run = lock_run(connection, scope, run_id)
    refuse_deleted("run", run.deleted)
    parameter_rows.delete_parameters(connection, run.key, names)
    _removed(connection, scope, run, "parameters", names)


def delete_metrics(connection: Connection, scope: Scope, run_id: str, names: Collection[str] | None) -> None:
    """Remove metrics of a run, or all."""
    run = lock_run(connection, scope, run_id)
    refuse_deleted("run", run.deleted)
    metric_rows.delete_metrics(connection, run.key, names)
    _removed(connection, scope, run, "metrics", names)


def _removed(connection: Connection, scope: Scope, run: RunKey, what: str, names: Collection[str] | None) -> None:
    mark_changed(connection, run.key)
    told = None if names is None else sorted(names)[:20]
    record_change(connection, scope, "unset", Node(NodeKind.RUN, run.id), **{what: told})


def update_run(
    connection: Connection,
    scope: Scope,
    run_id: str,
    *,
    name: str | None,
    description: str | None,
    state: TrialState | None,
    reason: str | None,
    message: str | None,
    started: datetime | None,
    ended: datetime | None,
    code: Mapping[str, Json] | None,
    environment: Mapping[str, Json] | None,
    place: Mapping[str, Json] | None,
    given: Log = NO_LOG,
    expected: Collection[TrialState] | None = None,
    parts: Collection[RunPart] = ALL_PARTS,
) -> Run:
    """Change what is not None, if the run is in a state that is expected, and log to it."""
    run = lock_run(connection, scope, run_id)
    refuse_deleted("run", run.deleted)
    before = connection.execute(_ROW, {"run": run.key}).one()
    if expected is not None and before.state not in {one.value for one in expected}:
        raise Conflict(f"the run is {before.state}, and not {' or '.join(one.value for one in expected) or 'anything'}")
    kinds = {before.kind, before.root_kind}
    if ExperimentKind.KATIB.value in kinds and (name, state, reason, message, started, ended) != (None,) * 6:
        raise Conflict("the run is driven here: its name, state and times are not anybody's to change")
    row: dict[str, Any] = {
        column: value
        for column, value in (("description", description), ("reason", reason), ("message", message))
        if value is not None
    }
    if name is not None and name != (before.title or before.name):
        row |= _name(
            connection, _Home(run.project, run.experiment, unique_name=run.experiment is not None), name, run.id
        )
    if state is not None:
        row["state"] = state.value
        if not state.is_active and ended is None:
            row["finished"] = micros(datetime.now(UTC))
        elif state.is_active:
            row["finished"] = None
    if started is not None:
        row["started"] = row["began"] = micros(started)
    if ended is not None:
        row["finished"] = micros(ended)
    row |= _provenance(connection, before, code=code, environment=environment, place=place)
    connection.execute(_UPDATE, {"run": run.key, **row, "change": next_change(connection)})
    _write_log(connection, run.key, given, replace=given.replace)
    if before.root_of is not None and name is not None:
        title = free_title(connection, run.project, name, run.id)
        connection.execute(update(experiments).where(experiments.c.id == before.root_of).values(title=title))
    told = _logged(given)
    if row or not told:
        told["fields"] = sorted(row)
    record_change(connection, scope, "update" if row else "log", Node(NodeKind.RUN, run.id), **told)
    return runs_by_key(connection, [run.key], parts)[run.key]


def _logged(given: Log) -> dict[str, list[str]]:
    """Return what the audit says of a log."""
    named = {"parameters": given.parameters, "tags": given.facts.tags, "properties": given.facts.properties}
    return {what: sorted(names)[:20] for what, names in named.items() if names}


def _provenance(
    connection: Connection,
    before: Any,
    *,
    code: Mapping[str, Json] | None,
    environment: Mapping[str, Json] | None,
    place: Mapping[str, Json] | None,
) -> dict[str, Any]:
    """Return the columns of what is known of a run's origin after something was added to it."""
    row: dict[str, Any] = {}
    for kind, given, known in (("code", code, before.code_id), ("environment", environment, before.environment_id)):
        if given is not None:
            stored = {} if known is None else documents(connection, [known])[known]
            row[f"{kind}_id"] = intern(connection, kind, {**stored, **given})
    if place is not None:
        row["place"] = dump({**({} if before.place is None else load(before.place)), **place})
    return row


def set_parent(connection: Connection, scope: Scope, run_id: str, parent_id: str) -> Run:
    """Make a run the trial of another one."""
    run = lock_run(connection, scope, run_id)
    parent = lock_run(connection, scope, parent_id)
    for one in (run, parent):
        refuse_deleted("run", one.deleted)
    if run.project != parent.project:
        raise InvalidInput([Problem("parent_id", "is of another project", parent_id)])
    before = connection.execute(_ROW, {"run": run.key}).one()
    if before.kind == ExperimentKind.KATIB.value:
        raise Conflict("the run is a trial that is driven here: it stays where it is")
    above: int | None = parent.key
    for _ in range(_DEEPEST):
        if above == run.key:
            raise Conflict("a run cannot be below itself")
        if above is None:
            break
        above = connection.execute(_ABOVE, {"run": above}).scalar()
    else:
        raise Conflict(f"runs are at most {_DEEPEST} deep")
    experiment = _experiment_below(connection, scope, parent)
    if experiment != run.experiment:
        last = connection.execute(_LAST_INDEX, {"experiment": experiment}).scalar()
        row = {
            "experiment_id": experiment,
            "trial_index": 0 if last is None else last + 1,
            "change": next_change(connection),
            **_name(connection, _Home(run.project, experiment), before.title or before.name, run.id),
        }
        connection.execute(update(trials).where(_runs.id == run.key).values(row))
        connection.execute(_COUNT_TRIALS, {"key": experiment, "now": micros(datetime.now(UTC))})
    record_change(connection, scope, "update", Node(NodeKind.RUN, run.id), parent=parent.id)
    return runs_by_key(connection, [run.key], ALL_PARTS)[run.key]
