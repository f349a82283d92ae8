"""Points to begin with: whether their names and results make sense; whether they are in the space is checked with the space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.api.metric_names import metric_names
from katib.api.similar import did_you_mean
from katib.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from katib.api.experiment import ExperimentSpec

__all__ = ["initial_trial_problems"]


def initial_trial_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Yield what is wrong with ``initialTrials``."""
    metrics = metric_names(spec)
    objective = spec.objective.objective_metric_name if spec.objective else ""
    to_run = 0
    for index, initial in enumerate(spec.initial_trials or []):
        path = f"spec.initialTrials[{index}]"
        names = [assignment.name for assignment in initial.parameter_assignments]
        for place, name in enumerate(names):
            if name in names[:place]:
                yield Problem(f"{path}.parameterAssignments[{place}].name", "is assigned twice", name)
        if initial.metrics is None:
            to_run += 1
            continue
        measured = [metric.name for metric in initial.metrics]
        for place, metric in enumerate(initial.metrics):
            if metric.name in measured[:place]:
                yield Problem(f"{path}.metrics[{place}].name", "is given twice", metric.name)
            elif metric.name not in metrics:
                yield Problem(
                    f"{path}.metrics[{place}].name",
                    "is none of the experiment's metrics",
                    metric.name,
                    did_you_mean(metric.name, metrics),
                )
            elif _as_float(metric.value) is None:
                yield Problem(f"{path}.metrics[{place}].value", "must be a number", metric.value)
        if objective not in measured:
            yield Problem(f"{path}.metrics", f"must have the objective {objective!r}: without it there is no result")
    if spec.max_trial_count is not None and to_run > max(spec.max_trial_count, 0):  # less than 0 is its own problem
        yield Problem(
            "spec.initialTrials", f"has {to_run} points to run, more than maxTrialCount ({spec.max_trial_count})"
        )


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
