"""Which names an artifact may have: one rule for every back end, so that a path means the same in a folder and in a bucket.

A path is checked, never repaired, with one exception: it is brought to Unicode's form NFC, because two names that look the same must be
the same file, and macOS writes names in another form than everybody else. Nothing is ever decoded: ``%2e%2e`` is a name of six letters.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from katib.errors import InvalidInput

__all__ = ["MAX_PART_BYTES", "MAX_PATH_BYTES", "RESERVED", "artifact_path", "folder_path", "is_artifact_path"]

MAX_PATH_BYTES: Final = 1_024
MAX_PART_BYTES: Final = 255
RESERVED: Final = ".katib"
"""The folder at the top of every root that is the store's own: what is being written, and uploads that are not committed."""

_SHOWN: Final = 80
_FORBIDDEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def artifact_path(path: str) -> str:
    """Return the path of a file as it is stored.

    Raises:
        InvalidInput: It could mean something else than one file below the root, or not every back end can hold it.
    """
    stored = unicodedata.normalize("NFC", path)
    fault = _fault(stored)
    if fault:
        shown = path if len(path) <= _SHOWN else path[: _SHOWN - 1] + "…"
        raise InvalidInput(f"{shown!a} cannot be the path of an artifact: {fault}")
    return stored


def folder_path(path: str) -> str:
    """Return the path of a folder as it is stored; empty for the root. One slash at its end means nothing.

    Raises:
        InvalidInput: As ``artifact_path``.
    """
    return artifact_path(path.removesuffix("/")) if path else ""


def is_artifact_path(path: str) -> bool:
    """Whether a name that was found in a back end is one that can be asked for."""
    return not _fault(path) and unicodedata.is_normalized("NFC", path)


def _fault(path: str) -> str:
    """Return what is wrong with a path, or nothing."""
    if any(unicodedata.category(character) in _FORBIDDEN for character in path):
        return "it has a control character, a line separator or half a character"
    if "\\" in path:
        return "it has a backslash; folders are separated by '/'"
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"it is longer than {MAX_PATH_BYTES:,} bytes"
    parts = path.split("/")
    if "" in parts:
        return "it is empty, begins or ends with '/', or has '//'"
    if "." in parts or ".." in parts:
        return "it has a part '.' or '..'"
    if any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        return f"one of its parts is longer than {MAX_PART_BYTES} bytes"
    if parts[0] == RESERVED:
        return f"{RESERVED!r} at its beginning is the store's own folder"
    return ""
