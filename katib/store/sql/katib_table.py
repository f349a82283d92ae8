"""Reads the table in which Katib's DB manager keeps what trials report; it has no index, so it is read once and in order."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from sqlalchemy import column, func, inspect, select, table
from typing_extensions import override

from katib.errors import NotFound
from katib.store.katib_logs import KatibLogs
from katib.store.observation_logs import Report
from katib.store.sql.connecting import database_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

__all__ = ["KatibTable"]

_NAME: Final = "observation_logs"
_LOGS = table(_NAME, *map(column, ("trial_name", "id", "time", "metric_name", "value")))
_COUNT = select(func.count()).select_from(_LOGS)
_ROWS = select(_LOGS.c.trial_name, _LOGS.c.time, _LOGS.c.metric_name, _LOGS.c.value).order_by(
    _LOGS.c.trial_name, _LOGS.c.id
)
_AT_A_TIME: Final = 5_000
_LEAST: Final = datetime.min.replace(tzinfo=UTC)


class _Reported(NamedTuple):
    name: str
    text: str
    time: datetime | None
    step: int | None = None


class KatibTable(KatibLogs):
    """The table of one open database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    @contextlib.contextmanager
    def opened(cls, url: str, *, patience: float) -> Iterator[Self]:
        """Open a database and yield its table; see ``katib.store.katib_logs.open_katib_logs``."""
        database = database_at(url, patience=patience, create_file=False)
        try:
            with database.reading() as connection:
                if not inspect(connection).has_table(_NAME):
                    raise NotFound(f"{database.place} has no table {_NAME!r}: name the database of Katib's DB manager")
                yield cls(connection)
        finally:
            database.close()

    @override
    def count(self) -> int:
        return int(self._connection.execute(_COUNT).scalar_one())

    @override
    def trials(self, namespace: str | None = None) -> Iterator[Report]:
        rows = self._connection.execute(_ROWS, execution_options={"stream_results": True, "yield_per": _AT_A_TIME})
        # Where the collation takes names for the same that are not, their rows come mixed.
        for _, group in groupby(rows, key=lambda row: row.trial_name.rstrip().casefold()):
            found: dict[str, list[_Reported]] = {}
            for name, time, metric, value in group:
                found.setdefault(name, []).append(_Reported(metric, value, _moment(time)))
            for name, samples in found.items():
                yield Report(name, samples, namespace)


def _moment(time: Any) -> datetime | None:
    """Return a time without a zone, which Katib means in UTC, as one; None for the unset one, however a driver gives it."""
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:  # 0000-00-00 00:00:00, the zero of MySQL
            return None
    if not isinstance(time, datetime):
        return None
    moment = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return None if moment == _LEAST else moment
