"""Where a SQLite store lives: from what the user names to a file that only they can read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from katib.errors import StoreUnavailable, Unsupported

__all__ = ["database_path", "prepare_file"]

_SQLITE = "sqlite:///"


def database_path(url_or_path: str | Path) -> Path:
    """Return the absolute path of the database.

    Raises:
        Unsupported: A URL of another database, or of one in memory.
    """
    text = str(url_or_path)
    if text.startswith(_SQLITE) and len(text) > len(_SQLITE):
        text = text.removeprefix(_SQLITE)
    elif "://" in text or text == ":memory:":
        scheme = text.split(":", 1)[0] or "memory"
        raise Unsupported(
            f"this version keeps its records in a SQLite file, not in {scheme!r}: give a path or sqlite:///path"
        )
    return Path(text).expanduser().absolute()


def prepare_file(path: Path) -> None:
    """Create the file (0600) and its folder (0700) unless they exist.

    An existing file is not opened here: closing any descriptor of a SQLite file drops this process's locks on it.

    Raises:
        StoreUnavailable: They cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            with contextlib.suppress(FileExistsError):  # another process was quicker
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"cannot create the store {path}: {error.strerror or error}") from error
