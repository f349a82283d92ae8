"""The messages of a gRPC call that goes on, for whoever sends them over something else."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Self

from katib.errors import KatibError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Messages"]

_WAITING: Final = 64


class Messages:
    """One call, which ends when this is closed (``async with``).

    Args:
        make: Makes it; given what takes a message, and waits where nobody reads them.
    """

    def __init__(self, make: Callable[[Callable[[bytes], Awaitable[None]]], Awaitable[None]]) -> None:
        self._make = make
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)

    async def begin(self, seconds: float) -> None:
        """Make the call; returns when the first message is there, or after some seconds.

        Raises:
            KatibError: The call failed at once.
        """
        self._making = asyncio.ensure_future(self._made())
        self._first = asyncio.ensure_future(self._waiting.get())
        await asyncio.wait({self._first}, timeout=seconds)
        if self._first.done() and self._first.result() is None:
            await self._making

    async def _made(self) -> None:
        try:
            await self._make(self._waiting.put)
        except KatibError:
            await self._waiting.put(None)
            raise
        await self._waiting.put(None)

    async def next(self, seconds: float) -> bytes | None:
        """Return the next message; an empty one where there was none for some seconds, None after the last.

        Raises:
            KatibError: The call failed.
        """
        await asyncio.wait({self._first}, timeout=seconds)
        if not self._first.done():
            return b""
        message = self._first.result()
        if message is None:
            await self._making
        else:
            self._first = asyncio.ensure_future(self._waiting.get())
        return message

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._first.cancel()
        self._making.cancel()
        with contextlib.suppress(asyncio.CancelledError, KatibError):
            await self._making
