"""What a line says about metrics: the formats of Katib's collectors (facts 5), and of ``katib.report_metrics``."""

from __future__ import annotations

import abc
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from katib.metrics.sample import Sample, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["JsonLines", "LineParser", "PushedLines", "TextLines"]

_LONGEST_VALUE: Final = 16_384
_NUMBER: Final = r"((?i:[+-]?(?:nan|inf(?:inity)?))\b|[+-]?\d*(?:\.\d+)?(?:[Ee][+-]?\d+)?)"
"""Katib's number, and the ways to write one that is not finite."""


class LineParser(abc.ABC):
    """Finds samples in single lines.

    Attributes:
        needles: A line that contains none of these says nothing and is not even parsed.
    """

    def __init__(self, metrics: Sequence[str]) -> None:
        self.metrics = frozenset(metrics)
        self.needles = tuple(dict.fromkeys(name.encode() for name in metrics))

    @abc.abstractmethod
    def parse(self, line: str) -> list[Sample]:
        """Return what a line says; nothing for one that says nothing or cannot be read."""


class TextLines(LineParser):
    """``name=value`` pairs anywhere in a line, or whatever the filters (RE2; group 1 the name, group 2 the value) find.

    The time is the line's first word when it is an RFC 3339 time.
    """

    def __init__(self, metrics: Sequence[str], filters: Sequence[str] = ()) -> None:
        super().__init__(metrics)
        self._filters = list(filters) or [self._default(metrics)]
        self._compiled: list[Any] | None = None

    @staticmethod
    def _default(metrics: Sequence[str]) -> str:
        """Return Katib's default filter, for the metrics that are wanted; also those with other characters in their names."""
        names = "|".join(re.escape(name) for name in sorted(metrics, key=len, reverse=True))
        return rf"(?:^|[^\w|\-])({names})\s*=\s*{_NUMBER}"

    def parse(self, line: str) -> list[Sample]:
        """Return the pairs of a line."""
        if self._compiled is None:
            import re2  # linear in the line, whatever the pattern

            self._compiled = [re2.compile(pattern) for pattern in self._filters]
        found = []
        for pattern in self._compiled:
            for match in pattern.finditer(line):
                name, value = (match[1] or "").strip(), (match[2] or "").strip()
                if name in self.metrics and value and len(value) <= _LONGEST_VALUE:
                    found.append(Sample(name, value, parse_time(line.split(" ", 1)[0])))
        return found


class JsonLines(LineParser):
    """One object a line, metrics as its fields (numbers or texts); ``timestamp`` is RFC 3339 or seconds of the Unix epoch."""

    def parse(self, line: str) -> list[Sample]:
        """Return the fields of a line that are metrics."""
        fields = _object(line)
        time = _time(fields.get("timestamp"))
        return [
            Sample(name, text, time)
            for name, value in fields.items()
            if name in self.metrics and (text := _text(value)) is not None
        ]


class PushedLines(LineParser):
    """What ``katib.report_metrics`` writes."""

    def parse(self, line: str) -> list[Sample]:
        """Return the metrics of one report."""
        fields = _object(line)
        metrics = fields.get("metrics")
        step = fields.get("step")
        if not isinstance(metrics, dict):
            return []
        return [
            Sample(name, text, _time(fields.get("time")), step if isinstance(step, int) else None)
            for name, value in metrics.items()
            if name in self.metrics and (text := _text(value)) is not None
        ]


def _object(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value.strip() if 0 < len(value.strip()) <= _LONGEST_VALUE else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value)
    return None


def _time(value: object) -> datetime | None:
    if isinstance(value, str):
        return parse_time(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    return None
