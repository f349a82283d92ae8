"""Text from trials and files, made fit for a terminal: nothing in it can move the cursor, change colours or hide itself.

A metric's name, a log line or an error message may hold escape sequences, put there by accident or to deceive. Tables and messages
show them as visible escapes; files and pipes that asked for the raw bytes get those elsewhere (``logs``, ``export``).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["COLOUR_END", "one_line", "printable", "split_colour", "terminal_safe_log", "width"]

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that show nothing or reorder what is shown: controls, bidirectional marks, surrogates."""
_WIDE: Final = frozenset("WF")
_COLOUR = re.compile(r"\x1b\[([0-9;]{0,32})m")
_COLOUR_BEGUN = re.compile(r"\x1b(\[[0-9;]{0,32})?\Z")
_CONCEAL: Final = 8
_PALETTE: Final = {"5": 2, "2": 4}
"""How many numbers belong to ``38;5;N`` and ``38;2;R;G;B`` after the 38."""
COLOUR_END: Final = "\x1b[0m"


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def printable(text: str) -> str:
    r"""Return the text with every control character but newline and tab shown as an escape, such as ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(character if character in "\n\t" else _visible(character) for character in text)


def one_line(text: str) -> str:
    r"""Return ``printable`` text for one cell of a table: newlines and tabs are shown as ``\n`` and ``\t``."""
    if text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def terminal_safe_log(text: str, *, color: bool = True) -> str:
    """Return a log's text for a terminal: colours, tabs and carriage returns (progress bars) stay, all else is made visible.

    Args:
        color: False takes the colours away.
    """
    shown: list[str] = []
    end = 0
    for colour in _COLOUR.finditer(text):
        shown.append(_log_part(text[end : colour.start()]))
        if _hides(colour.group(1)):
            shown.append(_log_part(colour.group()))
        elif color:
            shown.append(colour.group())
        end = colour.end()
    shown.append(_log_part(text[end:]))
    return "".join(shown)


def _hides(numbers: str) -> bool:
    """Whether a colour sequence makes text invisible; an 8 that is the number of a colour does not."""
    parts = iter(numbers.split(";"))
    for part in parts:
        if part in {"38", "48", "58"}:
            for _ in range(_PALETTE.get(next(parts, ""), 1) - 1):
                next(parts, "")
        elif part and int(part) == _CONCEAL:
            return True
    return False


def split_colour(text: str) -> tuple[str, str]:
    """Return the text up to a colour sequence that its end may have cut in two, and the beginning of that one."""
    begun = _COLOUR_BEGUN.search(text)
    return (text, "") if begun is None else (text[: begun.start()], begun.group())


def _log_part(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character in "\n\t\r" else _visible(character) for character in text)


def width(text: str) -> int:
    """Return how many terminal cells a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in _WIDE else 1
        for character in text
    )
