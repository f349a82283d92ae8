"""Where a store lives: from what the user names to a database, or to a file that only they can read."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from katib.errors import InvalidInput, StoreUnavailable, Unsupported

if TYPE_CHECKING:
    from sqlalchemy import URL

__all__ = ["database_path", "prepare_file", "server_url"]

_SQLITE: Final = "sqlite:///"
_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
}
_FORMS: Final = "a path, sqlite:///path, postgresql+psycopg://user@host/database or mysql+pymysql://user@host/database"


def server_url(url_or_path: str | Path) -> URL | None:
    """Return the URL of a database server with the driver it is reached by, or None for what names a file.

    Raises:
        InvalidInput: It names no database.
    """
    text = str(url_or_path)
    scheme = text.split("://", 1)[0]
    if "://" not in text or scheme not in _DRIVERS:
        return None
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not repeated here: it may hold a password.
        raise InvalidInput(f"the URL of the store ({scheme}://...) cannot be read: give {_FORMS}") from None
    if not url.database:
        raise InvalidInput(f"{url.render_as_string(hide_password=True)} names no database: give {_FORMS}")
    return url.set(drivername=_DRIVERS[scheme])


def database_path(url_or_path: str | Path) -> Path:
    """Return the absolute path of a SQLite database.

    Raises:
        Unsupported: A URL of another database, or of one in memory.
    """
    text = str(url_or_path)
    if text.startswith(_SQLITE) and len(text) > len(_SQLITE):
        text = text.removeprefix(_SQLITE)
    elif "://" in text or text == ":memory:":
        scheme = text.split(":", 1)[0] or "memory"
        raise Unsupported(f"the store cannot be kept in {scheme!r}: give {_FORMS}")
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
