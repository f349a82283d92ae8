"""Reads fields out of a configuration one by one, and collects what is wrong with all of them before anybody is told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from katib.api.similar import did_you_mean
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["Fields"]

_QUANTITY: Final = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[numkKMGTPE]|[KMGTPE]i)?")
_POLICIES: Final = ("Always", "IfNotPresent", "Never")


class Fields:
    """One mapping of the document, with its path.

    Args:
        content: What is there; anything else than a mapping is a problem, and then counts as empty.
        path: For messages.
        problems: Where problems go; shared by all mappings of a document.
    """

    def __init__(self, content: object, path: str, problems: list[Problem]) -> None:
        self.path = path
        self._problems = problems
        if content is not None and not isinstance(content, dict):
            self.refuse("", "must be a mapping of fields", content)
        self.content: dict[str, Any] = content if isinstance(content, dict) else {}

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{name}" if self.path and name else self.path or name

    def refuse(self, name: str, message: str, value: object = None, hint: str = "") -> None:
        """Note a problem of a field; of the whole mapping where the name is empty."""
        self._problems.append(Problem(self.at(name), message, value, hint))

    def unknown(self, known: Collection[str]) -> list[str]:
        """Return which fields nobody knows."""
        return [str(name) for name in self.content if name not in known]

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Make a problem of each field that nobody knows."""
        for name in self.unknown(known):
            self.refuse(name, "is no field here", hint=did_you_mean(name, sorted(known)))

    def fields(self, name: str) -> Fields:
        """Return a mapping below; an empty one where there is none."""
        return Fields(self.content.get(name), self.at(name), self._problems)

    def items(self, name: str) -> Iterator[Fields]:
        """Yield the mappings of a list."""
        value = self.content.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            self.refuse(name, "must be a list", value)
            return
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield Fields(item, f"{self.at(name)}[{index}]", self._problems)
            else:
                self.refuse(f"{name}[{index}]", "must be a mapping of fields", item)

    def text(self, name: str, default: str = "") -> str:
        """Return a text without blanks around it."""
        value = self.content.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.refuse(name, "must be a text", value)
            return default
        return value.strip() or default

    def flag(self, name: str) -> bool | None:
        """Return true or false; None where it is not said."""
        value = self.content.get(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, "must be true or false", value)
            return None
        return value

    def pull_policy(self) -> str:
        """Return when a node fetches the image; empty where it is not said."""
        value = self.text("imagePullPolicy")
        if value and value not in _POLICIES:
            self.refuse("imagePullPolicy", f"must be one of {', '.join(_POLICIES)}", value)
        return value

    def texts(self, name: str) -> dict[str, str]:
        """Return a mapping of texts, such as labels."""
        below = self.fields(name)
        for key, value in below.content.items():
            if not isinstance(value, str):
                below.refuse(str(key), "must be a text", value)
        return {str(key): value for key, value in below.content.items() if isinstance(value, str)}

    def resources(self, defaults: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """Return requests and limits over defaults; a negative quantity takes one away, as in Katib."""
        stated = self.fields("resources")
        found: dict[str, Any] = {name: value for name, value in stated.content.items() if name == "claims"}
        stated.refuse_unknown(("claims", "limits", "requests"))
        for part in ("requests", "limits"):
            amounts: dict[str, Any] = dict(defaults.get(part) or {})
            below = stated.fields(part)
            for name, value in below.content.items():
                matched = _QUANTITY.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
                if matched is None or isinstance(value, bool):
                    below.refuse(str(name), "must be a quantity, such as 500m or 100Mi", value)
                elif matched[1] == "-":
                    amounts.pop(name, None)
                else:
                    amounts[name] = str(value)
            if amounts:
                found[part] = amounts
        return found
