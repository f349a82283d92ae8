"""How the reports of one metric become its summary; pure, and incremental: a fold over reports in the order of arrival.

Katib's rules (facts 2.9, section 5): extremes over numbers only and kept as reported; the latest report is the one with the greatest
timestamp, the later of equals, and a report without a timestamp counts as older than every one that has one. Where Katib leaves it
open: NaN is no extreme, infinities are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Fold", "reported_number"]


def reported_number(text: str) -> float | None:
    """Return a report as a double, NaN and infinities included, or None for a word."""
    if "_" in text:  # float() takes 1_000, no metrics format does
        return None
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(slots=True)
class Fold:
    """The running summary of one metric.

    Attributes:
        first, latest: As reported.
        first_time, latest_time: Microseconds since 1970 (UTC), or None where the report had no time.
        first_step, latest_step: Of training, or None where the report had none.
        latest_value: ``latest`` as a number.
        min, max: As reported; empty where no number came.
        min_value, max_value: The same as numbers, None where no number came.
        count: How many reports.
    """

    first: str = ""
    first_time: int | None = None
    first_step: int | None = None
    latest: str = ""
    latest_time: int | None = None
    latest_step: int | None = None
    latest_value: float | None = None
    min: str = ""
    min_value: float | None = None
    max: str = ""
    max_value: float | None = None
    count: int = 0

    def add(self, text: str, value: float | None, time: int | None, step: int | None = None) -> None:
        """Take in the next report."""
        if self.count == 0 or _is_before(time, self.first_time):
            self.first, self.first_time, self.first_step = text, time, step
        if self.count == 0 or not _is_before(time, self.latest_time):
            self.latest, self.latest_time, self.latest_value, self.latest_step = text, time, value, step
        if value is not None and not math.isnan(value):
            if self.min_value is None or value < self.min_value:
                self.min, self.min_value = text, value
            if self.max_value is None or value > self.max_value:
                self.max, self.max_value = text, value
        self.count += 1


def _is_before(time: int | None, other: int | None) -> bool:
    if time is None or other is None:
        return time is None and other is not None
    return time < other
