"""Reads the fields of MLflow's requests, from a body or from behind the ``?``, and says which one is wrong.

Numbers may come as texts, as protocol buffers write 64-bit integers and NaN in JSON. Fields that nobody here knows are ignored, so that
clients may be newer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from katib.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.rest.operations import Call

__all__ = ["Fields", "body_fields", "milliseconds_of", "query_fields"]

_WORDS: Final = {
    "nan": math.nan,
    "infinity": math.inf,
    "+infinity": math.inf,
    "inf": math.inf,
    "-infinity": -math.inf,
    "-inf": -math.inf,
}
_LEAST, _MOST = -(2**63), 2**63 - 1
_LONGEST_NUMBER: Final = 400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND: Final = 253_402_300_799_999
_LONGEST_LIST: Final = 100_000


async def body_fields(call: Call) -> Fields:
    """Return what the body says."""
    return Fields(await call.document())


def query_fields(call: Call) -> Fields:
    """Return what stands behind the ``?``; a name that is there again is a list."""
    found: dict[str, Any] = {}
    for name, value in call.request.query_params.multi_items():
        found.setdefault(name, []).append(value)
    return Fields({name: values if len(values) > 1 else values[0] for name, values in found.items()}, of_query=True)


def milliseconds_of(time: datetime | None) -> int | None:
    """Return a time as MLflow counts it; what is finer is cut off."""
    return None if time is None else (time - _EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one message.

    Attributes:
        path: Where it stands in the request, with a dot at its end; empty for the request itself.
        of_query: Whether a list of one may come without being a list.

    Every method raises InvalidInput where a field is something else, and returns None (or nothing) for one that is absent or null.
    """

    document: Mapping[str, Any]
    path: str = ""
    of_query: bool = False

    def text(self, *names: str) -> str | None:
        """Return the first text that is there under one of several names."""
        for name in names:
            value = self.document.get(name)
            if value is None:
                continue
            if not isinstance(value, str):
                raise self._wrong(name, value, "has to be a text")
            return value
        return None

    def required(self, *names: str) -> str:
        """Return a text that has to be there and not empty."""
        value = self.text(*names)
        if not value:
            raise InvalidInput(f"Missing value for required parameter '{self.path}{names[0]}'.")
        return value

    def integer(self, name: str, *, least: int = _LEAST, most: int = _MOST) -> int | None:
        """Return a whole number within bounds."""
        value = self.document.get(name)
        if value is None:
            return None
        found = _integer(value)
        if found is None:
            raise self._wrong(name, value, "has to be an integer")
        if not least <= found <= most:
            raise self._wrong(name, value, f"has to be {least} to {most}")
        return found

    def number(self, name: str) -> float:
        """Return a double that has to be there: NaN and infinities too."""
        value = self.document.get(name)
        if value is None:
            raise InvalidInput(f"Missing value for required parameter '{self.path}{name}'.")
        found = _double(value)
        if found is None:
            raise self._wrong(name, value, "has to be a number")
        return found

    def time(self, name: str) -> datetime | None:
        """Return a time that is given in milliseconds."""
        found = self.integer(name, least=0, most=_LAST_MILLISECOND)
        return None if found is None else _EPOCH + timedelta(milliseconds=found)

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        values = self._list(name)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self._wrong(f"{name}[{index}]", value, "has to be a text")
        return values

    def messages(self, name: str) -> list[Fields]:
        """Return a list of messages."""
        found = []
        for index, value in enumerate(self._list(name)):
            if not isinstance(value, dict):
                raise self._wrong(f"{name}[{index}]", value, "has to be an object")
            found.append(Fields(value, f"{self.path}{name}[{index}]."))
        return found

    def message(self, name: str) -> Fields:
        """Return a message that has to be there."""
        value = self.document.get(name)
        if not isinstance(value, dict):
            raise self._wrong(name, value, "has to be an object")
        return Fields(value, f"{self.path}{name}.")

    def pairs(self, name: str) -> dict[str, str]:
        """Return a list of ``key`` and ``value`` as names with texts; of a name that is there again, the last one."""
        return {pair.required("key"): pair.text("value") or "" for pair in self.messages(name)}

    def _list(self, name: str) -> list[Any]:
        value = self.document.get(name)
        if value is None:
            return []
        if self.of_query and isinstance(value, str):
            return [value]
        if not isinstance(value, list):
            raise self._wrong(name, value, "has to be a list")
        if len(value) > _LONGEST_LIST:
            raise InvalidInput(f"'{self.path}{name}' has more than {_LONGEST_LIST:,} items")
        return value

    def _wrong(self, name: str, value: Any, message: str) -> InvalidInput:
        shown = repr(value)
        shown = shown if len(shown) <= 100 else f"{shown[:99]}…"  # noqa: PLR2004 - what a person reads
        return InvalidInput(f"Invalid value {shown} for parameter '{self.path}{name}' supplied: it {message}")


def _integer(value: Any) -> int | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
        case str() if len(value) <= _LONGEST_NUMBER:
            try:
                return int(value) if value.isascii() and value == value.strip() and "_" not in value else None
            except ValueError:
                return None
    return None


def _double(value: Any) -> float | None:
    match value:
        case bool():
            return None
        case int() | float():
            try:
                return float(value)
            except OverflowError:
                return None
        case str() if len(value) <= _LONGEST_NUMBER:
            word = _WORDS.get(value.lower())
            if word is not None:
                return word
            try:
                return float(value) if value.isascii() and "_" not in value else None
            except ValueError:
                return None
    return None
