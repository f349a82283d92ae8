"""The messages of a gRPC call that goes on, as the pieces of an answer over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final, Self

from katib.rest.presence import ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Messages"]

_WAITING: Final = 64


class Messages(AsyncIterator[bytes]):
    """One call, which goes on until it ends by itself or this is closed (``aclose``), whether anybody has read of it or not.

    Args:
        make: Makes it; given what takes a message, and waits where nobody reads them.
        piece: Makes a piece of a message.
        quiet: The piece for those who have been told nothing for some time; empty for none.
        quiet_seconds: How long that is.
    """

    def __init__(
        self,
        make: Callable[[Callable[[bytes], Awaitable[None]]], Awaitable[None]],
        piece: Callable[[bytes], bytes],
        *,
        quiet: bytes = b"",
        quiet_seconds: float = 15.0,
    ) -> None:
        self._make = make
        self._piece = piece
        self._quiet = quiet
        self._quiet_seconds = quiet_seconds if quiet else None
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)

    async def begin(self, seconds: float) -> None:
        """Make the call; returns when the first message is there, or after some seconds.

        Raises:
            KatibError: The call failed at once.
        """
        self._making = asyncio.ensure_future(self._made())
        self._first = asyncio.ensure_future(self._waiting.get())
        try:
            await asyncio.wait({self._first}, timeout=seconds)
            if self._first.done() and self._first.result() is None:
                await self._making
        except BaseException:
            await self.aclose()
            raise

    async def _made(self) -> None:
        try:
            await self._make(self._waiting.put)
        except Exception:  # whatever it is, it is for those who read, who must not wait for more
            await self._waiting.put(None)
            raise
        await self._waiting.put(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            await asyncio.wait({self._first}, timeout=self._quiet_seconds)
            if not self._first.done():
                return self._quiet
            message = self._first.result()
            if message is None:
                await self._making  # raises what the call failed with
                raise StopAsyncIteration
            self._first = asyncio.ensure_future(self._waiting.get())
            if piece := self._piece(message):
                return piece

    async def aclose(self) -> None:
        """End the call; again, it changes nothing."""
        await ended(self._first, self._making)
