"""Connections, transactions and errors of one SQLite file, for any number of threads and processes.

Writers queue: threads of this process on a lock, processes on SQLite's own (BEGIN IMMEDIATE under a busy timeout), so nobody finds
the database locked half-way through a transaction. Readers never wait (WAL), and see one state for the length of a call.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from katib.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

__all__ = ["Database"]

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


class Database:
    """One open database file.

    Args:
        path: An existing file (an empty one is fine).
        patience: Seconds to wait for other writers.
    """

    def __init__(self, path: Path, *, patience: float) -> None:
        self.path = path
        self._patience = patience
        self._writing = threading.Lock()
        self._local = threading.local()
        self._closed = False
        self._process = os.getpid()
        self._engine = create_engine(
            URL.create("sqlite+pysqlite", database=str(path)),
            connect_args={"check_same_thread": False, "timeout": patience, "isolation_level": None},
            pool_size=4,
            max_overflow=-1,  # a reader never waits for a connection
        )
        event.listen(self._engine, "connect", self._configure)
        event.listen(self._engine, "begin", _begin)

    def _configure(self, connection: Any, _record: object) -> None:
        for pragma in (
            "foreign_keys=ON",
            "synchronous=FULL",  # the only copy: a commit survives a power cut
            "trusted_schema=OFF",
            f"journal_size_limit={_LARGEST_IDLE_WAL}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    def use_wal(self) -> None:
        """Switch the file to write-ahead logging, which it then keeps.

        The switch needs the file for itself and does not honour the busy timeout in every case, hence the patience here.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with self._errors(), contextlib.closing(self._engine.raw_connection()) as connection:
                    cursor = connection.cursor()
                    try:
                        mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()
                    finally:
                        cursor.close()
            except StoreUnavailable as error:
                if not _is_busy(error.__cause__) or time.monotonic() > deadline:
                    raise
                time.sleep(_WAL_RETRY_SECONDS)
            else:
                if mode is None or mode[0] != "wal":
                    raise StoreUnavailable(
                        f"the store {self.path} is on a file system without shared memory maps: keep it on a local disk"
                    )
                return

    @staticmethod
    def is_wal(connection: Connection) -> bool:
        """Whether the file has write-ahead logging (a copy made by SQLite itself comes without)."""
        return bool(connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal")

    def close(self) -> None:
        """Close every connection that is not in use; calling it again is fine."""
        self._closed = True
        self._engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database, the one of the open transaction if there is one."""
        current = self._current()
        if current is not None:
            with self._errors():
                yield current
            return
        with self._errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a write transaction: a new one, or the one of this thread.

        Inside a transaction an error of the database dooms all of it; calls check what they can before they write.
        """
        current = self._current()
        if current is not None:
            with self._errors():
                yield current
            return
        with self._transaction() as connection:
            yield connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything this thread does inside one change; inside another transaction, one that can fail alone."""
        current = self._current()
        if current is None:
            with self._transaction():
                yield
            return
        with self._errors(), current.begin_nested():
            yield

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if not self._writing.acquire(timeout=self._patience):
            raise self._unavailable(_SENTENCES[sqlite3.SQLITE_BUSY].format(patience=self._patience))
        try:
            with self._errors(), self._engine.connect() as plain:
                connection = plain.execution_options(katib_write=True)
                with connection.begin():
                    self._local.connection = connection
                    self._local.doomed = None
                    try:
                        yield connection
                        if self._local.doomed is not None:
                            raise self._local.doomed
                    finally:
                        self._local.connection = None
                        self._local.doomed = None
        finally:
            self._writing.release()

    def _current(self) -> Connection | None:
        """Return the connection of this thread's transaction, if there is one."""
        if self._closed:
            raise self._unavailable("it was closed")
        if os.getpid() != self._process:  # SQLite's locks belong to the process that took them
            raise self._unavailable("it was opened before this process was forked; open it again here")
        current: Connection | None = getattr(self._local, "connection", None)
        return current

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Say what the database said, as a sentence that names the file."""
        try:
            yield
        except (IntegrityError, ProgrammingError):
            raise  # a mistake of ours: it wants its traceback
        except (DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            unavailable = self._unavailable(self._sentence(cause))
            if getattr(self._local, "connection", None) is not None:
                self._local.doomed = unavailable
            raise unavailable from cause

    def _sentence(self, error: BaseException | None) -> str:
        sentence = _SENTENCES.get(_primary_code(error), "{details}")
        return sentence.format(patience=self._patience, details=error)

    def _unavailable(self, sentence: str) -> StoreUnavailable:
        return StoreUnavailable(f"the store {self.path} is not available: {sentence}")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("katib_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _primary_code(error: BaseException | None) -> int:
    """Return SQLite's primary result code (the low byte of the extended one), 0 when there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_busy(error: BaseException | None) -> bool:
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
