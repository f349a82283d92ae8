"""Content handed from the thread that has it to a thread of the library that sends it.

The library would take content from inside its own event loop, where content that comes from the library itself (a part of an upload, a
file of another bucket) cannot be read. So it is read here, in the caller's thread, and a small queue is between the two.
"""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

__all__ = ["send_from_here"]

_T = TypeVar("_T")
_PIECES_WAITING: Final = 2
_LOOK_SECONDS: Final = 0.2


class _BrokenOffError(Exception):
    """There is no more content, although its end was not reached."""


def send_from_here(pieces: Iterable[memoryview], send: Callable[[Iterator[memoryview]], _T]) -> _T:
    """Return what ``send`` makes of the pieces, which are taken in this thread while it runs in another.

    What the pieces raise is raised here, after ``send`` was made to give up.
    """
    waiting: queue.Queue[memoryview | _BrokenOffError | None] = queue.Queue(_PIECES_WAITING)

    def received() -> Iterator[memoryview]:
        while (piece := waiting.get()) is not None:
            if isinstance(piece, _BrokenOffError):
                raise piece
            yield piece

    with ThreadPoolExecutor(1, thread_name_prefix="katib-artifact") as pool:
        sending = pool.submit(send, received())
        try:
            for piece in pieces:
                if not _hand_over(waiting, piece, sending):
                    break
        except BaseException:
            _hand_over(waiting, _BrokenOffError(), sending)
            raise
        _hand_over(waiting, None, sending)
        return sending.result()


def _hand_over(
    waiting: queue.Queue[memoryview | _BrokenOffError | None],
    piece: memoryview | _BrokenOffError | None,
    sending: Future[_T],
) -> bool:
    """Put a piece into the queue, unless nobody takes pieces any more."""
    while not sending.done():
        try:
            waiting.put(piece, timeout=_LOOK_SECONDS)
        except queue.Full:
            continue
        return True
    return False
