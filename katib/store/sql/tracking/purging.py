"""Removes for good what was deleted long enough ago, in small changes with pauses, so that nobody who writes waits for long.

The order makes every moment a good one to be killed at: files that are to go are noted in the change that removes the rows; what a
purge has begun with is not restored any more (``BEING_PURGED``); points go before their run, trials before their experiment, and all
before their project. Whatever was not reached is found again by the next purge. Where there is an archive, a run goes only after the
batch is durable there that it is in (``archive_rows``).

Functions that take a connection run in the caller's transaction; ``Purge`` makes its own.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import OperationalError

from katib.errors import KatibError, NotFound
from katib.store.sql.known_keys import forget_keys
from katib.store.sql.schema import (
    collectors,
    events,
    experiments,
    observations,
    requests,
    summaries,
    trial_jobs,
    trials,
)
from katib.store.sql.tracking.archive_rows import (
    HAS_BATCH,
    begin_batch,
    forget_empty_batches,
    mark_written,
    read_batch,
    run_is_written,
    undo_batch,
    unfinished_batches,
    written_runs,
)
from katib.store.sql.tracking.audit_rows import record_change
from katib.store.sql.tracking.best_trials import trials_beyond_best
from katib.store.sql.tracking.deletion import BEING_PURGED
from katib.store.sql.tracking.deletion import delete as delete_softly
from katib.store.sql.tracking.scope import Scope, chunks, experiment_key, project_key
from katib.store.sql.tracking_tables import (
    artifacts,
    comments,
    dataset_versions,
    datasets,
    file_removals,
    lineage,
    parameters,
    projects,
    provenance,
    run_datasets,
    run_properties,
    run_tags,
)
from katib.store.sql.values import micros
from katib.store.tracking.records import ExperimentKind, Node, NodeKind, Purged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import BindParameter, ColumnElement, Connection, Table

    from katib.store.sql.database import Database
    from katib.store.tracking.records import ArchiveWriter, RetentionPolicy

__all__ = ["Purge", "files_removed", "files_to_remove", "purgeable", "remove_experiment"]

_DISK_FULL: Final = "53100"
"""PostgreSQL's code."""

MOST_POINTS: Final = 10_000
"""Points that go in one change."""

MOST_ARCHIVED: Final = 1_000_000
"""Points that go into an archive together, if they are of several runs."""

_FEWEST_POINTS: Final = 500
_MOST_ARCHIVED_RUNS: Final = 500
_MOST_RUNS: Final = 200
_LONG: Final = 0.04
"""Seconds after which a change was too large."""

_SHORTEST_PAUSE: Final = 0.002
_LONGEST_PAUSE: Final = 0.2
_TOGETHER: Final = 100

_runs, _searches = trials.c, experiments.c
_KEYS: BindParameter[int] = bindparam("keys", expanding=True)
_OF_RUNS: Final = (
    observations,
    summaries,
    collectors,
    trial_jobs,
    run_tags,
    run_properties,
    parameters,
    run_datasets,
    comments,
    artifacts,
)
"""What a run has, the largest first."""

