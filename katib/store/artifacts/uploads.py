"""Uploads in parts, all of whose state is in the store: they survive the end of the server, and any replica can go on with them.

An upload is a folder below ``.katib/uploads``: ``upload.json`` says what it will be, ``part-00001`` and so on are its parts, and
``committed.json`` says that it has become a file. A commit joins the parts into the file, then writes that note, then removes the parts;
whoever is killed in between can commit again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import secrets
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.errors import Conflict, InvalidInput, NotFound
from katib.store.artifacts.checked_source import CheckedSource, Content, checked_sha256
from katib.store.artifacts.paths import RESERVED
from katib.store.artifacts.records import ArtifactInfo, ArtifactPart, ArtifactUpload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from katib.store.artifacts.backend import Backend

__all__ = ["MAX_PARTS", "Uploads"]

MAX_PARTS: Final = 10_000
_ROOT: Final = f"{RESERVED}/uploads"
_ID: Final = re.compile(r"[0-9a-f]{32}")


class Uploads:
    """The uploads of a backend."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def begin(self, path: str, content_type: str | None, expected_sha256: str | None) -> str:
        """Remember what will be uploaded and return the upload's id."""
        upload = secrets.token_hex(16)
        wanted = None if expected_sha256 is None else checked_sha256(expected_sha256)
        self._note(upload, "upload", {"path": path, "content_type": content_type, "sha256": wanted})
        return upload

    def put_part(self, upload: str, number: int, content: Content, expected_sha256: str | None) -> ArtifactPart:
        """Store a part; again replaces it."""
        if not 1 <= number <= MAX_PARTS:
            raise InvalidInput(f"the number of a part is 1 to {MAX_PARTS:,}, not {number}")
        self._begun(upload)
        if self._noted(upload, "committed") is not None:
            raise Conflict(f"the upload {upload} is committed; begin another one")
        stored = self._backend.write(_part(upload, number), CheckedSource(content, expected_sha256=expected_sha256))
        if stored.sha256 is None:
            raise AssertionError("a write knows its checksum")
        return ArtifactPart(number, stored.size, stored.sha256)

    def commit(self, upload: str, parts: Sequence[tuple[int, str]]) -> ArtifactInfo:
        """Make a file of parts, each named by its number and the checksum that ``put_part`` returned, in this order."""
        begun = self._begun(upload)
        wanted = [(number, checked_sha256(sha256)) for number, sha256 in parts]
        if not wanted or any(later <= earlier for (earlier, _), (later, _) in itertools.pairwise(wanted)):
            raise InvalidInput("a commit names at least one part, in the order of their numbers and each once")
        done = self._committed(upload, wanted)
        if done is not None:
            return done
        try:
            return self._join(upload, begun, wanted)
        except (InvalidInput, NotFound):
            # Somebody else committed it at the same time and has removed the parts.
            done = self._committed(upload, wanted)
            if done is None:
                raise
            return done

    def _committed(self, upload: str, wanted: list[tuple[int, str]]) -> ArtifactInfo | None:
        done = self._noted(upload, "committed")
        if done is None:
            return None
        if done["parts"] != [list(part) for part in wanted]:
            raise Conflict(f"the upload {upload} was committed with other parts")
        info = done["info"]
        return ArtifactInfo(**{**info, "modified": datetime.fromisoformat(info["modified"])})

    def _join(self, upload: str, begun: dict[str, Any], wanted: list[tuple[int, str]]) -> ArtifactInfo:
        sizes = [self._size(upload, number) for number, _ in wanted]
        joined = CheckedSource(self._joined(upload, wanted), expected_sha256=begun["sha256"], size=sum(sizes))
        stored = self._backend.write(begun["path"], joined, content_type=begun["content_type"])
        kept = {**asdict(stored), "modified": stored.modified.isoformat()}
        self._note(upload, "committed", {"parts": wanted, "info": kept})
        self._remove(upload, parts_only=True)
        return stored

    def _size(self, upload: str, number: int) -> int:
        try:
            return self._backend.stat(_part(upload, number)).size
        except NotFound:
            raise InvalidInput(f"part {number} of the upload {upload} was not stored; send it, then commit") from None

    def _joined(self, upload: str, parts: list[tuple[int, str]]) -> Iterator[bytes]:
        for number, sha256 in parts:
            seen = hashlib.sha256()
            with self._backend.read(_part(upload, number), 0, None) as reader:
                for piece in reader:
                    seen.update(piece)
                    yield piece
            if seen.hexdigest() != sha256:
                raise InvalidInput(
                    f"part {number} of the upload {upload} is not the one the commit names: its sha256 is"
                    f" {seen.hexdigest()}, not {sha256}; send it again"
                )

    def abort(self, upload: str) -> None:
        """Forget an upload; again, or after it was committed, changes nothing that was stored."""
        self._remove(_known(upload))

    def list(self) -> Iterator[ArtifactUpload]:
        """Return all uploads, also those that are committed and remembered, and those of which only parts are left."""
        current: str | None = None
        size, touched = 0, datetime.fromtimestamp(0, UTC)
        for entry in self._backend.scan(_ROOT, recursive=True):
            upload = entry.path.removeprefix(f"{_ROOT}/").split("/", 1)[0]
            if upload != current:
                if current is not None:
                    yield ArtifactUpload(current, self._path(current), touched, size)
                current, size, touched = upload, 0, datetime.fromtimestamp(0, UTC)
            size += entry.size or 0
            touched = max(touched, entry.modified or touched)
        if current is not None:
            yield ArtifactUpload(current, self._path(current), touched, size)

    def _path(self, upload: str) -> str | None:
        found = self._noted(upload, "upload")
        return None if found is None else found["path"]

    def _begun(self, upload: str) -> dict[str, Any]:
        found = self._noted(_known(upload), "upload")
        if found is None:
            raise _unknown(upload)
        return found

    def _note(self, upload: str, name: str, note: dict[str, Any]) -> None:
        self._backend.write(f"{_ROOT}/{upload}/{name}.json", CheckedSource(json.dumps(note).encode()))

    def _noted(self, upload: str, name: str) -> dict[str, Any] | None:
        try:
            with self._backend.read(f"{_ROOT}/{upload}/{name}.json", 0, None) as reader:
                found: dict[str, Any] = json.loads(reader.read_all())
        except NotFound:
            return None
        return found

    def _remove(self, upload: str, *, parts_only: bool = False) -> None:
        keys = [entry.path for entry in self._backend.scan(f"{_ROOT}/{upload}", recursive=True)]
        self._backend.delete([key for key in keys if not parts_only or not key.endswith(".json")])


def _part(upload: str, number: int) -> str:
    return f"{_ROOT}/{upload}/part-{number:05d}"


def _known(upload: str) -> str:
    """Return an id that can be one; anything else could lead to another folder."""
    if not _ID.fullmatch(upload):
        raise _unknown(upload)
    return upload


def _unknown(upload: str) -> NotFound:
    return NotFound(f"there is no upload {upload[:64]!a}: it was never begun, was aborted, or is too old")
