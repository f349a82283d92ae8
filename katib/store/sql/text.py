"""Text that a database can hold: UTF-8, with what UTF-8 has no place for escaped."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["storable", "storable_json"]

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def storable(text: str) -> str:
    r"""Return text with lone surrogates escaped, as ``\udc80``; all other text is returned as it is."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def storable_json(text: str) -> str:
    """Return JSON text whose strings, once parsed, hold lone surrogates escaped."""
    return text if text.isascii() else _LONE_SURROGATE.sub(_escaped_backslash, text)


def _escaped_backslash(surrogate: re.Match[str]) -> str:
    return f"\\\\u{ord(surrogate[0]):04x}"
