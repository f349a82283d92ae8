"""One row for each run, one column for each parameter, metric and tag that any of them has.

Which columns there are, and whether a parameter is a number everywhere, is known only after the last run. So what was read goes into a
temporary file first, and comes out of it with the types: the store is read once, and memory holds one page.
"""

from __future__ import annotations

import functools
import pickle
import re
import tempfile
from typing import TYPE_CHECKING, Any, Final, Self

from katib.store.export.tables import Column, ColumnType
from katib.store.summary import reported_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from katib.store.export.tables import Batch, Selection
    from katib.store.tracking.protocol import Tracking
    from katib.store.tracking.records import FlatRun

__all__ = ["WideTable"]

_TEXT, _INTEGER, _NUMBER, _TIME = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.TIME
_FIXED: Final = (
    Column("id", _TEXT),
    Column("name", _TEXT),
    Column("project", _TEXT),
    Column("experiment", _TEXT),
    Column("index", _INTEGER),
    Column("state", _TEXT),
    Column("reason", _TEXT),
    Column("owner", _TEXT),
    Column("created", _TIME),
    Column("started", _TIME),
    Column("ended", _TIME),
)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_REMEMBERED: Final = 100_000


@functools.lru_cache(_REMEMBERED)
def _type_of(text: str) -> ColumnType:
    if _WHOLE.fullmatch(text):
        return _INTEGER
    return _TEXT if reported_number(text) is None else _NUMBER


class WideTable:
    """Runs as rows; use it in a ``with`` block, which removes its temporary file.

    Args:
        tracking: Is read here, at once.
        selection: Which runs.

    Raises:
        OSError: There is no room for the temporary file.
    """

    def __init__(self, tracking: Tracking, selection: Selection) -> None:
        self._parameters: dict[str, ColumnType] = {}
        self._metrics: dict[str, bool] = {}
        self._tags: dict[str, None] = {}
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        try:
            for runs in selection.pages(tracking):
                pickle.dump(self._page(runs), self._file, pickle.HIGHEST_PROTOCOL)
            self._file.flush()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _page(self, runs: Sequence[FlatRun]) -> tuple[int, dict[str, list[Any]]]:
        """Return the values of a page of runs by column, and learn what columns there are."""
        size = len(runs)
        page: dict[str, list[Any]] = {}

        def put(name: str, row: int, value: object) -> None:
            column = page.get(name)
            if column is None:
                column = page[name] = [None] * size
            column[row] = value

        for place, column in enumerate(_FIXED):
            page[column.name] = [run[place] for run in runs]
        for row, run in enumerate(runs):
            for name, text in run.parameters.items():
                put(f"params.{name}", row, text)
                self._learn(name, _type_of(text))
            for name, metric in run.metrics.items():
                put(f"metrics.{name}.latest", row, metric.latest)
                put(f"metrics.{name}.min", row, metric.min)
                put(f"metrics.{name}.max", row, metric.max)
                if metric.word is not None:
                    put(f"metrics.{name}.latest_text", row, metric.word)
                    self._metrics[name] = True
                else:
                    self._metrics.setdefault(name, False)
            for name, text in run.tags.items():
                put(f"tags.{name}", row, text)
                self._tags[name] = None
        return size, page

    def _learn(self, name: str, found: ColumnType) -> None:
        known = self._parameters.get(name)
        if known is None or known is found:
            self._parameters[name] = found
        elif _TEXT in {known, found}:
            self._parameters[name] = _TEXT
        else:
            self._parameters[name] = _NUMBER

    @property
    def columns(self) -> list[Column]:
        """The run's own, then parameters, metrics and tags by name."""
        found = [Column(f"params.{name}", kind) for name, kind in sorted(self._parameters.items())]
        for name, has_words in sorted(self._metrics.items()):
            found += [Column(f"metrics.{name}.{part}", _NUMBER) for part in ("latest", "min", "max")]
            found += [Column(f"metrics.{name}.latest_text", _TEXT)] * has_words
        return [*_FIXED, *found, *(Column(f"tags.{name}", _TEXT) for name in sorted(self._tags))]

    def batches(self) -> Iterator[Batch]:
        """Yield the pages in their order."""
        readings: dict[ColumnType, Callable[[str], Any]] = {_INTEGER: int, _NUMBER: reported_number}
        columns = self.columns
        self._file.seek(0)
        while True:
            try:
                size, page = pickle.load(self._file)  # noqa: S301 - it is what was written above
            except EOFError:
                return
            batch: Batch = []
            for name, kind in columns:
                values = page.get(name)
                if values is None:
                    values = [None] * size
                elif name.startswith("params.") and kind in readings:
                    read = readings[kind]
                    values = [None if text is None else read(text) for text in values]
                batch.append(values)
            yield batch
