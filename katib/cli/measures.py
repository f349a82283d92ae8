"""What a trial measured, as text, by the strategy the experiment chose for each metric."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from katib.api.metric_names import metric_names
from katib.engine.observe import UNAVAILABLE

if TYPE_CHECKING:
    from katib.api.experiment import ExperimentSpec, Metric, Observation

__all__ = ["Measures", "short_number"]

_FRACTION = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?", re.ASCII)
"""Stricter than ``float``: a word such as ``2024_01_02`` is no number."""


class Measures:
    """Reads observations the way one experiment means them.

    Attributes:
        names: Every metric of the experiment, the objective first.
        objectives: Those that are optimised.
    """

    def __init__(self, spec: ExperimentSpec) -> None:
        self.names = metric_names(spec)
        first = [spec.objective.objective_metric_name] if spec.objective else []
        self.objectives = tuple(first + [objective.objective_metric_name for objective in spec.objectives or []])
        strategies = (spec.objective.metric_strategies or []) if spec.objective else []
        self._strategies = {item.name: item.value for item in strategies}

    def value(self, metric: Metric) -> str:
        """Return the value that counts, as it was reported; its latest word when none of the reports was a number."""
        text = getattr(metric, self._strategies.get(metric.name, "latest"))
        return str(metric.latest or "") if text in {None, "", UNAVAILABLE} else str(text)

    def values(self, observation: Observation | None) -> dict[str, str]:
        """Return the value of every metric that was reported, in the experiment's order."""
        return {metric.name: self.value(metric) for metric in (observation.metrics if observation else [])}


def short_number(text: str, *, digits: int = 6) -> str:
    """Return a number with so many significant digits for a table; any other text as it is."""
    # Integers and short numbers are shown as written: 0.10 may mean something to its author.
    if len(text) <= digits + 2 or not _FRACTION.fullmatch(text):
        return text
    return f"{float(text):.{digits}g}"
