"""Times as people read them: ages and durations, short."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from katib.api.duration import format_duration

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ["age", "duration", "exact_moment", "moment", "now"]


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def age(since: datetime | None, at: datetime) -> str:
    """Return how long ago something was, such as ``3m20s``; nothing when it was never."""
    return "" if since is None else duration(at - since)


def duration(length: timedelta) -> str:
    """Return a length of time in whole seconds at least."""
    return format_duration(length) if length.total_seconds() >= 1 else "0s"


def moment(at: datetime | None) -> str:
    """Return a time as ``2026-11-24T14:47:50Z``; nothing when there is none."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_moment(at: datetime | None) -> str | None:
    """Return a time to the microsecond, as programs want it; None when there is none."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
