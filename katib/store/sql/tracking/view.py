"""What one namespace has: each method is one call of the modules beside this one, inside a transaction of the right kind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from typing_extensions import override

from katib.store.sql.tracking import (
    archive_rows,
    artifact_rows,
    audit_rows,
    charts,
    comment_rows,
    comparing,
    dataset_rows,
    deletion,
    fact_rows,
    finding,
    flat_rows,
    likeness,
    lineage_rows,
    metric_rows,
    new_runs,
    project_rows,
    purging,
    run_parts,
    run_rows,
    search_rows,
    serials,
    watching,
)
from katib.store.sql.tracking.recorded_view import SqlRecording
from katib.store.sql.tracking.scope import Scope
from katib.store.tracking.protocol import ALL_PARTS, NO_FACTS, NO_LOG, WHOLE_NAMESPACE, Tracking
from katib.store.tracking.records import ExperimentKind, Found, Lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from katib.api.trial import TrialState
    from katib.store.protocol import Observed, Reported
    from katib.store.sql.database import Database
    from katib.store.tracking.records import (
        ArchiveWriter,
        Artifact,
        ArtifactState,
        AuditEntry,
        ChartPoint,
        Comment,
        Comparison,
        Dataset,
        DatasetVersion,
        Facts,
        FlatRun,
        Json,
        LineageEdge,
        Log,
        LogReceipt,
        NewRun,
        Node,
        NodeKind,
        Project,
        ProjectRetention,
        Purged,
        RetentionPolicy,
        Run,
        RunPart,
        RunScope,
        SearchExperiment,
    )

__all__ = ["SqlTracking"]


class SqlTracking(SqlRecording, Tracking):
    """The tracking of one namespace in a SQL database.

    Args:
        database: It stays open.
        namespace: Nothing else is seen.
        actor: Who acts.
    """

    def __init__(self, database: Database, namespace: str, actor: str) -> None:
        self._database = database
        self._scope = Scope(namespace, actor)

    @property
    @override
    def namespace(self) -> str:
        return self._scope.namespace

    @property
    @override
    def actor(self) -> str:
        return self._scope.actor

    @override
    def transaction(self) -> AbstractContextManager[None]:
        return self._database.transaction()

    # -- projects -------------------------------------------------------------------------------------------------

    @override
    def create_project(
        self, name: str, *, project_id: str | None = None, description: str = "", facts: Facts = NO_FACTS
    ) -> Project:
        return self._database.write(
            project_rows.create_project,
            self._scope,
            name,
            project_id=project_id,
            description=description,
            facts=facts,
        )

    @override
    def default_project(self) -> Project:
        return self._database.write(project_rows.default_project, self._scope)

    @override
    def project(self, project_id: str) -> Project:
        return self._database.read(project_rows.read_project, self._scope, project_id)

    @override
    def project_named(self, name: str) -> Project:
        return self._database.read(project_rows.read_project_named, self._scope, name)

    @override
    def update_project(
        self,
        project_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        retention: ProjectRetention | None = None,
    ) -> Project:
        return self._database.write(
            project_rows.update_project,
            self._scope,
            project_id,
            name=name,
            description=description,
            retention=retention,
        )

    @override
    def find_projects(
        self,
        filter: str = "",
        order_by: str | Sequence[str] = "",
        *,
        lifecycle: Lifecycle = Lifecycle.ACTIVE,
        limit: int = 1000,
        cursor: str | None = None,
        count: bool = False,
        now: datetime | None = None,
    ) -> Found[Project]:
        moment = now or datetime.now(UTC)

        def find(connection: Connection) -> Found[Project]:
            keys, following = finding.find_project_keys(
                connection,
                self._scope,
                filter,
                order_by,
                lifecycle=lifecycle,
                limit=limit,
                cursor=cursor,
                now=moment,
            )
            records = project_rows.projects_by_key(connection, keys)
            total = (
                finding.count_projects(connection, self._scope, filter, lifecycle=lifecycle, now=moment)
                if count
                else None
            )
            return Found(tuple(records[key] for key in keys), following, total)

        return self._database.read(find)

    # -- experiments ----------------------------------------------------------------------------------------------

    @override
    def create_search(
        self,
        name: str,
        *,
        project_id: str | None = None,
        experiment_id: str | None = None,
        kind: ExperimentKind = ExperimentKind.TRACKED,
        description: str = "",
        algorithm: str = "",
        objective: str = "",
        objective_type: str = "",
        facts: Facts = NO_FACTS,
    ) -> SearchExperiment:
        return self._database.write(
            search_rows.create_search,
            self._scope,
            name,
            project_id=project_id,
            experiment_id=experiment_id,
            kind=kind,
            description=description,
            algorithm=algorithm,
            objective=objective,
            objective_type=objective_type,
            facts=facts,
        )

    @override
    def search(self, experiment_id: str) -> SearchExperiment:
        return self._database.read(search_rows.read_search, self._scope, experiment_id)

    @override
    def search_named(self, project_id: str, name: str) -> SearchExperiment:
        return self._database.read(search_rows.read_search_named, self._scope, project_id, name)

    @override
    def update_search(
        self,
        experiment_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        state: TrialState | None = None,
        objective: str | None = None,
        objective_type: str | None = None,
        best: float | None = None,
    ) -> SearchExperiment:
        return self._database.write(
            search_rows.update_search,
            self._scope,
            experiment_id,
            name=name,
            description=description,
            state=state,
            objective=objective,
            objective_type=objective_type,
            best=best,
        )

    @override
    def find_searches(
        self,
        filter: str = "",
        order_by: str | Sequence[str] = "",
        *,
        project_ids: Sequence[str] = (),
        lifecycle: Lifecycle = Lifecycle.ACTIVE,
        limit: int = 1000,
        cursor: str | None = None,
        count: bool = False,
        now: datetime | None = None,
    ) -> Found[SearchExperiment]:
        moment = now or datetime.now(UTC)

        def find(connection: Connection) -> Found[SearchExperiment]:
            keys, following = finding.find_search_keys(
                connection,
                self._scope,
                filter,
                order_by,
                project_ids,
                lifecycle=lifecycle,
                limit=limit,
                cursor=cursor,
                now=moment,
            )
            records = search_rows.searches_by_key(connection, keys)
            total = (
                finding.count_searches(connection, self._scope, filter, project_ids, lifecycle=lifecycle, now=moment)
                if count
                else None
            )
            return Found(tuple(records[key] for key in keys), following, total)

        return self._database.read(find)

    # -- runs -----------------------------------------------------------------------------------------------------

    @override
    def create_run(self, new: NewRun, *, parts: Collection[RunPart] = ALL_PARTS) -> Run:
        return self._database.write(new_runs.create_run, self._scope, new, parts)

    @override
    def run(self, run_id: str, parts: Collection[RunPart] = ALL_PARTS) -> Run:
        return self._database.read(run_parts.read_run, self._scope, run_id, parts)

    @override
    def runs(self, run_ids: Sequence[str], parts: Collection[RunPart] = ALL_PARTS) -> list[Run]:
        return self._database.read(run_parts.read_runs, self._scope, run_ids, parts)

    @override
    def run_named(self, experiment_id: str, name: str, parts: Collection[RunPart] = ALL_PARTS) -> Run:
        return self._database.read(run_parts.read_run_named, self._scope, experiment_id, name, parts)

    @override
    def update_run(
        self,
        run_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        state: TrialState | None = None,
        reason: str | None = None,
        message: str | None = None,
        started: datetime | None = None,
        ended: datetime | None = None,
        code: Mapping[str, Json] | None = None,
        environment: Mapping[str, Json] | None = None,
        place: Mapping[str, Json] | None = None,
        log: Log = NO_LOG,
        expected: Collection[TrialState] | None = None,
        parts: Collection[RunPart] = ALL_PARTS,
    ) -> Run:
        return self._database.write(
            run_rows.update_run,
            self._scope,
            run_id,
            name=name,
            description=description,
            state=state,
            reason=reason,
            message=message,
            started=started,
            ended=ended,
            code=code,
            environment=environment,
            place=place,
            given=log,
            expected=expected,
            parts=parts,
        )

    @override
    def set_parent(self, run_id: str, parent_id: str) -> Run:
        return self._database.write(run_rows.set_parent, self._scope, run_id, parent_id)

    @override
    def log(self, run_id: str, log: Log) -> LogReceipt:
        return self._database.write(run_rows.log, self._scope, run_id, log)

    @override
    def append(self, run_id: str, samples: Sequence[Reported], *, first_sequence: int) -> int:
        return self._database.write(run_rows.append, self._scope, run_id, samples, first_sequence=first_sequence)

    @override
    def series(
        self, run_id: str, metric: str | None = None, *, after_sequence: int | None = None, limit: int | None = None
    ) -> list[Observed]:
        return self._database.read(
            run_rows.read_series, self._scope, run_id, metric, after_sequence=after_sequence, limit=limit
        )

    @override
    def series_of_runs(self, run_ids: Sequence[str], metric: str) -> dict[str, list[Observed]]:
        return self._database.read(metric_rows.series_of_runs, self._scope, run_ids, metric)

    @override
    def charts(self, run_ids: Sequence[str], metric: str, *, points: int = 320) -> dict[str, list[ChartPoint]]:
        return self._database.read(charts.charts, self._scope, run_ids, metric, points)

    @override
    def delete_parameters(self, run_id: str, names: Collection[str] | None = None) -> None:
        self._database.write(run_rows.delete_parameters, self._scope, run_id, names)

    @override
    def delete_metrics(self, run_id: str, names: Collection[str] | None = None) -> None:
        self._database.write(run_rows.delete_metrics, self._scope, run_id, names)

    @override
    def find_runs(
        self,
        filter: str = "",
        order_by: str | Sequence[str] = "",
        *,
        scope: RunScope = WHOLE_NAMESPACE,
        limit: int = 1000,
        cursor: str | None = None,
        parts: Collection[RunPart] = ALL_PARTS,
        count: bool = False,
        now: datetime | None = None,
    ) -> Found[Run]:
        moment = now or datetime.now(UTC)

        def find(connection: Connection) -> Found[Run]:
            keys, following = finding.find_run_keys(
                connection, self._scope, filter, order_by, scope, limit=limit, cursor=cursor, now=moment
            )
            records = run_parts.runs_by_key(connection, keys, parts)
            total = finding.count_runs(connection, self._scope, filter, scope, now=moment) if count else None
            return Found(tuple(records[key] for key in keys), following, total)

        return self._database.read(find)

    @override
    def flat_runs(
        self,
        filter: str = "",
        order_by: str | Sequence[str] = "",
        *,
        scope: RunScope = WHOLE_NAMESPACE,
        limit: int = 1000,
        cursor: str | None = None,
        now: datetime | None = None,
    ) -> Found[FlatRun]:
        moment = now or datetime.now(UTC)

        def find(connection: Connection) -> Found[FlatRun]:
            keys, following = finding.find_run_keys(
                connection, self._scope, filter, order_by, scope, limit=limit, cursor=cursor, now=moment
            )
            return Found(tuple(flat_rows.flat_runs(connection, keys)), following)

        return self._database.read(find)

    @override
    def count_runs(self, filter: str = "", *, scope: RunScope = WHOLE_NAMESPACE, now: datetime | None = None) -> int:
        return self._database.read(finding.count_runs, self._scope, filter, scope, now=now or datetime.now(UTC))

    @override
    def compare(self, run_ids: Sequence[str]) -> Comparison:
        return self._database.read(comparing.compare, self._scope, run_ids)

    @override
    def pareto_runs(
        self,
        objectives: Sequence[tuple[str, str]],
        *,
        scope: RunScope = WHOLE_NAMESPACE,
        parts: Collection[RunPart] = ALL_PARTS,
    ) -> list[Run]:
        return self._database.read(
            likeness.pareto_runs, self._scope, objectives, scope, parts=parts, now=datetime.now(UTC)
        )

    @override
    def similar_runs(
        self,
        run_id: str,
        *,
        limit: int = 10,
        scope: RunScope | None = None,
        parts: Collection[RunPart] = ALL_PARTS,
    ) -> list[tuple[Run, float]]:
        return self._database.read(
            likeness.similar_runs,
            self._scope,
            run_id,
            limit=limit,
            run_scope=scope,
            parts=parts,
            now=datetime.now(UTC),
        )

    @override
    def importances(self, experiment_id: str, metric: str | None = None) -> dict[str, float]:
        # Loads Optuna and computes for a while, so it is neither imported with the store nor inside a transaction.
        from katib.store.optuna.importance import importances

        return importances(self, experiment_id, metric)

    @override
    def changed_runs(
        self, since: int, *, scope: RunScope = WHOLE_NAMESPACE, limit: int = 1000
    ) -> tuple[int, list[str]]:
        return self._database.read(watching.changed_runs, self._scope, since, scope, limit=limit)

    @override
    def id_of(self, kind: NodeKind, serial: int) -> str:
        return self._database.read(serials.id_of, self._scope, kind, serial)

    # -- facts of any record --------------------------------------------------------------------------------------

    @override
    def set_facts(self, node: Node, facts: Facts) -> None:
        self._database.write(fact_rows.set_facts, self._scope, node, facts)

    @override
    def delete_facts(
        self, node: Node, *, tags: Collection[str] | None = (), properties: Collection[str] | None = ()
    ) -> None:
        self._database.write(fact_rows.delete_facts, self._scope, node, tags=tags, properties=properties)

    # -- datasets -------------------------------------------------------------------------------------------------

    @override
    def create_dataset(
        self,
        project_id: str,
        name: str,
        *,
        dataset_id: str | None = None,
        description: str = "",
        facts: Facts = NO_FACTS,
    ) -> Dataset:
        return self._database.write(
            dataset_rows.create_dataset,
            self._scope,
            project_id,
            name,
            dataset_id=dataset_id,
            description=description,
            facts=facts,
        )

    @override
    def dataset(self, dataset_id: str) -> Dataset:
        return self._database.read(dataset_rows.read_dataset, self._scope, dataset_id)

    @override
    def datasets(self, project_id: str) -> list[Dataset]:
        return self._database.read(dataset_rows.list_datasets, self._scope, project_id)

    @override
    def add_dataset_version(
        self,
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
        return self._database.write(
            dataset_rows.add_dataset_version,
            self._scope,
            project_id,
            name,
            digest,
            uri=uri,
            source_type=source_type,
            size=size,
            rows=rows,
            schema=schema,
            profile=profile,
            parent_id=parent_id,
        )

    @override
    def dataset_version(self, version_id: str) -> DatasetVersion:
        return self._database.read(dataset_rows.read_dataset_version, self._scope, version_id)

    @override
    def dataset_versions(self, dataset_id: str) -> list[DatasetVersion]:
        return self._database.read(dataset_rows.list_dataset_versions, self._scope, dataset_id)

    @override
    def use_dataset(
        self, run_id: str, version_id: str, *, role: str = "", tags: Mapping[str, str] | None = None
    ) -> None:
        self._database.write(dataset_rows.use_dataset, self._scope, run_id, version_id, role=role, tags=tags)

    # -- artifacts ------------------------------------------------------------------------------------------------

    @override
    def put_artifact(
        self,
        run_id: str,
        path: str,
        *,
        type: str = "",
        uri: str = "",
        state: ArtifactState,
        size: int | None = None,
        sha256: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, Json] | None = None,
        replace: bool = True,
    ) -> Artifact:
        return self._database.write(
            artifact_rows.put_artifact,
            self._scope,
            run_id,
            path,
            type=type,
            uri=uri,
            state=state,
            size=size,
            sha256=sha256,
            content_type=content_type,
            metadata=metadata,
            replace=replace,
        )

    @override
    def artifact(self, run_id: str, path: str) -> Artifact:
        return self._database.read(artifact_rows.read_artifact, self._scope, run_id, path)

    @override
    def artifacts(self, run_id: str) -> list[Artifact]:
        return self._database.read(artifact_rows.list_artifacts, self._scope, run_id)

    @override
    def delete_artifact(self, run_id: str, path: str) -> None:
        self._database.write(artifact_rows.delete_artifact, self._scope, run_id, path)

    # -- comments -------------------------------------------------------------------------------------------------

    @override
    def add_comment(self, run_id: str, text: str, *, comment_id: str | None = None) -> Comment:
        return self._database.write(comment_rows.add_comment, self._scope, run_id, text, comment_id=comment_id)

    @override
    def edit_comment(self, comment_id: str, text: str) -> Comment:
        return self._database.write(comment_rows.edit_comment, self._scope, comment_id, text)

    @override
    def delete_comment(self, comment_id: str) -> None:
        self._database.write(comment_rows.delete_comment, self._scope, comment_id)

    @override
    def comments(self, run_id: str) -> list[Comment]:
        return self._database.read(comment_rows.list_comments, self._scope, run_id)

    # -- lineage --------------------------------------------------------------------------------------------------

    @override
    def add_lineage(self, edges: Iterable[LineageEdge]) -> None:
        self._database.write(lineage_rows.add_lineage, self._scope, tuple(edges))

    @override
    def delete_lineage(self, edges: Iterable[LineageEdge]) -> None:
        self._database.write(lineage_rows.delete_lineage, self._scope, tuple(edges))

    @override
    def upstream(self, node: Node, *, depth: int | None = None) -> list[LineageEdge]:
        return self._database.read(lineage_rows.upstream, self._scope, node, depth=depth)

    @override
    def downstream(self, node: Node, *, depth: int | None = None) -> list[LineageEdge]:
        return self._database.read(lineage_rows.downstream, self._scope, node, depth=depth)

    @override
    def common_ancestors(self, nodes: Sequence[Node]) -> list[Node]:
        return self._database.read(lineage_rows.common_ancestors, self._scope, nodes)

    # -- the end of things ----------------------------------------------------------------------------------------

    @override
    def delete(self, node: Node) -> None:
        self._database.write(deletion.delete, self._scope, node)

    @override
    def restore(self, node: Node) -> None:
        self._database.write(deletion.restore, self._scope, node)

    @override
    def purge(
        self,
        policy: RetentionPolicy,
        *,
        progress: Callable[[Purged], None] | None = None,
        archive: ArchiveWriter | None = None,
    ) -> Purged:
        return purging.Purge(self._database, self._scope, policy, progress, archive).run()

    @override
    def is_archived(self, batch_id: str) -> bool:
        return self._database.read(archive_rows.is_archived, self._scope, batch_id)

    @override
    def purgeable(self, policy: RetentionPolicy) -> Purged:
        return self._database.read(purging.purgeable, self._scope, policy)

    @override
    def files_to_remove(self, *, limit: int = 1000) -> list[tuple[str, str]]:
        return self._database.read(purging.files_to_remove, self._scope, limit)

    @override
    def files_removed(self, runs: Iterable[tuple[str, str]]) -> None:
        self._database.write(purging.files_removed, self._scope, tuple(runs))

    @override
    def audit(self, *, node: Node | None = None, after_id: int = 0, limit: int = 1000) -> list[AuditEntry]:
        return self._database.read(audit_rows.read_audit, self._scope, node, after_id, limit)
