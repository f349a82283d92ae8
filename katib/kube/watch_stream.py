"""The events of one watch, line by line; whatever is no event is an error of the stream and never a crash of its reader."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, Self

from katib.kube.errors import ServerAway, StrangeAnswer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from katib.kube.connection import Answer

__all__ = ["WatchStream"]

_MOST_BYTES: Final = 1 << 25
"""Of one event: twenty times what etcd takes for an object."""
_LINE_PATIENCE: Final = 4
"""Idle times that one line may take on its way: a server that drips is as good as dead."""


class WatchStream:
    """Yields events as dictionaries with ``type`` and ``object``; ends when the server ends it.

    Raises, while it is read:
        ServerAway: It broke off, or was silent for too long.
        StrangeAnswer: A line is no event.
    """

    def __init__(self, answer: Answer, what: str, *, idle_seconds: float) -> None:
        self._answer = answer
        self._what = what
        self._line_seconds = idle_seconds * _LINE_PATIENCE
        self._stopped = False
        self._events = self._read()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up; for the reader itself."""
        self._events.close()
        self._answer.close()

    def stop(self) -> None:
        """End it for a reader in another thread, which may be waiting for the next event."""
        self._stopped = True
        self._answer.interrupt()

    def _read(self) -> Generator[dict[str, Any]]:
        rest = bytearray()
        searched = 0
        begun = time.monotonic()
        for piece in self._answer.pieces():
            rest += piece
            start = 0
            while (end := rest.find(b"\n", max(start, searched))) >= 0:
                line = bytes(rest[start:end])
                start = searched = end + 1
                if line.strip():
                    yield self._event(line)
                if self._stopped:
                    return
                begun = time.monotonic()
            del rest[:start]
            searched = len(rest)
            if len(rest) > _MOST_BYTES:
                raise StrangeAnswer(f"{self._what}: an event of the API server has no end")
            if rest and time.monotonic() - begun > self._line_seconds:
                raise ServerAway(f"{self._what}: the API server takes too long for one event")
            if not rest:
                begun = time.monotonic()
        if rest.strip() and not self._stopped:
            raise ServerAway(f"{self._what}: the API server broke off in the middle of an event")

    def _event(self, line: bytes) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise StrangeAnswer(f"{self._what}: the API server sends something that is no event") from error
        if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
            raise StrangeAnswer(f"{self._what}: the API server sends something that is no event")
        return event
