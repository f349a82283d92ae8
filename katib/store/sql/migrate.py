"""Brings a database to the newest schema: creates it, upgrades it, or refuses it.

A new database is created straight from the table definitions, without importing Alembic; a test proves that the migrations build the
same schema. An older one is upgraded in one transaction: after a crash it is the old one or the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, inspect, select

from katib.errors import StoreUnavailable
from katib.store.sql.changes import CHANGE
from katib.store.sql.schema import REVISIONS, counters, metadata, revision_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from katib.store.sql.database import Database

__all__ = ["MIGRATIONS", "bring_up_to_date", "upgrade"]

MIGRATIONS = "katib.store.sql:migrations"
"""Where Alembic finds the migrations, also in an installed package."""


def bring_up_to_date(database: Database) -> None:
    """Make the database one this version reads and writes.

    Raises:
        StoreUnavailable: It belongs to another program or to a newer version, or cannot be written.
    """
    with database.reading() as connection:
        if _revision(connection, database) == REVISIONS[-1] and database.is_wal(connection):
            return
    database.use_wal()
    with database.writing() as connection:
        revision = _revision(connection, database)  # another process may have been quicker
        if revision is None:
            _create(connection)
        elif revision != REVISIONS[-1]:
            upgrade(connection)


def _revision(connection: Connection, database: Database) -> str | None:
    """Return the schema's revision, None for an empty database."""
    tables = inspect(connection).get_table_names()
    if revision_table.name not in tables:
        if tables:
            raise StoreUnavailable(
                f"{database.path} is a database of another program (it has a table {tables[0]!r} and none of katib's): name another file"
            )
        return None
    revision = connection.execute(select(revision_table.c.version_num)).scalar()
    if revision not in REVISIONS:
        raise StoreUnavailable(
            f"the store {database.path} was written by a newer version of katib "
            f"(schema {revision!r}, this version knows up to {REVISIONS[-1]!r}): upgrade katib"
        )
    return str(revision)


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(counters).values(name=CHANGE, value=0))
    revision_table.create(connection)
    connection.execute(insert(revision_table).values(version_num=REVISIONS[-1]))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision inside the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
