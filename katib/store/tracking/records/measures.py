"""What was measured with which parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["ChartPoint", "FlatMetric", "Metric", "Parameter"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A hyperparameter as it was given.

    Attributes:
        text: As reported; never changed.
        number: The same as a double; None where it is no number.
    """

    name: str
    text: str
    number: float | None


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one run in short; texts are as reported.

    Attributes:
        value: The latest report as a double; None for a word.
        latest_time: When it was reported, if that was said.
        latest_step: At which step.
        first_step: The step of the first report.
        min_value, max_value: NaN and words do not count; None where there is no number.
        count: How many reports.
    """

    name: str
    latest: str
    value: float | None
    latest_time: datetime | None
    latest_step: int | None
    first: str
    first_step: int | None
    min: str
    min_value: float | None
    max: str
    max_value: float | None
    count: int


class FlatMetric(NamedTuple):
    """One metric of one run, for exports.

    Attributes:
        latest: NaN and infinities as they are; None for a word.
        word: The latest report where it is no number.
        min, max: None where there is no number.
    """

    latest: float | None
    word: str | None
    min: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """A part of a series: the reports between two steps (or times, where no steps were reported), in short.

    Attributes:
        step: Of the last report in it.
        time: Likewise.
        value: The last number in it; NaN and infinities as they are.
        min, max: The extremes; None where it has no finite number.
        count: How many reports.
    """

    step: int | None
    time: datetime | None
    value: float | None
    min: float | None
    max: float | None
    count: int
