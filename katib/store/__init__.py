"""The ModelDB-like store: what was asked, tried, observed and decided, kept after everything else is gone.

``open_store`` is the way in; ``katib.store.protocol`` says what a store does. Nothing here is heavy: the database libraries are
imported when a store is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from katib.store.full_store import FullStore

__all__ = ["Checked", "check_store", "open_store", "upgrade_store"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What ``check_store`` and ``upgrade_store`` found.

    Attributes:
        place: The store, without passwords.
        server: The database program and its version.
        found: The schema it had; None where it had none.
        schema: The schema it has now.
    """

    place: str
    server: str
    found: str | None
    schema: str


def open_store(url_or_path: str | Path, *, patience: float = 30.0) -> FullStore:
    """Open the store in a file or on a database server.

    A file is created (0600, its folder 0700) when it is absent and upgraded when it is old. On a server that is done by
    ``upgrade_store``, once for all who use it.

    Example::

        with open_store("katib.db") as store:
            names = [summary.name for summary in store.experiments()]

    Args:
        url_or_path: A path, or a URL: ``sqlite:///path``, ``postgresql+psycopg://user:password@host:port/database`` or
            ``mysql+pymysql://user:password@host:port/database`` (MariaDB too).
        patience: Seconds to wait for another process that is writing.

    Raises:
        InvalidInput: A URL that cannot be read.
        StoreUnavailable: It cannot be created, reached, read or written, is no store, or is one of an older or a newer version.
        Unsupported: A URL of another database, or one whose driver is not installed.
    """
    from katib.store.sql.connecting import database_at
    from katib.store.sql.store import SqlStore

    return SqlStore(database_at(url_or_path, patience=patience))


def upgrade_store(url_or_path: str | Path, *, patience: float = 30.0) -> Checked:
    """Create the tables of a store or bring them to the newest schema; when they are there, nothing is done.

    Raises:
        InvalidInput, StoreUnavailable, Unsupported: As ``open_store``.
    """
    from katib.store.sql.connecting import database_at
    from katib.store.sql.migrate import create_or_upgrade
    from katib.store.sql.schema import REVISIONS

    database = database_at(url_or_path, patience=patience)
    try:
        state = create_or_upgrade(database)
    finally:
        database.close()
    return Checked(database.place, state.server, state.revision, REVISIONS[-1])


def check_store(url_or_path: str | Path, *, patience: float = 30.0) -> Checked:
    """Return what a store is, changing nothing.

    Raises:
        InvalidInput, StoreUnavailable, Unsupported: As ``open_store``; also where ``open_store`` would create or upgrade it.
    """
    from katib.store.sql.connecting import database_at
    from katib.store.sql.migrate import check
    from katib.store.sql.schema import REVISIONS

    database = database_at(url_or_path, patience=patience, create_file=False)
    try:
        state = check(database)
    finally:
        database.close()
    return Checked(database.place, state.server, state.revision, REVISIONS[-1])
