"""Reads what a trial prints while it prints it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["pieces_of"]

_PIECE: Final = 1 << 16
_PAUSE_SECONDS: Final = 0.1
_SILENT_SECONDS: Final = 1.0


def pieces_of(path: Path, goes_on: Callable[[], bool]) -> Iterator[bytes]:
    """Yield a file's content from its beginning, and what is added while ``goes_on()``; one that is begun anew, anew.

    While nothing is added there is an empty piece about once a second, by which whoever sends them sees whether anybody still reads.

    Args:
        path: The file; it may come later.
        goes_on: Whether more may come.
    """
    read: os.stat_result | None = None
    position = 0
    told = time.monotonic()
    while True:
        # Asked before reading: what was written before the end is read after it was seen.
        last = not goes_on()
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                if read is None or not os.path.samestat(found, read) or found.st_size < position:
                    position = 0
                read = found
                file.seek(position)
                while piece := file.read(_PIECE):
                    position += len(piece)
                    told = time.monotonic()
                    yield piece
        except FileNotFoundError:
            pass
        if last:
            return
        if time.monotonic() - told >= _SILENT_SECONDS:
            told = time.monotonic()
            yield b""
        time.sleep(_PAUSE_SECONDS)
