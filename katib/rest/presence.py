"""Whether a caller is still there: uvicorn says it to who asks, and goes on with the request of one who has left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from katib.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import Receive

__all__ = ["ended", "gone", "while_there"]

T = TypeVar("T")


async def gone(receive: Receive) -> None:
    """Return once the caller has closed the connection; whose request has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_there(receive: Receive, making: Awaitable[T]) -> T:
    """Return what is made, which is cancelled when the caller leaves.

    Args:
        receive: Of a request that has been read.
        making: What the caller waits for.

    Raises:
        Interrupted: The caller has left.
    """
    made = asyncio.ensure_future(making)
    leaving = asyncio.ensure_future(gone(receive))
    try:
        await asyncio.wait({made, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not made.done():
            raise Interrupted("the caller has gone")
        return made.result()
    finally:
        await ended(made, leaving)


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and return when they have ended, whatever came of them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
