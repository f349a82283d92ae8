"""What trials print, as streams: read where reading blocks, and no faster than it is taken."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Overloaded
from katib.rpc import experiments_v1 as wire
from katib.rpc.tracking_changes import stopping

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["LogStreams"]

_PIECE: Final = 1 << 18
_AHEAD: Final = 4


class LogStreams:
    """All who read what trials print.

    Each has a thread of its own, as nothing says how long a trial is silent; it ends with the trial, or when the trial next prints.

    Args:
        most: Of them.
    """

    def __init__(self, most: int = 128) -> None:
        self._most = most
        self._reading = 0
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End those who read; their callers are told to go on elsewhere."""
        self._closing.set()

    async def send(
        self, read: Callable[[], Iterator[bytes]], offset: int, send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Send what an iterator yields.

        Args:
            read: Makes the iterator; may block, as may the iterator.
            offset: How many bytes are left out.
            send: Sends one message; returns when there is room for the next.

        Raises:
            Overloaded: Too many read.
            StoreUnavailable: The server stops.
        """
        if self._reading >= self._most:
            raise Overloaded(f"{self._most} logs are read, which is all this server takes at a time; ask again")
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(_AHEAD)
        left = threading.Event()

        def ended() -> None:
            self._reading -= 1

        self._reading += 1
        threading.Thread(target=_pump, args=(read, pieces, left, loop, ended), name="log", daemon=True).start()
        closing: asyncio.Future[Any] = asyncio.ensure_future(self._closing.wait())
        at = 0
        try:
            while True:
                piece = await _next(pieces, closing)
                if piece is None:
                    return
                if isinstance(piece, BaseException):
                    raise piece
                if not piece:
                    await send(wire.ReadLogsResponse(offset=max(offset, at)).SerializeToString())
                begin = max(0, offset - at)
                for start in range(begin, len(piece), _PIECE):
                    text = piece[start : start + _PIECE]
                    await send(wire.ReadLogsResponse(text=text, offset=at + start).SerializeToString())
                at += len(piece)
        finally:
            left.set()
            closing.cancel()
            while not pieces.empty():  # so that the thread goes on, and sees that nobody reads
                pieces.get_nowait()


async def _next(
    pieces: asyncio.Queue[bytes | BaseException | None], closing: asyncio.Future[Any]
) -> bytes | BaseException | None:
    getting: asyncio.Future[Any] = asyncio.ensure_future(pieces.get())
    try:
        await asyncio.wait({getting, closing}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            raise stopping()
        piece: bytes | BaseException | None = getting.result()
        return piece
    finally:
        getting.cancel()


def _pump(
    read: Callable[[], Iterator[bytes]],
    pieces: asyncio.Queue[bytes | BaseException | None],
    left: threading.Event,
    loop: asyncio.AbstractEventLoop,
    ended: Callable[[], None],
) -> None:
    """Hand an iterator's pieces to the loop until somebody leaves; in a thread."""

    def hand(piece: bytes | BaseException | None) -> None:
        putting = pieces.put(piece)
        try:
            handed = asyncio.run_coroutine_threadsafe(putting, loop)
        except RuntimeError:
            putting.close()
            raise
        handed.result()

    with contextlib.suppress(RuntimeError):  # of a loop that is closed
        try:
            found = read()
            try:
                # A message without text says that there is a log, however long it is silent.
                hand(b"")
                for piece in found:
                    if left.is_set():
                        break
                    # An empty piece only asks whether anybody still reads.
                    if piece:
                        hand(piece)
            finally:
                close = getattr(found, "close", None)
                if close is not None:
                    close()
        except Exception as error:  # noqa: BLE001 - it is the reader's, whatever it is
            if not left.is_set():
                hand(error)
        else:
            if not left.is_set():
                hand(None)
        finally:
            loop.call_soon_threadsafe(ended)
