"""Which metrics an experiment listens for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from katib.api.experiment import ExperimentSpec

__all__ = ["metric_names", "objective_names"]


def objective_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return the metrics that are optimised, the first objective first."""
    objectives = ([spec.objective] if spec.objective else []) + list(spec.objectives or [])
    return tuple(dict.fromkeys(objective.objective_metric_name for objective in objectives))


def metric_names(spec: ExperimentSpec) -> tuple[str, ...]:
    """Return every metric once: objective, additional ones, further objectives, bounded ones."""
    objective = spec.objective
    names = [objective.objective_metric_name, *(objective.additional_metric_names or [])] if objective else []
    names += objective_names(spec)
    names += [bound.metric_name for bound in (objective.bounds or [])] if objective else []
    return tuple(dict.fromkeys(names))
