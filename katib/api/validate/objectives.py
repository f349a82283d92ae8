"""What is optimised, what else is watched, and which value of a series counts."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from katib.api.metric_names import metric_names, objective_names
from katib.api.similar import did_you_mean
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.experiment import ExperimentSpec, ObjectiveSpec

__all__ = ["objective_problems"]


def objective_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Yield what is wrong with the objectives and the metrics beside them."""
    objective = spec.objective
    if objective is None:
        yield Problem("spec.objective", "is required")
        return
    if not objective.objective_metric_name:
        yield Problem("spec.objective.objectiveMetricName", "must not be empty")
    yield from _goal_problems("spec.objective", objective.goal)
    yield from _additional_problems(objective)
    names = [objective.objective_metric_name]
    for index, further in enumerate(spec.objectives or []):
        path = f"spec.objectives[{index}]"
        if not further.objective_metric_name:
            yield Problem(f"{path}.objectiveMetricName", "must not be empty")
        elif further.objective_metric_name in names:
            yield Problem(f"{path}.objectiveMetricName", "is an objective already", further.objective_metric_name)
        names.append(further.objective_metric_name)
        yield from _goal_problems(path, further.goal)
    yield from _strategy_problems(spec, objective)
    yield from _bound_problems(spec, objective)


def _goal_problems(path: str, goal: float | None) -> Iterator[Problem]:
    if goal is not None and not math.isfinite(goal):
        yield Problem(f"{path}.goal", "must be a finite number", goal)


def _additional_problems(objective: ObjectiveSpec) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(objective.additional_metric_names or []):
        path = f"spec.objective.additionalMetricNames[{index}]"
        if not name:
            yield Problem(path, "must not be empty")
        elif name == objective.objective_metric_name:
            yield Problem(path, "is the objective already", name)
        elif name in seen:
            yield Problem(path, "is listed twice", name)
        seen.add(name)


def _strategy_problems(spec: ExperimentSpec, objective: ObjectiveSpec) -> Iterator[Problem]:
    known = metric_names(spec)
    counts = Counter(strategy.name for strategy in objective.metric_strategies or [])
    for index, strategy in enumerate(objective.metric_strategies or []):
        path = f"spec.objective.metricStrategies[{index}].name"
        if strategy.name not in known:
            yield Problem(
                path, "is none of the experiment's metrics", strategy.name, did_you_mean(strategy.name, known)
            )
        elif counts[strategy.name] > 1:
            yield Problem(path, "has more than one strategy", strategy.name)
            counts[strategy.name] = 0


def _bound_problems(spec: ExperimentSpec, objective: ObjectiveSpec) -> Iterator[Problem]:
    objectives = objective_names(spec)
    seen: set[str] = set()
    for index, bound in enumerate(objective.bounds or []):
        path = f"spec.objective.bounds[{index}]"
        if not bound.metric_name:
            yield Problem(f"{path}.metricName", "must not be empty")
        elif bound.metric_name in objectives:
            yield Problem(f"{path}.metricName", "is an objective; bounds are for other metrics", bound.metric_name)
        elif bound.metric_name in seen:
            yield Problem(f"{path}.metricName", "has bounds already; write min and max together", bound.metric_name)
        seen.add(bound.metric_name)
        if bound.min is None and bound.max is None:
            yield Problem(path, "needs a min or a max")
        for end, value in (("min", bound.min), ("max", bound.max)):
            if value is not None and not math.isfinite(value):
                yield Problem(f"{path}.{end}", "must be a finite number", value)
        if bound.min is not None and bound.max is not None and bound.min > bound.max:
            yield Problem(f"{path}.min", f"must be at most max ({bound.max})", bound.min)
