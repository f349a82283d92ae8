"""What is answered: JSON, and files in pieces to readers of any speed."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import Response
from typing_extensions import override

from katib.rest.presence import ended, gone
from katib.rpc.tracking_changes import is_stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.types import Receive, Scope, Send

    from katib.store.artifacts import ArtifactReader

__all__ = ["SAFE_HEADERS", "PiecesResponse", "answer", "file_answer"]

_LOGGER: Final = logging.getLogger(__name__)

SAFE_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
"""Nothing that is answered is a page: a browser must not make one of it."""


def answer(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a reply of JSON."""
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, {**SAFE_HEADERS, **(headers or {})}, "application/json")


class PiecesResponse(Response):
    """A body that is sent piece by piece, and given up on a reader that takes none for so long.

    Args:
        pieces: It is closed at the end in any case.
        patience: Seconds a reader has for one piece.
    """

    def __init__(
        self, pieces: AsyncIterator[bytes], *, status: int, headers: Mapping[str, str], patience: float
    ) -> None:
        super().__init__(None, status, {**SAFE_HEADERS, **headers})
        if "content-length" not in {name.lower() for name in headers}:
            del self.headers["content-length"]  # that of the body which Starlette sees
        self._pieces = pieces
        self._patience = patience

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Who sends is not told that nobody reads any more; without asking, the rest of a large file would be read for nothing.
        leaving = asyncio.ensure_future(gone(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            if scope["method"] != "HEAD":
                while (piece := await self._next(leaving)) is not None:
                    async with asyncio.timeout(self._patience):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not leaving.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:
            # The connection is closed, by which the reader knows.
            if not is_stop(error):
                _LOGGER.warning("an answer was not sent to its end: %s: %s", type(error).__name__, error)
            raise
        finally:
            leaving.cancel()
            await self._pieces.aclose()  # type: ignore[attr-defined]

    async def _next(self, leaving: asyncio.Future[None]) -> bytes | None:
        """Return the next piece, however long it takes; None after the last, and as soon as nobody reads any more."""
        taking: asyncio.Future[Any] = asyncio.ensure_future(anext(self._pieces, None))
        try:
            await asyncio.wait({taking, leaving}, return_when=asyncio.FIRST_COMPLETED)
            found: bytes | None = None if leaving.done() else taking.result()
            return found
        finally:
            if not taking.done() or leaving.done():
                await ended(taking)


def file_answer(reader: ArtifactReader, path: str, pieces: AsyncIterator[bytes], *, patience: float) -> PiecesResponse:
    """Return the answer that is a stored file.

    Args:
        reader: Of the file.
        path: Where it is; the last part is what a browser calls it.
        pieces: Its content.
        patience: Seconds a reader has for one piece.
    """
    headers = {
        "Content-Length": str(reader.size),
        "Content-Type": reader.info.content_type or "application/octet-stream",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2], safe='')}",
    }
    if reader.info.sha256:
        headers["ETag"] = f'"{reader.info.sha256}"'
    return PiecesResponse(pieces, status=200, headers=headers, patience=patience)
