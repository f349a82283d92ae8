"""Runs as Parquet, written before they are purged: what is gone from the store can be read for ever, with or without this project.

``docs/retention.md`` says where the files are and what is in them. Parquet needs the extra ``export``, which is imported when an archive
is opened.
"""

from __future__ import annotations

from katib.store.archive.reader import ArchiveRecord, read_archive
from katib.store.archive.writer import Archive

__all__ = ["Archive", "ArchiveRecord", "read_archive"]
