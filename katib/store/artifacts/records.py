"""What the artifact store answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["ArtifactEntry", "ArtifactInfo", "ArtifactPage", "ArtifactPart", "ArtifactUpload"]


@dataclass(frozen=True, slots=True)
class ArtifactInfo:
    """One stored file.

    Attributes:
        path: As it is stored (``katib.store.artifacts.paths``).
        size: In bytes.
        modified: When it was written; in what ``put`` returns, by the clock of this machine.
        sha256: Of its content, in lower-case hexadecimal. What ``put`` and ``commit`` return always has it; what ``info`` returns has
            None where the back end could not keep it (``docs/artifacts.md``).
        content_type: As the writer named it; None where none was named or kept.
        etag: Changes whenever the content does.
    """

    path: str
    size: int
    modified: datetime
    sha256: str | None = None
    content_type: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class ArtifactEntry:
    """One line of a list: a file, or a folder that has files below it.

    Attributes:
        path: From the root.
        is_folder: Then size and time are None.
        size: In bytes.
        modified: When it was written.
    """

    path: str
    is_folder: bool
    size: int | None = None
    modified: datetime | None = None

    @property
    def place(self) -> str:
        """Where it stands in a list: lists are in the order of these, byte by byte."""
        return f"{self.path}/" if self.is_folder else self.path


@dataclass(frozen=True, slots=True)
class ArtifactPage:
    """A part of a list.

    Attributes:
        entries: In order.
        next: What to give as ``after`` for the next page; None at the end.
    """

    entries: tuple[ArtifactEntry, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class ArtifactPart:
    """A part of an upload that is stored.

    Attributes:
        number: From 1.
        size: In bytes.
        sha256: Of its content; ``commit`` is told it.
    """

    number: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArtifactUpload:
    """An upload in parts that is not finished, or was finished and is remembered.

    Attributes:
        id: What ``begin`` returned.
        path: What is uploaded; None where a broken upload does not say it any more.
        touched: When its last part arrived.
        size: Bytes it takes in the store.
    """

    id: str
    path: str | None
    touched: datetime
    size: int
