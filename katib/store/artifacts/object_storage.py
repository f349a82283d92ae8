"""Artifacts in a bucket: S3, Google Cloud Storage, Azure Blob Storage, and what speaks like one of them.

The only module that talks to ``obstore``. A storage replaces an object in one step, so a reader sees the old one or the new one; what is
larger than one request goes up in parts that become an object at the end, or are given up. Who is killed in between leaves parts that
no list shows; the bucket's own rule for incomplete uploads removes them (``docs/artifacts.md``).
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import obstore

from katib.errors import Conflict, InvalidInput, NotFound, StoreUnavailable
from katib.store.artifacts.handed_over import send_from_here
from katib.store.artifacts.paths import MAX_PATH_BYTES, RESERVED, is_artifact_path
from katib.store.artifacts.reader import ArtifactReader
from katib.store.artifacts.records import ArtifactEntry, ArtifactInfo
from katib.store.artifacts.storage_failures import LIBRARY_ERRORS, storage_error

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from obstore import Attributes, GetResult
    from obstore.store import AzureStore, GCSStore, S3Store

    from katib.store.artifacts.checked_source import CheckedSource

__all__ = ["ObjectStorage"]

_REQUEST: Final = 8 << 20
"""What is at most sent in one request, in bytes, unless the size is known to need more."""
_IN_FLIGHT: Final = 3 * _REQUEST
_MOST_REQUESTS: Final = 9_000  # S3 takes 10,000
_PIECE: Final = 1 << 20
_DELETED_AT_ONCE: Final = 1_000
_READ_BEFORE_JUMP: Final = 1_000
_INCOMING: Final = f"{RESERVED}/incoming"
_LAST: Final = "\U0010ffff"


class ObjectStorage:
    """A ``Backend`` in a bucket.

    Args:
        store: Of the library, without a prefix.
        place: How people know it, without secrets.
        prefix: What all keys begin with: folders, without a slash at either end, or nothing.
    """

    def __init__(self, store: S3Store | GCSStore | AzureStore, place: str, prefix: str) -> None:
        self.place = place
        self._store = store
        self._prefix = prefix

    def check_key(self, key: str) -> None:
        """Refuse a path that is too long together with what all keys begin with."""
        if len(self._name(key).encode()) > MAX_PATH_BYTES:
            raise InvalidInput(
                f"the path is too long: with {self.place} before it, it has over {MAX_PATH_BYTES:,} bytes"
            )

    def _name(self, key: str) -> str:
        return "/".join(part for part in (self._prefix, key) if part)

    def _key(self, name: str) -> str:
        return name[len(self._prefix) + 1 :] if self._prefix else name

    def write(
        self, key: str, source: CheckedSource, *, content_type: str | None = None, if_absent: bool = False
    ) -> ArtifactInfo:
        """Store a file."""
        if if_absent and self._is_there(key):
            raise Conflict(f"there is an artifact {key} already, and it was not to be replaced")
        pieces = iter(source)
        held: list[memoryview] = []
        while source.size <= _REQUEST:
            piece = next(pieces, None)
            if piece is None:
                return self._write_small(key, b"".join(held), source, content_type, if_absent=if_absent)
            held.append(piece)
        attributes = _attributes(source.expected_sha256, content_type)
        stream = itertools.chain(_given_away(held), pieces)
        if if_absent:
            # Whether it is there can be asked for in one step with small content or with a copy, not with content in parts.
            staged = f"{_INCOMING}/{secrets.token_hex(16)}"
            try:
                self._write_large(staged, stream, source, attributes)
                with self._told(key):
                    obstore.copy(self._store, self._name(staged), self._name(key), overwrite=False)
            finally:
                with contextlib.suppress(*LIBRARY_ERRORS):
                    obstore.delete(self._store, self._name(staged))
            etag = self.stat(key).etag
        else:
            etag = self._write_large(key, stream, source, attributes)
        return ArtifactInfo(key, source.size, datetime.now(UTC), source.sha256, content_type, etag)

    def _write_small(
        self, key: str, content: bytes, source: CheckedSource, content_type: str | None, *, if_absent: bool
    ) -> ArtifactInfo:
        with self._told(key):
            done = obstore.put(
                self._store,
                self._name(key),
                content,
                attributes=_attributes(source.sha256, content_type),
                mode="create" if if_absent else "overwrite",
                use_multipart=False,
            )
        return ArtifactInfo(key, len(content), datetime.now(UTC), source.sha256, content_type, done["e_tag"])

    def _write_large(
        self, key: str, stream: Iterator[memoryview], source: CheckedSource, attributes: Attributes
    ) -> str | None:
        request = max(_REQUEST, -(-(source.expected_size or 0) // _MOST_REQUESTS))
        with self._told(key, source):
            done = send_from_here(
                stream,
                lambda received: obstore.put(
                    self._store,
                    self._name(key),
                    received,
                    attributes=attributes,
                    use_multipart=True,
                    chunk_size=request,
                    max_concurrency=max(1, _IN_FLIGHT // request),
                ),
            )
        return done["e_tag"]

    def _is_there(self, key: str) -> bool:
        try:
            self.stat(key)
        except NotFound:
            return False
        return True

    def read(self, key: str, start: int, end: int | None) -> ArtifactReader:
        """Open a file: one request, whose answer is of one version whatever happens to the name."""
        if end is not None and end <= start:
            return self._nothing(key, start)
        span: Any = {"offset": start} if end is None else (start, end)
        try:
            with self._told(key):
                got = obstore.get(self._store, self._name(key), options={"range": span} if start or end else {})
        except (InvalidInput, StoreUnavailable):
            # Storages differ in how they say that a range begins behind the end.
            if (start or end) and start >= self.stat(key).size:
                return self._nothing(key, start)
            raise
        info = _info(key, got)
        first, stop = got.range
        return ArtifactReader(info, first, stop, self._pieces(key, got))

    def _nothing(self, key: str, start: int) -> ArtifactReader:
        info = self.stat(key)
        at = min(start, info.size)
        return ArtifactReader(info, at, at, _no_pieces())

    def _pieces(self, key: str, got: GetResult) -> Generator[bytes, None, None]:
        with self._told(key):
            for piece in got.stream(min_chunk_size=_PIECE):
                yield bytes(piece)

    def stat(self, key: str) -> ArtifactInfo:
        """Return what a file is."""
        with self._told(key):
            return _info(key, obstore.get(self._store, self._name(key), options={"head": True}))

    def scan(self, folder: str, *, recursive: bool, after: str | None = None) -> Iterator[ArtifactEntry]:
        """Return what is below a folder; a large folder in it is not read through when only its name is wanted."""
        within = f"{folder}/" if folder else ""
        offset = after
        if after is not None and after.endswith("/") and not recursive:
            offset = after + _LAST
        while offset != "":
            offset = yield from self._scan_from(folder, within, offset, recursive=recursive, after=after)

    def _scan_from(
        self, folder: str, within: str, offset: str | None, *, recursive: bool, after: str | None
    ) -> Generator[ArtifactEntry, None, str]:
        """Read on until the end or until a jump is cheaper: return where to, or nothing."""
        last, read = after, 0
        for key, size, modified in self._objects(folder, offset):
            below = key.removeprefix(within)
            if recursive or "/" not in below:
                yield ArtifactEntry(key, is_folder=False, size=size, modified=modified)
                continue
            inner = ArtifactEntry(within + below.split("/", 1)[0], is_folder=True)
            if inner.place != last and not (offset or "").startswith(inner.place):
                last, read = inner.place, 0
                yield inner
            read += 1
            if read >= _READ_BEFORE_JUMP:
                return inner.place + _LAST
        return ""

    def _objects(self, folder: str, offset: str | None) -> Iterator[tuple[str, int, datetime]]:
        own = folder == RESERVED or folder.startswith(f"{RESERVED}/")
        with self._told(folder or "the root"):
            found = obstore.list(
                self._store,
                self._name(folder) or None,
                offset=None if offset is None else self._name(offset),
                chunk_size=_READ_BEFORE_JUMP,
            )
            for chunk in found:
                for each in chunk:
                    key = self._key(each["path"])
                    if own or is_artifact_path(key):
                        yield key, each["size"], each["last_modified"]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove files, a thousand in one request where the storage can."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            some = [self._name(key) for key in keys[start : start + _DELETED_AT_ONCE]]
            try:
                with self._told(keys[start]):
                    obstore.delete(self._store, some)
            except NotFound:
                # Some storages give up at the first that is missing.
                for name in some:
                    with contextlib.suppress(NotFound), self._told(name):
                        obstore.delete(self._store, name)

    def copy(self, source: str, target: str) -> None:
        """Copy inside the storage."""
        with self._told(source):
            obstore.copy(self._store, self._name(source), self._name(target))

    def signed_url(self, method: str, key: str, seconds: int) -> str | None:
        """Return an address with which a client does it without us."""
        with self._told(key):
            return obstore.sign(
                self._store, "GET" if method == "GET" else "PUT", self._name(key), timedelta(seconds=seconds)
            )

    def sweep(self, older_than: float) -> int:
        """Remove objects that were to be copied to their place."""
        before = time.time() - older_than
        old = [key for key, _, modified in self._objects(_INCOMING, None) if modified.timestamp() <= before]
        self.delete(old)
        return len(old)

    @contextlib.contextmanager
    def _told(self, key: str, source: CheckedSource | None = None) -> Iterator[None]:
        """Turn what the library raises into one of our errors; what the content raised passes through."""
        try:
            yield
        except LIBRARY_ERRORS as error:
            if source is not None and source.failure is not None:
                raise source.failure from None
            # Without the cause: its text may hold what must not be printed.
            raise storage_error(error, self.place, key) from None


def _no_pieces() -> Generator[bytes, None, None]:
    yield from ()


def _given_away(held: list[memoryview]) -> Iterator[memoryview]:
    """Give each piece away, so that it does not stay in memory as long as the stream."""
    held.reverse()
    while held:
        yield held.pop()


def _attributes(sha256: str | None, content_type: str | None) -> Attributes:
    found: dict[str, str] = {}
    if content_type is not None:
        found["Content-Type"] = content_type
    if sha256 is not None:
        found["sha256"] = sha256
    return found


def _info(key: str, got: GetResult) -> ArtifactInfo:
    meta = got.meta
    kept: Any = got.attributes
    info = ArtifactInfo(key, meta["size"], meta["last_modified"], etag=meta["e_tag"])
    return replace(info, sha256=kept.get("sha256"), content_type=kept.get("Content-Type"))
