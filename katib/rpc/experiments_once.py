"""Makes a change once that is asked for several times with one request id, for changes that keep no request ids themselves.

Each of those comes to the same where it is made again at once: stopping what is stopped, deleting what is gone. What this remembers
keeps a call that was delayed on its way from undoing what came after it; a server that starts anew has forgotten it.
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

    async def answer(self, key: tuple[str, ...], request: bytes, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the answer to a change, which is made if it was not made of late.

        Args:
            key: Who asks for what, with the request id last; an empty one is never known again.
            request: What is asked for.
            make: Makes the change.

        Raises:
            Conflict: Something else was asked for with this id.
        """
        if not key[-1]:
            return await make()
        digest = hashlib.blake2b(request, digest_size=16).digest()
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
