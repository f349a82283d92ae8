"""Makes a change once that is asked for several times with one request id while it is made, and some time after.

Who asks for the same while it is made waits for it without a thread of their own. What is remembered after that is what the place of the
experiments keeps as well, and for longer (``Experiments``), but for one thing: a cluster has nothing to keep the id of a deletion with.
So a call that was delayed on its way deletes no experiment that came after the one it meant, unless the server was started anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from katib.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Once"]

_MOST: Final = 10_000
_SECONDS: Final = 900.0


class Once:
    """What was answered to changes of late."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, ...], tuple[bytes, float, asyncio.Future[bytes]]] = OrderedDict()

    async def answer(
        self, key: tuple[str, ...], call: str, request: bytes, make: Callable[[], Awaitable[bytes]]
    ) -> bytes:
        """Return the answer to a change, which is made if it was not made of late.

        Args:
            key: Who asks, and where, with the request id last; an empty one is never known again.
            call: What is asked for.
            request: With what.
            make: Makes the change.

        Raises:
            Conflict: Something else was asked for with this id.
        """
        if not key[-1]:
            return await make()
        digest = hashlib.blake2b(request, digest_size=16, key=call.encode()).digest()
        self._forget()
        known = self._answers.get(key)
        if known is not None:
            if known[0] != digest:
                raise Conflict(f"request_id {key[-1]!r} was used for another request: choose a new one for each change")
            return await asyncio.shield(known[2])
        making = asyncio.ensure_future(make())
        self._answers[key] = (digest, time.monotonic(), making)
        making.add_done_callback(lambda made: self._made(key, made))
        # A caller who goes leaves the change to whoever asks for it again.
        return await asyncio.shield(making)

    def _made(self, key: tuple[str, ...], made: asyncio.Future[bytes]) -> None:
        # What failed has changed nothing, and may be asked for again.
        if made.cancelled() or made.exception() is not None:
            self._answers.pop(key, None)

    def _forget(self) -> None:
        oldest = time.monotonic() - _SECONDS
        while self._answers:
            _, told, made = next(iter(self._answers.values()))
            if not made.done() or (told > oldest and len(self._answers) < _MOST):
                return
            self._answers.popitem(last=False)
