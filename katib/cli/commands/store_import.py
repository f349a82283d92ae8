"""``katib store import``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from katib.cli.store_url import StoreUrlOption

if TYPE_CHECKING:
    from katib.cli.settings import Settings
    from katib.store.observation_logs import LoggingStore, Report

__all__ = ["command"]

_ROWS_AT_A_TIME = 5_000


def command(
    settings: Settings,
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="URL",
            help="Katib's database: mysql+pymysql://..., postgresql+psycopg://... or sqlite:///FILE.",
            show_default=False,
        ),
    ],
    url: StoreUrlOption = None,
) -> None:
    """Copy the metrics that Katib has kept into a store.

    Nothing is changed in Katib's database. Running it again, also after it was interrupted, copies what is missing. A trial that an
    experiment of the store has gets the rows that are its own; others are kept under their names.
    """
    from katib.cli.counted import counted
    from katib.cli.printing import say
    from katib.cli.store_url import named_store
    from katib.store.katib_logs import open_katib_logs

    with named_store(url, settings) as (name, store), open_katib_logs(source) as logs:
        copying = _Copying(store, logs.count() if sys.stderr.isatty() else None)
        try:
            for report in logs.trials(settings.chosen_namespace):
                copying.add(report)
            copying.store_all()
        finally:
            copying.end()
    say(
        f"{counted(copying.trials, 'trial')} copied into {name}: {counted(copying.stored, 'row')} stored, "
        f"{copying.repeated} were there before"
    )


class _Copying:
    """Stores reports, several in one change, and says on a terminal how far it is.

    Args:
        store: Where.
        total: How many rows there are; None says nothing.
    """

    def __init__(self, store: LoggingStore, total: int | None) -> None:
        self._store = store
        self._total = total
        self._waiting: list[Report] = []
        self._rows = 0
        self.trials = self.stored = self.repeated = 0

    def add(self, report: Report) -> None:
        self._waiting.append(report)
        self._rows += len(report.samples)
        if self._rows >= _ROWS_AT_A_TIME:
            self.store_all()

    def store_all(self) -> None:
        for receipt in self._store.report(self._waiting) if self._waiting else ():
            self.trials += 1
            self.stored += receipt.stored
            self.repeated += receipt.repeated
        self._waiting, self._rows = [], 0
        if self._total is not None:
            sys.stderr.write(f"\r{self.stored + self.repeated:,} of {self._total:,} rows")
            sys.stderr.flush()

    def end(self) -> None:
        if self._total is not None:
            sys.stderr.write("\n")
