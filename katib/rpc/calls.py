"""What is the same for every call of every service: its deadline, what its failure is on the wire, and that it is counted."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import grpc

from katib.errors import InvalidInput, KatibError, StoreUnavailable
from katib.rpc.status import Status, status_of
from katib.rpc.tracking_changes import is_stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from katib.rpc.server_metrics import CallMetrics

__all__ = ["Call", "Context", "FailedCall", "StreamContext", "answering", "streaming"]

T = TypeVar("T")

_LOGGER: Final = logging.getLogger(__name__)
_ENDED: Final = "the caller's time ran out"


@dataclass(frozen=True, slots=True)
class Call:
    """What a method is told beside its request.

    Attributes:
        seconds: How long it may take.
        metadata: What the caller sent along.
    """

    seconds: float
    metadata: Sequence[tuple[str, str | bytes]] = ()


class FailedCall(Exception):
    """Ends a call with a status that is known already."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status


class Context(Protocol):
    """The part of ``grpc.aio.ServicerContext`` that is used here."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the caller's deadline."""

    def invocation_metadata(self) -> Any:
        """Return what the caller sent along."""

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> None:
        """End the call with an error."""


class StreamContext(Context, Protocol):
    """The same of a call that is answered with several messages."""

    async def write(self, message: bytes) -> None:
        """Send one; returns when there is room for the next."""


def answering(
    name: str, method: Callable[[bytes, Call], Awaitable[bytes]], *, metrics: CallMetrics, longest_call: float
) -> Callable[[bytes, Context], Awaitable[bytes]]:
    """Return what gRPC calls for one method.

    Args:
        name: Of the method.
        method: From a request's bytes to a reply's.
        metrics: Told what happened.
        longest_call: Seconds after which a call ends whose caller set no deadline, or a later one.
    """

    async def answer(request: bytes, context: Context) -> bytes:
        left = context.time_remaining()
        seconds = longest_call if left is None else min(left, longest_call)
        call = Call(seconds, context.invocation_metadata() or ())
        return await _ended(name, method(request, call), seconds, context, metrics)

    return answer


def streaming(
    name: str, method: Callable[[Any, Callable[[bytes], Awaitable[None]], Call], Awaitable[T]], *, metrics: CallMetrics
) -> Callable[[Any, StreamContext], Awaitable[T]]:
    """Return what gRPC calls for a method with streams, which may last as long as its caller wants.

    Args:
        name: Of the method.
        method: From a request's bytes, or those of several, and what sends a message, to a reply's bytes or to nothing.
        metrics: Told what happened.
    """

    async def answer(request: Any, context: StreamContext) -> T:
        left = context.time_remaining()
        call = Call(math.inf if left is None else left, context.invocation_metadata() or ())
        writes = _Writes(context.write)
        return await _ended(name, method(request, writes.send, call), left, context, metrics, writes=writes)

    return answer


class _Writes:
    """Sends a call's messages, and knows when none is on its way.

    gRPC goes on with a message whose sender was cancelled, and takes no status before it is out: it would fail the call with
    ``GRPC_CALL_ERROR_TOO_MANY_OPERATIONS``, and the caller would not learn what was wrong.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._last: asyncio.Future[None] | None = None

    async def send(self, message: bytes) -> None:
        """Send one; returns when there is room for the next."""
        await self.done()
        self._last = asyncio.ensure_future(self._write(message))
        self._last.add_done_callback(_looked_at)
        await asyncio.shield(self._last)

    async def done(self) -> None:
        """Return when the last message is out, or never will be. A caller who reads nothing is waited for as long as they stay."""
        if self._last is not None:
            await asyncio.wait({self._last})


def _looked_at(write: asyncio.Future[None]) -> None:
    """Take note of how a message fared whose sender may have gone."""
    if not write.cancelled():
        write.exception()


async def _ended(
    name: str,
    answer: Awaitable[T],
    seconds: float | None,
    context: Context,
    metrics: CallMetrics,
    *,
    writes: _Writes | None = None,
) -> T:
    """Return an answer, or end the call with the status of its failure."""
    status = Status(grpc.StatusCode.OK, "")
    with metrics.call(name) as measured:
        try:
            async with asyncio.timeout(seconds):
                reply = await answer
            _LOGGER.info("%s: OK", name)
            return reply  # noqa: TRY300 - an ``else`` would be outside of what is counted
        except asyncio.CancelledError:
            measured.code = grpc.StatusCode.CANCELLED.name
            raise
        except TimeoutError:
            status = Status(grpc.StatusCode.DEADLINE_EXCEEDED, f"{_ENDED} after {seconds or 0:.1f} s")
        except FailedCall as failed:
            status = failed.status
        except KatibError as error:
            problems = error.problems if isinstance(error, InvalidInput) else ()
            status = status_of(error.grpc_code, str(error), problems)
            if isinstance(error, StoreUnavailable) and not is_stop(error):
                _LOGGER.warning("%s: %s", name, error)
        except Exception as error:  # a fault of ours costs this call and not the server
            _LOGGER.exception("%s: a fault in the server", name)
            status = Status(grpc.StatusCode.INTERNAL, f"the server failed: {type(error).__name__}: {error}")
        measured.code = status.code.name
    _LOGGER.info("%s: %s %s", name, status.code.name, status.message)
    if writes is not None:
        await writes.done()
    try:
        await context.abort(status.code, status.message, status.metadata)
    except grpc.aio.AbortError:
        raise
    except Exception:  # noqa: BLE001 - gRPC's own type for it is not public
        # The caller has gone meanwhile, which gRPC would log as a fault.
        raise asyncio.CancelledError from None
    raise AssertionError  # abort raises
