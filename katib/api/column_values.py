"""What ``kubectl get`` shows of a result: one text for a value, one for a point, as columns of a table need it.

A column is a path to one field; which of a metric's three values counts is said by the objective, so the text is written into the status.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from katib.api.base import KeyValue
    from katib.api.experiment import ObjectiveSpec, Observation

__all__ = ["objective_text", "parameters_text"]

_LONGEST: Final = 200
"""Characters; a table is no place for a network's description."""


def objective_text(objective: ObjectiveSpec | None, observation: Observation | None) -> str | None:
    """Return the objective's value as it was reported, by its strategy; None where there is none.

    Args:
        objective: With its strategies, which defaults fill in; without them the best value counts.
        observation: The trial's.
    """
    if objective is None or observation is None:
        return None
    name = objective.objective_metric_name
    best = "min" if objective.type == "minimize" else "max"
    strategy = next((item.value for item in objective.metric_strategies or [] if item.name == name), best)
    for metric in observation.metrics:
        if metric.name == name:
            text = {"min": metric.min, "max": metric.max, "latest": metric.latest}[strategy]
            # Without a single number the extremes are "unavailable", and the newest report says what there was instead.
            return _shortened((metric.latest if text in (None, "", "unavailable") else text) or "") or None
    return None


def parameters_text(assignments: Iterable[KeyValue]) -> str | None:
    """Return a point on one line, as far as a table has room: ``lr=0.01 layers=3``; None where there is none."""
    return _shortened(" ".join(f"{item.name}={item.value}" for item in assignments)) or None


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
