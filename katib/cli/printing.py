"""Writes to standard output and standard error, always fit for a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from katib.cli.safe_text import printable
from katib.cli.table import table_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["note", "say", "say_table"]


def say(text: str = "") -> None:
    """Print lines of text for people."""
    sys.stdout.write(printable(text) + "\n")


def say_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    for line in table_lines(heading, rows):
        sys.stdout.write(line + "\n")


def note(text: str) -> None:
    """Tell people something that is not the answer, on standard error."""
    sys.stderr.write(printable(text) + "\n")
    sys.stderr.flush()
