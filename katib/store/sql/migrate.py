"""Brings a database to the newest schema: creates it, upgrades it, or refuses it.

A new database is created straight from the table definitions, without importing Alembic; a test proves that the migrations build the
same schema. Where DDL is transactional, a change of the schema is one transaction: after a crash it is the old one or the new one.

Where it is not (MySQL), the table of the revision is made first and its row is written last. A table without a row is a creation that
was killed: nobody can have stored anything, so it begins anew. Migrations are made of steps that can be taken again
(``migrations.steps``), so one that was killed is finished by the next upgrade; until then the store is refused as old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import insert, inspect, select

from katib.errors import StoreUnavailable
from katib.store.sql.changes import CHANGE, WRITERS
from katib.store.sql.column_names import COLUMNS
from katib.store.sql.schema import REVISIONS, counters, revision_table

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from katib.store.sql.database import Database

__all__ = ["MIGRATIONS", "SchemaState", "check", "create_or_upgrade", "is_current", "schema_state", "upgrade"]

MIGRATIONS = "katib.store.sql:migrations"
"""Where Alembic finds the migrations, also in an installed package."""


_NAMED: Final = 3
"""Missing things that a message names."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What is in a database.

    Attributes:
        revision: Of its schema; None where there is none.
        unfinished: Whether the creation of the schema was killed.
        server: The database program and its version.
    """

    revision: str | None
    unfinished: bool
    server: str

    @property
    def is_current(self) -> bool:
        """Whether this version reads and writes it."""
        return self.revision == REVISIONS[-1]


def is_current(database: Database) -> bool:
    """Whether the database is one this version reads and writes.

    Raises:
        StoreUnavailable: It belongs to another program or to a newer version.
    """
    with database.reading() as connection:
        return _state(connection, database).is_current and database.dialect.is_prepared(connection)


def schema_state(database: Database) -> SchemaState:
    """Return what is in the database.

    Raises:
        StoreUnavailable: It belongs to another program or to a newer version, or can never hold a store.
    """
    with database.reading() as connection:
        database.dialect.is_prepared(connection)
        return _state(connection, database)


def check(database: Database) -> SchemaState:
    """Return what is in the database if this version reads and writes it.

    Raises:
        StoreUnavailable: It does not; the message says which command makes it so.
    """
    state = schema_state(database)
    if state.is_current:
        return state
    if state.unfinished:
        what = "the creation of its tables was cut short"
    elif state.revision is None:
        what = "it has no tables of katib yet"
    else:
        what = f"it is of an older version of katib (schema {state.revision!r}, this version has {REVISIONS[-1]!r})"
    raise StoreUnavailable(
        f"the store {database.place} is not ready: {what}; run: katib store upgrade --url {database.place}"
    )


def create_or_upgrade(database: Database) -> SchemaState:
    """Make the database one this version reads and writes, and return what it was.

    Raises:
        StoreUnavailable: It belongs to another program or to a newer version, or cannot be written.
    """
    database.prepare()
    with database.changing_schema() as connection:
        state = _state(connection, database)  # another process may have been quicker
        if state.revision is None:
            _create(connection, begin_anew=state.unfinished)
        elif not state.is_current:
            upgrade(connection)
            _check_columns(connection, database)
    return state


def _state(connection: Connection, database: Database) -> SchemaState:
    tables = inspect(connection).get_table_names()
    revision = None
    if revision_table.name in tables:
        revision = connection.execute(select(revision_table.c.version_num)).scalar()
        if revision is not None and revision not in REVISIONS:
            raise StoreUnavailable(
                f"the store {database.place} was written by a newer version of katib "
                f"(schema {revision!r}, this version knows up to {REVISIONS[-1]!r}): upgrade katib"
            )
        if revision is None and (database.dialect.transactional_ddl or _holds_anything(connection, tables)):
            raise StoreUnavailable(
                f"the store {database.place} cannot be used: its table {revision_table.name} has lost its row; restore it from a backup"
            )
    elif tables:
        raise StoreUnavailable(
            f"{database.place} is a database of another program (it has a table {min(tables)!r} and none of katib's): "
            "name another one"
        )
    if revision == REVISIONS[-1]:
        _check_columns(connection, database)
    unfinished = revision is None and revision_table.name in tables
    return SchemaState(revision, unfinished=unfinished, server=database.dialect.version(connection))


def _check_columns(connection: Connection, database: Database) -> None:
    """Refuse a database that has lost a part of its schema before anything is written to what is left.

    Raises:
        StoreUnavailable: A table or a column is missing.
    """
    there: dict[str, set[str]] = {}
    for table, column in database.dialect.columns(connection):
        there.setdefault(table, set()).add(column)
    missing = [f"table {table!r}" for table in COLUMNS if table not in there]
    missing += [
        f"column {column!r} of table {table!r}"
        for table, columns in COLUMNS.items()
        if table in there
        for column in columns.split()
        if column not in there[table]
    ]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise StoreUnavailable(
            f"the store {database.place} cannot be used: of its schema {REVISIONS[-1]!r} it lacks {', '.join(missing[:_NAMED])}{more}; "
            "something other than katib has changed it: restore it from a backup"
        )


def _holds_anything(connection: Connection, tables: Collection[str]) -> bool:
    """Whether any table of ours has a row, besides those that a creation puts there."""
    from katib.store.sql.tracking_tables import metadata

    ours = [table for table in metadata.sorted_tables if table.name in tables and table is not counters]
    return any(connection.execute(select(table).limit(1)).first() is not None for table in ours)


def _create(connection: Connection, *, begin_anew: bool) -> None:
    from katib.store.sql.tracking_tables import metadata  # all of them; opening a store that is there needs none

    if begin_anew:
        metadata.drop_all(connection)
    else:
        revision_table.create(connection)
    metadata.create_all(connection, checkfirst=False)
    connection.execute(insert(counters), [{"name": CHANGE, "value": 0}, {"name": WRITERS, "value": 0}])
    connection.execute(insert(revision_table).values(version_num=REVISIONS[-1]))


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision inside the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
