"""Artifacts in a folder of this machine, or of a shared file system that has rename and locks.

A file is written beside all others, below ``.katib/incoming``, made durable and then renamed into its place. Its writer holds a lock on it
that the kernel gives back when the writer dies, which is how those that were left behind are told from those that are being written.
What others put into the folder is not trusted: see ``katib.store.artifacts.beneath``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import stat
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from katib.errors import Conflict, Denied, KatibError, NotFound, StoreUnavailable
from katib.store.artifacts.beneath import open_beneath, open_file
from katib.store.artifacts.checked_source import PIECE, CheckedSource
from katib.store.artifacts.paths import RESERVED, is_artifact_path
from katib.store.artifacts.reader import ArtifactReader
from katib.store.artifacts.records import ArtifactEntry, ArtifactInfo

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

__all__ = ["LocalFolder"]

_INCOMING: Final = (RESERVED, "incoming")
_NOTE: Final = "user.katib"
_IN_THE_WAY: Final = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST})
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_TRIES: Final = 50


class LocalFolder:
    """A ``Backend`` in a folder.

    Args:
        root: An absolute path; made (0700) where it is missing.

    Raises:
        StoreUnavailable, Denied: It cannot be made.
    """

    def __init__(self, root: Path) -> None:
        self.place = str(root)
        self._root = root
        with self._told("make the folder"):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def check_key(self, key: str) -> None:
        """Every path that has the right form fits."""

    def write(
        self, key: str, source: CheckedSource, *, content_type: str | None = None, if_absent: bool = False
    ) -> ArtifactInfo:
        """Store a file."""
        if if_absent and self._is_there(key):
            raise _exists(key)
        with self._told("store", key, source), open_beneath(self._root, _INCOMING, make=True) as incoming:
            descriptor, name = _new_file(incoming)
            try:
                for piece in source:
                    _write_all(descriptor, piece)
                written = os.fstat(descriptor)
                _note(descriptor, written, source.sha256, content_type)
                os.fsync(descriptor)
                self._put_in_place(incoming, name, key, if_absent=if_absent)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=incoming)
                raise
            finally:
                os.close(descriptor)
        return _info(key, written, source.sha256, content_type)

    def _put_in_place(self, incoming: int, name: str, key: str, *, if_absent: bool) -> None:
        *folders, last = key.split("/")
        for _ in range(_TRIES):
            try:
                with open_beneath(self._root, folders, make=True) as folder:
                    _rename(incoming, name, folder, last, if_absent=if_absent)
            except FileExistsError:
                raise _exists(key) from None
            except FileNotFoundError:
                # A folder was empty for a moment, and whoever deleted its last file has removed it.
                continue
            return
        raise StoreUnavailable(f"cannot store {key}: its folder is removed again and again, or {self.place} is gone")

    def read(self, key: str, start: int, end: int | None) -> ArtifactReader:
        """Open a file."""
        with self._told("read", key):
            descriptor, info = self._open(key)
        stop = info.size if end is None else min(end, info.size)
        first = min(start, stop)
        pieces = self._pieces(key, descriptor, first, stop)
        next(pieces)  # from here on the generator closes the file, also if it is never read
        return ArtifactReader(info, first, stop, pieces)

    def _pieces(self, key: str, descriptor: int, start: int, end: int) -> Generator[bytes, None, None]:
        try:
            yield b""
            with self._told("read", key):
                while start < end:
                    piece = os.pread(descriptor, min(PIECE, end - start), start)
                    if not piece:
                        raise StoreUnavailable(
                            f"{key} was cut while it was read: somebody changes files of {self.place}"
                        )
                    start += len(piece)
                    yield piece
        finally:
            os.close(descriptor)

    def stat(self, key: str) -> ArtifactInfo:
        """Return what a file is."""
        with self._told("read", key):
            descriptor, info = self._open(key)
            os.close(descriptor)
            return info

    def _open(self, key: str) -> tuple[int, ArtifactInfo]:
        *folders, name = key.split("/")
        try:
            with open_beneath(self._root, folders) as folder:
                descriptor = open_file(folder, name)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO} and self._root.is_dir():
                raise _missing(key) from None
            raise
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise _missing(key)
        return descriptor, _info(key, found, *_noted(descriptor, found))

    def _is_there(self, key: str) -> bool:
        try:
            self.stat(key)
        except NotFound:
            return False
        return True

    def scan(self, folder: str, *, recursive: bool, after: str | None = None) -> Iterator[ArtifactEntry]:
        """Return what is below a folder; names that no path can have, links and devices are left out."""
        with self._told("list", folder or "the root"):
            waiting = [self._entries(folder, after)]
            while waiting:
                entry = next(waiting[-1], None)
                if entry is None:
                    waiting.pop()
                elif recursive and entry.is_folder:
                    waiting.append(self._entries(entry.path, after))
                else:
                    yield entry

    def _entries(self, folder: str, after: str | None) -> Iterator[ArtifactEntry]:
        try:
            with open_beneath(self._root, folder.split("/") if folder else ()) as opened, os.scandir(opened) as found:
                entries = [entry for each in found if (entry := _entry(folder, each)) is not None]
        except (FileNotFoundError, NotADirectoryError):
            if not self._root.is_dir():
                raise
            return
        entries.sort(key=lambda entry: entry.place.encode())
        for entry in entries:
            # A folder that the last page ended in is entered again.
            within = entry.is_folder and after is not None and after != entry.place and after.startswith(entry.place)
            if after is None or within or entry.place.encode() > after.encode():
                yield entry

    def delete(self, keys: Sequence[str]) -> None:
        """Remove files, and the folders that are empty then."""
        for key in keys:
            *folders, name = key.split("/")
            try:
                with self._told("delete", key), open_beneath(self._root, folders) as folder:
                    if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                        continue
                    os.unlink(name, dir_fd=folder)
                    os.fsync(folder)
            except NotFound:
                continue
            self._remove_empty(folders)

    def _remove_empty(self, folders: list[str]) -> None:
        with contextlib.suppress(OSError):
            while folders:
                *folders, name = folders
                with open_beneath(self._root, folders) as folder:
                    os.rmdir(name, dir_fd=folder)

    def copy(self, source: str, target: str) -> None:
        """Write the content of a file under another name."""
        with self.read(source, 0, None) as reader:
            content = CheckedSource(reader, expected_sha256=reader.info.sha256)
            self.write(target, content, content_type=reader.info.content_type)

    def signed_url(self, method: str, key: str, seconds: int) -> str | None:  # noqa: ARG002
        """Return None: a folder has no addresses of its own."""
        return None

    def sweep(self, older_than: float) -> int:
        """Remove files that nobody writes any more."""
        removed = 0
        with contextlib.suppress(NotFound), self._told("clean"), open_beneath(self._root, _INCOMING) as incoming:
            for name in os.listdir(incoming):  # noqa: PTH208 - of an open folder, which has no path
                with contextlib.suppress(FileNotFoundError):
                    removed += _sweep_one(incoming, name, older_than)
        return removed

    @contextlib.contextmanager
    def _told(self, what: str, key: str = "", source: CheckedSource | None = None) -> Iterator[None]:
        """Turn what the file system says into one of our errors; what the content raised passes through."""
        try:
            yield
        except KatibError:
            raise
        except OSError as error:
            if source is not None and source.failure is error:
                raise
            raise self._error(error, what, key) from error

    def _error(self, error: OSError, what: str, key: str) -> KatibError:
        called = f"{what} {key}".strip()
        said = os.strerror(error.errno) if error.errno else error.strerror or str(error)
        if error.errno in _FULL:
            return StoreUnavailable(
                f"cannot {called}: no space is left in {self.place}; nothing that was stored is lost"
            )
        if error.errno in _REFUSED:
            return Denied(f"cannot {called}: {self.place} may not be read or written ({said})")
        if error.errno in _IN_THE_WAY and key:
            return Conflict(f"cannot {called}: a part of the path is a file or a link, or the whole is a folder")
        if error.errno == errno.ENOENT and key and self._root.is_dir():
            return _missing(key)
        if error.errno == errno.ENOENT and self._root.is_dir():
            return NotFound(f"there is nothing of that name in {self.place}")
        return StoreUnavailable(f"cannot {called}: the folder {self.place} fails ({said})")


def _new_file(incoming: int) -> tuple[int, str]:
    """Make a file that is locked; whoever cleans may remove it before its lock is held, so it is looked at once more."""
    while True:
        name = secrets.token_hex(16)
        descriptor = os.open(
            name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=incoming
        )
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, name
        os.close(descriptor)


def _rename(incoming: int, name: str, folder: int, last: str, *, if_absent: bool) -> None:
    """Move a file to its place in one step, durably."""
    if if_absent:
        os.link(name, last, src_dir_fd=incoming, dst_dir_fd=folder, follow_symlinks=False)
        os.unlink(name, dir_fd=incoming)
    else:
        os.rename(name, last, src_dir_fd=incoming, dst_dir_fd=folder)
    os.fsync(folder)


def _sweep_one(incoming: int, name: str, older_than: float) -> int:
    found = os.stat(name, dir_fd=incoming, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode) or time.time() - found.st_mtime < older_than:
        return 0
    if stat.S_ISREG(found.st_mode):
        descriptor = open_file(incoming, name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=incoming)
        except BlockingIOError:
            return 0
        finally:
            os.close(descriptor)
    else:
        os.unlink(name, dir_fd=incoming)
    return 1


def _write_all(descriptor: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]


def _note(descriptor: int, written: os.stat_result, sha256: str, content_type: str | None) -> None:
    """Keep what a file system does not, bound to this very content; without extended attributes it is not kept."""
    note = {"sha256": sha256, "type": content_type, "size": written.st_size, "time": written.st_mtime_ns}
    with contextlib.suppress(OSError):
        os.setxattr(descriptor, _NOTE, json.dumps(note).encode())


def _noted(descriptor: int, found: os.stat_result) -> tuple[str | None, str | None]:
    """Return checksum and type, unless the content was changed by somebody else since."""
    try:
        note = json.loads(os.getxattr(descriptor, _NOTE))
        if (note["size"], note["time"]) == (found.st_size, found.st_mtime_ns):
            return note["sha256"], note["type"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        pass
    return None, None


def _info(key: str, found: os.stat_result, sha256: str | None, content_type: str | None) -> ArtifactInfo:
    etag = f'"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"'
    return ArtifactInfo(key, found.st_size, _time(found), sha256, content_type, etag)


def _entry(folder: str, found: os.DirEntry[str]) -> ArtifactEntry | None:
    key = f"{folder}/{found.name}" if folder else found.name
    own = key == RESERVED or key.startswith(f"{RESERVED}/")
    if not own and not is_artifact_path(key):
        return None
    if own and not folder:
        return None
    try:
        if found.is_dir(follow_symlinks=False):
            return ArtifactEntry(key, is_folder=True)
        if found.is_file(follow_symlinks=False):
            state = found.stat(follow_symlinks=False)
            return ArtifactEntry(key, is_folder=False, size=state.st_size, modified=_time(state))
    except FileNotFoundError:
        pass  # deleted meanwhile
    return None


def _time(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(found.st_mtime, UTC)


def _missing(key: str) -> NotFound:
    return NotFound(f"there is no artifact {key}")


def _exists(key: str) -> Conflict:
    return Conflict(f"there is an artifact {key} already, and it was not to be replaced")
