"""From what was reported to what counts: observations, objective values, feasibility."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from katib.api.experiment import Metric, Observation
from katib.api.metric_names import metric_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from katib.api.experiment import ExperimentSpec

__all__ = [
    "UNAVAILABLE",
    "Summary",
    "is_feasible",
    "is_measured",
    "metric_value",
    "objective_values",
    "observation_from",
]

UNAVAILABLE = "unavailable"
"""Katib's word for an extreme that does not exist."""


class Summary(Protocol):
    """The extremes and the newest report of one metric, as reported; empty where there is none."""

    @property
    def min(self) -> str:
        """The least number."""

    @property
    def max(self) -> str:
        """The greatest number."""

    @property
    def latest(self) -> str:
        """The newest report."""


def observation_from(summaries: Mapping[str, Summary], spec: ExperimentSpec) -> Observation:
    """Return a trial's metrics in the order of the experiment, the objective first; those never reported are absent."""
    return Observation(
        metrics=[
            Metric(
                name=name,
                min=summaries[name].min or UNAVAILABLE,
                max=summaries[name].max or UNAVAILABLE,
                latest=summaries[name].latest or UNAVAILABLE,
            )
            for name in metric_names(spec)
            if name in summaries
        ]
    )


def metric_value(observation: Observation | None, name: str, spec: ExperimentSpec) -> float | None:
    """Return the value of a metric by its strategy: NaN and infinities as they are, None when it is no number or absent."""
    strategies = (spec.objective.metric_strategies or []) if spec.objective else []
    strategy = next((item.value for item in strategies if item.name == name), "latest")
    for metric in observation.metrics if observation else []:
        if metric.name == name:
            text = metric.min if strategy == "min" else metric.max if strategy == "max" else metric.latest
            if text == UNAVAILABLE:  # every report was NaN or a word: say which
                text = metric.latest
            try:
                return float(text or "")
            except ValueError:
                return None
    return None


def objective_values(observation: Observation | None, spec: ExperimentSpec) -> tuple[float, ...] | None:
    """Return one number for each objective, or None when one of them has none."""
    objectives = ([spec.objective] if spec.objective else []) + list(spec.objectives or [])
    values = [metric_value(observation, objective.objective_metric_name, spec) for objective in objectives]
    return None if any(value is None for value in values) else tuple(value for value in values if value is not None)


def is_measured(observation: Observation | None, spec: ExperimentSpec) -> bool:
    """Whether every objective was reported at all, be it as NaN or as a word (DARTS reports genotypes)."""
    objectives = ([spec.objective] if spec.objective else []) + list(spec.objectives or [])
    reported = {metric.name: metric.latest for metric in observation.metrics} if observation else {}
    return all(reported.get(objective.objective_metric_name, UNAVAILABLE) != UNAVAILABLE for objective in objectives)


def is_feasible(observation: Observation | None, spec: ExperimentSpec) -> bool:
    """Whether every bounded metric was reported and lies within its bounds."""
    for bound in (spec.objective.bounds or []) if spec.objective else []:
        value = metric_value(observation, bound.metric_name, spec)
        low = -math.inf if bound.min is None else bound.min
        high = math.inf if bound.max is None else bound.max
        if value is None or not low <= value <= high:
            return False
    return True
