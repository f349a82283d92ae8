"""Tables as kubectl prints them: capital headings, columns parted by three spaces, no frames, so that ``awk`` and eyes both work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.cli.safe_text import one_line, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["table_lines"]

_GAP = 3


def table_lines(
    heading: Sequence[str], rows: Iterable[Sequence[str]], *, widths: Sequence[int] | None = None
) -> Iterator[str]:
    """Yield the lines of a table; cells are made safe for a terminal, an empty one is shown as ``-``.

    Args:
        heading: The column names.
        rows: As many cells as there are columns.
        widths: The least width of each column, for rows that are added to a table printed before.
    """
    cells = [[one_line(cell) or "-" for cell in row] for row in rows]
    everything = ([list(heading)] if heading else []) + cells
    columns = max((len(row) for row in everything), default=0)
    needed = [max((width(row[column]) for row in everything), default=0) for column in range(columns)]
    if widths is not None:
        needed = [max(pair) for pair in zip(needed, widths, strict=True)]
    for row in everything:
        padded = [cell + " " * (needed[column] - width(cell) + _GAP) for column, cell in enumerate(row)]
        yield "".join(padded).rstrip()
