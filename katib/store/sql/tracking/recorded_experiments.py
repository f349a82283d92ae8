"""Experiments that are driven elsewhere, recorded under the uids they have there. Functions run in the caller's transaction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select, update

from katib.api.experiment import ExperimentStatus
from katib.engine.status import over
from katib.errors import Conflict, InvalidInput, Problem
from katib.store.sql.documents import dump, dump_model, load, load_model
from katib.store.sql.event_rows import record_event
from katib.store.sql.experiment_writes import PROJECT_LABEL, insert_experiment, metadata_document, spec_columns
from katib.store.sql.schema import experiments, trials
from katib.store.sql.text import storable
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.deletion import BEING_PURGED
from katib.store.sql.tracking.fact_rows import mark_changed, write_facts
from katib.store.sql.tracking.project_rows import named_project_key
from katib.store.sql.tracking.recorded_ends import end_experiment, ended, ended_with_object
from katib.store.sql.tracking.root_runs import best_value, follow_status
from katib.store.sql.tracking.scope import experiment_key, short
from katib.store.sql.tracking.search_rows import free_title
from katib.store.sql.tracking_tables import projects
from katib.store.sql.values import micros
from katib.store.tracking.recording import EXPERIMENT_REPLACED, RecordedExperiment
from katib.store.tracking.records import DEFAULT_PROJECT, ExperimentKind, Facts, Node, NodeKind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from katib.api.experiment import Experiment
    from katib.store.sql.tracking.scope import Scope

__all__ = ["mark_deleted", "record_experiment"]

_LONGEST_UID: Final = 64
_LARGEST: Final = 2**63 - 1
_ROOM: Final = 240
"""Characters of a name before the part of a uid that follows it."""
_DRIVER: Final = {"driver": "cluster"}
"""The place of the root run of an experiment that is driven elsewhere, by which it is told from those that are driven here."""

_columns = experiments.c
_FIELDS = (
    _columns.id,
    _columns.uid,
    _columns.namespace,
    _columns.name,
    _columns.title,
    _columns.kind,
    _columns.created,
    _columns.version,
    _columns.status,
    _columns.metadata,
    _columns.project_id,
    _columns.root_id,
    _columns.deleted,
)
_KNOWN = select(*_FIELDS).where(_columns.uid == bindparam("of_uid")).with_for_update(key_share=True)
_HOLDER = (
    select(*_FIELDS)
    .where(_columns.namespace == bindparam("of_namespace"), _columns.name == bindparam("of_name"))
    .with_for_update(key_share=True)
)
_DELETED_PROJECT = select(projects.c.id, projects.c.deleted).where(
    projects.c.namespace == bindparam("of_namespace"),
    projects.c.name == bindparam("of_name"),
    projects.c.deleted.is_not(None),
)
_PLACE = select(trials.c.place).where(trials.c.id == bindparam("root"))
_UPDATE = update(experiments).where(_columns.uid == bindparam("of_uid"))
_UPDATE_RUN = update(trials).where(trials.c.id == bindparam("root"))


def record_experiment(connection: Connection, scope: Scope, experiment: Experiment, version: int) -> RecordedExperiment:
    """Insert an experiment with its uid, or bring it up to date."""
    uid = _checked(scope, experiment, version)
    known = _find(connection, scope, uid)
    if known is None:
        return RecordedExperiment(_insert(connection, scope, experiment, uid, version), stored=True)
    if known.version >= version:
        return RecordedExperiment(known.name, stored=False)
    status = _status(experiment, known.status, uid)
    _save(connection, experiment, uid, version, status)
    metadata = metadata_document(experiment.metadata)
    if metadata != known.metadata:
        connection.execute(_UPDATE.values(metadata=metadata), {"of_uid": uid})
        write_facts(connection, NodeKind.RUN, known.root_id, Facts(tags=experiment.metadata.labels or {}))
        mark_changed(connection, known.root_id)
    return RecordedExperiment(known.name, stored=True)


def mark_deleted(connection: Connection, scope: Scope, experiment_id: str) -> bool:
    """Record that the object of an experiment is gone; return False where that was known."""
    experiment_key(connection, scope, experiment_id)
    known = _find(connection, scope, experiment_id)
    return known is not None and end_experiment(connection, known.id, known.uid, known.status)


def _checked(scope: Scope, experiment: Experiment, version: int) -> str:
    """Return the uid of an experiment that can be recorded."""
    metadata = experiment.metadata
    problems = []
    if not metadata.name:
        problems.append(Problem("metadata.name", "is required"))
    uid = metadata.uid or ""
    if not 0 < len(uid) <= _LONGEST_UID or not uid.isascii() or not uid.replace("-", "").isalnum():
        problems.append(
            Problem("metadata.uid", f"must be 1 to {_LONGEST_UID} ASCII letters, digits and hyphens", metadata.uid)
        )
    if metadata.namespace not in (None, "", scope.namespace):
        problems.append(
            Problem("metadata.namespace", f"must be {scope.namespace!r}, where it is recorded", metadata.namespace)
        )
    if not 0 <= version <= _LARGEST:
        problems.append(Problem("version", "must be 0 or more", version))
    if problems:
        raise InvalidInput(problems)
    short("metadata.name", metadata.name)
    return uid


def _find(connection: Connection, scope: Scope, uid: str) -> Any:
    """Return the row of an experiment, locked, or None.

    Raises:
        Conflict: The uid is somebody else's; or the experiment is being purged.
    """
    known = connection.execute(_KNOWN, {"of_uid": storable(uid)}).first()
    if known is None:
        return None
    if known.namespace != storable(scope.namespace) or known.kind != ExperimentKind.KATIB.value:
        raise Conflict(f"the id {uid!r} is in use")
    if known.deleted == BEING_PURGED:
        raise Conflict("the experiment is being purged: record it again when it is gone")
    return known


def _status(experiment: Experiment, before: str, uid: str) -> ExperimentStatus:
    """Return the status to keep: what ended with its object has ended, until its driver says how."""
    known = load_model(ExperimentStatus, before, uid)
    status = known if experiment.status is None else experiment.status
    if ended_with_object(known) and not over(status):
        return ended(status, known.completion_time or datetime.now(UTC))
    return status


def _save(connection: Connection, experiment: Experiment, uid: str, version: int, status: ExperimentStatus) -> None:
    spec = spec_columns(experiment.spec)
    row = {
        **spec,
        "version": version,
        "generation": experiment.metadata.generation or 1,
        "status": dump_model(status),
        "updated": micros(datetime.now(UTC)),
        "trial_count": status.trials,
        "best_value": best_value(status, spec["spec"]),
    }
    connection.execute(_UPDATE.values(row), {"of_uid": uid})
    follow_status(connection, uid, status)


def _insert(connection: Connection, scope: Scope, experiment: Experiment, uid: str, version: int) -> str:
    """Insert an experiment, and return the name it has."""
    metadata = experiment.metadata
    name = storable(metadata.name)
    created = metadata.creation_timestamp or datetime.now(UTC)
    project_name = (metadata.labels or {}).get(PROJECT_LABEL) or DEFAULT_PROJECT
    gone = connection.execute(
        _DELETED_PROJECT, {"of_namespace": scope.namespace, "of_name": storable(project_name)}
    ).first()
    if gone is not None:
        return _insert_deleted(connection, scope, experiment, uid, version=version, project=gone)
    project = named_project_key(connection, scope, project_name)
    holder = connection.execute(_HOLDER, {"of_namespace": scope.namespace, "of_name": name}).first()
    replaced = False
    if holder is not None:
        if _gives_up(connection, holder, created, version):
            _rename(connection, scope, holder)
        else:
            # A newer one is there already, so the object of this one is gone; what one that is driven here says nothing about.
            replaced = _is_driven_elsewhere(connection, holder)
            name = _spare_name(connection, scope, name, uid)
    root = insert_experiment(
        connection,
        scope,
        experiment,
        uid=uid,
        name=name,
        title=free_title(connection, project, name, uid),
        project=project,
        created=created,
    )
    connection.execute(_UPDATE_RUN.values(place=dump(_DRIVER)), {"root": root})
    _save(connection, experiment, uid, version, experiment.status or ExperimentStatus())
    if replaced:
        _end(connection, uid, name)
    return name


def _insert_deleted(
    connection: Connection, scope: Scope, experiment: Experiment, uid: str, *, version: int, project: Any
) -> str:
    """Insert an experiment of a project that is deleted, as one that was deleted with it, and return the name it has."""
    if project.deleted == BEING_PURGED:
        raise Conflict("the project of the experiment is being purged: record it again when that is gone")
    name = storable(experiment.metadata.name)
    root = insert_experiment(
        connection,
        scope,
        experiment,
        uid=uid,
        name=uid,
        title=name,
        project=project.id,
        created=experiment.metadata.creation_timestamp or datetime.now(UTC),
    )
    connection.execute(_UPDATE_RUN.values(place=dump(_DRIVER), deleted=project.deleted), {"root": root})
    _save(connection, experiment, uid, version, experiment.status or ExperimentStatus())
    connection.execute(_UPDATE.values(title=None, deleted=project.deleted), {"of_uid": uid})
    return uid


def _gives_up(connection: Connection, holder: Any, created: datetime, version: int) -> bool:
    """Whether the one that has a name gives it to another: it is older, and no process here drives it any more."""
    if (holder.created, holder.version) > (micros(created), version):
        return False
    return _is_driven_elsewhere(connection, holder) or over(load_model(ExperimentStatus, holder.status, holder.uid))


def _is_driven_elsewhere(connection: Connection, experiment: Any) -> bool:
    place = connection.execute(_PLACE, {"root": experiment.root_id}).scalar()
    return place is not None and _DRIVER.items() <= load(place).items()


def _rename(connection: Connection, scope: Scope, holder: Any) -> None:
    """Take the name from an experiment whose name a newer one has, and end it if it was driven elsewhere."""
    name = _spare_name(connection, scope, holder.name, holder.uid)
    row = {"name": name, "updated": micros(datetime.now(UTC))}
    if holder.title == holder.name:
        row["title"] = free_title(connection, holder.project_id, name, holder.uid)
        connection.execute(_UPDATE_RUN.values(name=name), {"root": holder.root_id})
    connection.execute(_UPDATE.values(row), {"of_uid": holder.uid})
    mark_changed(connection, holder.root_id)
    record_change(connection, scope, "update", Node(NodeKind.EXPERIMENT, holder.uid), name=name)
    if _is_driven_elsewhere(connection, holder):
        _end(connection, holder.uid, name)


def _spare_name(connection: Connection, scope: Scope, name: str, uid: str) -> str:
    """Return another name for an experiment, which no other one of the namespace has."""
    for spare in (f"{name[:_ROOM]}-{uid[:8]}", f"{name[: _ROOM - _LONGEST_UID]}-{uid}"):
        if connection.execute(_HOLDER, {"of_namespace": scope.namespace, "of_name": spare}).first() is None:
            return spare
    return uid


def _end(connection: Connection, uid: str, name: str) -> None:
    """Record that a newer experiment has the name of one, whose object is therefore gone."""
    known = connection.execute(_KNOWN, {"of_uid": uid}).one()
    message = f"A newer experiment has its name; this one is kept as {name}"
    record_event(
        connection, uid, EXPERIMENT_REPLACED, message, kind="Normal", trial=None, event_id="katib: experiment replaced"
    )
    end_experiment(connection, known.id, uid, known.status)
