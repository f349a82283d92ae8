"""Our runs become MLflow's. A server of MLflow gives its own ids, so each run there has a tag that says which of ours it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from katib.errors import Conflict, KatibError, NotFound
from katib.rest.mlflow import messages
from katib.rest.mlflow.fields import Fields
from katib.rest.mlflow_copy.copied import Copied
from katib.rest.mlflow_copy.files import send_files
from katib.rest.mlflow_copy.paging import pages, raise_if_over
from katib.rest.mlflow_copy.remote_runs import RUN_ID, RemoteExperiment, digest_of
from katib.store.tracking.records import Lifecycle, RunPart, RunScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from katib.rest.mlflow_copy.server import MlflowServer
    from katib.store.artifacts import ArtifactStore
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Project, Run

__all__ = ["COPIED", "RUN_ID", "export_runs"]

COPIED: Final = "katib.copied"
"""The tag of a run that is there as a whole: digests of what it was here and of its files, ``-`` where no files were asked for."""

_PARTS: Final = frozenset({RunPart.PARAMETERS, RunPart.METRICS, RunPart.TAGS, RunPart.DATASETS, RunPart.ARTIFACTS})
_PAGE: Final = 200
_MOST_METRICS: Final = 1_000
_MOST_TEXTS: Final = 100
_MOST_BYTES: Final = 800_000
"""Of a batch; MLflow takes a megabyte."""
_SERIES: Final = 5_000
_LIFECYCLES: Final = {False: Lifecycle.ACTIVE, True: Lifecycle.ALL}
_VIEW_ALL: Final = "ALL"
_UNKNOWN: Final = "unknown"
"""Where a dataset is from, if nobody said: MLflow wants some text."""


def export_runs(
    server: MlflowServer,
    tracking: Tracking,
    *,
    artifacts: ArtifactStore | None = None,
    projects: Sequence[str] = (),
    deleted: bool = False,
    progress: Callable[[Copied], None] | None = None,
) -> Copied:
    """Copy runs to an MLflow server.

    A project becomes the experiment of its name, a trial the nested run of its experiment's root run. What cannot be copied is told in
    the result.

    Args:
        server: Where to.
        tracking: Where from; nothing is changed here.
        artifacts: Where files are; None for no files.
        projects: Names; all of the namespace if none are given.
        deleted: Whether deleted runs are copied too; they are deleted there as well.
        progress: Called after each run.

    Raises:
        StoreUnavailable: The server or the store is away; what was copied stays, and the same call goes on.
        NotFound: There is no project of a name.
        Unauthenticated: The server wants to know who asks.
    """
    return _Export(server, tracking, artifacts, deleted=deleted, progress=progress).run(projects)


class _Known(NamedTuple):
    """A run that the server has.

    Attributes:
        mark: Of what it was here when it was copied as a whole; empty if it was not yet.
    """

    id: str
    name: str
    mark: str = ""
    deleted: bool = False


class _Experiment:
    """An experiment of the server, and which of our runs it has.

    Attributes:
        runs: The server's, by the id of ours.
    """

    def __init__(self, experiment_id: str) -> None:
        self.id = experiment_id
        self.runs: dict[str, _Known] = {}


class _Export:
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
        named = [self._tracking.project_named(name) for name in dict.fromkeys(names)]
        for project in named or self._all():
            self._copied.experiments += 1
            try:
                self._project(project)
            except KatibError as error:
                raise_if_over(error)
                self._copied.fail(f"project {project.name!r}", error)
        return self._copied

    def _all(self) -> Iterator[Project]:
        cursor = None
        while True:
            page = self._tracking.find_projects(order_by="name", cursor=cursor)
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    def _project(self, project: Project) -> None:
        experiment = self._experiment(project)
        scope = RunScope(project_ids=[project.id], lifecycle=_LIFECYCLES[self._deleted])
        cursor = None
        while True:
            page = self._tracking.find_runs(
                order_by="start_time ASC", scope=scope, limit=_PAGE, cursor=cursor, parts=_PARTS
            )
            for run in page.items:
                if run.id in self._done:
                    continue  # it was copied before its children
                try:
                    self._run(run, experiment)
                except KatibError as error:
                    raise_if_over(error)
                    self._copied.fail(f"run {run.id} ({run.name!r}) of project {project.name!r}", error)
                self._progress(self._copied)
            cursor = page.cursor
            if cursor is None:
                return

    def _experiment(self, project: Project) -> _Experiment:
        tags = messages.experiment(project)["tags"]
        try:
            answer = Fields(self._server.get("mlflow/experiments/get-by-name", experiment_name=project.name))
        except NotFound:
            body = {"name": project.name, "tags": tags}
            made = Fields(self._server.post("mlflow/experiments/create", body, repeatable=False))
            return _Experiment(made.required("experiment_id"))
        known = RemoteExperiment.of(answer.message("experiment"))
        if known.deleted:
            raise Conflict(f"the experiment {project.name!r} is deleted on {self._server.name}")
        for tag in tags:
            if known.tags.get(tag["key"]) != tag["value"]:
                self._server.post("mlflow/experiments/set-experiment-tag", {"experiment_id": known.id, **tag})
        found = _Experiment(known.id)
        asked = {
            "experiment_ids": [known.id],
            "filter": f"tags.`{RUN_ID}` != ''",
            "run_view_type": _VIEW_ALL,
            "max_results": 1_000,
        }
        for fields in pages(self._server, "mlflow/runs/search", asked, "runs"):
            tagged = fields.message("data").pairs("tags")
            found.runs.setdefault(tagged.get(RUN_ID, ""), _known(fields, tagged))
        return found

    def _run(self, run: Run, experiment: _Experiment) -> str:
        """Copy a run if need be, and return its id there."""
        self._done.add(run.id)
        message = messages.run(run)
        tags = {tag["key"]: tag["value"] for tag in message["data"]["tags"] if tag["key"] not in {RUN_ID, COPIED}}
        if messages.USER not in run.facts.tags:
            tags.pop(messages.USER, None)  # the owner is told as such
        message["data"]["tags"] = messages.pairs(tags)
        mark = self._mark(run, message)
        parent_id = self._parent(run, experiment)
        known = experiment.runs.get(run.id) or self._same(run.id, experiment)
        if known is not None and _is_done(known.mark, mark):
            self._copied.unchanged += 1
            return known.id
        tags[RUN_ID] = run.id
        if parent_id is not None:
            tags[messages.PARENT] = parent_id
        target = known.id if known is not None else self._created(message["info"], tags, experiment)
        if known is not None and known.deleted:
            self._server.post("mlflow/runs/restore", {"run_id": target})
        experiment.runs[run.id] = _Known(target, run.name)
        self._log(run, target, message, {} if known is None else self._changed(target, tags))
        info = message["info"]
        body = {"run_id": target, "status": info["status"]}
        if known is not None and known.name != run.name:
            body["run_name"] = run.name
        if "end_time" in info:
            body["end_time"] = info["end_time"]
        self._server.post("mlflow/runs/update", body)
        if self._artifacts is not None:
            send_files(self._server, self._artifacts, run, target, self._copied)
        if not run.state.is_active:
            self._server.post("mlflow/runs/set-tag", {"run_id": target, "key": COPIED, "value": mark})
        if run.deleted is not None:
            self._server.post("mlflow/runs/delete", {"run_id": target})
        self._copied.runs += 1
        return target

    def _mark(self, run: Run, message: dict[str, Any]) -> str:
        """Return what changes when the run changes."""
        files = sorted((file.path, file.size or 0, file.sha256 or "") for file in run.artifacts)
        return f"{digest_of(message)} {'-' if self._artifacts is None else digest_of(files)}"

    def _parent(self, run: Run, experiment: _Experiment) -> str | None:
        """Return the id there of the run that this one is nested in, copied now if it is not there."""
        if run.parent_id is None:
            return None
        known = experiment.runs.get(run.parent_id)
        if known is not None:
            return known.id
        parent = self._tracking.run(run.parent_id, _PARTS)
        if parent.deleted is not None and not self._deleted:
            return None
        return self._run(parent, experiment)

    def _same(self, run_id: str, experiment: _Experiment) -> _Known | None:
        """Return the run there that has the very id: it was imported from there, and must not get a twin."""
        try:
            fields = Fields(self._server.get("mlflow/runs/get", run_id=run_id)).message("run")
        except NotFound:
            return None
        if fields.message("info").text("experiment_id") != experiment.id:
            raise Conflict(f"{self._server.name} has this run in an experiment of another name")
        return _known(fields, fields.message("data").pairs("tags"))

    def _created(self, info: dict[str, Any], tags: dict[str, str], experiment: _Experiment) -> str:
        body = {
            "experiment_id": experiment.id,
            "run_name": info["run_name"],
            "user_id": info["user_id"],
            "start_time": info["start_time"],
            "tags": messages.pairs(tags),
        }
        made = Fields(self._server.post("mlflow/runs/create", body, repeatable=False))
        return made.message("run").message("info").required("run_id")

    def _changed(self, target: str, tags: dict[str, str]) -> dict[str, str]:
        """Return those tags that the run there has not, or has otherwise."""
        fields = Fields(self._server.get("mlflow/runs/get", run_id=target)).message("run")
        there = fields.message("data").pairs("tags")
        return {name: text for name, text in tags.items() if there.get(name) != text}

    def _log(self, run: Run, target: str, message: dict[str, Any], tags: dict[str, str]) -> None:
        for name, texts in (("params", message["data"]["params"]), ("tags", messages.pairs(tags))):
            for some in _batches(texts, _MOST_TEXTS):
                self._server.post("mlflow/runs/log-batch", {"run_id": target, name: some})
        inputs = message["inputs"]["dataset_inputs"]
        for used in inputs:
            for field in ("source_type", "source"):
                used["dataset"][field] = used["dataset"][field] or _UNKNOWN
        if inputs:
            self._server.post("mlflow/runs/log-inputs", {"run_id": target, "datasets": inputs})
        after: int | None = None
        waiting: list[dict[str, Any]] = []
        while True:
            points = self._tracking.series(run.id, after_sequence=after, limit=_SERIES)
            found = [messages.observed(point, run) for point in points]
            self._copied.words += found.count(None)
            waiting += [point for point in found if point is not None]
            over = len(points) < _SERIES
            while len(waiting) >= _MOST_METRICS or (over and waiting):
                some, waiting = waiting[:_MOST_METRICS], waiting[_MOST_METRICS:]
                self._server.post("mlflow/runs/log-batch", {"run_id": target, "metrics": some})
                self._copied.points += len(some)
            if over:
                return
            after = points[-1].sequence


def _is_done(before: str, now: str) -> bool:
    """Whether a run is there as it is now; its files do not count where none are asked for."""
    return before == now or (now.endswith(" -") and before.partition(" ")[0] == now.partition(" ")[0])


def _known(fields: Fields, tags: dict[str, str]) -> _Known:
    info = fields.message("info")
    return _Known(
        info.required("run_id"),
        info.text("run_name") or "",
        tags.get(COPIED, ""),
        info.text("lifecycle_stage") == "deleted",
    )


def _batches(texts: list[dict[str, str]], most: int) -> Iterator[list[dict[str, str]]]:
    """Yield texts in batches that a server takes."""
    some: list[dict[str, str]] = []
    size = 0
    for pair in texts:
        needed = 40 + len(pair["key"].encode()) + 2 * len(pair["value"].encode())
        if some and (len(some) >= most or size + needed > _MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(pair)
        size += needed
    if some:
        yield some
