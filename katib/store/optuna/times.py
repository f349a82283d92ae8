"""Optuna's times have no zone and are those of the machine's clock on the wall; ours are in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["from_local", "now", "to_local"]


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def from_local(time: datetime | None) -> datetime | None:
    """Return a time of Optuna's in UTC."""
    return None if time is None else time.astimezone(UTC)


def to_local(time: datetime | None) -> datetime | None:
    """Return a time as Optuna has it."""
    return None if time is None else time.astimezone().replace(tzinfo=None)
