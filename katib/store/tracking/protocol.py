"""What the tracking store does; ``katib.store.sql.tracking`` is the one for SQL databases.

A ``Tracking`` sees one namespace and nothing else: what is in another one is not found. The rules of ``katib.store.protocol`` hold:
what returns is durable, what raises has changed nothing, and ``StoreUnavailable`` and ``NotFound`` may come from any method. Besides,
every method raises InvalidInput for values that the store does not take (names that are too long, filters that are none).

Deleted records stay readable by their id, with ``deleted`` set; they take no more logs (Conflict) until they are restored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from katib.store.tracking.recording import Recording
from katib.store.tracking.records import ExperimentKind, Facts, Lifecycle, Log, NodeKind, RunPart, RunScope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from katib.api.trial import TrialState
    from katib.store.protocol import Observed, Reported
    from katib.store.tracking.recording import OpenExperiments
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
        FlatRun,
        Found,
        Json,
        LeaseState,
        LineageEdge,
        LogReceipt,
        NewRun,
        Node,
        Project,
        ProjectRetention,
        Purged,
        RetentionPolicy,
        Run,
        RunChange,
        SampleChange,
        SearchExperiment,
    )

__all__ = ["ALL_PARTS", "NO_FACTS", "NO_LOG", "WHOLE_NAMESPACE", "Tracking", "TrackingStore"]

ALL_PARTS: Final = frozenset(RunPart)
NO_FACTS: Final = Facts()
NO_LOG: Final = Log()
WHOLE_NAMESPACE: Final = RunScope()


class Tracking(Recording, Protocol):
    """Projects, experiments, runs and what belongs to them, of one namespace."""

    @property
    def namespace(self) -> str:
        """The one it sees."""

    @property
    def actor(self) -> str:
        """Who acts; becomes owner, author, and the name in the audit."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make all calls of this thread inside the block one change."""

    # -- projects -------------------------------------------------------------------------------------------------

    def create_project(
        self, name: str, *, project_id: str | None = None, description: str = "", facts: Facts = NO_FACTS
    ) -> Project:
        """Record a project; one that has the id already is returned as it is.

        Raises:
            Conflict: Another one has the name, maybe a deleted one.
        """

    def default_project(self) -> Project:
        """Return the project ``Default``, made now if it is not there."""

    def project(self, project_id: str) -> Project:
        """Return a project."""

    def project_named(self, name: str) -> Project:
        """Return the project of a name, also a deleted one."""

    def update_project(
        self,
        project_id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        retention: ProjectRetention | None = None,
    ) -> Project:
        """Change what is not None.

        Args:
            retention: What is purged of it by its own policy; one that says nothing (``ProjectRetention()``) is none.

        Raises:
            Conflict: Another one has the name.
        """

    def find_projects(
        self,
        filter: str = "",  # noqa: A002 - what it is
        order_by: str | Sequence[str] = "",
        *,
        lifecycle: Lifecycle = Lifecycle.ACTIVE,
        limit: int = 1000,
        cursor: str | None = None,
        count: bool = False,
        now: datetime | None = None,
    ) -> Found[Project]:
        """Return a page of projects (``docs/store-queries.md``)."""

    # -- experiments ----------------------------------------------------------------------------------------------

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
        """Record an experiment that somebody else drives, with its root run; one that has the id already is returned.

        Raises:
            Conflict: Another experiment of the project has the name.
        """

    def search(self, experiment_id: str) -> SearchExperiment:
        """Return an experiment by its uid."""

    def search_named(self, project_id: str, name: str) -> SearchExperiment:
        """Return the experiment of a name in a project; one that is deleted has none."""

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
        """Change what is not None.

        Raises:
            Conflict: The name of an experiment of Katib's kind, or one that another experiment has.
        """

    def find_searches(
        self,
        filter: str = "",  # noqa: A002
        order_by: str | Sequence[str] = "",
        *,
        project_ids: Sequence[str] = (),
        lifecycle: Lifecycle = Lifecycle.ACTIVE,
        limit: int = 1000,
        cursor: str | None = None,
        count: bool = False,
        now: datetime | None = None,
    ) -> Found[SearchExperiment]:
        """Return a page of experiments."""

    # -- runs -----------------------------------------------------------------------------------------------------

    def create_run(self, new: NewRun, *, parts: Collection[RunPart] = ALL_PARTS) -> Run:
        """Record a run with what is logged at once; one that has the id already is returned as it is.

        Args:
            parts: What of it is read again for the answer.

        Raises:
            NotFound: No such project, experiment or parent.
            Conflict: It is deleted; or another trial of the experiment has the name.
        """

    def run(self, run_id: str, parts: Collection[RunPart] = ALL_PARTS) -> Run:
        """Return a run with what is asked for of it."""

    def runs(self, run_ids: Sequence[str], parts: Collection[RunPart] = ALL_PARTS) -> list[Run]:
        """Return several runs in the order asked for; those that are not there are left out."""

    def run_named(self, experiment_id: str, name: str, parts: Collection[RunPart] = ALL_PARTS) -> Run:
        """Return a trial of an experiment by its name."""

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
        """Change what is not None. ``code``, ``environment`` and ``place`` are merged key by key into what is there.

        Args:
            log: What is logged in the same change.
            expected: The states in which the run may be; among callers that leave the expected states, one wins.
            parts: What of it is read again for the answer.

        Raises:
            Conflict: A name that another trial of the experiment has; another state of a trial that we drive; a state that was not
                expected; or what ``log`` refuses.
        """

    def set_parent(self, run_id: str, parent_id: str) -> Run:
        """Make a run the trial of another one.

        Raises:
            Conflict: It would be above itself; or it is a trial we drive.
        """

    def log(self, run_id: str, log: Log) -> LogReceipt:
        """Log to a run, all in one change.

        Raises:
            Conflict: A parameter has another text; or the run is deleted.
        """

    def append(self, run_id: str, samples: Sequence[Reported], *, first_sequence: int) -> int:
        """Append numbered reports as a collector does, those stored before left alone; return the number of the next one.

        Raises:
            Conflict: Reports between the stored ones and these are missing.
        """

    def series(
        self, run_id: str, metric: str | None = None, *, after_sequence: int | None = None, limit: int | None = None
    ) -> list[Observed]:
        """Return what was reported, in the order of reporting."""

    def series_of_runs(self, run_ids: Sequence[str], metric: str) -> dict[str, list[Observed]]:
        """Return what was reported of one metric of several runs, by run, in the order of reporting; who has none is absent."""

    def charts(self, run_ids: Sequence[str], metric: str, *, points: int = 320) -> dict[str, list[ChartPoint]]:
        """Return series made small enough to draw, of runs that have the metric.

        Args:
            points: At most so many for each run, up to 2,000; extremes are kept.
        """

    def delete_parameters(self, run_id: str, names: Collection[str] | None = None) -> None:
        """Remove parameters, or all."""

    def delete_metrics(self, run_id: str, names: Collection[str] | None = None) -> None:
        """Remove metrics with all their reports, or all metrics."""

    def find_runs(
        self,
        filter: str = "",  # noqa: A002
        order_by: str | Sequence[str] = "",
        *,
        scope: RunScope = WHOLE_NAMESPACE,
        limit: int = 1000,
        cursor: str | None = None,
        parts: Collection[RunPart] = ALL_PARTS,
        count: bool = False,
        now: datetime | None = None,
    ) -> Found[Run]:
        """Return a page of runs (``docs/store-queries.md``)."""

    def flat_runs(
        self,
        filter: str = "",  # noqa: A002
        order_by: str | Sequence[str] = "",
        *,
        scope: RunScope = WHOLE_NAMESPACE,
        limit: int = 1000,
        cursor: str | None = None,
        now: datetime | None = None,
    ) -> Found[FlatRun]:
        """Return a page of runs as rows of a table: what ``find_runs`` returns, several times faster and without everything else."""

    def count_runs(self, filter: str = "", *, scope: RunScope = WHOLE_NAMESPACE, now: datetime | None = None) -> int:  # noqa: A002
        """Return how many runs pass."""

    def compare(self, run_ids: Sequence[str]) -> Comparison:
        """Return what two to 100 runs have in common and what not."""

    def pareto_runs(
        self,
        objectives: Sequence[tuple[str, str]],
        *,
        scope: RunScope = WHOLE_NAMESPACE,
        parts: Collection[RunPart] = ALL_PARTS,
    ) -> list[Run]:
        """Return the runs that no other one beats in all objectives, by the latest values; the best in the first objective comes first.

        Runs without a number for one of the metrics, and those with NaN, are out. The best runs in one metric are those that
        ``find_runs`` returns in its order.

        Args:
            objectives: Metrics, each once, with ``minimize`` or ``maximize``.
            scope: Which runs are looked at.
            parts: What of those that are returned is read.
        """

    def similar_runs(
        self,
        run_id: str,
        *,
        limit: int = 10,
        scope: RunScope | None = None,
        parts: Collection[RunPart] = ALL_PARTS,
    ) -> list[tuple[Run, float]]:
        """Return the runs whose parameters are most like those of one run, with their distances (0 the same, 1 nothing alike).

        Args:
            run_id: The run, which is not among the others.
            limit: How many, up to 1,000.
            scope: Which runs are looked at; None for the trials of its experiment, and for a run of its own those of its project.
            parts: What of those that are returned is read.
        """

    def importances(self, experiment_id: str, metric: str | None = None) -> dict[str, float]:
        """Return how much each parameter of an experiment matters for a metric (None: its objective), the most important first.

        Those that all finished trials have are looked at, in the newest thousand of them; together they make 1.

        Raises:
            InvalidInput: There are not two finished trials with different values, or no such parameter with two values.
        """

    def changed_runs(
        self, since: int, *, scope: RunScope = WHOLE_NAMESPACE, limit: int = 1000
    ) -> tuple[int, list[str]]:
        """Return ids of runs whose row changed after ``since``, oldest change first, and the cursor to ask with next."""

    def id_of(self, kind: NodeKind, serial: int) -> str:
        """Return the id of the experiment or the run that has a serial number, also of a deleted one."""

    # -- facts of any record --------------------------------------------------------------------------------------

    def set_facts(self, node: Node, facts: Facts) -> None:
        """Add tags and properties to a project, experiment, run or dataset, replacing those of the same name."""

    def delete_facts(
        self, node: Node, *, tags: Collection[str] | None = (), properties: Collection[str] | None = ()
    ) -> None:
        """Remove tags and properties by name, or all where None is given; those that are not there are fine."""

    # -- datasets -------------------------------------------------------------------------------------------------

    def create_dataset(
        self,
        project_id: str,
        name: str,
        *,
        dataset_id: str | None = None,
        description: str = "",
        facts: Facts = NO_FACTS,
    ) -> Dataset:
        """Record a dataset; one that has the id already is returned.

        Raises:
            Conflict: The project has another one of the name.
        """

    def dataset(self, dataset_id: str) -> Dataset:
        """Return a dataset."""

    def datasets(self, project_id: str) -> list[Dataset]:
        """Return the datasets of a project, by name."""

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
        """Record a version of the dataset of this name (recorded if new); one with the digest is returned as it is."""

    def dataset_version(self, version_id: str) -> DatasetVersion:
        """Return a version of a dataset."""

    def dataset_versions(self, dataset_id: str) -> list[DatasetVersion]:
        """Return the versions of a dataset, oldest first."""

    def use_dataset(
        self, run_id: str, version_id: str, *, role: str = "", tags: Mapping[str, str] | None = None
    ) -> None:
        """Record that a run uses a version in a role; again changes only the tags. The version becomes an input of the run."""

    # -- artifacts ------------------------------------------------------------------------------------------------

    def put_artifact(
        self,
        run_id: str,
        path: str,
        *,
        type: str = "",  # noqa: A002
        uri: str = "",
        state: ArtifactState,
        size: int | None = None,
        sha256: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, Json] | None = None,
        replace: bool = True,
    ) -> Artifact:
        """Record a file of a run, or change the record of that path.

        Raises:
            Conflict: It is there, and not to be replaced.
        """

    def artifact(self, run_id: str, path: str) -> Artifact:
        """Return the record of a file."""

    def artifacts(self, run_id: str) -> list[Artifact]:
        """Return the files of a run, by path."""

    def delete_artifact(self, run_id: str, path: str) -> None:
        """Forget the record of a file."""

    # -- comments -------------------------------------------------------------------------------------------------

    def add_comment(self, run_id: str, text: str, *, comment_id: str | None = None) -> Comment:
        """Say something about a run; a comment that has the id already is returned."""

    def edit_comment(self, comment_id: str, text: str) -> Comment:
        """Change a comment.

        Raises:
            Denied: It is somebody else's.
        """

    def delete_comment(self, comment_id: str) -> None:
        """Remove a comment.

        Raises:
            Denied: It is somebody else's.
        """

    def comments(self, run_id: str) -> list[Comment]:
        """Return what was said, oldest first."""

    # -- lineage --------------------------------------------------------------------------------------------------

    def add_lineage(self, edges: Iterable[LineageEdge]) -> None:
        """Record what was made from what; an edge that is there is fine. Nodes are runs, dataset versions and artifacts.

        Raises:
            NotFound: A node is not there.
            Conflict: Something would be made from itself.
        """

    def delete_lineage(self, edges: Iterable[LineageEdge]) -> None:
        """Forget edges; those that are not there are fine."""

    def upstream(self, node: Node, *, depth: int | None = None) -> list[LineageEdge]:
        """Return every edge on the ways to a node, nearest first; ``depth`` 1 for its direct inputs."""

    def downstream(self, node: Node, *, depth: int | None = None) -> list[LineageEdge]:
        """Return every edge on the ways from a node, nearest first."""

    def common_ancestors(self, nodes: Sequence[Node]) -> list[Node]:
        """Return the nodes from which all of these were made."""

    # -- the end of things ----------------------------------------------------------------------------------------

    def delete(self, node: Node) -> None:
        """Delete a project, experiment or run (softly): it can be restored until it is purged. Again, it changes nothing.

        An experiment's name is free for another one afterwards; a project's is not.
        """

    def restore(self, node: Node) -> None:
        """Bring back what was deleted.

        Raises:
            Conflict: Another experiment has taken the name.
        """

    def purge(
        self,
        policy: RetentionPolicy,
        *,
        progress: Callable[[Purged], None] | None = None,
        archive: ArchiveWriter | None = None,
    ) -> Purged:
        """Remove for good what a policy says, in pieces that keep nobody waiting; killed in between, the rest is for the next time.

        Args:
            progress: Called now and then with what is gone so far.
            archive: Where runs are written before they go; what it raises is raised here, and what it did not write stays.
        """

    def is_archived(self, batch_id: str) -> bool:
        """Whether a batch is in the archive as a whole, so that its runs may be gone."""

    def purgeable(self, policy: RetentionPolicy) -> Purged:
        """Return what ``purge`` would do now, changing nothing."""

    def files_to_remove(self, *, limit: int = 1000) -> list[tuple[str, str]]:
        """Return runs that were purged and whose files are there yet, oldest first, as (project id, run id)."""

    def files_removed(self, runs: Iterable[tuple[str, str]]) -> None:
        """Forget those of these whose files are gone now; others are fine."""

    def audit(self, *, node: Node | None = None, after_id: int = 0, limit: int = 1000) -> list[AuditEntry]:
        """Return what was changed by whom, oldest first."""