_PENDING_FILES = (
    select(file_removals.c.project, file_removals.c.run)
    .where(file_removals.c.namespace == bindparam("namespace"))
    .order_by(file_removals.c.id)
)
_FORGET_FILES = delete(file_removals).where(
    file_removals.c.namespace == bindparam("namespace"),
    file_removals.c.project == bindparam("of_project"),
    file_removals.c.run == bindparam("of_run"),
)
_POINTS = (
    select(summaries.c.trial_id, func.sum(summaries.c.count))
    .where(summaries.c.trial_id.in_(_KEYS))
    .group_by(summaries.c.trial_id)
)
_METRICS = select(summaries.c.metric_id).where(summaries.c.trial_id == bindparam("run")).order_by(summaries.c.metric_id)
_SERIES = and_(observations.c.trial_id == bindparam("run"), observations.c.metric_id == bindparam("metric"))
_BOUND = (
    select(observations.c.sequence)
    .where(_SERIES, observations.c.sequence > bindparam("after"))
    .order_by(observations.c.sequence)
)
_REMOVE_POINTS = delete(observations).where(
    _SERIES, observations.c.sequence > bindparam("after"), observations.c.sequence <= bindparam("last")
)
_HAS_SEARCH = exists().where(_searches.root_id == _runs.id)
_UIDS = (
    select(_runs.id, _runs.uid, _runs.experiment_id, projects.c.uid.label("project"), projects.c.namespace)
    .join(projects, projects.c.id == _runs.project_id)
    .where(_runs.id.in_(_KEYS))
)
_USED_BY_RUN = exists().where(or_(_runs.code_id == provenance.c.id, _runs.environment_id == provenance.c.id))


@dataclass(slots=True)
class _Count:
    """What is gone so far."""

    projects: int = 0
    experiments: int = 0
    runs: int = 0
    points: int = 0
    deleted: int = 0
    archived: int = 0
    files: list[tuple[str, str]] = field(default_factory=list)

    def told(self, *, with_files: bool = True) -> Purged:
        files = tuple(self.files) if with_files else ()
        return Purged(self.projects, self.experiments, self.runs, self.points, self.deleted, files, self.archived)


# -- rows of runs -----------------------------------------------------------------------------------------------------


def _edges_of(kind: NodeKind, keys: Any) -> ColumnElement[bool]:
    return or_(
        and_(lineage.c.input_kind == kind.value, lineage.c.input_id.in_(keys)),
        and_(lineage.c.output_kind == kind.value, lineage.c.output_id.in_(keys)),
    )


def _remove_edges(connection: Connection, kind: NodeKind, keys: Sequence[int]) -> None:
    for some in chunks(keys):
        # Two statements, as databases use an index for each and none for both.
        for side, identity in (
            (lineage.c.input_kind, lineage.c.input_id),
            (lineage.c.output_kind, lineage.c.output_id),
        ):
            connection.execute(delete(lineage).where(side == kind.value, identity.in_(some)))


def _remove_runs(connection: Connection, keys: Sequence[int], *, keep_artifacts: bool) -> list[tuple[str, str]]:
    """Remove runs whose rows are locked, with everything of them; return where their files are (project, run)."""
    files = [] if keep_artifacts else _note_files(connection, keys)
    for some in chunks(keys):
        artifact_keys = list(connection.execute(select(artifacts.c.id).where(artifacts.c.trial_id.in_(some))).scalars())
        for table in _OF_RUNS:
            connection.execute(delete(table).where(table.c.trial_id.in_(some)))
        connection.execute(delete(trials).where(_runs.id.in_(some)))
        forget_keys(connection)
        # After the rows: who adds an edge of one holds its row until the edge is there.
        _remove_edges(connection, NodeKind.ARTIFACT, artifact_keys)
        _remove_edges(connection, NodeKind.RUN, some)
    return files


def _note_files(connection: Connection, keys: Sequence[int]) -> list[tuple[str, str]]:
    """Write down whose files are to be removed, and return where they are (project, run)."""
    files = []
    for some in chunks(keys):
        rows = connection.execute(_UIDS, {"keys": some}).all()
        if rows:
            removals = [{"namespace": row.namespace, "project": row.project, "run": row.uid} for row in rows]
            connection.execute(insert(file_removals), removals)
        files += [(row.project, row.uid) for row in rows]
    return files


@contextlib.contextmanager
def _unless_full(connection: Connection) -> Iterator[None]:
    """Do without the notes of a removal where the server's disk is full: there would be no way to make room."""
    try:
        with connection.begin_nested():
            yield
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != _DISK_FULL:
            raise


