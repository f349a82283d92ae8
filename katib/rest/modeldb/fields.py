"""Reads the fields of ModelDB's requests, from a body or from behind the ``?``, and says which one is wrong.

They are protocol buffers written as JSON: a field that is absent has its empty value, 64-bit integers come as numbers or as texts, enums
by name or by number, and ``camelCase`` is as good as ``snake_case``. Fields that nobody here knows are ignored, so that clients may be
newer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput
from katib.rest.modeldb.failures import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Fields", "milliseconds_of", "whole_number"]

_WORD_END: Final = re.compile("_([a-z0-9])")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LAST_MILLISECOND: Final = 253_402_300_799_999
_LEAST, _MOST = -(2**63), 2**63 - 1
_LONGEST_NUMBER: Final = 400
_LONGEST_LIST: Final = 100_000
_FLAGS: Final = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False, "": False}


def milliseconds_of(time: datetime | None) -> str:
    """Return a time as ModelDB writes it: milliseconds as a text, 0 for none."""
    return str(0 if time is None else (time - _EPOCH) // _MILLISECOND)


def whole_number(value: Any) -> int | None:
    """Return a whole number that came as a number or as a text; None for anything else."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case str() if len(value) <= _LONGEST_NUMBER and value.isascii() and value == value.strip() and "_" not in value:
            try:
                return int(value)
            except ValueError:
                return None
    return None


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one message.

    Attributes:
        path: Where it stands in the request, with a dot at its end; empty for the request itself.
        of_query: Whether it stands behind the ``?``, where everything is a text and a list of one is none.

    Every method raises InvalidInput where a field is something else.
    """

    document: Mapping[str, Any]
    path: str = ""
    of_query: bool = False

    def value(self, name: str) -> Any:
        """Return what is there, as it stands; None for nothing."""
        found = self.document.get(name)
        if found is None and "_" in name:
            found = self.document.get(_WORD_END.sub(lambda match: match[1].upper(), name))
        return found[-1] if self.of_query and isinstance(found, list) and found else found

    def has(self, name: str) -> bool:
        """Return whether something is there."""
        return self.value(name) is not None

    def text(self, name: str) -> str:
        """Return a text, empty where there is none."""
        value = self.value(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name, "has to be a text")
        return value

    def required(self, name: str) -> str:
        """Return a text that has to be there and not empty."""
        value = self.text(name)
        if not value:
            raise invalid(f"{self.path}{name}", "is required")
        return value

    def integer(self, name: str, *, least: int = _LEAST, most: int = _MOST) -> int:
        """Return a whole number within bounds, 0 where there is none."""
        value = self.value(name)
        if value is None or value == "":
            return 0
        found = whole_number(value)
        if found is None:
            raise self.wrong(name, "has to be a whole number")
        if not least <= found <= most:
            raise self.wrong(name, f"has to be {least} to {most}")
        return found

    def flag(self, name: str) -> bool:
        """Return whether something is so."""
        value = self.value(name)
        if isinstance(value, str) and self.of_query:
            value = _FLAGS.get(value.lower())
            if value is None:
                raise self.wrong(name, "has to be true or false")
        if value is not None and not isinstance(value, bool):
            raise self.wrong(name, "has to be true or false")
        return bool(value)

    def time(self, name: str) -> datetime | None:
        """Return a time that is given in milliseconds; 0 is none."""
        found = self.integer(name, least=0, most=_LAST_MILLISECOND)
        return _EPOCH + timedelta(milliseconds=found) if found else None

    def one_of(self, name: str, names: Sequence[str]) -> str:
        """Return a value of an enum by its name; the first where there is none."""
        value = self.value(name)
        if value is None or value == "":
            return names[0]
        number = whole_number(value)
        if number is not None and 0 <= number < len(names):
            return names[number]
        if isinstance(value, str) and value in names:
            return value
        raise self.wrong(name, f"has to be one of {', '.join(names)}, or the number of one")

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        values = self._list(name)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self.wrong(f"{name}[{index}]", "has to be a text", value)
        return values

    def messages(self, name: str) -> list[Fields]:
        """Return a list of messages."""
        found = []
        for index, value in enumerate(self._list(name)):
            if not isinstance(value, dict):
                raise self.wrong(f"{name}[{index}]", "has to be an object", value)
            found.append(Fields(value, f"{self.path}{name}[{index}]."))
        return found

    def message(self, name: str) -> Fields | None:
        """Return a message, None where there is none."""
        value = self.value(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "has to be an object")
        return Fields(value, f"{self.path}{name}.")

    def required_message(self, name: str) -> Fields:
        """Return a message that has to be there."""
        found = self.message(name)
        if found is None:
            raise invalid(f"{self.path}{name}", "is required")
        return found

    def _list(self, name: str) -> list[Any]:
        if self.of_query:
            found = self.document.get(name)
            return [] if found is None else found if isinstance(found, list) else [found]
        value = self.value(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "has to be a list")
        if len(value) > _LONGEST_LIST:
            raise invalid(f"{self.path}{name}", f"has more than {_LONGEST_LIST:,} items")
        return value

    def wrong(self, name: str, message: str, value: Any = None) -> InvalidInput:
        """Return the error of a field that is something else."""
        shown = repr(self.value(name) if value is None else value)
        shown = shown if len(shown) <= 100 else f"{shown[:99]}…"  # noqa: PLR2004 - what a person reads
        return InvalidInput(f"{self.path}{name} {message}, not {shown}")
