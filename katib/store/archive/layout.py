"""Where the files of an archive are, and which columns they have."""

from __future__ import annotations

import hashlib
from typing import Final
from urllib.parse import quote

from katib.store.export.tables import Column, ColumnType

__all__ = ["POINTS", "POINT_COLUMNS", "RUNS", "file_of", "namespace_folder"]

RUNS: Final = "runs"
POINTS: Final = "points"

_LONGEST_FOLDER: Final = 180
_TEXT, _INTEGER, _NUMBER, _TIME = ColumnType.TEXT, ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.TIME

POINT_COLUMNS: Final = (
    Column("batch", _TEXT),
    Column("run", _TEXT),
    Column("name", _TEXT),
    Column("experiment", _TEXT),
    Column("project", _TEXT),
    Column("metric", _TEXT),
    Column("sequence", _INTEGER),
    Column("step", _INTEGER),
    Column("time", _TIME),
    Column("value", _NUMBER),
    Column("text", _TEXT),
)
"""Of reports; ``text`` is what was reported where ``value`` does not say it."""


def namespace_folder(namespace: str) -> str:
    """Return the folder of a namespace, whatever it is called: most are called what they are."""
    folder = quote(namespace, safe="") or "%"
    if folder.startswith("."):
        folder = f"%2E{folder[1:]}"
    if len(folder) > _LONGEST_FOLDER:
        folder = f"{folder[:100]}-{hashlib.sha256(namespace.encode('utf-8', 'backslashreplace')).hexdigest()}"
    return folder


def file_of(namespace: str, project_id: str, kind: str, batch: str) -> str:
    """Return the path of a file."""
    return f"{namespace_folder(namespace)}/{project_id}/{kind}/{batch}.parquet"
