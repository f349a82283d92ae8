"""MLflow's runs become ours, under their own ids: the same import again finds them and copies what is missing or has changed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Conflict, InvalidInput, KatibError, NotFound
from katib.rest.mlflow import messages
from katib.rest.mlflow.fields import Fields
from katib.rest.mlflow_copy.copied import Copied
from katib.rest.mlflow_copy.files import fetch_files
from katib.rest.mlflow_copy.paging import pages, raise_if_over
from katib.rest.mlflow_copy.remote_runs import RUN_ID, RemoteExperiment, RemoteRun, sample_of
from katib.store.tracking.records import (
    DEFAULT_PROJECT,
    ExperimentKind,
    Facts,
    Log,
    NewRun,
    Node,
    NodeKind,
    RunPart,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from katib.metrics.sample import Sample
    from katib.rest.mlflow_copy.server import MlflowServer
    from katib.store.artifacts import ArtifactStore
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Project, Run

__all__ = ["IMPORTED", "import_runs"]

IMPORTED: Final = "mlflow.imported"
"""The property of a run that was copied as a whole: a digest of what the server said of it then, and whether files were asked for."""

_PAGE: Final = 200
_HISTORY_PAGE: Final = 25_000
_AT_ONCE: Final = 5_000
"""Values of metrics that are stored in one change."""
_DEEPEST: Final = 50
_VIEWS: Final = {False: "ACTIVE_ONLY", True: "ALL"}
_KNOWN_BY: Final = frozenset({RunPart.PROPERTIES})


def import_runs(
    server: MlflowServer,
    tracking: Tracking,
    *,
    artifacts: ArtifactStore | None = None,
    experiments: Sequence[str] = (),
    deleted: bool = False,
    progress: Callable[[Copied], None] | None = None,
) -> Copied:
    """Copy runs of an MLflow server.

    An experiment becomes the project of its name, a nested run the trial of its parent. What cannot be copied is told in the result.

    Args:
        server: Where from; nothing is changed there.
        tracking: Where to.
        artifacts: Where files go; None for no files.
        experiments: Names; all of the server if none are given.
        deleted: Whether deleted experiments and runs are copied too; they are deleted here as well.
        progress: Called after each run.

    Raises:
        StoreUnavailable: The server or the store is away; what was copied stays, and the same call goes on.
        NotFound: The server has no experiment of a name.
        Unauthenticated: The server wants to know who asks.
    """
    return _Import(server, tracking, artifacts, deleted=deleted, progress=progress).run(experiments)


class _Import:
    def __init__(
        self,
        server: MlflowServer,
        tracking: Tracking,
        artifacts: ArtifactStore | None,
        *,
        deleted: bool,
        progress: Callable[[Copied], None] | None,
    ) -> None:
        self._server = server
        self._tracking = tracking
        self._artifacts = artifacts
        self._deleted = deleted
        self._progress = progress or (lambda _: None)
        self._copied = Copied()
        self._done: set[str] = set()

    def run(self, names: Sequence[str]) -> Copied:
        for experiment in self._named(names) if names else self._all():
            self._copied.experiments += 1
            try:
                self._experiment(experiment)
            except KatibError as error:
                raise_if_over(error)
                self._copied.fail(f"experiment {experiment.name!r}", error)
        return self._copied

    def _named(self, names: Sequence[str]) -> list[RemoteExperiment]:
        found = []
        for name in dict.fromkeys(names):
            answer = Fields(self._server.get("mlflow/experiments/get-by-name", experiment_name=name))
            found.append(RemoteExperiment.of(answer.message("experiment")))
        return found

    def _all(self) -> Iterator[RemoteExperiment]:
        asked = {"max_results": 1_000, "view_type": _VIEWS[self._deleted]}
        for fields in pages(self._server, "mlflow/experiments/search", asked, "experiments"):
            try:
                experiment = RemoteExperiment.of(fields)
            except InvalidInput as error:
                self._copied.fail("an experiment", error)
                continue
            yield experiment

    def _experiment(self, experiment: RemoteExperiment) -> None:
        project = self._project(experiment)
        if project is None:
            return
        asked = {
            "experiment_ids": [experiment.id],
            "run_view_type": _VIEWS[self._deleted],
            # Parents begin before their children, and what begins meanwhile comes last.
            "order_by": ["attributes.start_time ASC"],
            "max_results": _PAGE,
        }
        failed = self._copied.failed
        for fields in pages(self._server, "mlflow/runs/search", asked, "runs"):
            self._told(fields, experiment, project)
        if experiment.deleted and failed == self._copied.failed:
            self._tracking.delete(Node(NodeKind.PROJECT, project.id))

    def _project(self, experiment: RemoteExperiment) -> Project | None:
        """Return the project of an experiment; None for one that was deleted here as it was there."""
        facts = Facts(tags=experiment.tags)
        note = experiment.tags.get(messages.NOTE, "")
        try:
            known = self._tracking.project_named(experiment.name)
        except NotFound:
            if experiment.name != DEFAULT_PROJECT:
                return self._tracking.create_project(experiment.name, description=note, facts=facts)
            known = self._tracking.default_project()
        if known.deleted is not None:
            if experiment.deleted:
                return None
            raise Conflict(f"the project {experiment.name!r} is deleted here: restore it, or purge it")
        if not facts.tags.items() <= known.facts.tags.items():
            self._tracking.set_facts(Node(NodeKind.PROJECT, known.id), facts)
        if note and known.description != note:
            self._tracking.update_project(known.id, description=note)
        return known

    def _told(self, fields: Fields, experiment: RemoteExperiment, project: Project) -> None:
        """Copy a run; where that fails, say so."""
        run_id = str(fields.document.get("info", {}).get("run_id")) if _has_info(fields) else "without an id"
        try:
            remote = RemoteRun.of(fields)
            if remote.id in self._done:
                return  # it was copied before its children
            self._run(remote, project)
        except KatibError as error:
            raise_if_over(error)
            self._copied.fail(f"run {run_id[:80]} of experiment {experiment.name!r}", error)
        self._progress(self._copied)

    def _run(self, remote: RemoteRun, project: Project, depth: int = 0) -> None:
        self._done.add(remote.id)
        known = next(iter(self._tracking.runs([remote.id], _KNOWN_BY)), None)
        mark = {"digest": remote.digest, "files": self._artifacts is not None}
        if known is not None and self._is_done(known, mark):
            self._copied.unchanged += 1
            return
        if known is None and self._has_twin(remote):
            self._copied.left += 1
            return
        if known is not None and (self._is_ours(known) or (known.deleted is not None and not remote.deleted)):
            self._copied.left += 1
            return
        if known is not None and known.deleted is not None:
            self._tracking.restore(Node(NodeKind.RUN, known.id))
        parent_id = self._parent(remote, project, depth)
        samples = self._history(remote)
        some = list(islice(samples, _AT_ONCE))
        run = self._written(remote, known, project, parent_id, some)
        while some:
            self._copied.points += len(some)
            some = list(islice(samples, _AT_ONCE))
            if some:
                self._tracking.log(run.id, Log(samples=some))
        if self._artifacts is not None:
            fetch_files(self._server, self._tracking, self._artifacts, run, self._copied)
        if not remote.state.is_active:
            self._tracking.set_facts(Node(NodeKind.RUN, run.id), Facts(properties={IMPORTED: mark}))
        if remote.deleted:
            self._tracking.delete(Node(NodeKind.RUN, run.id))
        self._copied.runs += 1
        self._copied.models += remote.models

    def _is_done(self, known: Run, mark: dict[str, Any]) -> bool:
        before = known.facts.properties.get(IMPORTED)
        if not isinstance(before, dict) or before.get("digest") != mark["digest"]:
            return False
        return bool(before.get("files")) or not mark["files"]

    def _has_twin(self, remote: RemoteRun) -> bool:
        """Return whether it is a copy, made by an export, of a run that is here."""
        origin = remote.tags.get(RUN_ID)
        return origin is not None and bool(self._tracking.runs([origin], frozenset()))

    def _is_ours(self, known: Run) -> bool:
        experiment_id = known.experiment_id or known.root_of
        return experiment_id is not None and self._tracking.search(experiment_id).kind is ExperimentKind.KATIB

    def _parent(self, remote: RemoteRun, project: Project, depth: int) -> str | None:
        """Return the parent of a run, copied now if it is not here; None where it cannot be one here."""
        parent_id = remote.parent_id
        if parent_id is None or parent_id == remote.id:
            return None
        found = next(iter(self._tracking.runs([parent_id], frozenset())), None)
        if found is None and parent_id not in self._done and depth < _DEEPEST:
            try:
                fields = Fields(self._server.get("mlflow/runs/get", run_id=parent_id)).message("run")
                parent = RemoteRun.of(fields)
                if parent.experiment_id == remote.experiment_id and (self._deleted or not parent.deleted):
                    self._run(parent, project, depth + 1)
            except KatibError as error:
                raise_if_over(error)
                # Whatever is wrong with it is told at its own turn; this run is copied without it, and keeps the tag.
            found = next(iter(self._tracking.runs([parent_id], frozenset())), None)
        if found is None or found.project_id != project.id or found.deleted is not None:
            return None
        return found.id

    def _history(self, remote: RemoteRun) -> Iterator[Sample]:
        for metric in remote.metrics:
            token: str | None = None
            while True:
                answer = Fields(
                    self._server.get(
                        "mlflow/metrics/get-history",
                        run_id=remote.id,
                        metric_key=metric,
                        max_results=_HISTORY_PAGE,
                        page_token=token,
                    )
                )
                yield from map(sample_of, answer.messages("metrics"))
                following = answer.text("next_page_token") or None
                if following is None or following == token:
                    break
                token = following

    def _written(
        self, remote: RemoteRun, known: Run | None, project: Project, parent_id: str | None, samples: Sequence[Sample]
    ) -> Run:
        """Return the run as it is here now, with its parameters, tags and inputs and its first values, all in one change."""
        log = Log(samples=samples, parameters=remote.parameters, facts=Facts(tags=remote.tags), replace=True)
        note = remote.tags.get(messages.NOTE, "")
        with self._tracking.transaction():
            if known is None:
                run = self._tracking.create_run(
                    NewRun(
                        project_id=project.id,
                        parent_id=parent_id,
                        id=remote.id,
                        name=remote.name,
                        state=remote.state,
                        started=remote.started,
                        ended=remote.ended,
                        description=note,
                        owner=remote.owner,
                        log=log,
                    ),
                    parts=frozenset(),
                )
                if remote.code:
                    self._tracking.update_run(run.id, code=remote.code, parts=frozenset())
            else:
                if known.project_id != project.id:
                    raise Conflict(f"it is here in another project, {known.project!r}")
                run = self._tracking.update_run(
                    known.id,
                    name=remote.name if remote.name != known.name else None,
                    description=note or None,
                    state=remote.state,
                    started=remote.started,
                    ended=remote.ended,
                    code=remote.code or None,
                    log=log,
                    parts=frozenset(),
                )
                if parent_id is not None and known.parent_id != parent_id:
                    run = self._tracking.set_parent(run.id, parent_id)
            for used in remote.inputs:
                used.record(self._tracking, run.project_id, run.id)
        return run


def _has_info(fields: Fields) -> bool:
    return isinstance(fields.document.get("info"), dict)
