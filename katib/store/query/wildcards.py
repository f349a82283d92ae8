"""What the patterns of LIKE mean, as pieces; matched here without trying everything, and written for databases elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from katib.store.query.tree import Contains, Like

__all__ = ["fold_case", "glob", "like", "matches", "segments"]

_UPPER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_ONE: Final = "\x00"
"""Stands for any one character; a query holds no NUL."""
_GLOB_SPECIAL: Final = re.compile(r"[*?\[]")
_LIKE_SPECIAL: Final = re.compile(r"[%_!]")


def fold_case(text: str) -> str:
    """Return a text with the letters A to Z made small: what all databases can do alike."""
    return text.translate(_UPPER)


def segments(tree: Like | Contains) -> list[str]:
    """Return the pieces between the ``%`` of a pattern, any one character written as NUL."""
    from katib.store.query.tree import Contains

    if isinstance(tree, Contains):
        return ["", tree.text, ""]
    pieces, current, escaped = [], "", False
    for character in fold_case(tree.pattern) if tree.ignores_case else tree.pattern:
        if not escaped and tree.escape and character == (fold_case(tree.escape) if tree.ignores_case else tree.escape):
            escaped = True
            continue
        if character == "%" and not escaped:
            pieces.append(current)
            current = ""
        else:
            current += _ONE if character == "_" and not escaped else character
        escaped = False
    return [*pieces, current]


def matches(text: str, pieces: list[str], *, ignores_case: bool) -> bool:
    """Return whether a whole text is the pieces in their order with anything between them."""
    text = fold_case(text) if ignores_case else text
    first, *rest = [re.compile(".".join(map(re.escape, piece.split(_ONE))), re.DOTALL) for piece in pieces]
    found = first.match(text)
    if found is None or not rest:
        return found is not None and found.end() == len(text)
    place = found.end()
    for piece in rest[:-1]:  # the leftmost match leaves the most for those after it
        found = piece.search(text, place)
        if found is None:
            return False
        place = found.end()
    tail = len(text) - len(pieces[-1])
    return tail >= place and rest[-1].match(text, tail) is not None


def glob(pieces: list[str]) -> str:
    """Return the pattern for SQLite's GLOB, which minds the case whatever the connection is set to."""
    return "*".join(_GLOB_SPECIAL.sub(r"[\g<0>]", piece).replace(_ONE, "?") for piece in pieces)


def like(pieces: list[str]) -> str:
    """Return the pattern for LIKE … ESCAPE '!'."""
    return "%".join(_LIKE_SPECIAL.sub(r"!\g<0>", piece).replace(_ONE, "_") for piece in pieces)
