"""A file that is being read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from katib.store.artifacts.records import ArtifactInfo

__all__ = ["ArtifactReader"]


class ArtifactReader:
    """The pieces of a file, as it was when it was opened: who replaces it meanwhile changes nothing here.

    Iterate over it, or ``read_all()`` of a small one. A reader that is not read to its end is closed (``with``).

    Attributes:
        info: The whole file.
        start: The first byte that is read.
        end: The one behind the last.
    """

    def __init__(self, info: ArtifactInfo, start: int, end: int, pieces: Generator[bytes, None, None]) -> None:
        self.info = info
        self.start = start
        self.end = end
        self._pieces = pieces

    @property
    def size(self) -> int:
        """How many bytes will be read."""
        return self.end - self.start

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def read_all(self) -> bytes:
        """Return all that was not read yet."""
        return b"".join(self._pieces)

    def close(self) -> None:
        """Let go of the file; twice is no fault."""
        self._pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @override
    def __repr__(self) -> str:
        return f"ArtifactReader({self.info.path!r}, {self.start}, {self.end})"