def remove_experiment(connection: Connection, uid: str) -> None:
    """Remove an experiment with its root run, its trials and everything below them, in one change; one that is not there is fine."""
    first = connection.execute(
        select(_searches.id, _searches.root_id, _searches.namespace).where(_searches.uid == uid).with_for_update()
    ).first()
    if first is None:
        return
    levels, below = _levels_below(connection, first.id)
    runs = below if first.root_id is None else [first.root_id, *below]
    with _unless_full(connection):
        record_change(connection, Scope(first.namespace, ""), "purge", Node(NodeKind.EXPERIMENT, uid), runs=len(runs))
        _note_files(connection, runs)
    _remove_runs(connection, runs, keep_artifacts=True)
    for level in levels:
        _remove_searches(connection, level)


def _levels_below(connection: Connection, experiment: int) -> tuple[list[list[int]], list[int]]:
    """Return the experiments below one, itself first, by how deep they are, and all their trials."""
    levels: list[list[int]] = [[experiment]]
    runs: list[int] = []
    while levels[-1]:
        below = _all(connection, select(_runs.id), _runs.experiment_id, levels[-1])
        runs += below
        levels.append(_all(connection, select(_searches.id), _searches.root_id, below))
    return levels, runs


def _all(connection: Connection, query: Any, column: Any, keys: Sequence[int]) -> list[int]:
    return [key for some in chunks(keys) for key in connection.execute(query.where(column.in_(some))).scalars()]


def _remove_searches(connection: Connection, keys: Sequence[int]) -> None:
    for some in chunks(keys):
        for table in (events, requests):
            connection.execute(delete(table).where(table.c.experiment_id.in_(some)))
        connection.execute(delete(experiments).where(_searches.id.in_(some)))
        forget_keys(connection)


# -- files ------------------------------------------------------------------------------------------------------------


def files_to_remove(connection: Connection, scope: Scope, limit: int) -> list[tuple[str, str]]:
    """Return runs that are gone and whose files are not, oldest first, as (project id, run id)."""
    rows = connection.execute(_PENDING_FILES.limit(limit), {"namespace": scope.namespace})
    return [(project, run) for project, run in rows]


def files_removed(connection: Connection, scope: Scope, runs: Iterable[tuple[str, str]]) -> None:
    """Forget runs whose files are gone; those that are not noted are fine."""
    rows = [{"namespace": scope.namespace, "of_project": project, "of_run": run} for project, run in runs]
    if rows:
        connection.execute(_FORGET_FILES, rows)


# -- what a policy means ----------------------------------------------------------------------------------------------


class _Where:
    """What a policy speaks of, as conditions on the tables.

    Raises:
        NotFound: There is no such project or experiment.
    """

    def __init__(self, connection: Connection, scope: Scope, policy: RetentionPolicy) -> None:
        self._of_namespace = select(projects.c.id).where(projects.c.namespace == scope.namespace)
        if policy.without_own:
            self._of_namespace = self._of_namespace.where(projects.c.retention.is_(None))
        self._project = None if policy.project_id is None else project_key(connection, scope, policy.project_id).key
        self._experiments: list[int] | None = None
        self._root = -1
        if policy.experiment_id is not None:
            found = experiment_key(connection, scope, policy.experiment_id)
            self._root = found.root
            self._experiments = [key for level in _levels_below(connection, found.key)[0] for key in level]

    def _within(self, column: Any) -> ColumnElement[bool]:
        condition: ColumnElement[bool] = column.in_(self._of_namespace)
        return condition if self._project is None else and_(condition, column == self._project)

    def runs(self) -> ColumnElement[bool]:
        condition = self._within(_runs.project_id)
        if self._experiments is None:
            return condition
        return and_(condition, or_(_runs.experiment_id.in_(self._experiments), _runs.id == self._root))

    def experiments(self) -> ColumnElement[bool]:
        condition = self._within(_searches.project_id)
        return condition if self._experiments is None else and_(condition, _searches.id.in_(self._experiments))

    def projects(self) -> ColumnElement[bool] | None:
        return self._within(projects.c.id) if self._experiments is None else None


