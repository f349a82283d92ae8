"""What a place that keeps files has to do; everything else about artifacts is the same for all of them.

Keys are paths that were checked (``katib.store.artifacts.paths``) or the store's own below ``.katib``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from katib.store.artifacts.checked_source import CheckedSource
    from katib.store.artifacts.reader import ArtifactReader
    from katib.store.artifacts.records import ArtifactEntry, ArtifactInfo

__all__ = ["Backend"]


class Backend(Protocol):
    """A place that keeps files by key.

    Attributes:
        place: How people know it, without secrets.
    """

    place: str

    def check_key(self, key: str) -> None:
        """Raise InvalidInput for a key that is too long here."""
        ...

    def write(
        self, key: str, source: CheckedSource, *, content_type: str | None = None, if_absent: bool = False
    ) -> ArtifactInfo:
        """Store a file: all of it, durable, or nothing; a reader sees the old one or the new one.

        Raises:
            Conflict: There is one and ``if_absent``, or something else is in the way.
        """
        ...

    def read(self, key: str, start: int, end: int | None) -> ArtifactReader:
        """Open a file as it is now; raises NotFound here, not while it is read."""
        ...

    def stat(self, key: str) -> ArtifactInfo:
        """Return what a file is; raises NotFound."""
        ...

    def scan(self, folder: str, *, recursive: bool, after: str | None = None) -> Iterator[ArtifactEntry]:
        """Return what is below a folder, in the order of ``ArtifactEntry.place`` and behind ``after``; recursive: files only."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Remove files; one that is not there is no fault."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Make a file the same as another; raises NotFound."""
        ...

    def signed_url(self, method: str, key: str, seconds: int) -> str | None:
        """Return an address with which a client does it without us; None where there is no such thing."""
        ...

    def sweep(self, older_than: float) -> int:
        """Remove what killed writers left and is older than so many seconds; return how many."""
        ...
