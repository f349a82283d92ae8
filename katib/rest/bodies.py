"""Bodies of requests: bounded in size and time, and JSON that is what it looks like."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect

from katib.errors import DeadlineExceeded, Interrupted, InvalidInput
from katib.rest.faults import Fault, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

__all__ = ["parsed", "pieces_of", "whole_body"]

_DEEPEST: Final = 100


async def whole_body(request: Request, *, most: int, seconds: float) -> bytes:
    """Return a body that fits into memory.

    Raises:
        Refused: It has more bytes than ``most``.
        DeadlineExceeded: It was not there in time.
        Interrupted: Whoever sent it has gone.
    """
    announced = _announced(request)
    if announced is not None and announced > most:
        raise _too_large(most)
    held = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.stream():
                held += piece
                if len(held) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise DeadlineExceeded(f"the body of the request did not arrive within {seconds:g} s") from None
    except ClientDisconnect:
        raise Interrupted("the caller has gone") from None
    return bytes(held)


async def pieces_of(request: Request, *, patience: float) -> AsyncIterator[bytes]:
    """Yield a body of any size.

    Args:
        patience: Seconds until the next piece has to be there.

    Raises:
        DeadlineExceeded: It was not.
        Interrupted: Whoever sent it has gone.
    """
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(patience):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise DeadlineExceeded(f"the body of the request stopped for {patience:g} s") from None
        except ClientDisconnect:
            raise Interrupted("the caller has gone") from None
        if piece:
            yield piece


def parsed(body: bytes) -> Any:
    """Return what JSON says, NaN and infinities as Python has them.

    Raises:
        InvalidInput: It is none, is nested too deeply, says a name twice, or holds half a character.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise InvalidInput("the body is nested too deeply") from None
    except InvalidInput:
        raise
    except ValueError as error:
        raise InvalidInput(f"the body is not JSON: {error}") from None
    if "\\u" in text:
        _check_characters(found)
    _check_depth(found)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"the body says {twice[:80]!r} twice")
    return found


def _check_depth(found: Any) -> None:
    level = [found]
    for _ in range(_DEEPEST):
        level = [below for value in level for below in _below(value)]
        if not level:
            return
    raise InvalidInput(f"the body is nested more than {_DEEPEST} deep")


def _below(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [below for below in inner if isinstance(below, dict | list)]


def _check_characters(found: Any) -> None:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidInput("the body has a text with half of a pair of surrogates, which is no character") from None
    except RecursionError:
        raise InvalidInput("the body is nested too deeply") from None


def _announced(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() else None


def _too_large(most: int) -> Refused:
    fault = Fault(413, "OUT_OF_RANGE", f"the body of this call has at most {most:,} bytes", {"Connection": "close"})
    return Refused(fault)
