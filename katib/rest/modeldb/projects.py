"""ModelDB's projects, which are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.rest.answers import answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.facts import facts_in
from katib.rest.modeldb.fields import milliseconds_of
from katib.rest.modeldb.predicates import IS_TRIAL
from katib.rest.modeldb.records_found import NO_PARTS, project_at, project_named
from katib.store.query import print_filter
from katib.store.tracking.records import Facts, Node, NodeKind, RunScope

if TYPE_CHECKING:
    from typing import Any

    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Project

__all__ = [
    "create",
    "delete",
    "get_by_id",
    "get_by_name",
    "get_readme",
    "set_readme",
    "summary",
    "update_description",
    "update_name",
]


def _answered(asked: Asked, found: Project) -> Response:
    return answer({"project": messages.project(asked, found)})


async def create(asked: Asked) -> Response:
    """Make one."""
    fields = asked.fields
    name, facts = fields.required("name"), facts_in(fields)
    readme = fields.text("readme_text")
    if readme:
        facts = Facts(tags=facts.tags, properties={**facts.properties, messages.README: readme})
    description = fields.text("description")
    made = await asked.write(lambda tracking: tracking.create_project(name, description=description, facts=facts))
    return _answered(asked, made)


async def get_by_id(asked: Asked) -> Response:
    """Return one by its id."""
    project_id = asked.id()
    return _answered(asked, await asked.read(lambda tracking: project_at(tracking, project_id)))


async def get_by_name(asked: Asked) -> Response:
    """Return one by its name."""
    name = asked.fields.required("name")
    found = await asked.read(lambda tracking: project_named(tracking, name))
    return answer({"project_by_user": messages.project(asked, found), "shared_projects": []})


async def update_name(asked: Asked) -> Response:
    """Give one another name."""
    project_id, name = asked.id(), asked.fields.required("name")

    def change(tracking: Tracking) -> Project:
        project_at(tracking, project_id)
        return tracking.update_project(project_id, name=name)

    return _answered(asked, await asked.write(change))


async def update_description(asked: Asked) -> Response:
    """Describe one."""
    project_id, text = asked.id(), asked.fields.text("description")

    def change(tracking: Tracking) -> Project:
        project_at(tracking, project_id)
        return tracking.update_project(project_id, description=text)

    return _answered(asked, await asked.write(change))


async def set_readme(asked: Asked) -> Response:
    """Give one a text of its own."""
    project_id, text = asked.id(), asked.fields.text("readme_text")

    def change(tracking: Tracking) -> Project:
        project_at(tracking, project_id)
        tracking.set_facts(Node(NodeKind.PROJECT, project_id), Facts(properties={messages.README: text}))
        return project_at(tracking, project_id)

    return _answered(asked, await asked.write(change))


async def get_readme(asked: Asked) -> Response:
    """Return the text of one."""
    project_id = asked.id()
    found = await asked.read(lambda tracking: project_at(tracking, project_id))
    return answer({"readme_text": str(found.facts.properties.get(messages.README, ""))})


async def delete(asked: Asked) -> Response:
    """Delete some, all or none; they can be restored."""
    ids = asked.ids() if asked.fields.has("ids") else [asked.id()]

    def change(tracking: Tracking) -> None:
        for project_id in ids:
            tracking.delete(Node(NodeKind.PROJECT, tracking.project(project_id).id))

    await asked.write(change)
    return answer({"status": True})


async def summary(asked: Asked) -> Response:
    """Return what is in one: how much, and the run that began last."""
    project_id = asked.id("entityId" if asked.fields.has("entityId") else "entity_id")
    trials = print_filter(IS_TRIAL)

    def look(tracking: Tracking) -> dict[str, Any]:
        project = project_at(tracking, project_id)
        scope = RunScope(project_ids=[project_id])
        runs = tracking.find_runs(trials, "creation_time DESC", scope=scope, limit=1, parts=NO_PARTS, count=True)
        experiments = tracking.find_searches(project_ids=[project_id], limit=1, count=True)
        message: dict[str, Any] = {
            "name": project.name,
            "last_updated_time": milliseconds_of(project.updated),
            "total_experiment": str(experiments.total or 0),
            "total_experiment_runs": str(runs.total or 0),
        }
        for run in runs.items:
            message["last_modified_experimentRun_summary"] = {
                "name": run.name,
                "last_updated_time": milliseconds_of(run.ended or run.created),
            }
        return message

    return answer(await asked.read(look))
