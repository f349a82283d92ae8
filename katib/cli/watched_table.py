"""A table that is printed once, and then only where it changed: ``katib get -w``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.printing import note, say
from katib.cli.safe_text import one_line, width
from katib.cli.table import table_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["WatchedTable"]


class WatchedTable:
    """Remembers what it printed.

    Args:
        nothing: What to tell people when there is no row the first time.
        passing: Columns that change with the time alone; a row that differs only there is not printed again.
        key: How many columns say which object a row is about.
    """

    def __init__(self, nothing: str, *, passing: Collection[int], key: int = 1) -> None:
        self._nothing = nothing
        self._passing = frozenset(passing)
        self._key = key
        self._shown: dict[tuple[str, ...], list[str]] = {}
        self._widths: list[int] = []
        self._told = False

    def show(self, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print the rows that are new or say something new; the heading before the first of them."""
        changed = []
        for row in rows:
            name, lasting = tuple(row[: self._key]), [cell for at, cell in enumerate(row) if at not in self._passing]
            if self._shown.get(name) != lasting:
                self._shown[name] = lasting
                changed.append(row)
        if changed:
            first = not self._widths
            for line in table_lines(heading if first else (), changed, widths=self._widths or None):
                say(line)
            self._widths = (
                [max(width(one_line(row[column])) for row in [heading, *changed]) for column in range(len(heading))]
                if first
                else self._widths
            )
        elif not rows and not self._told:
            note(self._nothing)
        self._told = True
