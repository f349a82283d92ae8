"""ModelDB's experiments: experiments that somebody else drives. Those of ``katib run`` are seen here too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.rest.answers import answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.facts import facts_in
from katib.rest.modeldb.records_found import experiment_at, project_at
from katib.store.tracking.records import Node, NodeKind

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import SearchExperiment

__all__ = ["create", "delete", "get_by_id", "get_by_name", "update"]


def _answered(asked: Asked, found: SearchExperiment) -> Response:
    return answer({"experiment": messages.experiment(asked, found)})


async def create(asked: Asked) -> Response:
    """Make one."""
    fields = asked.fields
    project_id, name, facts = asked.id("project_id"), fields.required("name"), facts_in(fields)
    description = fields.text("description")

    def make(tracking: Tracking) -> SearchExperiment:
        project_at(tracking, project_id)
        return tracking.create_search(name, project_id=project_id, description=description, facts=facts)

    return _answered(asked, await asked.write(make))


async def get_by_id(asked: Asked) -> Response:
    """Return one by its id."""
    experiment_id = asked.id()
    return _answered(asked, await asked.read(lambda tracking: experiment_at(tracking, experiment_id)))


async def get_by_name(asked: Asked) -> Response:
    """Return one by its name in a project."""
    project_id, name = asked.id("project_id"), asked.fields.required("name")

    def look(tracking: Tracking) -> SearchExperiment:
        project_at(tracking, project_id)
        return tracking.search_named(project_id, name)

    return _answered(asked, await asked.read(look))


async def update(asked: Asked) -> Response:
    """Give one another name or description, whichever the request has."""
    experiment_id, fields = asked.id(), asked.fields
    name = fields.required("name") if fields.has("name") else None
    description = fields.text("description") if fields.has("description") else None

    def change(tracking: Tracking) -> SearchExperiment:
        experiment_at(tracking, experiment_id)
        return tracking.update_search(experiment_id, name=name, description=description)

    return _answered(asked, await asked.write(change))


async def delete(asked: Asked) -> Response:
    """Delete some, all or none; they can be restored."""
    ids = asked.ids() if asked.fields.has("ids") else [asked.id()]

    def change(tracking: Tracking) -> None:
        for experiment_id in ids:
            tracking.delete(Node(NodeKind.EXPERIMENT, tracking.search(experiment_id).id))

    await asked.write(change)
    return answer({"status": True})
