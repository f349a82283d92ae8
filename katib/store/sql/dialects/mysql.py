"""MySQL and MariaDB: many writers at once, and readers who see one state for the length of a call.

DDL is not transactional here: ``katib.store.sql.migrate`` takes a killed upgrade up where it ended.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from typing_extensions import override

from katib.errors import StoreUnavailable
from katib.store.sql.dialects.base import LOST_SENTENCE, DatabaseDialect, Purpose, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, Connection, Engine

__all__ = ["MysqlDialect"]

_FULL = "the server's disk is full ({details}); free some space, nothing recorded before is lost"
_REFUSED = "the server refuses the user or the password ({details}); correct the URL"
_READ_ONLY = "the server takes no changes ({details}); name the primary server, not a copy"
_NOT_ALLOWED = "the user may not do this ({details}); grant it all rights on its database"
_SENTENCES: Final = {
    1021: _FULL,
    1040: "the server has no connection left ({details}); raise max_connections or use fewer writers",
    1044: _NOT_ALLOWED,
    1045: _REFUSED,
    1049: "the server has no such database ({details}); create it or correct the URL",
    1053: LOST_SENTENCE,
    1114: _FULL,
    1142: _NOT_ALLOWED,
    1146: "tables are missing ({details}); restore them from a backup",
    1153: "a document is larger than the server takes ({details}); raise max_allowed_packet there",
    1205: "another writer kept it locked for longer than {patience:g} s; try again",
    1290: _READ_ONLY,
    1698: _REFUSED,
    1836: _READ_ONLY,
    1927: LOST_SENTENCE,
    2003: "the server cannot be reached ({details}); check that it runs and is allowed to answer",
    # Also how it looks where the server ends the connection before its error 1153 is read.
    2006: f"{LOST_SENTENCE}; where only large documents fail, raise max_allowed_packet there",
    2013: LOST_SENTENCE,
    3159: "the server wants TLS ({details}); give the URL ssl_ca",
}
_ERROR_FROM_ENGINE: Final = (1026, 1030)
_NO_SPACE: Final = ("No space left", "error 28")
_UNDONE: Final = frozenset({1020, 1213})
"""A record that another transaction changed (MariaDB), and a deadlock."""

_UPGRADE_LOCK: Final = "katib_store_upgrade"
_LONGEST_ANSWER_SECONDS: Final = 300
_OLDEST: Final = {True: (10, 6), False: (8, 0, 17)}
"""The first versions (of MariaDB, of MySQL) whose DDL statements are atomic and whose collations count trailing blanks."""


class MysqlDialect(DatabaseDialect):
    """One database of a MySQL or MariaDB server.

    Args:
        url: With the driver PyMySQL.
        patience: Seconds to wait for other writers (whole ones), and for a free connection of the pool.
    """

    file = None
    one_writer = False
    transactional_ddl = False
    opens_anything = False

    def __init__(self, url: URL, *, patience: float) -> None:
        self.place = url.render_as_string(hide_password=True)
        self._url = url
        self._patience = patience

    @override
    def engine(self) -> Engine:
        arguments: dict[str, Any] = {
            "autocommit": True,  # the store says itself when a transaction begins
            "charset": "utf8mb4",
        }
        defaults = {
            "connect_timeout": 10,
            "read_timeout": _LONGEST_ANSWER_SECONDS,
            "write_timeout": _LONGEST_ANSWER_SECONDS,
        }
        arguments |= {name: value for name, value in defaults.items() if name not in self._url.query}
        engine = create_engine(
            self._url,
            connect_args=arguments,
            pool_size=8,
            max_overflow=8,
            pool_timeout=self._patience,
            pool_pre_ping=True,
            pool_recycle=1800,
        )
        event.listen(engine, "connect", self._configure)
        return engine

    def _configure(self, connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            # Whatever the server's defaults: what does not fit is refused, not cut.
            cursor.execute(
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
                f"innodb_lock_wait_timeout = {max(math.ceil(self._patience), 1)}"
            )
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    @override
    def begin(self, connection: Connection, purpose: Purpose) -> None:
        if purpose is Purpose.READ:
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            return
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.exec_driver_sql("START TRANSACTION")
        if connection.get_execution_options().get("katib_schema"):
            return  # there may be no table yet; ``begin_upgrade`` has another lock
        lock = "LOCK IN SHARE MODE" if purpose is Purpose.WRITE else "FOR UPDATE"
        connection.exec_driver_sql(f"SELECT value FROM counters WHERE name = 'writers' {lock}")  # noqa: S608 - ours

    @override
    def sentence(self, error: BaseException) -> str | None:
        code = _code(error)
        template = _SENTENCES.get(code)
        details = f"{one_line(error.args[1])}; error {code}" if len(error.args) > 1 else one_line(error)
        if code in _ERROR_FROM_ENGINE and any(words in details for words in _NO_SPACE):
            template = _FULL
        if template is None:
            if type(error).__name__ == "ProgrammingError":
                return None
            template = "{details}"
        return template.format(patience=self._patience, details=details)

    @override
    def is_undone(self, error: BaseException) -> bool:
        return _code(error) in _UNDONE

    @override
    def is_prepared(self, connection: Connection) -> bool:
        mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
        version = connection.dialect.server_version_info or ()
        oldest = _OLDEST[mariadb]
        if version < oldest:
            wanted = ".".join(map(str, oldest))
            raise StoreUnavailable(
                f"the store {self.place} needs {'MariaDB' if mariadb else 'MySQL'} {wanted} or newer, this is "
                f"{'.'.join(map(str, version))}: upgrade the server"
            )
        return True

    @override
    def prepare(self, engine: Engine) -> None:
        """Do nothing."""

    @override
    def begin_upgrade(self, connection: Connection) -> None:
        statement = f"SELECT GET_LOCK('{_UPGRADE_LOCK}', {max(math.ceil(self._patience), 1)})"
        if connection.exec_driver_sql(statement).scalar() != 1:
            raise StoreUnavailable(
                f"the store {self.place} is not available: another process has been upgrading it for longer than "
                f"{self._patience:g} s; try again"
            )

    @override
    def end_upgrade(self, connection: Connection, *, done: bool) -> None:
        connection.exec_driver_sql("COMMIT" if done else "ROLLBACK")
        connection.exec_driver_sql(f"SELECT RELEASE_LOCK('{_UPGRADE_LOCK}')").close()

    @override
    def columns(self, connection: Connection) -> Sequence[Sequence[str]]:
        statement = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
        return connection.exec_driver_sql(statement).all()

    @override
    def version(self, connection: Connection) -> str:
        name = "MariaDB" if getattr(connection.dialect, "is_mariadb", False) else "MySQL"
        return f"{name} {connection.exec_driver_sql('SELECT VERSION()').scalar()}"


def _code(error: BaseException) -> int:
    """Return the server's or the client's error number, 0 when there is none."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0
