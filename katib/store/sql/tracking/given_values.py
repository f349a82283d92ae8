"""Values that callers give, checked before any row is written: what a column cannot hold is their mistake and none of the database's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput, Problem
from katib.store.sql.documents import dump
from katib.store.sql.text import storable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.store.tracking.records import Json

__all__ = ["DEEPEST", "canonical_text", "json_text", "json_texts", "texts_json", "whole_number"]

DEEPEST: Final = 100
"""Levels of a document. Python reads and writes JSON recursively: one that could be written here might not be readable elsewhere."""

_END: Final = 2**63


def whole_number(what: str, number: int | None) -> int | None:
    """Return a size or a count.

    Raises:
        InvalidInput: It is negative, or has more than 63 bits.
    """
    if number is not None and not 0 <= number < _END:
        raise InvalidInput([Problem(what, f"is a whole number from 0 to {_END - 1}", number)])
    return number


def json_text(what: str, document: Json) -> str | None:
    """Return any JSON as text; None as None.

    Raises:
        InvalidInput: It is no JSON, or too deep.
    """
    return None if document is None else _checked(what, document)


def json_texts(what: str, document: Mapping[str, Json] | None) -> str:
    """Return a mapping as JSON text, an empty one for None.

    Raises:
        InvalidInput: As ``json_text``.
    """
    return _checked(what, dict(document or {}))


def texts_json(what: str, texts: Mapping[str, str]) -> str:
    """Return texts by name as JSON text.

    Raises:
        InvalidInput: A name is empty, or something is no text.
    """
    for name, text in texts.items():
        if not name:
            raise InvalidInput([Problem(what, "has a name that is empty")])
        if not isinstance(text, str):
            raise InvalidInput([Problem(f"{what}.{name}", "is no text", text)])
    return dump(dict(sorted(texts.items())))


def canonical_text(what: str, document: Mapping[str, Json]) -> str:
    """Return a mapping as the one JSON text that all equal mappings have.

    Raises:
        InvalidInput: As ``json_text``.
    """
    # Read back, so that what JSON makes the same (tuples and lists, 1 and "1" as a name) is sorted as the same.
    plain = json.loads(_checked(what, dict(document)))
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _checked(what: str, document: Json) -> str:
    try:
        text = dump(document)
        _check_depth(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput([Problem(what, f"is no JSON that the store takes: {storable(str(error))}")]) from None
    return text


def _check_depth(document: Json) -> None:
    level: list[Any] = [document]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list | tuple)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise ValueError(f"it has more than {DEEPEST} levels")
