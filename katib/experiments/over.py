"""What whoever asks for trials of an experiment that is over is told, whatever ran it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from katib.experiments.protocol import Suggested

if TYPE_CHECKING:
    from katib.api.experiment import Experiment

__all__ = ["suggested_of_over"]


def suggested_of_over(experiment: Experiment) -> Suggested:
    """Return that there will be no more trials, and why."""
    current = experiment.status.conditions[-1] if experiment.status and experiment.status.conditions else None
    return Suggested(
        (),
        over=True,
        state=current.type if current else "",
        reason=(current.message or "") if current else "",
    )
