"""The part of the SQL store that Katib's DB manager asks: each method is one call of the modules beside this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select
from typing_extensions import override

from katib.errors import StoreUnavailable
from katib.store.observation_logs import ObservationLogs
from katib.store.sql import log_rows, report_rows
from katib.store.sql.schema import revision_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from katib.store.observation_logs import Logged, Receipt, Report
    from katib.store.sql.database import Database

__all__ = ["SqlLogs"]

_REVISION = select(revision_table.c.version_num)


class SqlLogs(ObservationLogs):
    """Logs of trials by name, in a SQL database."""

    _database: Database
    _file: tuple[int, int] | None = None

    @override
    def report(self, reports: Sequence[Report]) -> list[Receipt]:
        receipts = self._database.write(report_rows.write_reports, reports)
        self._check_file()
        return receipts

    @override
    def log(
        self,
        trial: str,
        metric: str | None = None,
        *,
        namespace: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int | None = None,
    ) -> list[Logged]:
        return self._database.read(
            log_rows.read_log, trial, metric, namespace=namespace, start=start, end=end, limit=limit
        )

    @override
    def delete_log(self, trial: str, *, namespace: str | None = None) -> None:
        self._database.write(log_rows.delete_log, trial, namespace=namespace)
        self._check_file()

    @override
    def check(self) -> None:
        self._database.read(_read_revision)
        self._check_file()

    def _check_file(self) -> None:
        """Make sure that what is open is what has the name: SQLite goes on writing to a file that was deleted.

        Raises:
            StoreUnavailable: It is not.
        """
        path: Path | None = getattr(self._database.dialect, "file", None)
        if path is None:
            return
        try:
            status = path.stat()
        except OSError as error:
            raise StoreUnavailable(
                f"the store {path} is not available: its file is gone ({error.strerror}); put it back or start again"
            ) from error
        identity = (status.st_dev, status.st_ino)
        self._file = self._file or identity
        if identity != self._file:
            raise StoreUnavailable(
                f"the store {path} is not available: another file was put in its place; start again to use it"
            )


def _read_revision(connection: Connection) -> None:
    connection.execute(_REVISION).first()
