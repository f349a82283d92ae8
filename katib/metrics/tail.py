"""Follows a file that grows, may be replaced, cut off, or not there yet; by inode, so that nothing is read twice."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Tail"]


class Tail:
    """A place in a file.

    Attributes:
        offset: Bytes read of the current file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._inode: int | None = None
        self.offset = 0
        self.restarted = False

    def read(self, limit: int) -> bytes:
        """Return up to ``limit`` new bytes; nothing when there are none (yet).

        ``restarted`` is true after a call that began another file at this path, or the same one cut off: what was unfinished
        before it stays so.
        """
        self.restarted = False
        if self._descriptor is None and not self._open():
            return b""
        data = self._take(limit)
        if not data and self._was_replaced():
            self.close()
            if self._open():
                self.restarted = True
                data = self._take(limit)
        return data

    def _open(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return False
        status = os.fstat(self._descriptor)
        if status.st_ino != self._inode or status.st_size < self.offset:
            self._inode, self.offset = status.st_ino, 0
        return True

    def _take(self, limit: int) -> bytes:
        if self._descriptor is None:
            return b""
        try:
            data = os.pread(self._descriptor, limit, self.offset)
        except OSError:
            return b""
        self.offset += len(data)
        return data

    def _was_replaced(self) -> bool:
        try:
            status = self._path.stat()
        except OSError:
            return False
        return status.st_ino != self._inode or status.st_size < self.offset

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.close()

    def checkpoint(self) -> dict[str, Any]:
        """Return where it stands."""
        return {"inode": self._inode, "offset": self.offset}

    def restore(self, checkpoint: Mapping[str, Any]) -> None:
        """Go back to where a checkpoint was; another file at the path is read from its beginning."""
        self.close()
        self._inode, self.offset = checkpoint.get("inode"), int(checkpoint.get("offset", 0))
