"""What a client asks of the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from katib.errors import NotFound
from katib.rest.answers import answer

if TYPE_CHECKING:
    from starlette.responses import Response

    from katib.rest.modeldb.asked import Asked

__all__ = ["current_user", "verify_connection"]


async def verify_connection(_: Asked) -> Response:
    """Say that the caller is known here."""
    return answer({"status": True})


async def current_user(_: Asked) -> NoReturn:
    """Say that there are no users: the client then takes the workspace ``personal``."""
    raise NotFound("there are no users here, only tokens (docs/access.md)")
