"""MLflow's runs: making, reading and ending them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from katib.errors import NotFound
from katib.rest.answers import answer
from katib.rest.mlflow import messages
from katib.rest.mlflow.experiments import project_at
from katib.rest.mlflow.failures import does_not_exist, invalid
from katib.rest.mlflow.fields import Fields, body_fields, query_fields
from katib.rest.mlflow.paging import lifecycle_of, pages
from katib.rest.mlflow.parents import without_parent
from katib.store.tracking.records import (
    ExperimentKind,
    Facts,
    Log,
    NewRun,
    Node,
    NodeKind,
    RunPart,
    RunScope,
)

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.operations import Call
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Run

__all__ = ["create", "delete", "get", "restore", "run_at", "run_id_of", "search", "update", "writable"]

NO_PARTS: Final = frozenset[RunPart]()
_SHOWN: Final = frozenset({RunPart.PARAMETERS, RunPart.METRICS, RunPart.TAGS, RunPart.DATASETS})
"""What MLflow has a place for."""
_MOST: Final = 50_000
_DEFAULT: Final = 1_000


def run_id_of(fields: Fields) -> str:
    """Return which run is meant; old clients call it ``run_uuid``."""
    found = fields.text("run_id") or fields.text("run_uuid")
    return found or fields.required("run_id")


def run_at(tracking: Tracking, run_id: str, parts: frozenset[RunPart] = NO_PARTS) -> Run:
    """Return a run.

    Raises:
        NotFound: There is none.
    """
    try:
        return tracking.run(run_id, parts)
    except NotFound:
        raise does_not_exist(f"Run with id={run_id[:100]} not found") from None


def writable(tracking: Tracking, run_id: str, parts: frozenset[RunPart] = NO_PARTS) -> Run:
    """Return a run that takes logs.

    Raises:
        NotFound: There is none.
        InvalidInput: It is deleted.
    """
    run = run_at(tracking, run_id, parts)
    if run.deleted is not None:
        raise invalid(f"The run {run.id} must be in the 'active' state. Current state is deleted.")
    return run


def is_ours(tracking: Tracking, run: Run) -> bool:
    """Return whether we drive the experiment that a run belongs to: then its state is what we see, and not what it says."""
    experiment_id = run.experiment_id or run.root_of
    return experiment_id is not None and tracking.search(experiment_id).kind is ExperimentKind.KATIB


async def create(call: Call) -> Response:
    """Make one."""
    fields = await body_fields(call)
    experiment_id = fields.text("experiment_id") or messages.DEFAULT_ID
    tags = fields.pairs("tags")
    name, tagged = fields.text("run_name") or "", tags.get(messages.RUN_NAME, "")
    if name and tagged and name != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values"
            f" (run_name='{name[:100]}', mlflow.runName='{tagged[:100]}')."
        )
    name = name or tagged
    owner = fields.text("user_id") or tags.get(messages.USER)
    started = fields.time("start_time")

    def make(tracking: Tracking) -> Run:
        with tracking.transaction():
            project = project_at(tracking, experiment_id, make=True)
            if project.deleted is not None:
                raise invalid(
                    f"The experiment {experiment_id} must be in the 'active' state. Current state is deleted."
                )
            parent = tags.get(messages.PARENT)
            if parent:
                writable(tracking, parent)
            run = tracking.create_run(
                NewRun(
                    project_id=project.id,
                    parent_id=parent or None,
                    name=name or None,
                    started=started,
                    owner=owner or None,
                    description=tags.get(messages.NOTE, ""),
                    log=Log(facts=Facts(tags=tags)),
                )
            )
            if not tagged:
                # So that a filter finds it, as it finds it in MLflow.
                tracking.set_facts(Node(NodeKind.RUN, run.id), Facts(tags={messages.RUN_NAME: run.name}))
            code = {ours: tags[theirs] for theirs, ours in messages.CODE.items() if tags.get(theirs)}
            if code:
                tracking.update_run(run.id, code=code)
            return tracking.run(run.id, _SHOWN)

    size = 500 + sum(len(key) + len(text) for key, text in tags.items())
    return answer({"run": messages.run(await call.write(make, size=size))})


async def get(call: Call) -> Response:
    """Return one with what was logged to it."""
    run_id = run_id_of(query_fields(call))
    return answer({"run": messages.run(await call.read(lambda tracking: run_at(tracking, run_id, _SHOWN)))})


async def update(call: Call) -> Response:
    """Change its state, its end or its name."""
    fields = await body_fields(call)
    run_id, name, ended = run_id_of(fields), fields.text("run_name"), fields.time("end_time")
    status = fields.document.get("status")
    state = messages.state_of(status)
    if status is not None and state is None:
        raise invalid(f"Invalid value {str(status)[:80]!r} for parameter 'status' supplied.")

    def change(tracking: Tracking) -> Run:
        run = writable(tracking, run_id)
        if (state is not None or ended is not None) and is_ours(tracking, run):
            # A process that ends its run says nothing that we do not see ourselves.
            return run if not name else renamed(tracking, run, name)
        with tracking.transaction():
            if state is not None or ended is not None:
                run = tracking.update_run(run_id, state=state, ended=ended)
            return run if not name else renamed(tracking, run, name)

    return answer({"run_info": messages.run_info(await call.write(change))})


def renamed(tracking: Tracking, run: Run, name: str) -> Run:
    """Give a run another name, and the tag of it."""
    found = tracking.update_run(run.id, name=name)
    tracking.set_facts(Node(NodeKind.RUN, run.id), Facts(tags={messages.RUN_NAME: name}))
    return found


async def delete(call: Call) -> Response:
    """Delete one; it can be restored."""
    run_id = run_id_of(await body_fields(call))
    await call.write(lambda tracking: tracking.delete(Node(NodeKind.RUN, run_at(tracking, run_id).id)))
    return answer({})


async def restore(call: Call) -> Response:
    """Bring one back."""
    run_id = run_id_of(await body_fields(call))
    await call.write(lambda tracking: tracking.restore(Node(NodeKind.RUN, run_at(tracking, run_id).id)))
    return answer({})


async def search(call: Call) -> Response:
    """Return a page of those that pass a filter."""
    fields = await body_fields(call)
    most = fields.integer("max_results", least=1, most=_MOST) or _DEFAULT
    lifecycle = lifecycle_of(fields, "run_view_type")
    experiment_ids, order = fields.texts("experiment_ids"), fields.texts("order_by")
    text, parents = without_parent(fields.text("filter") or "")

    async def page(limit: int, cursor: str | None, now: Any) -> Any:
        def look(tracking: Tracking) -> Any:
            scope = RunScope(
                project_ids=[_project_id(tracking, experiment_id) for experiment_id in experiment_ids],
                parent_ids=parents,
                lifecycle=lifecycle,
            )
            return tracking.find_runs(text, order, scope=scope, limit=limit, cursor=cursor, parts=_SHOWN, now=now)

        return await call.read(look)

    if not experiment_ids:
        return answer({"runs": []})
    found, token = await pages(page, messages.run, most=most, token=fields.text("page_token"))
    return await asyncio.to_thread(answer, {"runs": found, **({"next_page_token": token} if token else {})})


def _project_id(tracking: Tracking, experiment_id: str) -> str:
    """Return an id to look in; one that nobody has finds nothing, as in MLflow."""
    if experiment_id != messages.DEFAULT_ID:
        return experiment_id
    try:
        return project_at(tracking, experiment_id).id
    except NotFound:
        return experiment_id
