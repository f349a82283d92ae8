"""Attempts of a trial that failed and are followed by another, as its supervisor notes them; read only when there is news of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from katib.runners.exit import Exit
from katib.runners.supervisor import FAILED_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

__all__ = ["FailedAttempt", "read_failed_attempts"]


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that failed, of a trial that is tried again.

    Attributes:
        number: Which one, from 1.
        most: How many there may be.
        how: How it ended, as the rest of a sentence about it.
        ended: When, UTC.
        pause: Seconds until the next one.
        next_begins: When that is, UTC.
    """

    number: int
    most: int
    how: str
    ended: datetime
    pause: float
    next_begins: datetime

    @property
    def _end(self) -> str:
        return f"attempt {self.number} of {self.most} {self.how}"

    def sentence(self) -> str:
        """Say what happened when it happened."""
        return f"{self._end}; the next one begins in {self.pause:g} s"

    def standing(self) -> str:
        """Say what has happened, in words that stay true."""
        return f"{self._end}; the next one begins at {self.next_begins.strftime('%Y-%m-%dT%H:%M:%SZ')}"

    def said_at(self, now: datetime) -> str:
        """Say what has happened to somebody who reads it now."""
        left = (self.next_begins - now).total_seconds()
        follows = f"the next one begins in {max(1, round(left))} s" if left > 0 else f"attempt {self.number + 1} runs"
        return f"{self._end}; {follows}"


def read_failed_attempts(folder: Path, *, pod_deadline: float | None = None) -> list[FailedAttempt]:
    """Return the attempts of the trial of a folder that failed, the first one first; a file that is no supervisor's says nothing.

    Args:
        folder: The trial's.
        pod_deadline: The seconds that an attempt may take.
    """
    try:
        noted = json.loads((folder / FAILED_NAME).read_text(encoding="utf-8"))
        return [_attempt(entry, pod_deadline) for entry in noted]
    except (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return []


def _attempt(entry: Mapping[str, Any], pod_deadline: float | None) -> FailedAttempt:
    end = Exit(
        "BackoffLimitExceeded",
        cause=str(entry["reason"]),
        code=entry.get("exit_code"),
        signal=entry.get("signal"),
        error=str(entry.get("error") or ""),
        deadline=pod_deadline,
    )
    pause = float(entry["pause"])
    ended = float(entry["ended"])
    return FailedAttempt(
        number=int(entry["number"]),
        most=int(entry["most"]),
        how=end.of_an_attempt(),
        ended=datetime.fromtimestamp(ended, UTC),
        pause=pause,
        next_begins=datetime.fromtimestamp(ended + pause, UTC),
    )
