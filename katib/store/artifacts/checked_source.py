"""Content on its way into the store: in small pieces, counted and hashed as it passes, and refused at its end if it is not what was named.

A back end reads it once and to its end. What goes wrong here (the client hung up, the checksum does not fit) is remembered, because a
library in between may hide it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol, TypeAlias

from katib.errors import InvalidInput

__all__ = ["PIECE", "CheckedSource", "Content", "Readable", "checked_sha256"]

PIECE: Final = 1 << 20
"""The largest piece of content that is in memory at a time, in bytes."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Readable(Protocol):
    """What an open binary file is."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        ...


Content: TypeAlias = bytes | bytearray | memoryview | Readable | Iterable[bytes]
"""What can be stored: bytes, a binary file, or pieces of bytes."""


def checked_sha256(text: str) -> str:
    """Return a checksum in lower case.

    Raises:
        InvalidInput: It is none.
    """
    lower = text.lower()
    if not _SHA256.fullmatch(lower):
        raise InvalidInput("a sha256 is 64 hexadecimal digits")
    return lower


class CheckedSource:
    """Pieces of content; size and sha256 are right once all of them were taken.

    Args:
        content: What is stored.
        expected_sha256: What its checksum has to be.
        size: Its size where it is known already: a hint, for a back end that has to choose the size of its requests.

    Attributes:
        failure: What the content raised, so that it can be told from what the back end raised.
    """

    def __init__(self, content: Content, *, expected_sha256: str | None = None, size: int | None = None) -> None:
        self.expected_sha256 = None if expected_sha256 is None else checked_sha256(expected_sha256)
        self.expected_size = len(content) if isinstance(content, bytes | bytearray) else size
        self.size = 0
        self.failure: BaseException | None = None
        self._content = content
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The checksum of what was taken."""
        return self._hash.hexdigest()

    def __iter__(self) -> Iterator[memoryview]:
        try:
            for piece in _pieces(self._content):
                self._hash.update(piece)
                self.size += len(piece)
                yield piece
            self._compare()
        except BaseException as error:
            self.failure = error
            raise

    def _compare(self) -> None:
        if self.expected_sha256 is not None and self.sha256 != self.expected_sha256:
            raise InvalidInput(
                f"the content is not what was announced: its sha256 is {self.sha256}, not {self.expected_sha256};"
                " nothing was stored"
            )


def _pieces(content: Content) -> Iterator[memoryview]:
    """Cut content into pieces that are not empty."""
    if isinstance(content, bytes | bytearray | memoryview):
        yield from _cut(content)
    elif hasattr(content, "read"):
        while piece := content.read(PIECE):
            yield from _cut(piece)
    else:
        for piece in content:
            yield from _cut(piece)


def _cut(piece: bytes | bytearray | memoryview) -> Iterator[memoryview]:
    view = memoryview(piece).cast("B")
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]
