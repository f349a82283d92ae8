"""Durations as people write them for Kubernetes' tools: ``90s``, ``1h30m``, ``500ms``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from katib.errors import InvalidInput

__all__ = ["format_duration", "parse_duration"]

_UNITS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|d|h|m|s)")
_MOST_CHARACTERS: Final = 200
_LONGEST: Final = timedelta(days=36_500)
"""A century: any moment of an experiment plus this is still a date."""


def parse_duration(text: str) -> timedelta:
    """Return a positive duration.

    Raises:
        InvalidInput: It is not one.
    """
    parts = _PART.findall(text[:_MOST_CHARACTERS])
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidInput(
            f"{text[:60]!r} is not a duration: write numbers with units d, h, m, s or ms, such as 90s or 1h30m"
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST.total_seconds():
        raise InvalidInput(f"the duration {text!r} is too long: at most {_LONGEST.days}d")
    duration = timedelta(seconds=seconds)
    if duration <= timedelta():
        raise InvalidInput(f"the duration {text!r} must be more than nothing")
    return duration


def format_duration(duration: timedelta) -> str:
    """Return a duration the way kubectl shows ages: two units at most, such as ``3m20s``, ``2h``, ``5d3h``, ``0s``."""
    seconds = max(0, int(duration.total_seconds()))
    if seconds == 0 and duration.total_seconds() > 0:
        return f"{int(duration.total_seconds() * 1000)}ms"
    parts: list[str] = []
    for unit in ("d", "h", "m", "s"):
        count, seconds = divmod(seconds, int(_UNITS[unit]))
        if count or (parts and seconds):
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:  # noqa: PLR2004 - two units say enough
            break
    return "".join(parts) or "0s"
