"""A file on its way to a reader: compared with its record as it passes, and its end is held back until it is known to be right."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Self

from katib.rpc.transfers import seen

if TYPE_CHECKING:
    from katib.rpc.transfers import Place, Transfers
    from katib.store.artifacts import ArtifactReader
    from katib.store.tracking.records import Artifact

__all__ = ["DamagedFile", "FilePieces"]


class DamagedFile(Exception):
    """A file is not the one that was recorded: changed behind the server's back, or by an upload that was cut off at its end.

    Every protocol has a fault of its own for it.
    """

    def __init__(self, path: str, size: int) -> None:
        super().__init__(
            f"the content of {path!r} is not what was recorded ({size:,} bytes are there): somebody has changed it,"
            " or an upload was cut off before it was recorded; upload it again"
        )


class FilePieces(AsyncIterator[bytes]):
    """The pieces of an open file; read to their end they are closed, and by ``aclose`` at any time.

    A reader that gets fewer bytes than it was promised knows that something is wrong, so the last piece of a whole file comes only when
    the file has the sha256 of its record.

    Attributes:
        reader: The file.
        record: What it has to be.
    """

    def __init__(self, reader: ArtifactReader, record: Artifact, place: Place, transfers: Transfers) -> None:
        self.reader = reader
        self.record = record
        self._place = place
        self._transfers = transfers
        whole = reader.start == 0 and reader.end == reader.info.size
        self._hash = hashlib.sha256() if whole and record.sha256 is not None else None
        self._size = 0
        self._first: bytes | None = None
        self._ahead: bytes | None = None
        self._taking: asyncio.Future[bytes] | None = None
        self._closing: asyncio.Task[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def begin(self) -> None:
        """Read the first piece, which is all of a small file, so that what is wrong is said instead of a part of it.

        Raises:
            DamagedFile: It is wrong.
        """
        self._first = await self._next()

    async def __anext__(self) -> bytes:
        if self._closing is not None:
            raise StopAsyncIteration
        first, self._first = self._first, None
        piece = first or await self._next()
        if not piece:
            await self.aclose()
            raise StopAsyncIteration
        return piece

    async def _next(self) -> bytes:
        self._taking = self._transfers.start(self._take)
        # Who leaves meanwhile does not close a file that a thread reads: ``aclose`` waits for it.
        return await asyncio.shield(self._taking)

    def _take(self) -> bytes:
        piece = next(self.reader, b"") if self._ahead is None else self._ahead
        if piece:
            self._size += len(piece)
            if self._hash is not None:
                self._hash.update(piece)
            self._ahead = next(self.reader, b"")
        if not self._ahead:
            self._check()
        return bytes(piece)

    def _check(self) -> None:
        damaged = self._hash is not None and self._hash.hexdigest() != self.record.sha256
        if damaged or self._size != self.reader.size:
            raise DamagedFile(self.record.path, self._size)

    async def aclose(self) -> None:
        """Let go of the file; twice is no fault."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        try:
            if self._taking is not None:
                await asyncio.wait([self._taking])
                seen(self._taking)
            await asyncio.to_thread(self.reader.close)
        finally:
            self._place.leave()
