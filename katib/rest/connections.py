"""Connections over which nothing comes: uvicorn waits for the head of a request for ever, and this does not."""

from __future__ import annotations

import asyncio
from typing import Final

from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

__all__ = ["Connection"]

_HEAD_SECONDS: Final = 20.0


class Connection(H11Protocol):
    """A connection that is closed unless a request's head is complete in time."""

    _deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self._answers or self.transport.is_closing():
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(_HEAD_SECONDS, self._late)

    def _late(self) -> None:
        self._deadline = None
        if not self._answers:
            self.transport.close()

    @property
    def _answers(self) -> bool:
        # Uvicorn says that there always is one.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
