"""The artifact store: what every place that keeps files promises, whichever it is."""

from __future__ import annotations

import re
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from katib.errors import InvalidInput, NotFound
from katib.store.artifacts.checked_source import CheckedSource, Content
from katib.store.artifacts.paths import artifact_path, folder_path
from katib.store.artifacts.records import ArtifactEntry, ArtifactInfo, ArtifactPage, ArtifactPart, ArtifactUpload
from katib.store.artifacts.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from katib.store.artifacts.backend import Backend
    from katib.store.artifacts.reader import ArtifactReader

__all__ = ["ArtifactStore"]

_MOST_ENTRIES: Final = 10_000
_DELETED_AT_ONCE: Final = 1_000
_WEEK: Final = 7 * 24 * 3_600
_CONTENT_TYPE: Final = re.compile(r"[\x20-\x7e]{1,255}")


class ArtifactStore:
    """Files by path, in a folder or a bucket; ``open_artifacts`` makes one.

    It holds nothing but the way to its place, so that any number of threads and processes can use one place. Every path is checked
    (``katib.store.artifacts.paths``) and cannot leave the place.

    Every call may raise InvalidInput (a path that cannot be one), Denied (the place does not let us) and StoreUnavailable (the place is
    away, silent or full; the same call may be made again).

    Attributes:
        place: How people know it, without secrets.
    """

    def __init__(self, backend: Backend) -> None:
        self.place = backend.place
        self._backend = backend
        self._uploads = Uploads(backend)

    @override
    def __repr__(self) -> str:
        return f"ArtifactStore({self.place!r})"

    def put(
        self,
        path: str,
        content: Content,
        *,
        content_type: str | None = None,
        expected_sha256: str | None = None,
        if_absent: bool = False,
    ) -> ArtifactInfo:
        """Store a file: all of it, or nothing; until then readers see what was there before.

        Example::

            with open("model.pt", "rb") as file:
                info = artifacts.put("run-1/model.pt", file)

        Args:
            content: Bytes, a binary file or pieces of bytes; it is never held in memory as a whole. What it raises is raised here, and
                nothing is stored.
            content_type: Such as ``image/png``.
            expected_sha256: What the content has to be.
            if_absent: Whether a file that is there already is kept.

        Raises:
            InvalidInput: The content is not what was expected.
            Conflict: It is there and ``if_absent``; or, in a folder, a part of the path is a file, or the whole is a folder.
        """
        key = self._file(path)
        _check_content_type(content_type)
        source = CheckedSource(content, expected_sha256=expected_sha256)
        return self._backend.write(key, source, content_type=content_type, if_absent=if_absent)

    def open(self, path: str, *, start: int = 0, end: int | None = None) -> ArtifactReader:
        """Open a file, or its bytes from ``start`` to before ``end``; what is beyond its end is left out.

        Example::

            with artifacts.open("run-1/model.pt") as reader:
                for piece in reader:
                    ...

        Raises:
            NotFound: There is none.
        """
        if start < 0 or (end is not None and end < 0):
            raise InvalidInput(f"a range of bytes begins and ends at 0 or later, not at {start} and {end}")
        return self._backend.read(self._file(path), start, end)

    def info(self, path: str) -> ArtifactInfo:
        """Return what a file is.

        Raises:
            NotFound: There is none.
        """
        return self._backend.stat(self._file(path))

    def exists(self, path: str) -> bool:
        """Whether there is a file."""
        try:
            self.info(path)
        except NotFound:
            return False
        return True

    def list(
        self, folder: str = "", *, recursive: bool = False, after: str | None = None, limit: int = 1_000
    ) -> ArtifactPage:
        """Return what is in a folder, or all files below it; nothing for a folder that is not there.

        Args:
            after: ``next`` of the page before.
            limit: 1 to 10,000.
        """
        if not 1 <= limit <= _MOST_ENTRIES:
            raise InvalidInput(f"a page has 1 to {_MOST_ENTRIES:,} entries, not {limit}")
        if after is not None and not folder_path(after):
            raise InvalidInput("'after' is what the page before gave as its 'next'")
        wanted = self._folder(folder)
        scanned = self._backend.scan(wanted, recursive=recursive, after=after)
        entries: tuple[ArtifactEntry, ...] = tuple(islice(scanned, limit + 1))
        if len(entries) <= limit:
            return ArtifactPage(entries)
        return ArtifactPage(entries[:limit], entries[limit - 1].place)

    def delete(self, path: str) -> None:
        """Remove a file; one that is not there is no fault."""
        self._backend.delete([self._file(path)])

    def delete_all(self, folder: str) -> int:
        """Remove everything below a folder, and a file of that very name; return how many files were there."""
        key = self._file(folder.removesuffix("/"))
        removed = 0
        if self.exists(key):
            self._backend.delete([key])
            removed += 1
        files = self._backend.scan(key, recursive=True)
        while chunk := [entry.path for entry in islice(files, _DELETED_AT_ONCE)]:
            self._backend.delete(chunk)
            removed += len(chunk)
        return removed

    def copy(self, source: str, target: str) -> ArtifactInfo:
        """Make a file the same as another; what was there is replaced.

        Raises:
            NotFound: There is no source.
        """
        key, other = self._file(source), self._file(target)
        if key != other:
            self._backend.copy(key, other)
        return self._backend.stat(other)

    def download_url(self, path: str, seconds: int) -> str | None:
        """Return an address from which anybody can read the file for so long; None where whoever asks has to be sent the bytes."""
        return self._backend.signed_url("GET", self._file(path), _checked_seconds(seconds))

    def upload_url(self, path: str, seconds: int) -> str | None:
        """Return an address to which anybody can write the file (PUT) for so long; None where the bytes have to be taken here.

        Nobody checks the size or the checksum of what comes this way.
        """
        return self._backend.signed_url("PUT", self._file(path), _checked_seconds(seconds))

    def begin(self, path: str, *, content_type: str | None = None, expected_sha256: str | None = None) -> str:
        """Begin an upload in parts and return its id; nothing is at the path before it is committed."""
        _check_content_type(content_type)
        return self._uploads.begin(self._file(path), content_type, expected_sha256)

    def put_part(
        self, upload: str, number: int, content: Content, *, expected_sha256: str | None = None
    ) -> ArtifactPart:
        """Store a part of an upload; sent again, it replaces itself.

        Args:
            number: 1 to 10,000; parts are joined in the order of their numbers and may be sent in any.

        Raises:
            NotFound: There is no such upload.
            Conflict: It is committed.
        """
        return self._uploads.put_part(upload, number, content, expected_sha256)

    def commit(self, upload: str, parts: Sequence[tuple[int, str]]) -> ArtifactInfo:
        """Make the file of its parts; sent again, it answers the same and changes nothing.

        Args:
            parts: Number and sha256 of each, as ``put_part`` returned them.

        Raises:
            NotFound: There is no such upload.
            InvalidInput: A part is missing or is not the one that is named; nothing is stored, and parts that are right stay.
            Conflict: It was committed with other parts.
        """
        return self._uploads.commit(upload, parts)

    def abort(self, upload: str) -> None:
        """Give an upload up; again changes nothing, and what was committed stays."""
        self._uploads.abort(upload)

    def uploads(self) -> Iterator[ArtifactUpload]:
        """Return the uploads that take room in the store."""
        return self._uploads.list()

    def purge(self, older_than: float) -> int:
        """Remove what was left behind: files of killed writers, and uploads that nothing was sent to, for so many seconds.

        Committed uploads are forgotten too: a commit that is sent again later than this is answered NotFound.

        Returns:
            How many were removed.
        """
        if older_than < 0:
            raise InvalidInput(f"an age is 0 seconds or more, not {older_than}")
        before = time.time() - older_than
        stale = [upload.id for upload in self._uploads.list() if upload.touched.timestamp() <= before]
        for upload in stale:
            self._uploads.abort(upload)
        return len(stale) + self._backend.sweep(older_than)

    def _file(self, path: str) -> str:
        key = artifact_path(path)
        self._backend.check_key(key)
        return key

    def _folder(self, path: str) -> str:
        key = folder_path(path)
        self._backend.check_key(key)
        return key


def _checked_seconds(seconds: int) -> int:
    if not 1 <= seconds <= _WEEK:
        raise InvalidInput(f"an address is good for 1 second to a week ({_WEEK:,} seconds), not {seconds}")
    return seconds


def _check_content_type(content_type: str | None) -> None:
    if content_type is not None and not _CONTENT_TYPE.fullmatch(content_type):
        raise InvalidInput("a content type is 1 to 255 printable ASCII characters, such as image/png")
