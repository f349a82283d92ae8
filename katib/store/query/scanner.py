"""Reads a query's text piece by piece, and says where it is wrong with a caret under the place.

The lexical rules of names and quoted texts are MLflow's (a quote inside quotes stays as it is written: nothing is unescaped), so
that what MLflow reads is read the same. What MLflow cannot write has forms of its own: ``e'…'`` and ``params['…']``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from katib.errors import InvalidInput, Problem
from katib.store.sql.text import storable

__all__ = ["LONGEST_QUERY", "Quoted", "Scanner", "fault"]

LONGEST_QUERY: Final = 65_536
"""Characters."""

_SPACE: Final = re.compile(r"\s*")
_SINGLE: Final = re.compile(r"'(?:''|\\'|[^'])*'")
_DOUBLE: Final = re.compile(r'"(?:""|\\"|[^"])*"')
_ESCAPED: Final = re.compile(r"[eE]?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")", re.DOTALL)
_PIECE: Final = r"""(?:`(?:``|[^`])*`|"(?:""|\\"|[^"])*"|'(?:''|\\'|[^'])*'|[^\s'"`()=<>!~,;.]+)"""
_NAME: Final = re.compile(rf"{_PIECE}?(?:\.{_PIECE}?)*")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
_OPERATOR: Final = re.compile(r"[<>=!~]+")
# MLflow reads "1e5and" as two words, though not "15and".
_NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+|(?![\w.]))")
_INFINITY: Final = re.compile(r"([-+]?)(?:inf|infinity)(?![\w.])", re.IGNORECASE)
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[dhms]))+(?![\w.])")
_ESCAPE: Final = re.compile(r"\\(?:u\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_ESCAPES: Final = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "r": "\r", "t": "\t"}
_SHOWN: Final = 76
"""Characters of the query that a message shows."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """A quoted text.

    Attributes:
        source: As written, quotes included.
        text: What it means.
    """

    source: str
    text: str


class Scanner:
    """A place in a query.

    Attributes:
        place: Where the next piece begins, blanks before it left out.
        was: Where the last piece began.
    """

    def __init__(self, text: str, what: str) -> None:
        if len(text) > LONGEST_QUERY:
            raise InvalidInput(
                [
                    Problem(what, f"has {len(text):,} characters; the most are {LONGEST_QUERY:,}"),
                ]
            )
        self.text = storable(text)
        self._what = what
        self.place = self.was = 0
        if "\x00" in self.text:
            raise self.fault("the character NUL cannot be searched for", at=self.text.index("\x00"))
        self._skip()

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.place)
        self.place = found.end() if found else self.place

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.place)
        if found is None or found.end() == self.place:
            return None
        self.was, self.place = self.place, found.end()
        self._skip()
        return found

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self.place >= len(self.text)

    def sees(self, *words: str) -> bool:
        """Return whether one of these keywords comes next; case does not count."""
        found = _WORD.match(self.text, self.place)
        if found is None or found[0].upper() not in words:
            return False
        return self.text[found.end() : found.end() + 1] not in {".", "["}

    def keyword(self, *words: str) -> str:
        """Take one of these keywords and return it in capitals, or return nothing."""
        if not self.sees(*words):
            return ""
        found = self._take(_WORD)
        return found[0].upper() if found else ""

    def symbol(self, character: str) -> bool:
        """Take one character if it comes next."""
        if not self.text.startswith(character, self.place):
            return False
        self.was = self.place
        self.place += 1
        self._skip()
        return True

    def sees_symbol(self, character: str) -> bool:
        """Return whether this character comes next."""
        return self.text.startswith(character, self.place)

    def function(self) -> str:
        """Take ``name(`` and return the name in lower case, or return nothing."""
        found = re.compile(r"([A-Za-z_]\w*)\s*\(").match(self.text, self.place)
        if found is None:
            return ""
        self.was, self.place = self.place, found.end()
        self._skip()
        return found[1].lower()

    def subscripted(self) -> tuple[str, str] | None:
        """Take ``params['any text']`` and return both parts, or return None."""
        found = re.compile(r"([A-Za-z_]\w*)\[\s*(?=[eE]?['\"])").match(self.text, self.place)
        if found is None:
            return None
        start, self.place = self.place, found.end()
        inner = self._take(_ESCAPED)
        if inner is None:
            raise self.fault("this quote is not closed", at=found.end())
        key = self._unescaped(inner[0].lstrip("eE"), inner.start())
        if not self.text.startswith("]", self.place):
            raise self.fault("expected ]")
        self.place += 1
        self._skip()
        self.was = start
        return found[1], key

    def name(self) -> str:
        """Take a name as it is written, quotes and dots included; nothing where none comes."""
        found = self._take(_NAME)
        return found[0] if found else ""

    def peek_name(self) -> str:
        """Return the name that comes next without taking it."""
        found = _NAME.match(self.text, self.place)
        return found[0] if found else ""

    def operator(self) -> str:
        """Take a run of the characters that operators are made of."""
        found = self._take(_OPERATOR)
        return found[0] if found else ""

    def number(self) -> str | None:
        """Take a number as it is written."""
        found = self._take(_NUMBER)
        if found is not None:
            return found[0]
        found = self._take(_INFINITY)
        return f"{found[1]}inf" if found else None

    def duration(self) -> str | None:
        """Take a duration such as ``1h30m`` as it is written."""
        found = self._take(_DURATION)
        return found[0] if found else None

    def quoted(self) -> Quoted | None:
        """Take a quoted text, or return None where none comes."""
        ahead = self.text[self.place : self.place + 2]
        if ahead[:1] in {"e", "E"} and ahead[1:] in {"'", '"'}:
            found = self._take(_ESCAPED)
            if found is None:
                raise self.fault("this quote is not closed", at=self.place)
            return Quoted(found[0], self._unescaped(found[0][1:], found.start() + 1))
        if ahead[:1] not in {"'", '"'}:
            return None
        found = self._take(_SINGLE if ahead[0] == "'" else _DOUBLE)
        if found is None:
            raise self.fault("this quote is not closed", at=self.place)
        return Quoted(found[0], found[0][1:-1])

    def _unescaped(self, quoted: str, at: int) -> str:
        def meaning(found: re.Match[str]) -> str:
            if found[1] is not None:
                code = int(found[1], 16)
                if 0 < code < 0xD800 or 0xDFFF < code <= 0x10FFFF:  # noqa: PLR2004 - the limits of Unicode
                    return chr(code)
            elif found[2] in _ESCAPES:
                return _ESCAPES[found[2]]
            where = at + 1 + found.start()
            raise self.fault(rf"{found[0]!r} is no escape: \\ \' \" \n \r \t \u{{…}} are", at=where, until=where + 2)

        return _ESCAPE.sub(meaning, quoted[1:-1])

    def fault(self, message: str, *, at: int | None = None, until: int | None = None, hint: str = "") -> InvalidInput:
        """Return the error that refuses the query; its text shows the place."""
        start = self.place if at is None else at
        return fault(self._what, self.text, message, start, until=until, hint=hint)


def fault(what: str, text: str, message: str, at: int, *, until: int | None = None, hint: str = "") -> InvalidInput:
    """Return the error for a place in a query: what is wrong, at which column, and the place with a caret under it."""
    end = at + 1 if until is None else max(at + 1, until)
    first = max(0, at - _SHOWN // 2)
    shown = "".join(character if character.isprintable() else " " for character in text[first : first + _SHOWN])
    before = "…" if first else ""
    after = "…" if first + _SHOWN < len(text) else ""
    width = _columns(before + shown[: at - first])
    carets = "^" * max(1, _columns(shown[at - first : end - first]))
    where = "at the end" if at >= len(text) else f"column {at + 1}"
    sentence = f"{where}: {message[:400]}\n  {before}{shown}{after}\n  {' ' * width}{carets}"
    return InvalidInput([Problem(what, sentence, hint=hint)])


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(character) in {"W", "F"} for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) != 0 for character in text)
