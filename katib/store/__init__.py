"""The ModelDB-like store: what was asked, tried, observed and decided, kept after everything else is gone.

``open_store`` is the way in; ``katib.store.protocol`` says what a store does. Nothing here is heavy: the database libraries are
imported when a store is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from katib.store.protocol import Store

__all__ = ["open_store"]


def open_store(url_or_path: str | Path, *, patience: float = 30.0) -> Store:
    """Open the store in a file, creating it (0600, its folder 0700) when it is absent.

    Example::

        with open_store("katib.db") as store:
            names = [summary.name for summary in store.experiments()]

    Args:
        url_or_path: A path, or a URL ``sqlite:///path``.
        patience: Seconds to wait for another process that is writing.

    Raises:
        StoreUnavailable: It cannot be created, read or written, is no store, or was written by a newer version.
        Unsupported: A URL of another database.
    """
    from katib.store.sql.location import database_path
    from katib.store.sql.store import SqlStore

    return SqlStore(database_path(url_or_path), patience=patience)
