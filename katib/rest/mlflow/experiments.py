"""MLflow's experiments, which are our projects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from katib.access import Role
from katib.errors import Conflict, NotFound
from katib.rest.answers import answer
from katib.rest.mlflow import messages
from katib.rest.mlflow.failures import already_exists, does_not_exist, invalid
from katib.rest.mlflow.fields import Fields, body_fields, query_fields
from katib.rest.mlflow.paging import lifecycle_of, pages
from katib.store.tracking.records import DEFAULT_PROJECT, Facts, Node, NodeKind

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.operations import Call
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Project

__all__ = [
    "create",
    "delete",
    "delete_tag",
    "get",
    "get_by_name",
    "project_at",
    "restore",
    "search",
    "set_tag",
    "update",
]

_MOST: Final = 50_000
_DEFAULT: Final = 1_000


def project_at(tracking: Tracking, experiment_id: str, *, make: bool = False) -> Project:
    """Return the project that MLflow's id means.

    Args:
        make: Whether the one of runs that name none is made, if it is not there; only within a change.

    Raises:
        NotFound: There is none.
    """
    try:
        if experiment_id != messages.DEFAULT_ID:
            return tracking.project(experiment_id)
        return tracking.default_project() if make else tracking.project_named(DEFAULT_PROJECT)
    except NotFound:
        raise does_not_exist(f"No Experiment with id={experiment_id[:100]} exists") from None


async def create(call: Call) -> Response:
    """Make one."""
    fields = await body_fields(call)
    name = fields.required("name")
    if fields.text("artifact_location"):
        raise invalid("artifact_location: files of runs are where the server keeps them; leave it out")
    tags = fields.pairs("tags")

    def make(tracking: Tracking) -> Project:
        return tracking.create_project(name, description=tags.get(messages.NOTE, ""), facts=Facts(tags=tags))

    try:
        made = await call.write(make)
    except Conflict as error:
        raise already_exists(f"Experiment '{name[:100]}' already exists: {error}") from None
    return answer({"experiment_id": messages.experiment_id_of(made.id, made.name)})


async def get(call: Call) -> Response:
    """Return one by its id."""
    experiment_id = query_fields(call).required("experiment_id")
    try:
        found = await call.read(lambda tracking: project_at(tracking, experiment_id))
    except NotFound:
        if experiment_id != messages.DEFAULT_ID:
            raise
        found = await _default(call)
    return answer({"experiment": messages.experiment(found)})


async def get_by_name(call: Call) -> Response:
    """Return one by its name, also a deleted one."""
    name = query_fields(call).required("experiment_name")
    try:
        found = await call.read(lambda tracking: tracking.project_named(name))
    except NotFound:
        if name != DEFAULT_PROJECT:
            raise does_not_exist(f"Could not find experiment with name '{name[:100]}'") from None
        found = await _default(call)
    return answer({"experiment": messages.experiment(found)})


async def _default(call: Call) -> Project:
    """Return the project that is there as soon as somebody asks who may make it.

    Raises:
        NotFound: The caller may only look.
    """
    if not await call.may(Role.WRITE):
        raise does_not_exist(f"No Experiment with id={messages.DEFAULT_ID} exists")
    return await call.write(lambda tracking: tracking.default_project())


async def search(call: Call) -> Response:
    """Return a page of those that pass a filter."""
    fields = query_fields(call) if call.request.method == "GET" else await body_fields(call)
    most = fields.integer("max_results", least=1, most=_MOST) or _DEFAULT
    lifecycle = lifecycle_of(fields, "view_type")
    text, order = fields.text("filter") or "", fields.texts("order_by")

    async def page(limit: int, cursor: str | None, now: Any) -> Any:
        return await call.read(
            lambda tracking: tracking.find_projects(
                text, order, lifecycle=lifecycle, limit=limit, cursor=cursor, now=now
            )
        )

    found, token = await pages(page, messages.experiment, most=most, token=fields.text("page_token"))
    return await asyncio.to_thread(answer, {"experiments": found, **({"next_page_token": token} if token else {})})


async def update(call: Call) -> Response:
    """Give one another name."""
    fields = await body_fields(call)
    experiment_id, name = fields.required("experiment_id"), fields.required("new_name")

    def rename(tracking: Tracking) -> None:
        project = project_at(tracking, experiment_id, make=True)
        if project.deleted is not None:
            raise invalid(f"The experiment {experiment_id} must be in the 'active' state; it is deleted.")
        tracking.update_project(project.id, name=name)

    try:
        await call.write(rename)
    except Conflict as error:
        raise already_exists(f"Experiment '{name[:100]}' already exists: {error}") from None
    return answer({})


async def delete(call: Call) -> Response:
    """Delete one; it can be restored."""
    experiment_id = (await body_fields(call)).required("experiment_id")
    await call.write(
        lambda tracking: tracking.delete(Node(NodeKind.PROJECT, project_at(tracking, experiment_id, make=True).id))
    )
    return answer({})


async def restore(call: Call) -> Response:
    """Bring one back."""
    experiment_id = (await body_fields(call)).required("experiment_id")
    await call.write(
        lambda tracking: tracking.restore(Node(NodeKind.PROJECT, project_at(tracking, experiment_id, make=True).id))
    )
    return answer({})


async def set_tag(call: Call) -> Response:
    """Give one a tag."""
    fields = await body_fields(call)
    experiment_id = fields.required("experiment_id")
    name, text = fields.required("key"), fields.text("value") or ""

    def change(tracking: Tracking) -> None:
        project = project_at(tracking, experiment_id, make=True)
        tracking.set_facts(Node(NodeKind.PROJECT, project.id), Facts(tags={name: text}))
        if name == messages.NOTE:
            tracking.update_project(project.id, description=text)

    await call.write(change, size=len(text) + 200)
    return answer({})


async def delete_tag(call: Call) -> Response:
    """Take a tag from one."""
    fields: Fields = await body_fields(call)
    experiment_id, name = fields.required("experiment_id"), fields.required("key")

    def change(tracking: Tracking) -> None:
        project = project_at(tracking, experiment_id)
        if name not in project.facts.tags:
            raise does_not_exist(f"No tag with name: {name[:100]} in experiment with id {experiment_id}")
        tracking.delete_facts(Node(NodeKind.PROJECT, project.id), tags=[name])

    await call.write(change)
    return answer({})
