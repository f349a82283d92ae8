"""SQLite: one file, one writer at a time, created and upgraded when it is opened.

Writers queue: threads of this process on a lock, processes on SQLite's own (BEGIN IMMEDIATE under a busy timeout), so nobody finds
the database locked half-way through a transaction. Readers never wait (WAL), and see one state for the length of a call.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from katib.errors import StoreUnavailable
from katib.store.sql.dialects.base import DatabaseDialect, Purpose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Engine

__all__ = ["SqliteDialect"]

_SENTENCES: Final = {
    sqlite3.SQLITE_FULL: "the disk (or the quota) is full; free some space, nothing recorded before is lost",
    sqlite3.SQLITE_BUSY: "another process kept it locked for longer than {patience:g} s; try again",
    sqlite3.SQLITE_LOCKED: "another process kept it locked for longer than {patience:g} s; try again",
    sqlite3.SQLITE_READONLY: "it cannot be written; check the permissions of the file and of its folder",
    sqlite3.SQLITE_PERM: "it cannot be opened; check the permissions of the file and of its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that file and folder exist and may be written",
    sqlite3.SQLITE_NOTADB: "it is not a database of katib; move the file away or name another",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a backup",
    sqlite3.SQLITE_IOERR: "reading or writing failed ({details}); check the disk and its space",
}
_WAL_RETRY_SECONDS: Final = 0.02
_LARGEST_IDLE_WAL: Final = 64 * 2**20


class SqliteDialect(DatabaseDialect):
    """One database file.

    Args:
        path: An existing file (an empty one is fine).
        patience: Seconds to wait for other writers.

    Attributes:
        file: The path.
    """

    one_writer = True
    transactional_ddl = True
    opens_anything = True

    def __init__(self, path: Path, *, patience: float) -> None:
        self.place = str(path)
        self.file = path
        self._patience = patience

    @override
    def engine(self) -> Engine:
        engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(self.file)),
            connect_args={"check_same_thread": False, "timeout": self._patience, "isolation_level": None},
            pool_size=4,
            max_overflow=-1,  # a reader never waits for a connection
        )
        event.listen(engine, "connect", _configure)
        return engine

    @override
    def begin(self, connection: Connection, purpose: Purpose) -> None:
        connection.exec_driver_sql("BEGIN" if purpose is Purpose.READ else "BEGIN IMMEDIATE")

    @override
    def sentence(self, error: BaseException) -> str | None:
        if isinstance(error, sqlite3.ProgrammingError):
            return None
        sentence = _SENTENCES.get(_primary_code(error), "{details}")
        return sentence.format(patience=self._patience, details=error)

    @override
    def is_undone(self, error: BaseException) -> bool:
        return False

    @override
    def is_prepared(self, connection: Connection) -> bool:
        """Whether the file has write-ahead logging (a copy made by SQLite itself comes without)."""
        return bool(connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal")

    @override
    def prepare(self, engine: Engine) -> None:
        """Switch the file to write-ahead logging, which it then keeps.

        The switch needs the file for itself and does not honour the busy timeout in every case, hence the patience here.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with contextlib.closing(engine.raw_connection()) as connection:
                    cursor = connection.cursor()
                    try:
                        mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()
                    finally:
                        cursor.close()
            except (DBAPIError, sqlite3.Error) as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_WAL_RETRY_SECONDS)
            else:
                if mode is None or mode[0] != "wal":
                    raise StoreUnavailable(
                        f"the store {self.place} is on a file system without shared memory maps: keep it on a local disk"
                    )
                return

    @override
    def begin_upgrade(self, connection: Connection) -> None:
        """Do nothing: the transaction has the file for itself."""

    @override
    def end_upgrade(self, connection: Connection, *, done: bool) -> None:
        """Do nothing."""

    @override
    def columns(self, connection: Connection) -> Sequence[Sequence[str]]:
        statement = (
            "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns"
        )
        return connection.exec_driver_sql(statement).all()

    @override
    def version(self, connection: Connection) -> str:
        return f"SQLite {sqlite3.sqlite_version}"


def _configure(connection: Any, _record: object) -> None:
    for pragma in (
        "foreign_keys=ON",
        "synchronous=FULL",  # the only copy: a commit survives a power cut
        "trusted_schema=OFF",
        f"journal_size_limit={_LARGEST_IDLE_WAL}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _primary_code(error: BaseException | None) -> int:
    """Return SQLite's primary result code (the low byte of the extended one), 0 when there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: DBAPIError | sqlite3.Error) -> bool:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return _primary_code(cause) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
