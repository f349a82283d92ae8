"""Exports as text: CSV for spreadsheets, JSON and JSON Lines for programs."""

from __future__ import annotations

import csv
import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

from katib.store.export.tables import ColumnType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from katib.store.export.tables import Column, Table

__all__ = ["TextFile", "write_csv", "write_json", "write_jsonl"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TextFile(Protocol):
    """Where text can be written to."""

    def write(self, text: str, /) -> object:
        """Write text."""


def _time(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _number(value: float) -> float | str:
    """Return a number as JSON has it; those it does not have are the words that JavaScript and protobuf use."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _readings(columns: tuple[Column, ...], *, strict_json: bool) -> list[Callable[[Any], Any] | None]:
    """Return what is done to the values of each column."""
    special = {ColumnType.TIME: _time, **({ColumnType.NUMBER: _number} if strict_json else {})}
    return [special.get(column.type) for column in columns]


def _rows(table: Table, *, strict_json: bool) -> Iterator[tuple[Any, ...]]:
    readings = _readings(tuple(table.columns), strict_json=strict_json)
    for batch in table.batches():
        read = [
            values if reading is None else [None if value is None else reading(value) for value in values]
            for values, reading in zip(batch, readings, strict=True)
        ]
        yield from zip(*read, strict=True)


def write_csv(file: TextFile, table: Table) -> None:
    """Write CSV (RFC 4180, with line feeds); an absent value is empty, NaN is ``nan``."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows(_rows(table, strict_json=False))


def _objects(table: Table) -> Iterator[str]:
    names = [column.name for column in table.columns]
    for row in _rows(table, strict_json=True):
        found = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        yield json.dumps(found, allow_nan=False)


def write_jsonl(file: TextFile, table: Table) -> None:
    """Write one JSON object to a line; absent values are left out, NaN and infinities are strings."""
    for text in _objects(table):
        file.write(text + "\n")


def write_json(file: TextFile, table: Table) -> None:
    """Write a JSON array of the same objects, one to a line."""
    separator = "["
    for text in _objects(table):
        file.write(f"{separator}\n{text}")
        separator = ","
    file.write("[]\n" if separator == "[" else "\n]\n")
