"""Lists of runs, experiments and projects: with predicates, in an order, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from katib.rest.answers import answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.paging import Page, page_in
from katib.rest.modeldb.predicates import IS_TRIAL, filter_of, order_of
from katib.rest.modeldb.records_found import NO_PARTS, experiment_at, project_at, run_at
from katib.store.query.tree import Compare, Field, In
from katib.store.query.vocabulary import EXPERIMENTS, PROJECTS, RUNS, Entity, Type
from katib.store.tracking.records import RunScope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.store.query.tree import Filter
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Found, Project, Run, SearchExperiment

__all__ = [
    "children",
    "find_experiments",
    "find_projects",
    "find_runs",
    "runs_in_experiment",
    "runs_in_project",
    "sort_runs",
    "top_runs",
]


async def find_runs(asked: Asked) -> Response:
    """Return a page of the runs that pass."""
    return await _runs(asked, _scope(asked))


async def runs_in_project(asked: Asked) -> Response:
    """Return a page of the runs of a project."""
    return await _runs(asked, RunScope(project_ids=[asked.id("project_id")]))


async def runs_in_experiment(asked: Asked) -> Response:
    """Return a page of the runs of an experiment."""
    return await _runs(asked, RunScope(experiment_ids=[asked.id("experiment_id")]))


async def sort_runs(asked: Asked) -> Response:
    """Return runs in an order."""
    run_ids = [asked.local(text) for text in asked.fields.texts("experiment_run_ids")]
    return await _runs(asked, RunScope(run_ids=run_ids)) if run_ids else _listed([], 0)


async def top_runs(asked: Asked) -> Response:
    """Return the first runs of an order; by default those with the greatest values."""
    most = asked.fields.integer("top_k", least=0, most=2**31 - 1)
    return await _runs(asked, _scope(asked), Page(1, most))


async def children(asked: Asked) -> Response:
    """Return a page of the runs whose parent a run is."""
    parent = asked.id("experiment_run_id")
    await asked.read(lambda tracking: run_at(tracking, parent))
    field = Field(Entity.PROPERTY, messages.PARENT, Type.TEXT)
    return await _runs(asked, RunScope(), None, Compare(field, "=", parent))


def _scope(asked: Asked) -> RunScope:
    project, experiment = asked.optional_id("project_id"), asked.optional_id("experiment_id")
    return RunScope(
        project_ids=[project] if project else (),
        experiment_ids=[experiment] if experiment else (),
        run_ids=[asked.local(text) for text in asked.fields.texts("experiment_run_ids")],
    )


async def _runs(asked: Asked, scope: RunScope, page: Page[Run] | None = None, *also: Filter) -> Response:
    fields = asked.fields
    conditions = also if scope.experiment_ids else (IS_TRIAL, *also)
    text = filter_of(fields.messages("predicates"), RUNS, asked.local, *conditions)
    ascending, ids_only = fields.flag("ascending"), fields.flag("ids_only")
    order = order_of(fields.text("sort_key"), RUNS, ascending=ascending) or _by_start(ascending=ascending)
    parts = NO_PARTS if ids_only else messages.SHOWN
    wanted: Page[Run] = page or page_in(fields)

    def find(tracking: Tracking, *, limit: int, cursor: str | None, whole: bool, count: bool) -> Found[Run]:
        return tracking.find_runs(
            text,
            order,
            scope=scope,
            limit=limit,
            cursor=cursor,
            parts=parts if whole else NO_PARTS,
            count=count,
        )

    def look(tracking: Tracking) -> Response:
        _check(tracking, scope)
        listed = ("runs", asked.call.namespace, text, tuple(order), _key(scope), wanted.limit)
        found, total = wanted.read(tracking, find, asked.memory.pages, listed, weigh=_weigh)
        shown = [{"id": asked.shown(run.id)} if ids_only else messages.run(asked, run) for run in found]
        return _listed(shown, total)

    return await asked.read(look)  # a large answer is made in the thread that reads


def _weigh(run: Run) -> int:
    texts = [*run.facts.tags, *(text for one in run.parameters for text in (one.name, one.text))]
    files = sum(len(file.path) + len(file.uri) + len(str(file.metadata)) + 200 for file in run.artifacts)
    said = sum(len(str(document)) for document in (run.facts.properties, run.environment, run.code))
    return 500 + sum(map(len, texts)) + 60 * len(texts) + 150 * len(run.metrics) + files + said


def _check(tracking: Tracking, scope: RunScope) -> None:
    """Say that there is no such project or experiment, where a list would only be empty."""
    for project_id in scope.project_ids:
        project_at(tracking, project_id)
    for experiment_id in scope.experiment_ids:
        experiment_at(tracking, experiment_id)


def _key(scope: RunScope) -> tuple[tuple[str, ...], ...]:
    return tuple(scope.project_ids), tuple(scope.experiment_ids), tuple(scope.run_ids)


def _by_start(*, ascending: bool) -> list[str]:
    return ["start_time ASC"] if ascending else []


def _listed(runs: Sequence[dict[str, Any]], total: int) -> Response:
    return answer({"experiment_runs": runs, "total_records": str(total)})


async def find_experiments(asked: Asked) -> Response:
    """Return a page of the experiments that pass, or of those of a project."""
    fields = asked.fields
    project = asked.optional_id("project_id")
    ids = [asked.local(text) for text in fields.texts("experiment_ids")]
    also = [_one_of("experiment_id", ids)] if ids else []
    text = filter_of(fields.messages("predicates"), EXPERIMENTS, asked.local, *also)
    ascending, ids_only = fields.flag("ascending"), fields.flag("ids_only")
    order = order_of(fields.text("sort_key"), EXPERIMENTS, ascending=ascending) or _by_creation(ascending=ascending)
    wanted: Page[SearchExperiment] = page_in(fields)

    def find(
        tracking: Tracking, *, limit: int, cursor: str | None, whole: bool, count: bool
    ) -> Found[SearchExperiment]:
        del whole
        return tracking.find_searches(
            text, order, project_ids=[project] if project else (), limit=limit, cursor=cursor, count=count
        )

    def look(tracking: Tracking) -> tuple[list[SearchExperiment], int]:
        if project:
            project_at(tracking, project)
        listed = ("experiments", asked.call.namespace, text, tuple(order), project, wanted.limit)
        return wanted.read(tracking, find, asked.memory.pages, listed)

    found, total = await asked.read(look)
    shown = [{"id": asked.shown(one.id)} if ids_only else messages.experiment(asked, one) for one in found]
    return answer({"experiments": shown, "total_records": str(total)})


async def find_projects(asked: Asked) -> Response:
    """Return a page of the projects that pass."""
    fields = asked.fields
    ids = [asked.local(text) for text in fields.texts("project_ids")]
    also = [_one_of("experiment_id", ids)] if ids else []
    text = filter_of(fields.messages("predicates"), PROJECTS, asked.local, *also)
    ascending, ids_only = fields.flag("ascending"), fields.flag("ids_only")
    order = order_of(fields.text("sort_key"), PROJECTS, ascending=ascending) or _by_creation(ascending=ascending)
    wanted: Page[Project] = page_in(fields)

    def find(tracking: Tracking, *, limit: int, cursor: str | None, whole: bool, count: bool) -> Found[Project]:
        del whole
        return tracking.find_projects(text, order, limit=limit, cursor=cursor, count=count)

    def look(tracking: Tracking) -> tuple[list[Project], int]:
        listed = ("projects", asked.call.namespace, text, tuple(order), wanted.limit)
        return wanted.read(tracking, find, asked.memory.pages, listed)

    found, total = await asked.read(look)
    shown = [{"id": asked.shown(one.id)} if ids_only else messages.project(asked, one) for one in found]
    return answer({"projects": shown, "total_records": str(total)})


def _one_of(name: str, ids: Sequence[str]) -> Filter:
    return In(Field(Entity.ATTRIBUTE, name, Type.TEXT), tuple(ids))


def _by_creation(*, ascending: bool) -> list[str]:
    return ["creation_time ASC"] if ascending else []
