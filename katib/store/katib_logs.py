"""Katib's own table of metrics, ``observation_logs``, as something to import: read once from one state of its database."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.store.observation_logs import Report

__all__ = ["KatibLogs", "open_katib_logs"]


class KatibLogs(Protocol):
    """The table of one database."""

    def count(self) -> int:
        """Return how many rows it has."""

    def trials(self, namespace: str | None = None) -> Iterator[Report]:
        """Yield everything that was reported of each trial, in the order of arrival.

        A trial is read as a whole, because only then can equal rows be told from one that comes again.

        Args:
            namespace: Where the trials are, as far as somebody knows.
        """


@contextlib.contextmanager
def open_katib_logs(url: str, *, patience: float = 30.0) -> Iterator[KatibLogs]:
    """Open Katib's database.

    Example::

        with open_katib_logs("mysql+pymysql://root@127.0.0.1/katib") as logs:
            names = [report.trial for report in logs.trials()]

    Args:
        url: Of a MySQL, MariaDB, PostgreSQL or SQLite database.
        patience: Seconds to wait for it.

    Raises:
        InvalidInput: The URL cannot be read.
        NotFound: It has no such table.
        StoreUnavailable: It cannot be reached or read.
        Unsupported: A database of another kind, or one whose driver is not installed.
    """
    from katib.store.sql.katib_table import KatibTable

    with KatibTable.opened(url, patience=patience) as table:
        yield table
