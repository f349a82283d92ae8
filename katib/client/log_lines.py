"""What a trial printed, as lines of text."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["log_lines"]

_LONGEST: Final = 1 << 20
"""A line that never ends is handed on in pieces of this size."""


def log_lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of an output that comes in pieces, without their ends; what is no UTF-8 is replaced."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for piece in pieces:
        lines = (rest + decoder.decode(piece)).split("\n")
        rest = lines.pop()
        for line in lines:
            yield line.removesuffix("\r")
        while len(rest) > _LONGEST:
            yield rest[:_LONGEST]
            rest = rest[_LONGEST:]
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
