"""Times as Katib's wire has them: RFC 3339 with up to nanoseconds, of which a store keeps microseconds; always UTC on the way out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["UNSET", "read_time", "time_text"]

UNSET: Final = "0001-01-01T00:00:00Z"
"""What Katib's collectors send where a report has no time."""

_FORM: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_LAST_MINUTE: Final = 59
_LAST_HOUR: Final = 23


def _no_time(text: str) -> ValueError:
    return ValueError(f"no RFC 3339 time between the years 1 and 9999: {text!r}")


def read_time(text: str) -> datetime | None:
    """Return a time in UTC, or None for the unset one.

    Raises:
        ValueError: It is no such time, or none between the years 1 and 9999.
    """
    if text == UNSET:
        return None
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise _no_time(text)
    year, month, day, hour, minute, second = map(int, parts.groups()[:6])
    fraction, sign, hours, minutes = parts.groups()[6:]
    try:
        moment = datetime(year, month, day, hour, minute, second, int((fraction or "0")[:6].ljust(6, "0")), UTC)
    except ValueError:
        raise _no_time(text) from None
    if sign is not None:
        if int(hours) > _LAST_HOUR or int(minutes) > _LAST_MINUTE:
            raise _no_time(text)
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        try:
            moment = moment - offset if sign == "+" else moment + offset
        except OverflowError:
            raise _no_time(text) from None
    return None if moment == _LEAST else moment


_LEAST: Final = datetime.min.replace(tzinfo=UTC)


def time_text(moment: datetime | None) -> str:
    """Return a time in UTC as Go writes it: without zeros at the end."""
    if moment is None:
        return UNSET
    text = moment.replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0')}Z" if "." in text else f"{text}Z"
