"""Reads the files a user names; ``-`` is standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from katib.api.document import MAX_BYTES
from katib.errors import InvalidExperiment, Problem

__all__ = ["read_source"]


def read_source(name: str) -> bytes:
    """Return a file's content, no more of it than a document may have plus one byte, so that size is judged in one place.

    Raises:
        InvalidExperiment: It cannot be read.
    """
    try:
        if name == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(name).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidExperiment([Problem("", f"cannot read {name}: {error.strerror or error}")]) from error
