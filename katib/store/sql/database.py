"""Connections, transactions and errors of one database, for any number of threads and processes.

A read sees one state of the database. A write is one call of the store, or a ``transaction()`` of several. What is special about a
database is in its dialect.

A call that the database undid for the sake of another one (a deadlock, two writers inserting the same row) is made again here; so is
one whose connection broke before its commit was sent. A ``transaction()`` is never repeated, as its calls are not known here; it
runs without other writers beside it, so nothing of the kind can happen to it but a lost connection.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from katib.errors import InvalidInput, StoreUnavailable
from katib.store.sql.dialects.base import Purpose, one_line
from katib.store.sql.known_keys import OPTION, KnownKeys, forget_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from katib.store.sql.dialects.base import DatabaseDialect

__all__ = ["Database"]

P = ParamSpec("P")
T = TypeVar("T")

_PAUSES: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before a call is made again, on average."""

_UNKNOWN_END: Final = (
    "the connection was lost while a change was being made durable ({details}); it is there as a whole or not at all: look before "
    "making it again"
)


class _ThreadState(threading.local):
    """What a thread is in the middle of.

    Attributes:
        connection: Of its open write transaction.
        doomed: The error that ended the transaction, though its block still runs.
        committing: Whether the commit has been sent.
        repeatable: Whether the call that failed last changed nothing and may succeed when it is made again.
    """

    connection: Connection | None = None
    doomed: Exception | None = None
    committing: bool = False
    repeatable: bool = False


class Database:
    """One open database.

    Args:
        dialect: Which, and of what kind.
        patience: Seconds to wait for other writers.
    """

    def __init__(self, dialect: DatabaseDialect, *, patience: float) -> None:
        self.dialect = dialect
        self.guard: Callable[[], None] = _no_guard
        """Called before each change and before its commit; what it raises ends the change."""
        self._patience = patience
        self._writing = threading.Lock()
        self._thread = _ThreadState()
        self._closed = False
        self._process = os.getpid()
        self._engine = dialect.engine()
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        event.listen(self._engine, "begin", self._begin)

    @property
    def place(self) -> str:
        """The store as messages name it."""
        return self.dialect.place

    def _begin(self, connection: Connection) -> None:
        self.dialect.begin(connection, connection.get_execution_options().get("katib_purpose", Purpose.READ))

    def prepare(self) -> None:
        """Make the database itself as the store wants it."""
        with self._errors():
            self.dialect.prepare(self._engine)

    def close(self) -> None:
        """Close every connection that is not in use; calling it again is fine."""
        self._closed = True
        self._engine.dispose()

    def read(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function with a connection that sees one state of the database, of the open transaction if there is one."""

        def call() -> T:
            with self.reading() as connection:
                return function(connection, *args, **kwargs)

        return self._repeated(call)

    def write(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function with a connection in a write transaction, again if the database undid it; see ``writing``."""

        def call() -> T:
            with self.writing() as connection:
                return function(connection, *args, **kwargs)

        return self._repeated(call)

    def _repeated(self, call: Callable[[], T]) -> T:
        if self._current() is not None:
            return call()
        for pause in _PAUSES:
            self._thread.repeatable = False
            try:
                return call()
            except (StoreUnavailable, IntegrityError):
                if not self._thread.repeatable:
                    raise
            time.sleep(pause * random.uniform(0.5, 1.5))
        return call()

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
        with self._transaction(Purpose.WRITE) as connection:
            yield connection

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything this thread does inside one change; inside another transaction, one that can fail alone."""
        current = self._current()
        if current is None:
            with self._transaction(Purpose.WRITE_ALONE):
                yield
            return
        try:
            with self._errors(), current.begin_nested():
                yield
        except BaseException:
            forget_keys(current)  # rows that were inserted since are gone
            raise

    @contextlib.contextmanager
    def changing_schema(self) -> Iterator[Connection]:
        """Give a connection for DDL, while no other process changes the schema and nobody writes."""
        if self._current() is not None:
            raise RuntimeError("the schema is not changed inside a transaction")
        with self._transaction(Purpose.WRITE_ALONE, schema=True) as connection:
            self.dialect.begin_upgrade(connection)
            try:
                yield connection
            except BaseException:
                with contextlib.suppress(SQLAlchemyError):
                    self.dialect.end_upgrade(connection, done=False)
                raise
            self.dialect.end_upgrade(connection, done=True)

    @contextlib.contextmanager
    def _transaction(self, purpose: Purpose, *, schema: bool = False) -> Iterator[Connection]:
        state = self._thread
        self.guard()
        with self._turn(), self._errors(), self._engine.connect() as plain:
            known = KnownKeys(alone=purpose is Purpose.WRITE_ALONE or self.dialect.one_writer)
            connection = plain.execution_options(katib_purpose=purpose, katib_schema=schema, **{OPTION: known})
            transaction = connection.begin()
            state.connection, state.doomed = connection, None
            try:
                yield connection
                if state.doomed is not None:
                    raise state.doomed  # noqa: TRY301 - as if the block had not caught it
                self.guard()
                state.committing = True
                transaction.commit()
            except BaseException:
                with contextlib.suppress(SQLAlchemyError):
                    transaction.rollback()
                raise
            finally:
                state.connection, state.doomed = None, None

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for this thread's turn to write, where writers take turns."""
        if not self.dialect.one_writer:
            yield
            return
        if not self._writing.acquire(timeout=self._patience):
            raise self._unavailable(f"another process kept it locked for longer than {self._patience:g} s; try again")
        try:
            yield
        finally:
            self._writing.release()

    def _current(self) -> Connection | None:
        """Return the connection of this thread's transaction, if there is one."""
        if self._closed:
            raise self._unavailable("it was closed")
        if os.getpid() != self._process:  # connections and locks belong to the process that took them
            raise self._unavailable("it was opened before this process was forked; open it again here")
        if self._thread.doomed is not None:
            raise self._thread.doomed
        return self._thread.connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Say what the database said, as a sentence that names the store."""
        try:
            yield
        except (DBAPIError, PoolTimeoutError, self._driver_error) as error:
            told = self._told(error)
            state = self._thread
            if state.connection is not None:
                state.doomed = state.doomed or told
                told = state.doomed
            if told is error:
                raise
            raise told from (error.orig if isinstance(error, DBAPIError) else error)
        finally:
            if self._thread.connection is None:
                self._thread.committing = False

    def _told(self, error: Exception) -> Exception:
        """Return what the caller is told: a mistake of ours as it is, as it wants its traceback."""
        state = self._thread
        if isinstance(error, PoolTimeoutError):
            return self._unavailable(
                f"all connections of this process were in use for longer than {self._patience:g} s; try again"
            )
        cause = error.orig if isinstance(error, DBAPIError) else error
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        if isinstance(error, IntegrityError):
            # Another writer inserted the row in the meantime; where there is only one, the mistake is ours.
            state.repeatable = not self.dialect.one_writer
            return error
        if isinstance(error, DataError) and not self.dialect.one_writer:
            return InvalidInput(f"the store {self.place} cannot hold a value of this change: {cause}")
        sentence = None if cause is None else self.dialect.sentence(cause)
        if sentence is None:
            return error
        if lost and state.committing:
            sentence = _UNKNOWN_END.format(details=one_line(cause))
        state.repeatable = (lost and not state.committing) or (cause is not None and self.dialect.is_undone(cause))
        return self._unavailable(sentence)

    def _unavailable(self, sentence: str) -> StoreUnavailable:
        return StoreUnavailable(f"the store {self.place} is not available: {sentence}")


def _no_guard() -> None:
    """Let every change pass."""
