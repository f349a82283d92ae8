"""One reported value of one metric."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Sample", "parse_time"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One report.

    Attributes:
        name: The metric.
        text: The value as reported: a number, ``nan``, ``-inf``, ``unavailable`` or any word.
        time: When it was reported, aware, UTC; None when the report does not say.
        step: Which step of training it belongs to; None when the report does not say.
    """

    name: str
    text: str
    time: datetime | None = None
    step: int | None = None

    def number(self) -> float | None:
        """Return the value as a number (NaN and infinities included), or None when it is a word."""
        try:
            return float(self.text)
        except ValueError:
            return None


def parse_time(text: str) -> datetime | None:
    """Return the moment of an RFC 3339 text with a zone, in UTC, or None when it is none."""
    if len(text) < len("2006-01-02T15:04:05Z") or text[4:5] != "-" or text[10:11] not in "Tt":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else None