class TrackingStore(Protocol):
    """A store that can be asked in the terms of runs."""

    def tracking(self, namespace: str, *, actor: str = "") -> Tracking:
        """Return what one namespace has; costs nothing."""

    def namespaces_with_retention(self) -> list[str]:
        """Return the namespaces that have projects with a policy of their own."""

    def open_experiments(
        self, cluster: str, *, namespace: str | None = None, cursor: str | None = None, limit: int = 1000
    ) -> OpenExperiments:
        """Return a page of the experiments that a cluster's driver recorded and that are not over here.

        Args:
            cluster: Which one: the annotation ``katib.kubeflow.org/cluster`` they were recorded with.
            namespace: Only those of one; None for all.
            cursor: Of the page before.
            limit: So many are looked at.

        Raises:
            InvalidInput: The cursor is none.
        """

    def take_lease(self, name: str, holder: str, *, expired: LeaseState | None = None) -> LeaseState:
        """Hold what one process does at a time, if nobody does; again, let its beat grow. Return who holds it.

        Args:
            name: What is done.
            holder: Who wants to; not empty, and another one for each process.
            expired: What this was told last, long enough ago: who has not let the beat grow since then is dead, and loses it.
        """

    def give_lease_up(self, name: str, holder: str) -> None:
        """Let another one hold it at once; what somebody else holds stays."""

    def together(self, calls: Sequence[Callable[[], Any] | SampleChange | RunChange]) -> list[Any]:
        """Make several changes one commit: each fails alone; its result or its exception is returned.

        Args:
            calls: Called without arguments, maybe twice; reports that follow each other are written in bulk, and so are new runs (a
                ``Run`` is returned for each).

        Raises:
            StoreUnavailable: None of them was made.
        """
