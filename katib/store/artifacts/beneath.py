"""Ways into a folder that cannot lead out of it, whatever links others put there and whenever they do.

Every step opens one name below a folder that is open already, and never follows a link; so there is no moment between a check and its
use. Nothing here asks where a path leads: it is not allowed to lead anywhere.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["open_beneath", "open_file"]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_TRIES: Final = 50


@contextlib.contextmanager
def open_beneath(root: Path, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Open the folder that is so many steps below a root, and close it again.

    Args:
        root: May be a link: whoever configured it may lead it anywhere.
        parts: Names of folders, one in the other.
        make: Whether a folder that is missing is made (0700).

    Raises:
        FileNotFoundError: A folder is missing.
        NotADirectoryError: Something else is in its place, a link too.
    """
    folder = os.open(root, _FOLDER)
    try:
        for part in parts:
            inner = _step(folder, part, make=make)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _step(folder: int, part: str, *, make: bool) -> int:
    # Whoever deletes the last file of a folder removes the folder too, perhaps just after it was made here.
    for _ in range(_TRIES):
        try:
            return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except FileNotFoundError:
            if not make:
                raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, 0o700, dir_fd=folder)
            os.fsync(folder)
    raise FileNotFoundError(0, "the folder is removed again and again", part)


def open_file(folder: int, name: str) -> int:
    """Open what is to be read; never a link, and without waiting for whoever writes into a pipe."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
