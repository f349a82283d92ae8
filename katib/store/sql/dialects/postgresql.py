"""PostgreSQL: many writers at once, and readers who see one state for the length of a call.

Nothing here outlives its transaction (no session settings, no prepared statements, no session locks), so a pooler such as PgBouncer
may hand out connections by transaction.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from typing_extensions import override

from katib.errors import StoreUnavailable
from katib.store.sql.dialects.base import LOST_SENTENCE, DatabaseDialect, Purpose, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, Connection, Engine

__all__ = ["PostgresqlDialect"]

_LOCK_KEY: Final = 0x6B61_7469_6220_7374
"""Of the advisory lock that single calls share and whole transactions have for themselves; any number that others do not use."""

_WAITED = "another writer kept it locked for longer than {patience:g} s; try again"
_NOT_ALLOWED = "the user may not do this ({details}); grant it all rights on its schema"
_FULL = "the server's disk is full ({details}); free some space, nothing recorded before is lost"
_SENTENCES: Final = {
    "53100": _FULL,
    "53300": "the server has no connection left ({details}); raise max_connections or put a pooler in front",
    "55P03": _WAITED,
    "25006": "the server takes no changes ({details}); name the primary server, not a copy",
    "42501": _NOT_ALLOWED,
    "42P01": "tables are missing ({details}); restore them from a backup",
    "57P01": LOST_SENTENCE,
    "57P02": LOST_SENTENCE,
    "57P03": "the server is not ready yet ({details}); try again",
}
_REFUSALS: Final = {
    "password": "the server refuses the user or the password ({details}); correct the URL",
    "pg_hba": "the server refuses this user, database or machine ({details}); change its pg_hba.conf",
    "does not exist": "the server has no such user or database ({details}); create it or correct the URL",
    "too many": _SENTENCES["53300"],
    "starting up": _SENTENCES["57P03"],
    "shutting down": _SENTENCES["57P03"],
    "recovery mode": _SENTENCES["57P03"],
}
"""What words of a refused connection mean; these errors carry no code."""

_UNDONE: Final = frozenset({"40001", "40P01"})


class PostgresqlDialect(DatabaseDialect):
    """One database of a PostgreSQL server.

    Args:
        url: With the driver psycopg.
        patience: Seconds to wait for other writers, and for a free connection of the pool.
    """

    file = None
    one_writer = False
    transactional_ddl = True
    opens_anything = False

    def __init__(self, url: URL, *, patience: float) -> None:
        self.place = url.render_as_string(hide_password=True)
        self._url = url
        self._patience = patience
        wait = f"SET LOCAL lock_timeout = {max(int(patience * 1000), 1)}"
        write = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {wait}; SELECT pg_advisory_xact_lock"
        self._begin = {
            # Compiling a search took ten times as long as the search: its cost is guessed high, but pages end early.
            Purpose.READ: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off",
            Purpose.WRITE: f"{write}_shared({_LOCK_KEY})",
            Purpose.WRITE_ALONE: f"{write}({_LOCK_KEY})",
        }

    @override
    def engine(self) -> Engine:
        arguments: dict[str, Any] = {
            "autocommit": True,  # the store says itself when a transaction begins
            "client_encoding": "utf8",
            "prepare_threshold": None,
        }
        defaults = {
            "connect_timeout": 10,
            "keepalives_idle": 30,
            "tcp_user_timeout": 60_000,
            "application_name": "katib",
        }
        arguments |= {name: value for name, value in defaults.items() if name not in self._url.query}
        logging.getLogger("psycopg").addFilter(_is_news)
        engine = create_engine(
            self._url,
            connect_args=arguments,
            use_native_hstore=False,
            pool_size=8,
            max_overflow=8,
            pool_timeout=self._patience,
            pool_pre_ping=True,
            pool_recycle=1800,
        )
        event.listen(engine, "do_executemany", _execute_one)
        return engine

    @override
    def begin(self, connection: Connection, purpose: Purpose) -> None:
        # Without parameters the driver sends the statements together, in one round trip.
        connection.exec_driver_sql(self._begin[purpose], execution_options={"no_parameters": True})

    @override
    def sentence(self, error: BaseException) -> str | None:
        details = one_line(error)
        code = getattr(error, "sqlstate", None)
        if code is None:
            template = next((sentence for word, sentence in _REFUSALS.items() if word in details), None)
            template = (
                template or "the server cannot be reached ({details}); check that it runs and is allowed to answer"
            )
        elif code in _SENTENCES:
            template = _SENTENCES[code]
        elif code.startswith("42"):
            return None
        else:
            template = "{details}"
        return template.format(patience=self._patience, details=details)

    @override
    def is_undone(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) in _UNDONE

    @override
    def is_prepared(self, connection: Connection) -> bool:
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            raise StoreUnavailable(
                f"the store {self.place} cannot be kept in a database with the encoding {encoding}: create one with ENCODING 'UTF8'"
            )
        return True

    @override
    def prepare(self, engine: Engine) -> None:
        """Do nothing."""

    @override
    def begin_upgrade(self, connection: Connection) -> None:
        """Refuse what no store can be in; the transaction has the writers' lock, and the schema is there with its commit or not at all."""
        self.is_prepared(connection)

    @override
    def end_upgrade(self, connection: Connection, *, done: bool) -> None:
        """Do nothing."""

    @override
    def columns(self, connection: Connection) -> Sequence[Sequence[str]]:
        # Not ``information_schema``, which has only what the user may use, and takes its time.
        return connection.exec_driver_sql(
            "SELECT tables.relname, columns.attname FROM pg_class AS tables "
            "JOIN pg_attribute AS columns ON columns.attrelid = tables.oid "
            "WHERE tables.relnamespace = current_schema()::regnamespace AND tables.relkind IN ('r', 'p') "
            "AND columns.attnum > 0 AND NOT columns.attisdropped"
        ).all()

    @override
    def version(self, connection: Connection) -> str:
        return f"PostgreSQL {connection.exec_driver_sql('SHOW server_version').scalar()}"


def _execute_one(cursor: Any, statement: str, parameters: Sequence[Any], _context: object) -> bool:
    """Execute a statement for one row without the pipeline that the driver opens for many; return whether that was done."""
    if len(parameters) != 1:
        return False
    cursor.execute(statement, parameters[0])
    return True


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a message of the driver says more than the error that it raises as well."""
    return not str(record.msg).startswith("error ignored terminating")