def purgeable(connection: Connection, scope: Scope, policy: RetentionPolicy) -> Purged:
    """Return what a purge would remove now, and how many trials it would delete."""
    where = _Where(connection, scope, policy)
    found = _Count()
    for _, beyond in trials_beyond_best(connection, where.experiments(), policy.keep_best):
        found.deleted += len(beyond)
    if policy.deleted_before is not None:
        before = micros(policy.deleted_before)
        condition = and_(where.runs(), _runs.deleted < before)
        found.runs = connection.execute(select(func.count()).select_from(trials).where(condition)).scalar_one()
        points = select(func.sum(summaries.c.count)).join(trials, _runs.id == summaries.c.trial_id).where(condition)
        found.points = int(connection.execute(points).scalar() or 0)
        gone = select(func.count()).select_from(experiments).where(where.experiments(), _searches.deleted < before)
        found.experiments = connection.execute(gone).scalar_one()
        of_projects = where.projects()
        if of_projects is not None:
            gone = select(func.count()).select_from(projects).where(of_projects, projects.c.deleted < before)
            found.projects = connection.execute(gone).scalar_one()
    return found.told()


class Purge:
    """One purge of one namespace.

    Args:
        database: Every change is a transaction of its own, but inside the caller's ``transaction()`` if there is one.
        progress: Called between changes with what is gone so far (without the files).
        archive: Where runs go first; None for nowhere.
    """

    def __init__(
        self,
        database: Database,
        scope: Scope,
        policy: RetentionPolicy,
        progress: Callable[[Purged], None] | None = None,
        archive: ArchiveWriter | None = None,
    ) -> None:
        self._archive = archive
        self._database = database
        self._scope = scope
        self._policy = policy
        self._progress = progress
        self._gone = _Count()
        self._points = MOST_POINTS
        self._where = database.read(_Where, scope, policy)

    def run(self) -> Purged:
        """Do it, and return what is gone."""
        self._keep_best()
        if self._policy.deleted_before is not None:
            before = micros(self._policy.deleted_before)
            self._begin(before)
            self._remove_runs(before)
            self._remove_experiments(before)
            self._remove_projects()
            self._remove_unused_provenance()
            if self._archive is not None:
                self._database.write(forget_empty_batches, self._scope)
        return self._gone.told()

    def _change(self, function: Callable[..., Any], *args: Any) -> Any:
        """Make one change, and leave the database to others for as long as it took."""
        began = time.monotonic()
        result = self._database.write(function, *args)
        took = time.monotonic() - began
        if took > _LONG:
            self._points = max(int(self._points * _LONG / took), _FEWEST_POINTS)
        elif took < _LONG / 2:
            self._points = min(self._points * 2, MOST_POINTS)
        if self._progress is not None:
            self._progress(self._gone.told(with_files=False))
        time.sleep(min(max(took, _SHORTEST_PAUSE), _LONGEST_PAUSE))
        return result

    # -- the best --------------------------------------------------------------------------------------------------

    def _keep_best(self) -> None:
        found = self._database.read(
            lambda connection: list(trials_beyond_best(connection, self._where.experiments(), self._policy.keep_best))
        )
        for experiment, beyond in found:
            for start in range(0, len(beyond), _TOGETHER):
                self._gone.deleted += self._change(self._delete, experiment, beyond[start : start + _TOGETHER])

    def _delete(self, connection: Connection, experiment: str, runs: Sequence[str]) -> int:
        reason = f"not among the best {self._policy.keep_best} of {experiment}"
        nodes = [Node(NodeKind.RUN, run) for run in runs]
        return sum(delete_softly(connection, self._scope, node, reason=reason) for node in nodes)

    # -- the deleted -----------------------------------------------------------------------------------------------

    def _begin(self, before: int) -> None:
        """Let nobody restore projects and experiments of which parts will be missing."""
        marks: list[tuple[Table, ColumnElement[bool] | None]] = [
            (projects, self._where.projects()),
            (experiments, self._where.experiments()),
        ]
        for table, condition in marks:
            if condition is None:
                continue
            wanted = select(table.c.id).where(condition, table.c.deleted < before, table.c.deleted > BEING_PURGED)
            keys = self._read(wanted)
            for some in chunks(keys):
                self._change(self._mark, table, some, before)

    @staticmethod
    def _mark(connection: Connection, table: Table, keys: Sequence[int], before: int) -> None:
        still = and_(table.c.id.in_(keys), table.c.deleted < before)
        connection.execute(update(table).where(still).values(deleted=BEING_PURGED))

    def _read(self, query: Any) -> list[Any]:
        return self._database.read(lambda connection: list(connection.execute(query).scalars()))

    def _remove_runs(self, before: int) -> None:
        """Remove runs that are the root of no experiment; newest first, as trials are newer than what they belong to."""
        deleted = and_(self._where.runs(), _runs.deleted < before)
        wanted = select(_runs.id).where(deleted, ~_HAS_SEARCH)
        pages = self._pages(wanted, _MOST_RUNS) if self._archive is None else self._archived_pages(deleted, before)
        for keys in pages:
            for batch in self._batches(keys, before):
                self._take(self._change(self._remove_deleted, batch, before))

    def _pages(self, wanted: Any, size: int) -> Iterator[list[int]]:
        """Yield the keys of runs, newest first."""
        wanted = wanted.order_by(_runs.id.desc()).limit(size)
        keys = self._read(wanted)
        while keys:
            yield keys
            keys = self._read(wanted.where(_runs.id < keys[-1]))

    # -- the archive -----------------------------------------------------------------------------------------------

    def _archived_pages(self, deleted: ColumnElement[bool], before: int) -> Iterator[list[int]]:
        """Write runs into the archive, roots too, and yield the keys of those that may go then."""
        for batch in self._database.read(unfinished_batches, self._scope, self._where.runs()):
            self._write(batch, is_new=False)
        written = written_runs(self._scope).where(self._where.runs(), ~_HAS_SEARCH)
        yield from self._pages(written, _MOST_RUNS)
        for project in self._read(select(_runs.project_id).where(deleted, ~HAS_BATCH).distinct()):
            wanted = select(_runs.id).where(deleted, _runs.project_id == project, ~HAS_BATCH)
            for page in self._pages(wanted, _MOST_ARCHIVED_RUNS):
                for keys in self._split(page):
                    batch = self._change(begin_batch, self._scope, keys, before)
                    if batch is not None:
                        self._write(batch, is_new=True)
                        yield from self._pages(written, _MOST_RUNS)

    def _split(self, keys: Sequence[int]) -> Iterator[list[int]]:
        """Yield runs that have few enough points together for one file; one run may have any number."""
        counts = self._counts(keys)
        batch: list[int] = []
        points = 0
        for key in keys:
            points += counts.get(key, 0)
            if batch and points > MOST_ARCHIVED:
                yield batch
                batch, points = [], counts.get(key, 0)
            batch.append(key)
        yield batch

    def _write(self, uid: str, *, is_new: bool) -> None:
        """Write one batch; what cannot be written stays in the store."""
        assert self._archive is not None  # noqa: S101 - it is asked before
        try:
            batch = self._database.read(read_batch, self._scope, uid)
        except NotFound:
            return  # another purge was quicker
        try:
            self._archive.write_points(batch)
        except Exception:
            if is_new:  # nothing of it is in the archive: its runs can be restored as before
                with contextlib.suppress(KatibError):
                    self._database.write(undo_batch, self._scope, uid)
            raise
        self._archive.write_runs(batch)
        self._gone.archived += self._change(mark_written, self._scope, uid)

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _counts(self, keys: Sequence[int]) -> dict[int, int]:
        """Return how many points runs have; who has none is absent."""
        return self._database.read(
            lambda connection: {
                key: int(count) for some in chunks(keys) for key, count in connection.execute(_POINTS, {"keys": some})
            }
        )

    def _batches(self, keys: Sequence[int], before: int) -> Iterator[list[int]]:
        """Yield runs that have few enough points together, those of large ones removed before."""
        counts = self._counts(keys)
        batch: list[int] = []
        points = 0
        for key in keys:
            count = counts.get(key, 0)
            if count > self._points:
                if not self._remove_points(key, before):
                    continue  # it was restored
                count = 0
            if batch and points + count > self._points:
                yield batch
                batch, points = [], 0
            batch.append(key)
            points += count
        if batch:
            yield batch

    def _remove_points(self, run: int, before: int) -> bool:
        """Remove the points of a run piece by piece; return whether it is still deleted."""
        if not self._change(self._mark_run, run, before):
            return False
        for metric in self._read(_METRICS.params(run=run)):
            last = -1
            while True:
                removed, last = self._change(self._remove_piece, run, metric, last)
                self._gone.points += removed
                if last is None:
                    break
        return True

    @staticmethod
    def _mark_run(connection: Connection, run: int, before: int) -> bool:
        still = and_(_runs.id == run, _runs.deleted < before)
        if connection.execute(select(_runs.id).where(still).with_for_update(key_share=True)).first() is None:
            return False
        connection.execute(update(trials).where(still).values(deleted=BEING_PURGED))
        return True

    def _remove_piece(self, connection: Connection, run: int, metric: int, after: int) -> tuple[int, int | None]:
        series = {"run": run, "metric": metric, "after": after}
        last = connection.execute(_BOUND.offset(self._points - 1).limit(1), series).scalar()
        bound = 2**63 - 1 if last is None else last
        return connection.execute(_REMOVE_POINTS, {**series, "last": bound}).rowcount, last

    def _remove_deleted(self, connection: Connection, keys: Sequence[int], before: int) -> _Count:
        """Remove those of some runs that were not restored meanwhile."""
        still = select(_runs.id, _runs.uid, _runs.experiment_id).where(_runs.id.in_(keys), _runs.deleted < before)
        rows = connection.execute(still.order_by(_runs.id).with_for_update()).all()
        present = [row.id for row in rows]
        points, trimmed = self._counted(connection, present)
        self._record_runs(connection, rows)
        files = _remove_runs(connection, present, keep_artifacts=self._policy.keep_artifacts)
        return _Count(runs=len(present), points=points - trimmed, files=files)

    @staticmethod
    def _counted(connection: Connection, keys: Sequence[int]) -> tuple[int, int]:
        """Return how many points runs had, and how many of these were removed, and counted, before."""
        if not keys:
            return 0, 0
        counts = {key: int(count) for key, count in connection.execute(_POINTS, {"keys": keys})}
        marked = select(_runs.id).where(_runs.id.in_(keys), _runs.deleted == BEING_PURGED)
        trimmed = sum(counts.get(key, 0) for key in connection.execute(marked).scalars())
        return sum(counts.values()), trimmed

    def _record_runs(self, connection: Connection, rows: Sequence[Any]) -> None:
        """Write down each run that does not go with its experiment, and count it out of that."""
        wanted = sorted({row.experiment_id for row in rows if row.experiment_id is not None})
        staying = {
            row.id: row.kind
            for some in chunks(wanted)
            for row in connection.execute(
                select(_searches.id, _searches.kind).where(_searches.id.in_(some), _searches.deleted.is_(None))
            )
        }
        fewer: Counter[int] = Counter()
        for row in rows:
            if row.experiment_id is None or row.experiment_id in staying:
                record_change(connection, self._scope, "purge", Node(NodeKind.RUN, row.uid))
            if staying.get(row.experiment_id, ExperimentKind.KATIB.value) != ExperimentKind.KATIB.value:
                fewer[row.experiment_id] += 1
        for key, number in sorted(fewer.items()):
            connection.execute(
                update(experiments).where(_searches.id == key).values(trial_count=_searches.trial_count - number)
            )

    def _take(self, removed: _Count) -> None:
        self._gone.runs += removed.runs
        self._gone.points += removed.points
        self._gone.experiments += removed.experiments
        self._gone.files += removed.files

    def _remove_experiments(self, before: int) -> None:
        """Remove experiments that have no trials any more; the inner ones first, whose roots are trials of others."""
        while True:
            marked = and_(self._where.experiments(), _searches.deleted == BEING_PURGED)
            empty = ~exists().where(_runs.experiment_id == _searches.id)
            wanted = select(_searches.id).where(marked, empty)
            if self._archive is not None:
                wanted = wanted.where(_searches.root_id.is_(None) | run_is_written(_searches.root_id))
            keys = self._read(wanted.limit(_TOGETHER))
            if not keys:
                return
            removed = 0
            for key in keys:
                for root in self._read(select(_searches.root_id).where(_searches.id == key)):
                    list(self._batches([root], before))
                found = self._change(self._remove_experiment, key)
                removed += found.experiments
                self._take(found)
            if not removed:
                return

    def _remove_experiment(self, connection: Connection, key: int) -> _Count:
        row = connection.execute(
            select(_searches.uid, _searches.root_id).where(_searches.id == key).with_for_update()
        ).first()
        if row is None or connection.execute(select(_runs.id).where(_runs.experiment_id == key).limit(1)).first():
            return _Count()
        roots = [] if row.root_id is None else [row.root_id]
        points, trimmed = self._counted(connection, roots)
        record_change(connection, self._scope, "purge", Node(NodeKind.EXPERIMENT, row.uid))
        _remove_searches(connection, [key])
        files = _remove_runs(connection, roots, keep_artifacts=self._policy.keep_artifacts)
        return _Count(experiments=1, runs=len(roots), points=points - trimmed, files=files)

    def _remove_projects(self) -> None:
        condition = self._where.projects()
        if condition is None:
            return
        empty = and_(
            ~exists().where(_runs.project_id == projects.c.id), ~exists().where(_searches.project_id == projects.c.id)
        )
        wanted = select(projects.c.id).where(condition, projects.c.deleted == BEING_PURGED, empty)
        for key in self._read(wanted):
            self._gone.projects += self._change(self._remove_project, key)

    def _remove_project(self, connection: Connection, key: int) -> int:
        uid = connection.execute(select(projects.c.uid).where(projects.c.id == key).with_for_update()).scalar()
        mine = select(_runs.id).where(_runs.project_id == key).limit(1)
        if uid is None or connection.execute(mine).first() is not None:
            return 0
        of_it = select(dataset_versions.c.id).join(datasets).where(datasets.c.project_id == key)
        versions = list(connection.execute(of_it).scalars())
        record_change(connection, self._scope, "purge", Node(NodeKind.PROJECT, uid))
        connection.execute(delete(projects).where(projects.c.id == key))  # the tables' foreign keys take the rest along
        _remove_edges(connection, NodeKind.DATASET_VERSION, versions)
        return 1

    def _remove_unused_provenance(self) -> None:
        for some in chunks(self._read(select(provenance.c.id).where(~_USED_BY_RUN).order_by(provenance.c.id))):
            self._change(self._remove_provenance, some)

    @staticmethod
    def _remove_provenance(connection: Connection, keys: Sequence[int]) -> None:
        # Who stores a run with a document that is there holds its row: after the lock, no such run is unseen.
        lock = select(provenance.c.id).where(provenance.c.id.in_(keys)).order_by(provenance.c.id).with_for_update()
        connection.execute(lock).close()
        connection.execute(delete(provenance).where(provenance.c.id.in_(keys), ~_USED_BY_RUN))
