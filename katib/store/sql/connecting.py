"""From what the user names to a database of the right kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.errors import StoreUnavailable, Unsupported
from katib.store.sql.database import Database
from katib.store.sql.location import database_path, prepare_file, server_url

if TYPE_CHECKING:
    from pathlib import Path

    from katib.store.sql.dialects.base import DatabaseDialect

__all__ = ["database_at"]


def database_at(url_or_path: str | Path, *, patience: float, create_file: bool = True) -> Database:
    """Return the database of a store; no connection is made yet.

    Args:
        patience: Seconds to wait for other writers.
        create_file: Make a SQLite file and its folder when they are absent.

    Raises:
        InvalidInput: It names no database.
        StoreUnavailable: The file cannot be made, or is not there.
        Unsupported: A database of another kind, or one whose driver is not installed.
    """
    dialect: DatabaseDialect
    url = server_url(url_or_path)
    if url is None:
        from katib.store.sql.dialects.sqlite import SqliteDialect

        path = database_path(url_or_path)
        if create_file:
            prepare_file(path)
        elif not path.exists():
            raise StoreUnavailable(f"the store {path} does not exist: it is made when it is first used")
        dialect = SqliteDialect(path, patience=patience)
    elif url.get_backend_name() == "postgresql":
        from katib.store.sql.dialects.postgresql import PostgresqlDialect

        dialect = PostgresqlDialect(url, patience=patience)
    else:
        from katib.store.sql.dialects.mysql import MysqlDialect

        dialect = MysqlDialect(url, patience=patience)
    try:
        return Database(dialect, patience=patience)
    except ModuleNotFoundError as error:
        raise Unsupported(
            f"{dialect.place} needs the Python package {error.name}: pip install 'katib[server]'"
        ) from error
