"""What people say about runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.rest.answers import answer
from katib.rest.modeldb import messages
from katib.rest.modeldb.records_found import run_at

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import Comment

__all__ = ["add", "delete", "get", "update"]


async def add(asked: Asked) -> Response:
    """Say something."""
    run_id, text = asked.id("entity_id"), asked.fields.required("message")

    def make(tracking: Tracking) -> Comment:
        run_at(tracking, run_id)
        return tracking.add_comment(run_id, text)

    return answer({"comment": messages.comment(asked, await asked.write(make))})


async def update(asked: Asked) -> Response:
    """Say it in other words."""
    comment_id, text = asked.id(), asked.fields.required("message")
    found = await asked.write(lambda tracking: tracking.edit_comment(comment_id, text))
    return answer({"comment": messages.comment(asked, found)})


async def get(asked: Asked) -> Response:
    """Return what was said of a run, oldest first."""
    run_id = asked.id("entity_id")

    def look(tracking: Tracking) -> list[Comment]:
        run_at(tracking, run_id)
        return tracking.comments(run_id)

    return answer({"comments": [messages.comment(asked, found) for found in await asked.read(look)]})


async def delete(asked: Asked) -> Response:
    """Take it back."""
    comment_id = asked.id()
    await asked.write(lambda tracking: tracking.delete_comment(comment_id))
    return answer({"status": True})
